"""A call: its permit, its record and reviews; reports of calls, and endings of services that calls sold."""
