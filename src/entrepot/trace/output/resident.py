"""Note who writes what to standard output and error: the nearest code that is not a writing library's.

With a token the streams themselves are marked, so that each line can be labelled with its writer and
the order of what a program, its C code and its children write is kept (see `trace/labels.py`).

Only what a bare interpreter has loaded is imported.
"""

import posix
import sys
from _thread import get_ident
from time import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from entrepot.trace.effects.resident import EffectWatcher

# Libraries that write for others: the line that matters is their caller's.
_WRITERS = frozenset(
    (
        *(
            "logging",
            "warnings",
            "traceback",
            "contextlib",
            "codecs",
            "pprint",
            "json",
            "argparse",
            "unittest",
        ),
        *(
            "typing",
            "click",
            "rich",
            "colorama",
            "tqdm",
            "loguru",
            "subprocess",
            "_pyrepl",
            "cmd",
            "code",
            "pdb",
        ),
        *("os", "io", "abc", "structlog", "optparse", "shutil", "csv", "tabulate"),
    )
)
_LONGEST = 200  # characters of what is written that are kept
_ENOUGH = 300  # times that one line may write before only its marks are made


class OutputWatcher:
    """Notes what is written to standard output and error."""

    __slots__ = ("_counts", "_token", "_watcher")

    def __init__(self, watcher: "EffectWatcher", token: str) -> None:
        """`token` makes marks in the streams, "" none."""
        self._watcher = watcher
        self._token = token
        self._counts: dict[tuple[str, int], int] = {}

    def arm(self) -> None:
        """Begin to watch both streams."""
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            if stream is not None and hasattr(stream, "write"):
                self._watch_stream(number, stream)
        if self._token:
            self._watcher.on_process = self.mark_child

    def _watch_stream(self, number: int, stream: "Any") -> None:
        genuine, watcher = stream.write, self._watcher
        mark_begin, mark_end = self._mark_begin, self._mark_end

        def write(text: str) -> int:
            if watcher.busy or type(text) is not str:
                return genuine(text)  # type: ignore[no-any-return]
            watcher.busy = True
            try:
                place = self._find_writer()
                self._note(number, text, place)
                if self._token:
                    mark_begin(number, stream, place)
            finally:
                watcher.busy = False
            try:
                return genuine(text)  # type: ignore[no-any-return]
            finally:
                if self._token:
                    mark_end(number, stream)

        try:
            stream.write = write
        except AttributeError:
            # Not a stream that takes attributes: what it writes is not told.
            return

    def _note(self, number: int, text: str, place: "tuple[str, str, int]") -> None:
        count = self._counts[place[1:]] = self._counts.get(place[1:], 0) + 1
        if count <= _ENOUGH:
            journal = self._watcher.observer.journal
            journal.events.extend(("O", get_ident(), perf_counter(), number, text[:_LONGEST], *place))

    def _mark_begin(self, number: int, stream: "Any", place: "tuple[str, str, int]") -> None:
        # In the stream itself, so that order is kept: whose, the text, and the end of it.
        stream.flush()
        posix.write(number, f"\0{self._token}{place[0]}:{place[2]}\0".encode())

    def _mark_end(self, number: int, stream: "Any") -> None:
        stream.flush()
        posix.write(number, f"\0{self._token}\0".encode())

    def mark_child(self) -> None:
        """Say in both streams that what now comes unmarked is a child's of this place."""
        module, _, line = self._find_writer()
        for number in (1, 2):
            try:
                posix.write(number, f"\0{self._token}>{module}:{line}\0".encode())
            except OSError:
                pass

    def _find_writer(self) -> "tuple[str, str, int]":
        """Return the module, file and line that write: the nearest code that is not a writing library's."""
        frame: FrameType | None = sys._getframe(1)
        first: tuple[str, str, int] | None = None
        own = self._watcher.own_files
        while frame is not None:
            file = frame.f_code.co_filename
            if file not in own:
                name = frame.f_globals.get("__name__") or "?"
                place = name, file, frame.f_lineno
                if name.partition(".")[0] not in _WRITERS:
                    return place
                if first is None:
                    first = place
            frame = frame.f_back
        return first or ("?", "", 0)
