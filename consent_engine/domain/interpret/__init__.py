"""A message in a line's inbox: which order it means, and the facts in it."""
