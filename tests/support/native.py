"""What tests of the native client have in common.

pytestmark = NEEDS_NATIVE         slow, skipped where the native parts are not built, with time for a busy machine
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "src" / "entrepot" / "warm" / "_client"
WAIT_S = 90  # for what takes a second, on a machine that does much else
NEEDS_NATIVE = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        not CLIENT.exists() and not os.environ.get("ENTREPOT_REQUIRE_ALL"), reason="native parts not built"
    ),
]
