"""The contract of `entrepot run` where a program has no image of its own, but others have initialised its modules.

As test_run_warm.py: each case begins from the image of modules that programs share.
"""

from __future__ import annotations

from cold_cases import take_cases
from native import NEEDS_NATIVE

globals().update(take_cases("shared.py", __name__))

pytestmark = NEEDS_NATIVE
