"""Let the tests of this folder import the scenario reader beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
