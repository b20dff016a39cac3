"""What a run finds where it arrives: Python is told of it, in the process that has taken the image over.

    take_up(answer, started_with)        arguments, environment, streams and ignored signals are those of this run
    parse_environment(text)              the variables of an environment's bytes

The kernel has all of it right already; the modules of the image still have what the preparing interpreter was started
with. Everything is set in the objects that are there, because modules may have kept them, and only where it differs.

Resident: RUN and `read_file` (of `warm/resident.py`), `renew_all` (of `renewal/resident.py`), and `describe_run`,
`find_changed` and `set_quick` (of `image_preload.c`) are put into this namespace before it is run. Where the image serves
every program, RUN then says which one this is; what becomes of it is not known here.
"""

import _signal  # type: ignore[import-not-found]
import posix
import sys

TYPE_CHECKING = False  # typing is not loaded in a bare interpreter
if TYPE_CHECKING:
    from typing import Any

    RUN: dict[str, Any] = {}
    describe_run: Any = None
    find_changed: Any = None
    read_file: Any = None
    renew_all: Any = None
    set_quick: Any = None


def take_up(answer: "dict[str, Any]", started_with: "dict[bytes, bytes]") -> None:
    """Tell Python what the kernel already has right: this run's arguments, environment, streams, signals."""
    ignored = set_quick(answer["quick"])
    take_environment(started_with, answer["env_set"])
    take_arguments(answer)
    take_signals(ignored)
    # Nobody may keep them: what they still hold is written when they are taken down.
    for number, (name, stream) in enumerate(RUN.pop("streams")):
        take_stream(number, name, stream)
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._main_thread._set_native_id()
    renew_all(sys.modules)


def take_environment(started_with: "dict[bytes, bytes]", env_set: "Any") -> None:
    """Set the environment that this process was started with, in its order, and what modules set in it."""
    text = read_file("/proc/self/environ")
    environ = sys.modules["os"].environ
    data = environ._data
    given = parse_environment(text)
    encoded = [
        (environ.encodekey(name), None if value is None else environ.encodevalue(value), is_seen)
        for name, value, is_seen in env_set
    ]
    changes = [(name, value) for name, value, is_seen in encoded if is_seen]
    if started_with.get(b"LC_CTYPE") == b"C.UTF-8" and b"LC_CTYPE" not in given:
        changes.insert(0, (b"LC_CTYPE", b"C.UTF-8"))  # Python's own doing in the C locale (PEP 538)
    if any(given.get(name) != value for name, value in changes):
        given.update((name, value) for name, value in changes if value is not None)
        for name, value in changes:
            if value is None:
                given.pop(name, None)
        text = b"".join([name + b"=" + value + b"\0" for name, value in given.items()])
    # Mostly this is as it was. To make it anew would copy the page of memory of every name and value.
    changed = find_changed(text, data) if data is posix.environ else None
    if changed is None:
        for name in list(data):
            posix.unsetenv(name)
        data.clear()
        posix.environ.clear()
        changed = [part for item in given.items() for part in item]
    for name, value in zip(changed[::2], changed[1::2], strict=True):
        posix.putenv(name, value)
        posix.environ[name] = data[name] = value
    for name, value, is_seen in encoded:
        if not is_seen:  # set by C code: os.environ does not know
            posix.unsetenv(name) if value is None else posix.putenv(name, value)


def parse_environment(text: bytes) -> "dict[bytes, bytes]":
    """Return the variables of an environment's bytes; of two of one name the first, as Python has it."""
    found: dict[bytes, bytes] = {}
    for item in text.split(b"\0"):
        name, is_there, value = item.partition(b"=")
        if name and is_there:
            found.setdefault(name, value)
    return found


def take_arguments(answer: "dict[str, Any]") -> None:
    """Set `sys.argv` and `sys.orig_argv`; where the image serves every program, learn which one this is."""
    given = [
        part.decode(sys.getfilesystemencoding(), "surrogateescape")
        for part in read_file("/proc/self/cmdline").split(b"\0")
    ]
    given.pop()
    at = len(sys.orig_argv) - len(sys.argv)
    first = sys.argv[0]
    if answer["base"]:
        run = describe_run(None)
        kind, at = chr(run >> 16), run & 0xFFFF
        RUN["kind"], RUN["subject"] = kind, given[at] if at < len(given) else ""
        first = "-" + kind if kind in "cm" else RUN["subject"]
    sys.argv[:] = [first, *given[at + 1 :]]
    sys.orig_argv[:] = given


def take_signals(ignored: int) -> None:
    """Let Python know which signals whoever started this run ignores, and which it no longer does."""
    for number in range(1, 65):
        if number in (9, 19, 32, 33):
            continue
        is_ignored = bool(ignored >> (number - 1) & 1)
        try:
            known = _signal.getsignal(number)
            if is_ignored and known != _signal.SIG_IGN:
                _signal.signal(number, _signal.SIG_IGN)
            elif (
                not is_ignored
                and known == _signal.SIG_IGN
                and number not in (_signal.SIGPIPE, _signal.SIGXFSZ)
            ):
                _signal.signal(number, _signal.SIG_DFL)
        except (OSError, ValueError):
            pass


def take_stream(number: int, name: str, stream: "Any") -> None:
    """Make a standard stream anew, in the same object: modules may have kept it."""
    try:
        posix.fstat(number)
    except OSError:
        for attribute in (name, f"__{name}__"):
            if getattr(sys, attribute) is stream:
                setattr(sys, attribute, None)
        return
    if stream is None:  # the preparing interpreter has all three
        return
    writes = number > 0
    encoding, errors = stream.encoding, stream.errors
    buffer = stream.buffer
    buffered = hasattr(buffer, "raw")
    # A new one: a FileIO remembers whether its file can seek.
    raw = sys.modules["_io"].FileIO(number, "wb" if writes else "rb", closefd=False)
    raw.name = f"<{name}>"
    terminal = raw.isatty()
    if buffered:
        size = posix.fstat(number).st_blksize
        buffer.__init__(raw, size if size > 1 else 8192)
    else:
        buffer = raw
    stream.__init__(buffer, encoding, errors, "\n", buffered and (terminal or number == 2), not buffered)
    stream.mode = "w" if writes else "r"
