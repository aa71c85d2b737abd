"""Between the event loop and the engine: callers and their sessions, watches, admission under load, metrics."""
