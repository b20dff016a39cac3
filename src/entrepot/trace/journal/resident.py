"""What a traced program writes down: events, in chunks, in a file that the parent process holds.

An event is a letter, the thread, and what belongs to that letter, one after the other in one flat list (WIDTHS
says how many to take). Flat, because the interpreter counts tuples: thousands of them would move the
collections of garbage into other modules than without a trace, and with them tens of milliseconds.

Times are in seconds of `time.perf_counter`, CPU times of `time.process_time`, memory in pages, a caller is None
(the statement before in this thread), () (whoever asked for the module around it) or (form, importer, file,
line, function).

    A thread at cost python preloaded                       the program begins; what was before is nobody's
    S thread at line file function importer name names level    an import statement begins
    ! thread at kind text                                   the one that began then has failed
    C thread at name caller                                 a module asked for by name was in the cache
    B thread entered at cpu pages name caller               a module is looked for and initialised
    F thread folder                                         a folder is searched for it
    E thread at left cpu pages name origin loader bytecode is_kept names      it is there now
    X thread at left cpu pages name kind text origin        it ended in an exception
    D thread at kind what module file line top_line         something was done beyond defining
    O thread at stream text writer file line top_line       something was written
    U thread at category text file line                     a warning was shown
    H thread module name source file line                   a function found in another module than its own
    M thread file names                                     what the module __main__ has at the end
    T thread kind text wanted module known places           the exception that ended the program
    L thread seconds                                        so long did writing events take just now
    R thread number                                         so many repeated statements were not written down
    Z thread                                                the trace ends as it should

Between `entered` and `at` of B, and between `at` and `left` of E and X, time went into watching; `cost` is
what watching one S takes.

A chunk is a head (a mark, its length, a hash) and a marshalled list of events: a piece of something
else in the file, or half a chunk, does not pass for one.

Only what a bare interpreter has loaded is imported.
"""

import _imp
import marshal
import posix
from _thread import get_ident
from time import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# How many fields an event has, its letter among them.
WIDTHS = {
    "A": 6, "S": 10, "!": 5, "C": 5, "B": 8, "F": 3, "E": 12, "X": 10,
    "D": 9, "O": 9, "U": 7, "H": 7, "M": 4, "T": 8, "L": 3, "R": 3, "Z": 2,
}  # fmt: skip
FLUSH_AT = 40_000  # fields: whoever adds an event looks whether it is time (also in watch.c)

_MARK = b"\x9eJ"
_HEAD_BYTES = len(_MARK) + 4 + 8
_LATE_S = 0.010
_MARSHAL_VERSION = 4  # every Python from 3.4 on reads it
_KEY = 0x656E7472
_PLENTY = 2_000_000  # fields after which statements that are executed again and again are only counted
_ENOUGH = 100  # times that each of them is written down then


class Journal:
    """Events on their way to the file."""

    __slots__ = ("_file", "_flushed", "_identity", "_seen", "_total", "events")

    def __init__(self, file: int) -> None:
        """`file` is the descriptor to write to."""
        self.events: list[Any] = []
        self._file = file
        self._identity = _identify(file)
        self._flushed = 0.0
        self._total = 0
        self._seen: dict[tuple[object, object], int] = {}

    def flush(self) -> None:
        """Hand what has been written down to the file."""
        events = self.events[:]
        # Another thread may have added some meanwhile; hooks hold on to this very list.
        del self.events[: len(events)]
        if not events or self._file < 0:
            return
        if _identify(self._file) != self._identity:
            # The program has closed descriptors that it does not know, and this one may be its own by now.
            self._file = -1
            return
        began = perf_counter()
        self._total += len(events)
        chunk = memoryview(pack(self._thin_out(events) if self._total > _PLENTY else events))
        while chunk:
            try:
                chunk = chunk[posix.write(self._file, chunk) :]
            except OSError:
                return  # the disk is full, say: there is nobody to tell
        self._flushed = perf_counter()
        self.events.extend(("L", get_ident(), self._flushed - began))

    def flush_if_late(self) -> None:
        """Hand over what has been written down, if that was not done just before: what comes next may be a crash."""
        if perf_counter() - self._flushed > _LATE_S:
            self.flush()

    def abandon(self) -> None:
        """Write nothing more: this process is a copy of the one that is traced."""
        self.events.clear()
        self._file = -1

    def _thin_out(self, events: "list[Any]") -> "list[Any]":
        """Leave out statements that have been executed often enough, and to which nothing belongs."""
        kept: list[Any] = []
        left_out = at = 0
        while at < len(events):
            following = at + WIDTHS[events[at]]
            if events[at] == "S" and events[following : following + 1] in ([], ["S"]):
                place = (events[at + 4], events[at + 3])
                self._seen[place] = self._seen.get(place, 0) + 1
                if self._seen[place] > _ENOUGH:
                    left_out += 1
                    at = following
                    continue
            kept += events[at:following]
            at = following
        return [*kept, "R", 0, left_out] if left_out else kept


def pack(events: "list[Any]") -> bytes:
    """Return events as a chunk."""
    try:
        data = marshal.dumps(events, _MARSHAL_VERSION)
    except ValueError:
        # A program may put anything where names of modules are expected.
        data = marshal.dumps([_plain(field) for field in events], _MARSHAL_VERSION)
    return _MARK + len(data).to_bytes(4, "little") + _imp.source_hash(_KEY, data) + data


def unpack(data: bytes) -> "Iterator[list[Any]]":
    """Yield the events of each whole chunk, flat as they were; what is no chunk is passed over."""
    at = data.find(_MARK)
    while at >= 0:
        begin = at + _HEAD_BYTES
        end = begin + int.from_bytes(data[at + 2 : at + 6], "little")
        body = data[begin:end]
        if end <= len(data) and _imp.source_hash(_KEY, body) == data[at + 6 : begin]:
            yield marshal.loads(body)
            at = data.find(_MARK, end)
        else:
            at = data.find(_MARK, at + 1)


def _identify(file: int) -> "tuple[int, int] | None":
    try:
        status = posix.fstat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _plain(value: object) -> object:
    if value is None or type(value) in (str, int, float, bool):
        return value
    if type(value) is tuple or type(value) is list:
        return tuple([_plain(item) for item in value])
    try:
        return str.__str__(value) if isinstance(value, str) else str(value)
    except Exception:
        return "?"
