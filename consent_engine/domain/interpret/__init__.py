"""A message in a line's inbox: which order it means, and what it asks for."""
