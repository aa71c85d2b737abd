"""A call centre, subscribers, a gateway and a BSS that behave and misbehave: HTTP only, knows only the domain."""
