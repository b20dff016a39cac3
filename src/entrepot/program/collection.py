"""Without the cyclic garbage collector for a while.

A program is hundreds of thousands of tuples, none of them in a circle; a collector that looks through
them again and again takes a tenth to a third of the time. What counts references is not touched.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collection() -> Iterator[None]:
    """Pause the collector of this process, if it was on, while the body runs."""
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_collecting:
            gc.enable()
