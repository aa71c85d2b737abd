"""SQL: what the scribe writes, what lists and sums read, and the archive; SQLite or PostgreSQL."""
