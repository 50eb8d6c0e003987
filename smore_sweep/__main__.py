"""``python -m smore_sweep``."""

import sys

from smore_sweep.cli import main

if __name__ == "__main__":
    sys.exit(main())
