"""The worker processes: RQ hands them wake-ups, a clock makes up for lost ones, an engine does the work."""
