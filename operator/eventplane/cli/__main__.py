"""Lets `python -m eventplane.cli` be the `eventplane` command."""

import sys

from eventplane.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
