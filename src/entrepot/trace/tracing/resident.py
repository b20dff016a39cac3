"""Write down, inside a program, what its imports do: the events behind a trace.

The observer (`entrepot.trace.resident`) tells of statements, modules, searches, environment reads
and registers; an audit hook (PEP 578) tells of files, processes, sockets, threads and compilations;
`showwarning` of warnings. Each becomes one line in an unlinked file whose descriptor the parent
process holds, so that nothing is lost however the program ends, and nothing blocks.

A line is the fields of an event, separated by tabs, in JSON strings where they are text:

    kind  wall_ns  cpu_ns  thread  fields...

Only what a bare interpreter has loaded is imported. Audit hooks stay for good: a traced process
serves one program only.
"""

import atexit
import posix
import sys
from _thread import get_ident
from time import perf_counter_ns, process_time_ns

from entrepot.trace import resident as _observer
from entrepot.trace.facts.resident import (
    describe_arguments,
    describe_error,
    describe_names,
    find_patches,
    list_modules,
    read_namespace,
    why_not_bytecode,
)
from entrepot.trace.statements import resident as _statements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

# Audit events that are told, and the word for what they do. `open` is looked at more closely.
_EFFECTS = {
    "os.listdir": "listed",
    "os.scandir": "listed",
    "os.remove": "wrote",
    "os.rename": "wrote",
    "os.mkdir": "wrote",
    "os.rmdir": "wrote",
    "os.truncate": "wrote",
    "os.chmod": "wrote",
    "os.link": "wrote",
    "os.symlink": "wrote",
    "shutil.rmtree": "wrote",
    "tempfile.mkstemp": "wrote",
    "tempfile.mkdtemp": "wrote",
    "os.chdir": "directory",
    "os.putenv": "environment",
    "os.unsetenv": "environment",
    "subprocess.Popen": "process",
    "os.system": "process",
    "os.exec": "process",
    "os.fork": "process",
    "os.forkpty": "process",
    "os.posix_spawn": "process",
    "os.kill": "process",
    "_thread.start_new_thread": "thread",
    "_thread.start_joinable_thread": "thread",
    "socket.bind": "socket",
    "socket.connect": "socket",
    "socket.getaddrinfo": "socket",
    "socket.gethostbyname": "socket",
    "urllib.Request": "socket",
    "signal.pthread_kill": "process",
    "sys.addaudithook": "hook",
    "sys.setprofile": "hook",
    "sys.settrace": "hook",
    "sys.monitoring.register_callback": "hook",
    "ctypes.dlopen": "library",
}
_IMPORTLIB = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>", "<frozen zipimport>")
_FLUSH_AT = 1 << 15


