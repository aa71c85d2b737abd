"""Pages for people: they use the API as any other client does, and decide nothing. `pages.install` adds them."""
