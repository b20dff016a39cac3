"""Note what a program does beyond defining names: files, processes, threads, sockets, warnings, hooks.

An audit hook (PEP 578) sees most of it. Python 3.11 has no audit event for threads, and none has one for
warnings: there a function of `threading` and of `warnings` is replaced. Audit hooks stay for good: a traced
process serves one program only.

Only what a bare interpreter has loaded is imported.
"""

import posix
import sys
from _thread import get_ident
from time import perf_counter

from entrepot.trace.facts.resident import describe_arguments, why_not_bytecode
from entrepot.trace.statements.resident import IMPORTLIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from entrepot.trace.statements.resident import StatementObserver

# Audit events that are noted, and the word for what they do. `open` is looked at more closely.
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
    "os.putenv": "putenv",
    "os.unsetenv": "putenv",
    "subprocess.Popen": "process",
    "os.system": "process",
    "os.exec": "process",
    "os.fork": "process",
    "os.forkpty": "process",
    "os.posix_spawn": "process",
    "os.kill": "process",
    "_thread.start_new_thread": "thread",
    "_thread.start_joinable_thread": "thread",
    "socket.__new__": "socket",
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
# What only counts while a module is being initialised.
_AT_IMPORT = frozenset(("environment", "read", "listed"))
# How often one line may do one kind of thing before it is no longer noted.
_ENOUGH = 300


