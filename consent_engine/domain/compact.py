"""JSON as we store and hash it."""

import json

compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""A value as JSON without blanks. One encoder for all: `json.dumps` makes a new one at every call."""
