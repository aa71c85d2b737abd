"""A call: may it be made, and under which permit."""
