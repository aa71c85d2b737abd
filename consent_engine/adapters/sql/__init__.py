"""The archive on SQL: SQLite or PostgreSQL."""
