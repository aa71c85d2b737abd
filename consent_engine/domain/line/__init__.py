"""A line: one number, what was asked of it, and the restrictions that stand on it."""
