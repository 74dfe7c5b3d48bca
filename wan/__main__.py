"""`python -m wan`: see `wan.cli`."""

import sys

try:
    from wan.cli import main

    sys.exit(main())
except KeyboardInterrupt:  # before the command line could take it
    sys.exit(1)
