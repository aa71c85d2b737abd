"""Attacks: on webhooks, sessions, the document of the API, Redis' users, RQ's jobs, and on who stands in a log."""
