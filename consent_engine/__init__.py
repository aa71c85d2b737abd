"""SMS double opt-in for telephone sales: no consent, no service, and the proof of it afterwards."""

__version__ = "0.1.0"
