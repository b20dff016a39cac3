"""`python -m mygame` plays."""

import sys

from .game import main

sys.exit(main(sys.argv[1:]))
