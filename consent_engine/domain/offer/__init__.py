"""What many orders are asked alike: a plan, the words, the policy."""
