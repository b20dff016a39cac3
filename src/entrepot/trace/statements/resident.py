"""The observer that writes down every import statement, also those that the cache answers, and every module.

In the place of `builtins.__import__` it puts a function written in C (`trace/watch.c`) or, where that was not built,
a class; nothing of either shows in a traceback (see `entrepot.core.frames`). A program that replaces `__import__` itself
is told by modules from there on.

These functions run in the middle of somebody else's imports, tens of thousands of times: they note
what cannot be known later, as tuples (see `journal/resident.py`), and leave all thinking to the reader.
"""

import _frozen_importlib
import _frozen_importlib_external
import _imp
import builtins
import posix
import sys
from _thread import get_ident
from time import perf_counter, process_time

from entrepot.core import frames
from entrepot.trace.facts.resident import describe_module, find_origin, foreign_folders, read_text
from entrepot.trace.journal.resident import FLUSH_AT
from entrepot.trace.registers.resident import fold_ids, read_handlers, read_signature
from entrepot.trace.surroundings.resident import read_registers, watch_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from entrepot.trace.journal.resident import Journal

# Functions of the import system in which a module's own code runs.
_RUNNING = frozenset(("exec_module", "create_module", "_load_unlocked", "module_from_spec"))
_MISSING = object()
_NOBODY = ("", "?", "", 0, "")
IMPORTLIB = (frames.IMPORTLIB_FILE, "<frozen importlib._bootstrap_external>", "<frozen zipimport>")


