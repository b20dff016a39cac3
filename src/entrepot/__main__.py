"""`python -m entrepot` is the command `entrepot`."""

import sys

from entrepot.cli import main

if __name__ == "__main__":
    sys.exit(main())