class Tracer:
    """Tells a file what this process's imports do."""

    __slots__ = (
        "busy",
        "has_begun",
        "lines",
        "log",
        "modules",
        "pending",
        "reset_registers",
        "size",
        "statements",
        "statm",
        "token",
    )

    def __init__(self, log: int, token: str = "") -> None:
        """`log` is the descriptor to write to; `token` makes output markers, "" none."""
        self.log = log
        self.token = token
        self.lines: list[str] = []
        self.size = 0
        self.busy = False
        self.modules: list[str] = []
        self.statements: list[bool] = []
        self.pending: dict[str, str] = {}
        self.has_begun = False
        self.reset_registers: Callable[[], object] = list
        try:
            self.statm = posix.open("/proc/self/statm", posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError:
            self.statm = -1

    # ---- writing

    def write(self, kind: str, *fields: "Any") -> None:
        """Write one event down."""
        text = "\t".join([quote(field) if type(field) is str else str(field) for field in fields])
        # The clock of CPU time is a system call: only modules have it.
        cpu_ns = process_time_ns() if kind in "BEX" else 0
        line = f"{kind}\t{perf_counter_ns()}\t{cpu_ns}\t{get_ident()}\t{text}\n"
        self.lines.append(line)
        self.size += len(line)
        if self.size > _FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Hand what has been written down to the file."""
        lines, self.lines, self.size = self.lines, [], 0
        data = memoryview("".join(lines).encode("utf-8", "surrogatepass"))
        while data:
            try:
                data = data[posix.write(self.log, data) :]
            except OSError:
                # The program has closed descriptors that it does not know. There is nobody to tell.
                return

    def tell_cached(self, frame: "FrameType", name: str, fromlist: "Any", level: int) -> None:
        """Write down a statement that the module cache has answered. Nothing is done that can wait."""
        code = frame.f_code
        file = code.co_filename
        if self.busy or file in _IMPORTLIB:
            return
        if not self.has_begun:
            self.has_begun = True
            self.reset_registers()
        function = "" if code.co_name == "<module>" else code.co_qualname
        importer = frame.f_globals.get("__name__") or "?"
        names = ",".join([str(item) for item in fromlist]) if fromlist else ""
        line = (
            f"K\t{perf_counter_ns()}\t0\t{get_ident()}\t{frame.f_lineno}\t{quote(file)}\t{importer}\t{level}\t"
            f"{name}\t{names}\t1\t{function}\n"
        )
        self.lines.append(line)
        self.size += len(line)
        if self.size > _FLUSH_AT:
            self.flush()

    # ---- what the observer tells

    def tell(self, kind: str, text: str = "") -> None:
        """Take an event of the observer."""
        if self.busy:
            return
        self.busy = True
        try:
            if kind == "J":
                # line, file, importer, level, name, from list, cached
                fields = text.split("\1")
                # What the import system itself imports is its own affair.
                is_told = fields[1] not in _IMPORTLIB and fields[4] != "usercustomize"
                self.statements.append(is_told)
                if is_told and not self.has_begun:
                    # What came before was the interpreter making the program's path, and us.
                    self.has_begun = True
                    self.reset_registers()
                if is_told:
                    self.write("J", *fields, self._find_function(4))
            elif kind == "j":
                if self.statements.pop():
                    self.write("j")
            elif text == "usercustomize" and kind in "BXEC":
                # `site` looks for it before the program begins.
                pass
            elif kind == "B":
                self.modules.append(text)
                self.write("B", text, self._read_memory(), *self._find_caller_by_name())
            elif kind in ("E", "X"):
                self._end_module(kind, text)
            elif kind == "C":
                if not self.statements or self._is_asked_by_name():
                    self.write("C", text, *self._find_caller_by_name())
            elif kind == "F":
                what, _, rest = text.partition("\1")
                if what == "S":
                    self.pending[rest] = "bytecode"
                else:
                    self.write("F", rest.partition("\1")[0])
            elif kind in ("V", "W"):
                self._write_effect("environment", "os.environ" if kind == "W" else text)
            elif kind in ("N", "Q"):
                what = text.partition("\1")[2]
                self._write_effect("hook" if kind == "Q" else "state", what)
        finally:
            self.busy = False
        if not self.modules and kind in "EXj":
            self.flush()

    def _end_module(self, kind: str, name: str) -> None:
        if self.modules and self.modules[-1] == name:
            self.modules.pop()
        module = sys.modules.get(name)
        if kind == "X":
            error = sys.exc_info()[1]
            self.write("X", name, self._read_memory(), type(error).__name__, str(error))
            return
        if name in _WATCHED_LATER:
            _WATCHED_LATER[name](self)
        spec = read_namespace(module).get("__spec__")
        origin = getattr(spec, "origin", None)
        loader = getattr(spec, "loader", None)
        kind_of_loader = loader.__name__ if isinstance(loader, type) else type(loader).__name__
        self.write(
            "E",
            name,
            self._read_memory(),
            origin if isinstance(origin, str) else "",
            kind_of_loader if loader is not None else "",
            self._tell_bytecode(spec, origin),
            describe_names(module, name),
        )

    def _tell_bytecode(self, spec: "Any", origin: object) -> str:
        """Return how source became code: "!" and a reason, compiled (and "+", kept); a reason, read; "" no source."""
        told = self.pending.pop(origin, "") if isinstance(origin, str) else ""
        if told.startswith("!"):
            cached = getattr(spec, "cached", None)
            if isinstance(cached, str) and posix.access(cached, posix.R_OK):
                told += "+"
        return told

    def _read_memory(self) -> int:
        """Return the process's resident memory in pages."""
        try:
            return int(posix.pread(self.statm, 64, 0).split()[1])
        except (OSError, IndexError, ValueError):
            return 0

    def _find_function(self, depth: int) -> str:
        """Return the function that an import statement stands in, "" at a module's top level."""
        code = sys._getframe(depth).f_code
        return "" if code.co_name == "<module>" else code.co_qualname

    def _is_asked_by_name(self) -> bool:
        """Whether the nearest code of the program asks through a function of importlib's."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename in (*_IMPORTLIB, *_own_files):
            if frame.f_code.co_name in ("__import__", "_handle_fromlist"):
                return False
            frame = frame.f_back
        return frame is not None and frame.f_globals.get("__name__") == "importlib"

    def _find_caller_by_name(self) -> "tuple[str, str, str, int, str]":
        """Return how a module is asked for where no statement says so: the form, and who asks.

        Form "" means that a statement does (or another module's search).
        """
        frame: FrameType | None = sys._getframe(1)
        form = ""
        while frame is not None:
            code = frame.f_code
            if frame.f_globals.get("__name__") == "importlib" and code.co_name in ("import_module", "reload"):
                form = code.co_name
            elif code.co_filename not in _IMPORTLIB and code.co_filename not in _own_files:
                if not form:
                    return "", "", "", 0, ""
                function = "" if code.co_name == "<module>" else code.co_qualname
                return (
                    form,
                    frame.f_globals.get("__name__") or "?",
                    code.co_filename,
                    frame.f_lineno,
                    function,
                )
            frame = frame.f_back
        return "", "", "", 0, ""

    # ---- effects

    def audit(self, event: str, args: "tuple[Any, ...]") -> None:
        """Take an audit event of the interpreter."""
        if self.busy:
            return
        if event == "open":
            path, mode, flags = args
            if isinstance(path, bytes):
                path = path.decode("utf-8", "surrogateescape")
            if not isinstance(path, str):
                return
            writes = flags & (posix.O_WRONLY | posix.O_RDWR) if isinstance(flags, int) else False
            if not writes and isinstance(mode, str):
                writes = any(letter in mode for letter in "wax+")
            if self._is_own_file():
                return
            self.busy = True
            try:
                self._write_effect("wrote" if writes else "read", path)
            finally:
                self.busy = False
        elif event == "compile":
            filename = args[1]
            if isinstance(filename, str) and filename in self.pending:
                # Marked, so that the end of the module knows that its bytecode was not used: the
                # file is still there as it was, so one can see why.
                self.busy = True  # this reading is ours
                try:
                    self.pending[filename] = "!" + why_not_bytecode(filename)
                finally:
                    self.busy = False
        elif event in _EFFECTS:
            if event == "os.listdir" and self._is_own_file():
                return
            self.busy = True
            try:
                self._write_effect(_EFFECTS[event], describe_arguments(event, args))
                if event in ("os.exec", "os.kill"):
                    self.flush()
            finally:
                self.busy = False
            if self.token and _EFFECTS[event] == "process":
                self.mark_child()

    @staticmethod
    def _is_own_file() -> bool:
        """Whether the import system, or the interpreter itself, opens a file: a source, its bytecode."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename == __file__:
            frame = frame.f_back
        return frame is None or frame.f_code.co_filename in _IMPORTLIB

    def _write_effect(self, kind: str, what: str) -> None:
        """Write what is being done, with the line of the program, and of the module's top level."""
        if kind in ("environment", "state", "read", "listed") and not self.modules:
            return
        file, line, module, top_line = self._find_place()
        self.write("D", kind, what, module, file, line, top_line)

    def _find_place(self) -> "tuple[str, int, str, int]":
        """Return the line that acts, the module being initialised, and where its top level stands."""
        current = self.modules[-1] if self.modules else "__main__"
        file, line = "", 0
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            code = frame.f_code
            if code.co_filename not in _IMPORTLIB and code.co_filename not in _own_files:
                name = frame.f_globals.get("__name__")
                if not file:
                    file, line = code.co_filename, frame.f_lineno
                if name == current and code.co_name == "<module>":
                    return (
                        code.co_filename,
                        line if file == code.co_filename else frame.f_lineno,
                        current,
                        frame.f_lineno,
                    )
                if name == "__main__" and code.co_name == "<module>" and not self.modules:
                    return file, line, current, frame.f_lineno
            frame = frame.f_back
        return file, line, current, 0

    # ---- output

    def watch_output(self) -> None:
        """Tell who writes what to standard output and error."""
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            if stream is not None and hasattr(stream, "write"):
                self._watch_stream(number, stream)

    def _watch_stream(self, number: int, stream: "Any") -> None:
        genuine = stream.write
        flush = stream.flush

        def write(text: str) -> int:
            if self.busy or type(text) is not str:
                return genuine(text)  # type: ignore[no-any-return]
            self.busy = True
            try:
                place = self._find_writer()
                self.write("O", number, text[:200], *place)
                if self.token:
                    # In the stream itself, so that order is kept: whose, the text, and the end of it.
                    flush()
                    posix.write(number, f"\0{self.token}{place[0]}:{place[2]}\0".encode())
            finally:
                self.busy = False
            try:
                return genuine(text)  # type: ignore[no-any-return]
            finally:
                if self.token:
                    flush()
                    posix.write(number, f"\0{self.token}\0".encode())

        try:
            stream.write = write
        except AttributeError:
            # Not a stream that takes attributes: what it writes is not told.
            return

    def _find_writer(self) -> "tuple[str, str, int]":
        """Return the module, file and line that write: the nearest code that is not a writing library's."""
        frame: FrameType | None = sys._getframe(1)
        first: tuple[str, str, int] | None = None
        while frame is not None:
            name = frame.f_globals.get("__name__") or "?"
            place = name, frame.f_code.co_filename, frame.f_lineno
            if first is None and frame.f_code.co_filename != __file__:
                first = place
            if frame.f_code.co_filename != __file__ and name.partition(".")[0] not in _WRITERS:
                return place
            frame = frame.f_back
        return first or ("?", "", 0)

    def mark_child(self) -> None:
        """Say in both streams that what now comes unmarked is a child's of this place."""
        module, _, line = self._find_writer()
        for number in (1, 2):
            try:
                posix.write(number, f"\0{self.token}>{module}:{line}\0".encode())
            except OSError:
                pass

    def finish(self) -> None:
        """Write what can only be seen at the end: functions that somebody else's code replaced."""
        self.busy = True
        for place in find_patches():
            self.write("H", *place)
        error = getattr(sys, "last_value", None)
        if error is not None:
            self.write("T", *describe_error(error))
        self.write("Z")
        self.flush()
        self.busy = False


# Libraries that write for others: the line that matters is their caller's.
_MORE = (
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
    "os",
    "io",
    "abc",
)
_WRITERS = frozenset(
    [
        "logging",
        "warnings",
        "traceback",
        "contextlib",
        "codecs",
        "pprint",
        "json",
        "argparse",
        "unittest",
        "typing",
        *_MORE,
    ]
)
# Files whose frames are ours, not the program's.
_own_files = {__file__}


def quote(text: str) -> str:
    """Return text without the two characters that separate fields and lines."""
    if "\t" in text or "\n" in text or "\\" in text:
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    return text


def forget_new(known: "set[str]", root: str) -> None:
    """Take what importing this package has left out of the interpreter's state."""
    for name in [name for name in sys.modules if name not in known and name.partition(".")[0] == "entrepot"]:
        del sys.modules[name]
    for entry in [entry for entry in sys.path_importer_cache if entry.startswith(root)]:
        del sys.path_importer_cache[entry]


def start(log: int, token: str, labels: bool) -> "Tracer":
    """Begin to trace this process."""
    _own_files.update(str(module.__file__) for module in (_observer, _statements))
    tracer = Tracer(log, token if labels else "")
    tracer.write("A", sys.version.partition(" ")[0], list_modules())
    observer = _statements.StatementObserver(tracer.tell, tracer.tell_cached)
    observer.arm()

    def reset_registers() -> None:
        observer._registers = _observer.read_registers()

    tracer.reset_registers = reset_registers
    tracer.watch_output()
    for name, watch in _WATCHED_LATER.items():
        if name in sys.modules:
            watch(tracer)
    sys.addaudithook(tracer.audit)
    atexit.register(tracer.finish)
    tracer.flush()
    return tracer


def _watch_warnings(tracer: Tracer) -> None:
    """Have warnings told when the module `warnings` shows them."""
    warnings: Any = sys.modules["warnings"]
    genuine = warnings._showwarnmsg_impl

    def show(message: "Any") -> None:
        if not tracer.busy:
            tracer.busy = True
            try:
                tracer.write(
                    "U", message.category.__name__, str(message.message), message.filename, message.lineno
                )
            finally:
                tracer.busy = False
        genuine(message)

    warnings._showwarnmsg_impl = show


def _watch_threads(tracer: Tracer) -> None:
    """Have threads told where there is no audit event for them, before Python 3.12."""
    threading: Any = sys.modules["threading"]
    if sys.version_info >= (3, 12):
        return
    genuine = threading._start_new_thread

    def start_new_thread(function: "Any", *args: "Any") -> "Any":
        tracer.audit("_thread.start_new_thread", (function, (), None))
        return genuine(function, *args)

    threading._start_new_thread = start_new_thread


# What can only be watched once its module is there.
_WATCHED_LATER: "dict[str, Callable[[Tracer], None]]" = {
    "warnings": _watch_warnings,
    "threading": _watch_threads,
}
