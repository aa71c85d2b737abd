"""The embedded server: a Redis or Valkey of our own for one machine."""
