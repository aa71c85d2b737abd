"""Cells on a real Redis Cluster of the tests' own, on loopback."""
