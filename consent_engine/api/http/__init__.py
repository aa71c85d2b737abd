"""HTTP itself: the protocol, headers, bodies, queries and problems."""