class EffectWatcher:
    """Notes what is done, with the line that does it and the module whose top level led to it.

    observer: knows the modules being initialised; set before `arm`.
    file: the script that the interpreter runs, "" where it is none.
    busy: the threads in which the watching itself acts at this moment, so that it does not watch itself.
    on_begin: called when the interpreter begins to run the program.
    on_process: called after a process was started.
    """

    __slots__ = ("_counts", "_library", "busy", "file", "observer", "on_begin", "on_process", "own_files")

    def __init__(self, own_files: "set[str]") -> None:
        """`own_files` are those whose frames are not the program's."""
        self.busy: set[int] = set()
        self.own_files = own_files
        self.file = ""
        self.observer: StatementObserver
        self.on_begin: Callable[[], None] = _nothing
        self.on_process: Callable[[], None] = _nothing
        self._counts: dict[tuple[object, ...], int] = {}
        self._library = ("<frozen ", sys.modules["os"].__file__.rpartition("/")[0] + "/")  # type: ignore[union-attr]

    def tell(self, kind: str, text: str = "") -> None:
        """Take what the observer tells: environment reads, and registers that were changed."""
        thread = get_ident()
        if thread in self.busy:
            return
        self.busy.add(thread)
        try:
            if kind in ("V", "W"):
                self.note("environment", "os.environ" if kind == "W" else text)
            elif kind == "Q":
                self._note_change(text.partition("\1")[2])
        finally:
            self.busy.discard(thread)

    def note(self, kind: str, what: str) -> None:
        """Write down what is being done, unless it counts at import only and nothing is being imported."""
        module = self.observer.current_module()
        if not module and kind in _AT_IMPORT:
            return
        place = self.find_place(module or "__main__")
        count = self._counts[kind, *place] = self._counts.get((kind, *place), 0) + 1
        if count <= _ENOUGH:
            self.observer.journal.events.extend(
                ("D", get_ident(), perf_counter(), kind, what, module or "__main__", *place)
            )

    def _note_change(self, what: str) -> None:
        """Write down that a register of the process is found changed: where, only the source can tell (`reading.py`)."""
        module = self.observer.current_module() or "__main__"
        line = self.find_place(module)[2]
        self.observer.journal.events.extend(
            ("D", get_ident(), perf_counter(), "hook", what, module, "", 0, line)
        )

    def find_place(self, module: str) -> "tuple[str, int, int]":
        """Return the file and line that act, and the line where the module's top level stands (0: it does not run).

        What acts is the nearest code that is not the standard library's, unless nothing else leads there.
        """
        file, line, first = "", 0, ("", 0)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            code = frame.f_code
            name = code.co_filename
            if name not in IMPORTLIB and name not in self.own_files:
                if not first[0]:
                    first = name, frame.f_lineno
                is_top = code.co_name == "<module>" and frame.f_globals.get("__name__") == module
                if not file and (is_top or not name.startswith(self._library) or "site-packages" in name):
                    file, line = name, frame.f_lineno
                if is_top:
                    return file, line, frame.f_lineno
            frame = frame.f_back
        return (file, line, 0) if file else (*first, 0)

    # ---- the interpreter's audit events

    def make_hook(self) -> "Callable[[str, tuple[Any, ...]], None]":
        """Return the audit hook. It is called for hundreds of thousands of events that do not matter."""
        watchers: dict[str, Callable[[str, tuple[Any, ...]], None]] = dict.fromkeys(_EFFECTS, self._on_effect)
        watchers["open"] = self._on_open
        watchers["compile"] = self._on_compile
        watchers["import"] = self._on_import
        for how in ("command", "file", "module", "stdin"):
            watchers[f"cpython.run_{how}"] = self._on_begin
        get = watchers.get

        def hook(event: str, args: "tuple[Any, ...]") -> None:
            watch = get(event)
            if watch is not None and get_ident() not in self.busy:
                watch(event, args)

        return hook

    def _on_begin(self, event: str, args: "tuple[Any, ...]") -> None:
        if event == "cpython.run_file" and type(args[0]) is str:
            self.file = sys.modules["os"].path.abspath(args[0])
        self.on_begin()

    def _on_import(self, event: str, args: "tuple[Any, ...]") -> None:  # noqa: ARG002
        if args[1] is not None:
            # A library is going to be loaded: if that kills the process, this is how far it came.
            self.observer.journal.flush_if_late()

    def _on_open(self, event: str, args: "tuple[Any, ...]") -> None:  # noqa: ARG002
        try:
            # 0 is this function, 1 the hook, 2 who opens.
            if sys._getframe(2).f_code.co_filename in IMPORTLIB:
                return
        except ValueError:
            return  # the interpreter itself: a source line for a traceback, say
        path, mode, flags = args
        if isinstance(path, bytes):
            path = path.decode("utf-8", "surrogateescape")
        if not isinstance(path, str):
            return
        writes = flags & (posix.O_WRONLY | posix.O_RDWR) if isinstance(flags, int) else False
        if not writes and isinstance(mode, str):
            writes = any(letter in mode for letter in "wax+")
        self._note_alone("wrote" if writes else "read", path)

    def _on_compile(self, event: str, args: "tuple[Any, ...]") -> None:  # noqa: ARG002
        file = args[1]
        if type(file) is str and self.observer.code_of.get(file) == "read":
            # Its bytecode was not used: the file is still there as it was, so one can see why.
            thread = get_ident()
            self.busy.add(thread)
            try:
                self.observer.code_of[file] = why_not_bytecode(file)
            finally:
                self.busy.discard(thread)

    def _on_effect(self, event: str, args: "tuple[Any, ...]") -> None:
        kind = _EFFECTS[event]
        try:
            if sys._getframe(2).f_code.co_filename in IMPORTLIB:
                return  # the import system lists folders, and keeps bytecode
        except ValueError:
            return
        self._note_alone(kind, describe_arguments(event, args))
        if kind == "process":
            if event in ("os.exec", "os.kill"):
                self.observer.journal.flush()
            self.on_process()

    def _note_alone(self, kind: str, what: str) -> None:
        thread = get_ident()
        self.busy.add(thread)
        try:
            self.note(kind, what)
        finally:
            self.busy.discard(thread)


def _nothing() -> None:
    pass


def watch_warnings(watcher: EffectWatcher) -> None:
    """Have warnings noted when the module `warnings` shows them."""
    warnings: Any = sys.modules["warnings"]
    genuine = warnings._showwarnmsg_impl

    def show(message: "Any") -> None:
        watcher.observer.journal.events.extend(
            (
                "U",
                get_ident(),
                perf_counter(),
                message.category.__name__,
                str(message.message),
                message.filename,
                message.lineno,
            )
        )
        genuine(message)

    warnings._showwarnmsg_impl = show


def watch_threads(watcher: EffectWatcher) -> None:
    """Have threads noted where there is no audit event for them, before Python 3.12."""
    threading: Any = sys.modules["threading"]
    if sys.version_info >= (3, 12):
        return
    genuine = threading._start_new_thread

    def start_new_thread(function: "Any", *args: "Any") -> "Any":
        watcher._note_alone("thread", describe_arguments("_thread.start_new_thread", (function, (), None)))
        return genuine(function, *args)

    threading._start_new_thread = start_new_thread
