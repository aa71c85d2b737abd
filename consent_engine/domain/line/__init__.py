"""A line: one number, its questions, and the restrictions that stand on it."""
