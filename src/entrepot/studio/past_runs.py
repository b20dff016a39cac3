"""The runs as they are kept on disk: what each was, how it ended, and the last that it wrote.

A folder of the studio's state has for each run `NUMBER.json` and the files of its transcript. They are written while
the program runs, so that a studio that was killed has lost nothing of them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from entrepot.studio.transcript import Transcript
from entrepot.trace.atomic_write import write_text


@dataclass(eq=False)
class PastRun:
    """A run that has ended, of an earlier start or an earlier page: it can be read, as a `Run`.

    status: None where it did not end by itself, but with what `ended_with` says.
    """

    transcript: Transcript
    status: int | None = None
    elapsed_s: float = 0.0
    ended_with: str = "the studio"

    is_running = False

    def listen(self, listener: Callable[[bytes], None] | None) -> bytes:
        """Return what it wrote. Nothing more comes."""
        return self.transcript.read() if listener is not None else b""

    def acknowledge(self, count: int) -> None:
        """Nothing waits for it."""

    def write(self, data: bytes) -> None:
        """Nobody reads it."""

    def resize(self, columns: int, lines: int) -> None:
        """There is no terminal."""

    async def stop(self) -> None:
        """It has ended."""

    async def close(self) -> None:
        """There is nothing to give back."""


class RunFolder:
    """Where runs are kept."""

    def __init__(self, path: str) -> None:
        self._path = path
        os.makedirs(path, mode=0o700, exist_ok=True)

    def open_transcript(self, number: str) -> Transcript:
        """Return the transcript of a run."""
        return Transcript(os.path.join(self._path, number))

    def write(self, number: str, told: dict[str, Any]) -> None:
        """Keep what a run is. What cannot be written is not kept."""
        with contextlib.suppress(OSError):
            write_text(os.path.join(self._path, number + ".json"), json.dumps(told))

    def read_all(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the number of every run with what it is, in the order in which they began."""
        found = []
        for name in os.listdir(self._path):
            if name.endswith(".json"):
                with (
                    contextlib.suppress(OSError, ValueError, RecursionError),
                    open(os.path.join(self._path, name), encoding="utf-8") as file,
                ):
                    told = json.load(file)
                    if isinstance(told, dict) and isinstance(told.get("began_s"), float):
                        found.append((name.removesuffix(".json"), told))
        return sorted(found, key=lambda row: row[1]["began_s"])

    def delete(self, number: str) -> None:
        """Forget a run."""
        self.open_transcript(number).delete()
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self._path, number + ".json"))
