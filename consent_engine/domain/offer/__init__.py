"""The terms that many orders share: the plan, the words, the policy."""
