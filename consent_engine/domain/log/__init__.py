"""The public log as outsiders read it: its tree and its proofs, its tiles, its checkpoints and who signed them."""
