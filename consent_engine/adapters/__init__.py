"""The outside, in its kinds: each file here speaks one foreign language."""
