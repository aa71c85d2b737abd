"""The store, the registry and the lists on Redis: one script a change."""