class StatementObserver:
    """Watches this process import, statement by statement, until it ends.

    stacks: for each thread the names of the modules being initialised, outermost first.
    code_of: source files that are being made into code, and how: "read" from bytecode, or why not.
    """

    __slots__ = (
        "_fold",
        "_foreign",
        "_is_statement",
        "_native",
        "_pages",
        "_real_import",
        "_registers",
        "_signature",
        "code_of",
        "journal",
        "on_module",
        "stacks",
        "tell",
    )

    def __init__(
        self, journal: "Journal", tell: "Callable[..., None]", details: str, native: "Any" = None
    ) -> None:
        """`tell` takes (kind, text): V and W of the environment, Q of registers.

        `details` "all" notes memory and every module's names. With other details there is no memory, and only the
        program's own modules have names. `native` is what `load_native` gave.
        """
        self.tell = tell
        self._native = native
        self._fold = fold_ids if native is None else native.fold
        self.journal = journal
        self.stacks: dict[int, list[str]] = {}
        self.code_of: dict[str, str] = {}
        # Called with the name of each module that has been initialised, if it is among the keys.
        self.on_module: dict[str, Callable[[], None]] = {}
        self._signature: tuple[object, ...] = ()
        self._foreign = None if details == "all" else foreign_folders()
        self._pages = _make_memory_reader() if details == "all" else _no_memory
        self._is_statement: Callable[[FrameType], bool] = lambda frame: False  # noqa: ARG005

    def arm(self) -> None:
        """Start noting."""
        self._watch_statements()
        self._watch_imports()
        self._watch_searches()
        watch_environment(self.tell, lambda what: None, set(), [])  # noqa: ARG005
        self.reset_registers()

    def reset_registers(self) -> None:
        """Take the process's registers as they are now for the program's beginning."""
        self._signature = read_signature(self._fold)
        self._registers = read_registers() | read_handlers()

    def measure_cost(self) -> float:
        """Return the seconds that watching one statement takes, so that they can be left out of modules' times."""
        real, hooked = self._real_import, builtins.__import__
        names = globals()

        def measure(function: "Any") -> float:
            # The shortest of five: in the others another process may have had its turn.
            times = []
            for _ in range(5):
                before = perf_counter()
                for _ in range(10):
                    function("sys", names, None, None, 0)
                times.append(perf_counter() - before)
            return min(times) / 10

        return max(0.0, measure(hooked) - measure(real))

    def current_module(self) -> str:
        """Return the module that this thread is initialising, "" if none."""
        stack = self.stacks.get(get_ident())
        return stack[-1] if stack else ""

    # ---- statements

    def _watch_statements(self) -> None:
        real, getframe, now = builtins.__import__, sys._getframe, perf_counter
        self._real_import = real
        if self._native is not None:
            builtins.__import__ = self._native.watch(
                real, self.journal.events, self._note_failure, self.journal.flush
            )
            self._is_statement = self._native.is_statement
            return
        journal, events = self.journal, self.journal.events
        add = events.extend
        unnoted: list[FrameType] = []

        def watched(
            cls: type,  # noqa: ARG001
            name: "Any" = _MISSING,
            globals: "Any" = None,  # noqa: A002 (the language's own parameter names)
            locals: "Any" = None,  # noqa: A002
            fromlist: "Any" = (),
            level: int = 0,
        ) -> "Any":
            try:
                frame = getframe(1)
            except ValueError:
                # C code imports, and no Python code runs (a traceback is being printed at the end).
                unnoted.append(getframe(0))
                try:
                    return real(name, globals, locals, fromlist, level)
                finally:
                    unnoted.pop()
            code = frame.f_code
            at = now()
            add(
                (
                    "S",
                    get_ident(),
                    at,
                    frame.f_lineno,
                    code.co_filename,
                    code.co_qualname,
                    frame.f_globals.get("__name__"),
                    name,
                    fromlist,
                    level,
                )
            )
            if len(events) > FLUSH_AT:
                journal.flush()
            try:
                if name is _MISSING:
                    return real()  # type: ignore[call-arg]  # it says what is wrong with that
                return real(name, globals, locals, fromlist, level)
            except BaseException as error:
                self._note_failure(at, error)
                # The interpreter has cut its own frames out already; this one is left.
                traceback = error.__traceback__
                while traceback is not None and traceback.tb_frame.f_code is ours:
                    traceback = traceback.tb_next
                error.__traceback__ = traceback
                failure = object.__new__(failure_type)
                failure.fail = frames.raiser(error)
                return failure

        _disguise(watched)
        ours = watched.__code__
        self._is_statement = lambda frame: frame.f_code is ours and frame not in unnoted
        entry = type("__import__", (), {"__new__": watched, "__slots__": ()})
        failure_type: Any = type("Failure", (entry,), {"__slots__": ("fail",), "__init__": frames.FAIL})
        builtins.__import__ = entry

    def _note_failure(self, at: float, error: BaseException) -> None:
        """Note that the statement which began at that time has failed."""
        self.journal.events.extend(("!", get_ident(), at, type(error).__name__, read_text(error)))

    # ---- modules

    def _watch_imports(self) -> None:
        real = _frozen_importlib._find_and_load  # type: ignore[attr-defined]
        begin, end, fail = self._make_notes()
        if self._native is not None:
            _frozen_importlib._find_and_load = self._native.around(real, begin, end, fail)  # type: ignore[attr-defined]
            return

        def _find_and_load(name: str, import_: "Any") -> "Any":
            if not begin(name):
                return real(name, import_)
            try:
                module = real(name, import_)
            except BaseException as error:
                fail(name, error)
                raise
            end(name)
            return module

        # Frames of the import system are cut out of tracebacks by this file name.
        _disguise(_find_and_load)
        _frozen_importlib._find_and_load = _find_and_load  # type: ignore[attr-defined]

    def _make_notes(self) -> "tuple[Callable[[str], bool], Callable[[str], None], Callable[..., None]]":
        """Return what notes the beginning of a module (False: it is there already), its end, and its failure."""
        getframe, now, cpu, pages = sys._getframe, perf_counter, process_time, self._pages
        journal, stacks, modules = self.journal, self.stacks, sys.modules
        events, is_statement, look = journal.events, self._is_statement, self._look_at_registers
        add = events.extend
        # Without the library the frame above is the function that stands for `_find_and_load`.
        depth = 1 if self._native is not None else 2

        def begin(name: str) -> bool:
            entered = now()
            thread = get_ident()
            caller = None
            try:
                if not is_statement(getframe(depth)):
                    caller = self._find_caller(depth + 1)
            except ValueError:
                caller = _NOBODY  # no code of Python's is running
            if name in modules:
                if caller:
                    add(("C", thread, entered, name, caller))
                return False
            look()  # what the importer has changed is not this module's doing
            try:
                stack = stacks[thread]
            except KeyError:
                stack = stacks[thread] = []
            stack.append(name)
            size, used = pages(), cpu()
            add(("B", thread, entered, now(), used, size, name, caller))
            return True

        def fail(name: str, error: BaseException) -> None:
            at, used, thread = now(), cpu(), get_ident()
            stacks[thread].pop()
            size, text, origin = pages(), read_text(error), find_origin(error, name)
            add(("X", thread, at, now(), used, size, name, type(error).__name__, text, origin))

        def end(name: str) -> None:
            at, used, thread = now(), cpu(), get_ident()
            told = self._finish(name)
            stack = stacks[thread]
            stack.pop()
            size = pages()
            add(("E", thread, at, now(), used, size, name, *told))
            if not stack or len(events) > FLUSH_AT:
                journal.flush()

        return begin, end, fail

    def _find_caller(self, depth: int) -> "tuple[()] | tuple[str, str, str, int, str] | None":
        """Return who asks for a module where that is not the statement noted last.

        (form, importer, file, line, function) for one that a function of importlib's was asked for, with
        form "" where C code asked; () for a parent of the module that is looked for; None: a statement after all.
        """
        frame: FrameType | None = sys._getframe(depth)
        form = ""
        while frame is not None:
            if self._is_statement(frame):
                return None
            code = frame.f_code
            if code.co_filename in IMPORTLIB:
                if code.co_name == "_find_and_load_unlocked":
                    return ()
                if code.co_name in _RUNNING:
                    # A library of machine code that imports while it is being made (Cython's do).
                    return _NOBODY
            elif frame.f_globals.get("__name__") == "importlib" and code.co_name in (
                "import_module",
                "reload",
            ):
                form = code.co_name
            else:
                return (
                    form,
                    frame.f_globals.get("__name__") or "?",
                    code.co_filename,
                    frame.f_lineno,
                    code.co_qualname,
                )
            frame = frame.f_back
        return _NOBODY

    def _finish(self, name: str) -> "tuple[Any, ...]":
        """Return what can be said of a module now, having looked at the process's registers."""
        try:
            self._look_at_registers()
            if name in self.on_module:
                self.on_module[name]()
            return describe_module(sys.modules.get(name), name, self.code_of, self._foreign)
        except Exception:
            # Modules may be objects of any kind; the program goes on whatever they do when looked at.
            return "", "", "", False, ""

    def _look_at_registers(self) -> None:
        """Tell of the process's registers that have been changed since the last look."""
        signature = read_signature(self._fold)
        if signature == self._signature:
            return
        self._signature = signature
        registers = read_registers() | read_handlers()
        for key, value in registers.items():
            if self._registers.get(key, value) != value:
                self.tell("Q", f"{self.current_module()}\1{key}")
        self._registers = registers

    # ---- searches

    def _watch_searches(self) -> None:
        add, code_of = self.journal.events.extend, self.code_of
        finder = _frozen_importlib_external.FileFinder
        genuine_find_spec = finder.__dict__["find_spec"]
        loader = _frozen_importlib_external.SourceFileLoader
        genuine_path_stats = loader.__dict__["path_stats"]
        if self._native is not None:
            finder.find_spec = self._native.searching(genuine_find_spec)  # type: ignore[method-assign]
            loader.path_stats = self._native.reading(genuine_path_stats, code_of)  # type: ignore[method-assign]
            return

        def find_spec(self: "Any", fullname: str, target: "Any" = None) -> "Any":
            add(("F", get_ident(), self.path))
            return genuine_find_spec(self, fullname, target)

        def path_stats(self: "Any", path: str) -> "Any":
            code_of[path] = "read"
            return genuine_path_stats(self, path)

        for place, function in ((finder, find_spec), (loader, path_stats)):
            _disguise(function)
            setattr(place, function.__name__, function)


def load_native() -> "Any":
    """Return the library of `trace/watch.c`, None where it was not built or is not for this interpreter."""
    if sys.version_info >= (3, 14) or sys.abiflags or hasattr(sys, "gettotalrefcount"):
        return None
    folder = __file__.rpartition("/")[0].rpartition("/")[0]
    spec = _frozen_importlib.ModuleSpec("_watch", None, origin=folder + "/_watch.so")
    try:
        library = _imp.create_dynamic(spec)
        _imp.exec_dynamic(library)
    except (ImportError, OSError):
        return None
    sys.modules.pop("_watch", None)  # nothing of ours is in the program's cache
    return library


def _make_memory_reader() -> "Callable[[], int]":
    try:
        statm = posix.open("/proc/self/statm", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return _no_memory

    def read_memory() -> int:
        """Return the process's resident memory in pages."""
        try:
            return int(posix.pread(statm, 64, 0).split()[1])
        except (OSError, IndexError, ValueError):
            return 0

    return read_memory


def _no_memory() -> int:
    return 0


def _disguise(function: "Any") -> None:
    # Seen from `warnings` and the like, these are frames of the import system.
    function.__code__ = function.__code__.replace(co_filename=frames.IMPORTLIB_FILE)
