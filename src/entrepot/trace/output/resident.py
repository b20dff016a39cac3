"""Note who writes what to standard output and error: the nearest code that is not a writing library's.

With a token the streams themselves are marked, so that each line can be labelled with its writer and
the order of what a program, its C code and its children write is kept (see `trace/labels.py`).

Only what a bare interpreter has loaded is imported.
"""

import _io
import posix
import sys
from _thread import RLock, get_ident
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

    __slots__ = ("_counts", "_genuine", "_lock", "_token", "_watcher")

    def __init__(self, watcher: "EffectWatcher", token: str) -> None:
        """`token` makes marks in the streams, "" none."""
        self._watcher = watcher
        self._token = token
        self._counts: dict[tuple[str, int], int] = {}
        self._genuine = posix.write
        # Threads write one after the other, each between its own marks.
        self._lock: Any = RLock()

    def arm(self) -> None:
        """Begin to watch both streams."""
        if self._token:
            self._watch_bytes()
            self._watcher.on_process = self.mark_child
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            if stream is not None and hasattr(stream, "write"):
                self._watch_stream(number, stream)

    def renew(self) -> None:
        """Begin anew in a child made by fork: the thread that held the lock is not there."""
        self._lock._at_fork_reinit()

    def _watch_stream(self, number: int, stream: "Any") -> None:
        genuine, watcher = stream.write, self._watcher

        def write(text: str) -> int:
            thread = get_ident()
            if thread in watcher.busy or type(text) is not str:
                return genuine(text)  # type: ignore[no-any-return]
            watcher.busy.add(thread)
            try:
                place = self._find_writer()
                self._note(number, text, place)
                if not self._token:
                    return genuine(text)  # type: ignore[no-any-return]
                with self._lock:
                    # In the stream itself, so that order is kept: whose, the text, and the end of it.
                    stream.flush()
                    self._mark(number, f"{place[0]}:{place[2]}")
                    try:
                        return genuine(text)  # type: ignore[no-any-return]
                    finally:
                        stream.flush()
                        self._mark(number, "")
            finally:
                watcher.busy.discard(thread)

        try:
            stream.write = write
        except AttributeError:
            # Not a stream that takes attributes: what it writes is not told.
            return

    def _watch_bytes(self) -> None:
        """Mark what goes past the text streams: `sys.stdout.buffer.write` and `os.write`. For labels only."""
        watcher, find, mark, lock = self._watcher, self._find_writer, self._mark, self._lock
        genuine = posix.write

        def make_marking(kind: "Any") -> type:
            """Return such a kind of buffer with marks around what is written to it directly."""

            def write_bytes(self: "Any", data: "Any") -> int:
                if get_ident() in watcher.busy:
                    return kind.write(self, data)  # type: ignore[no-any-return]
                place = find()
                with lock:
                    self.flush()
                    mark(self.fileno(), f"{place[0]}:{place[2]}")
                    try:
                        return kind.write(self, data)  # type: ignore[no-any-return]
                    finally:
                        self.flush()
                        mark(self.fileno(), "")

            return type(kind.__name__, (kind,), {"write": write_bytes})

        def write(fd: int, data: "Any", /) -> int:
            if fd not in (1, 2) or get_ident() in watcher.busy:
                return genuine(fd, data)
            place = find()
            with lock:
                mark(fd, f"{place[0]}:{place[2]}")
                try:
                    return genuine(fd, data)
                finally:
                    mark(fd, "")

        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if type(getattr(stream, "buffer", None)) in (_io.BufferedWriter, _io.FileIO):
                made = _put_below(stream, make_marking(type(stream.buffer)))
                setattr(sys, name, made)
                setattr(sys, f"__{name}__", made)
        sys.modules["os"].write = posix.write = write  # type: ignore[attr-defined]
        self._genuine = genuine

    def _mark(self, number: int, text: str) -> None:
        try:
            self._genuine(number, f"\0{self._token}{text}\0".encode())
        except OSError:
            pass  # closed by the program: what it writes goes nowhere

    def _note(self, number: int, text: str, place: "tuple[str, str, int]") -> None:
        count = self._counts[place[1:]] = self._counts.get(place[1:], 0) + 1
        if count <= _ENOUGH:
            watcher = self._watcher
            top_line = watcher.find_place(watcher.observer.current_module() or "__main__")[2]
            watcher.observer.journal.events.extend(
                ("O", get_ident(), perf_counter(), number, text[:_LONGEST], *place, top_line)
            )

    def mark_child(self) -> None:
        """Say in both streams that what now comes unmarked is a child's of this place."""
        module, _, line = self._find_writer()
        for number in (1, 2):
            self._mark(number, f">{module}:{line}")

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


def _put_below(stream: "Any", buffer: "Any") -> "Any":
    """Return a text stream like this one on a buffer of another class; this one is of no use any more."""
    words = {
        name: getattr(stream, name) for name in ("encoding", "errors", "line_buffering", "write_through")
    }
    mode, name = stream.mode, stream.name
    raw = stream.detach()
    if type(raw) is _io.FileIO:
        # Without buffering (`python -u`) the file itself is below the text.
        below = buffer(raw.fileno(), "w", closefd=False)
        below.name = name
    else:
        below = buffer(raw.detach())
    made = type(stream)(below, newline="\n", **words)
    made.mode = mode
    return made
