"""The contract of `entrepot run`, warm: the cases of test_run_cold.py, each from an image made for it.

The text of that file is run here with another command in the place of the cold one: a script
that makes the image first (without running the program) and then becomes the run. Cases that are never
warm (stdin, archives, wrong options) are left to the other file.
"""

from __future__ import annotations

from cold_cases import take_cases
from native import NEEDS_NATIVE

globals().update(take_cases("warmed.py", __name__))

pytestmark = NEEDS_NATIVE
