"""`python -m eventplane.eventstore.relay`."""

import sys

from eventplane.eventstore.relay.main import main

if __name__ == "__main__":
    sys.exit(main())
