"""`python -m consent_engine`: the same as `consent`."""

from consent_engine.cli import main

if __name__ == "__main__":
    main()
