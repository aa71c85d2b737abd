"""One call to the store for many requests: commits in groups, and look-ups shared for a moment."""
