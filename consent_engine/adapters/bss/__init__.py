"""The BSS we can switch services on with: one file for each, listed in `registry`."""
