"""The contract of `entrepot run` where a program has no image of its own, but others have initialised its modules.

As test_run_warm.py: each case begins from the image of modules that programs share.
"""

from __future__ import annotations

import os

import pytest

from cold_cases import CLIENT, take_cases

globals().update(take_cases("shared.py", __name__))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CLIENT.exists() and not os.environ.get("ENTREPOT_REQUIRE_ALL"), reason="native parts not built"
    ),
]
