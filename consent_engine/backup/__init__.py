"""Backups: everything an installation has in one folder, and that put back; and an emptied Redis filled from SQL."""
