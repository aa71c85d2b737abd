"""The store, the registry and the lists on Redis: each change is one Lua script."""
