"""Backups: everything an installation has in one folder, and that folder put back."""
