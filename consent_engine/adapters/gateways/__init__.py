"""The SMS gateways we can speak to: one file for each, listed in `registry`."""
