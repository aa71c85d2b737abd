"""The `consent` command; `python -m consent_engine` is the same."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command. Ctrl-C is one line, too, while the program is still being loaded."""
    try:
        from consent_engine import cli  # noqa: PLC0415 - see above

        cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("consent: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
