"""What is decided here is decided without a clock, without I/O and without logging."""
