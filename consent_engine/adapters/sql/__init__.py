"""SQL: the scribe's rows, the queries of lists and sums, and the archive; SQLite or PostgreSQL."""
