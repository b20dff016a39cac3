"""Bytecode that was sent beside sources, in one unlinked file instead of a file for each.

Live reload asks here before it looks for a `.pyc` (`live.bytecode.find_code`). Making a thousand small files takes longer
than importing them.
"""

from __future__ import annotations

import os
import sys

from entrepot.live import bytecode
from entrepot.live.record import Attic, signature_of


class Codes:
    """Marshalled code by the path of its source."""

    def __init__(self) -> None:
        self.places: dict[str, tuple[bytes, int, int]] = {}
        self.attic: Attic | None = None

    def put(self, path: str, status: os.stat_result, code: bytes) -> None:
        """Note the code of a source that has just been written, with its status then."""
        if sys.flags.optimize:
            return  # it was compiled without -O
        if self.attic is None:
            self.attic = Attic()
            bytecode.find_code = self.find
        self.places[path] = (signature_of(status), self.attic.put(code), len(code))

    def find(self, path: str, signature: bytes) -> bytes | None:
        """Return the marshalled code of a source that looks so, None where it is another by now."""
        place = self.places.get(path)
        if place is None or place[0] != signature or self.attic is None:
            return None
        return self.attic.get(*place[1:])


codes = Codes()
