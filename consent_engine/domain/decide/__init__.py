"""Decisions: what follows from a fact about an order, and the effects that each state wants."""
