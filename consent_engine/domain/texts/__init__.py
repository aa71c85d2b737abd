"""Every text a subscriber reads: words by edition, rendered, counted in segments."""
