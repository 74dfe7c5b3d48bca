"""`python -m wan`: see `wan.cli`."""

import sys

from wan.cli import main

sys.exit(main())
