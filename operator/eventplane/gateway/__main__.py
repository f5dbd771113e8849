"""`python -m eventplane.gateway`."""

import sys

from eventplane.gateway.main import main

if __name__ == "__main__":
    sys.exit(main())
