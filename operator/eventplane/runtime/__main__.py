"""`python -m eventplane.runtime`."""

import sys

from eventplane.runtime.main import main

if __name__ == "__main__":
    sys.exit(main())
