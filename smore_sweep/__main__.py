"""``python -m smore_sweep``."""

import sys

from smore_sweep.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
