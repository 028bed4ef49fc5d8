"""``python -m samebits`` is the command ``samebits``."""

import sys

from samebits.cli import main

sys.exit(main())
