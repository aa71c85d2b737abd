"""Decisions and their types: without a clock, without I/O and without logging."""
