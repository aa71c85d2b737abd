"""Attacks: on webhooks, sessions, the document of the API, Redis' users, RQ's jobs, and on personal data in logs."""
