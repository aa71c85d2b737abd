"""An order: the agreement frozen at the door, its events with their details, and every question to its past."""
