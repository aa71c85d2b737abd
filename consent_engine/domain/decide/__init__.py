"""Decisions: the consequences of a fact about an order, and the effects that each state wants."""
