"""The observer inside a program: what importing reads, runs and does, told as it happens.

    observer = Observer(mark_native, searches, surroundings)      # or any callable taking (kind, text)
    observer.arm()
    ...                                       # imports
    observer.disarm()                         # nothing of ours is left behind

Told, one short text each (fields separated by \\1):

    B name          a module that was not in the cache is being looked for and initialised
    E name  X name  ... it is there now; ... it ended in an exception
    C name          a module asked for by name was in the cache
    F D dir tail    a directory is searched for `tail` (until f)
    F S path        a source file's time is read for its bytecode (until f)
    w               the next stat asks only whether, and of what kind (u until v: all of them)
    V name, W       an environment variable was looked up; all of them were iterated over
    M name          os.environ has taken up a variable that it has just set or unset
    G argv          sys.argv was read
    N name what     a module keeps a clock's value, used the global random generator, changed sys.argv, ...
    Q name what     a module changed one of the process's own registers
    L 1, L          importlib.metadata lists a folder for the names of distributions; it is done

What Python code cannot see (stat, access, C's getenv) comes from `observe.c`, which takes these
texts as markers in its log; `mark_native` is the way to it. Without it the callable gets them.

How: the functions are put in the places that the interpreter itself calls
(`_frozen_importlib._find_and_load`, methods of the finder classes), places from which programs do
not take references, so that disarming leaves no trace.

Resident: only what a bare interpreter has loaded is imported here. `searches` has the names of
`searches/resident.py`, `surroundings` those of `surroundings/resident.py`, which watches environment,
arguments and signals. Does not know threads: all of this is for one importing thread.
"""

import _frozen_importlib
import builtins
import posix
import sys
import time

TYPE_CHECKING = False  # typing is not loaded in a bare interpreter
if TYPE_CHECKING:
    from typing import Any

MARK = "\1entrepot\1"


def mark_native(kind: str, text: str = "", _access=posix.access) -> None:  # type: ignore[no-untyped-def]
    """Write a marker into the log of `observe.c`."""
    try:
        _access(MARK + kind + text, 0)
    except (UnicodeError, ValueError, OSError):
        _access(MARK + "?" + kind, 0)


class Observer:
    """Watches this process import, from `arm()` to `disarm()`."""

    __slots__ = (
        "_clock",
        "_descriptors",
        "_random",
        "_registers",
        "_searches",
        "_surroundings",
        "_undo",
        "avoid",
        "edges",
        "generators",
        "keeps_generators",
        "on_avoided",
        "on_finish",
        "on_start",
        "probes",
        "stack",
        "tell",
        "variables",
    )

    def __init__(self, tell, searches, surroundings) -> None:  # type: ignore[no-untyped-def]
        self.tell = tell
        self._searches = searches
        self._surroundings = surroundings
        self.stack: list[str] = []  # names of the modules being initialised, outermost first
        self.edges: dict[str, dict[str, None]] = {}  # module -> what it asked for, in order, cached or not
        self.variables: set[str] = set()  # that Python code has looked up; "*" when it looked at all
        self.avoid: dict[str, str] = {}  # modules that must not be initialised here
        self.probes: frozenset[str] = frozenset()  # modules that may act outside, because they clean up
        self.on_avoided: object = (
            None  # called with the name of a module in `avoid`, before anything of it runs
        )
        self.on_start: object = (
            None  # called with the name of each module before it is made, and who asks for it
        )
        self.on_finish: object = None  # called with the name of each module when it has been initialised
        self.keeps_generators = False  # those of `random.Random`, to be seeded anew in each run
        # what seeds it by chance, who did, its state then
        self.generators: list[tuple[Any, str, object]] = []
        self._undo: list[object] = []

    def arm(self) -> None:
        """Start telling. Everything from here on belongs to the program."""
        self._random = {"random": read_random(), "numpy.random": read_numpy_random()}
        self.tell("P", "")
        self._descriptors = set(posix.listdir("/proc/self/fd"))
        self.tell("R", "")
        self._clock = (time.time(), time.monotonic(), time.perf_counter())
        self._watch_imports()
        self._searches.watch_searches(self.tell, self._put, self._undo)
        self._surroundings.watch_environment(self.tell, self.note, self.variables, self._undo)
        self._surroundings.watch_arguments(self.tell, self.note, self._undo)
        self._surroundings.watch_signals(self.note, self._undo)
        self._surroundings.watch_streams(self.note, self._undo)
        self._registers = self._surroundings.read_registers()
        self._watch_generators()
        self.tell("A", "")

    def disarm(self) -> None:
        """Stop telling and put everything back."""
        self._note_exchanged("__main__")
        self._forget_used_generators()
        self.tell("D", "")
        while self._undo:
            self._undo.pop()()  # type: ignore[operator]

    def note(self, what: str) -> None:
        """Tell of the module that is being initialised what cannot be had so in a run."""
        self.tell("N", (self.stack[-1] if self.stack else "__main__") + "\1" + what)

    def _note_exchanged(self, name: str) -> None:
        for what in self._surroundings.list_exchanged():
            self.tell("N", f"{name}\1puts something else in the place of {what}")

    def _put(self, place, name: str, value) -> None:  # type: ignore[no-untyped-def]
        before = place.__dict__[name]
        setattr(place, name, value)
        self._undo.append(lambda: setattr(place, name, before))

    # ---- imports

    def _watch_imports(self) -> None:
        real = _frozen_importlib._find_and_load  # type: ignore[attr-defined]
        tell, stack, modules, finish = self.tell, self.stack, sys.modules, self._finish
        edges, avoid, probes = self.edges, self.avoid, self.probes

        def _find_and_load(name, import_):  # type: ignore[no-untyped-def]
            importer = stack[-1] if stack else "__main__"
            edges.setdefault(importer, {})[name] = None
            if name in modules:
                tell("C", name)
                return real(name, import_)
            if name in avoid and self.on_avoided is not None:
                self.on_avoided(name)  # type: ignore[operator]
            if self.on_start is not None:
                self.on_start(name, importer)  # type: ignore[operator]
            tell("B", name)
            if name in probes:
                tell("q", "")
            stack.append(name)
            try:
                module = real(name, import_)
            except BaseException:
                stack.pop()
                tell("X", name)
                raise
            if name in probes:
                tell("z", "")
            finish(name)
            stack.pop()
            tell("E", name)
            return module

        # Frames of the import system are cut out of tracebacks by this file name.
        _find_and_load.__code__ = _find_and_load.__code__.replace(co_filename="<frozen importlib._bootstrap>")
        self._put(_frozen_importlib, "_find_and_load", _find_and_load)
        self._watch_edges()

    def _watch_edges(self) -> None:
        """Learn who uses a module that is in the cache already: the interpreter looks there by itself."""
        real, tell, modules = builtins.__import__, self.tell, sys.modules
        edges, stack = self.edges, self.stack

        def watched_import(name, globals=None, locals=None, fromlist=(), level=0):  # type: ignore[no-untyped-def] # noqa: A002
            result = real(name, globals, locals, fromlist, level)
            known = edges.setdefault(stack[-1] if stack else "__main__", {})
            base = name
            if level or fromlist:
                base = getattr(result, "__name__", name) if fromlist else ""
            for full in (base, *(f"{base}.{part}" for part in fromlist or ())):
                if full not in known and full in modules:
                    known[full] = None
                    tell("C", full)
            return result

        watched_import.__name__ = "__import__"
        watched_import.__code__ = watched_import.__code__.replace(co_filename="<frozen importlib._bootstrap>")
        self._put(builtins, "__import__", watched_import)
        self._watch_specs()

    def _watch_specs(self) -> None:
        """Learn of modules in the cache that compiled code takes: it calls no function that could be exchanged.

        But whoever takes one asks its spec whether it is still being initialised.
        """
        tell, edges, stack = self.tell, self.edges, self.stack

        def get(spec):  # type: ignore[no-untyped-def]
            names = spec.__dict__
            name, is_initializing = names["name"], names.get("_initializing", False)
            known = edges.setdefault(stack[-1] if stack else "__main__", {})
            if name not in known and not is_initializing:
                known[name] = None
                tell("C", name)
            return is_initializing

        def put(spec, value) -> None:  # type: ignore[no-untyped-def]
            spec.__dict__["_initializing"] = value

        # The value stays where it is: taking this away again leaves nothing.
        setattr(_frozen_importlib.ModuleSpec, "_initializing", property(get, put))  # noqa: B010
        self._undo.append(lambda: delattr(_frozen_importlib.ModuleSpec, "_initializing"))

    def _finish(self, name: str) -> None:
        """Look at what initialising `name` has left: output still buffered, clocks, generators, registers."""
        flush_streams()
        self.tell("P", "")  # our own look at the clocks does not count
        try:
            kept = find_kept_clock(sys.modules.get(name), self._clock)
        except Exception as error:  # the program must not see it
            kept = f"what cannot be looked at ({type(error).__name__})"
        descriptors = set(posix.listdir("/proc/self/fd"))
        self.tell("R", "")
        if len(descriptors) > len(self._descriptors):
            self.tell("N", name + "\1leaves a descriptor open")
        self._descriptors = descriptors
        if kept:
            self.tell("N", name + "\1keeps the clock in " + kept)
        for which, state in (("random", read_random()), ("numpy.random", read_numpy_random())):
            before = self._random.get(which)
            if state != before and before is not None:
                self.tell("N", f"{name}\1uses or seeds the global generator of {which}")
            self._random[which] = state
        registers = self._surroundings.read_registers()
        if registers != self._registers:
            for key, value in registers.items():
                if self._registers.get(key, value) != value:
                    self.tell("Q", name + "\1" + key)
            self._registers = registers
        self._note_exchanged(name)
        if name == "importlib.metadata":
            self._searches.watch_distributions(self.tell, self._put)
        if name == "random":
            self._watch_generators()
        if self.on_finish is not None:
            self.on_finish(name)  # type: ignore[operator]

    # ---- generators of random numbers

    def _watch_generators(self) -> None:
        """Keep those that are seeded by chance: as long as nobody has used one, another seed is as good."""
        random = getattr(sys.modules.get("random"), "Random", None)
        real: Any = getattr(random, "__dict__", {}).get("seed")
        if not self.keeps_generators or getattr(real, "__module__", None) != "random":
            return
        tell, stack, generators = self.tell, self.stack, self.generators

        def seed(self, a=None, version=2):  # type: ignore[no-untyped-def]
            generators[:] = [known for known in generators if known[0].__self__ is not self]
            if a is not None:
                return real(self, a, version)
            tell("P", "")
            try:
                result = real(self, a, version)
            finally:
                tell("R", "")
            generators.append((real.__get__(self), stack[-1] if stack else "__main__", read_state(self)))
            return result

        self._put(random, "seed", seed)

    def _forget_used_generators(self) -> None:
        unused = []
        for seed, name, state in self.generators:
            if read_state(seed.__self__) == state:
                unused.append((seed, name, state))
            else:
                self.tell("N", name + "\1takes randomness")
        self.generators[:] = unused


def flush_streams() -> None:
    """Have what was written be seen. Who counts the holders of a stream afterwards finds none of ours."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # closed, None, or not a stream: nothing buffered that we could show


def read_random() -> object:
    """Return the state of the global generator, or None while `random` is not there."""
    random = sys.modules.get("random")
    generator = getattr(random, "_inst", None)
    return None if generator is None else read_state(generator)


def read_state(generator) -> object:  # type: ignore[no-untyped-def]
    """Return the state of a generator of `random` in few numbers.

    The position in the table and its first words change with every seed and every use.
    """
    base = next(base for base in type(generator).__mro__ if base.__module__ == "_random")
    state = base.getstate(generator)  # type: ignore[attr-defined]
    return state[-1], state[0], state[1], state[311]


def read_numpy_random() -> object:
    """Return the state of numpy's global generator in few numbers, or None while it is not there."""
    generator = getattr(
        getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None), "_bit_generator", None
    )
    if generator is None:
        return None
    state = generator.state.get("state")
    if type(state) is not dict or "key" not in state:
        return None
    key = state["key"]
    return state["pos"], int(key[0]), int(key[1]), int(key[311])


def find_kept_clock(module: object, since: tuple[float, float, float]) -> str:
    """Return the name under which a module keeps a clock's value read while it was initialised, or ''."""
    names = getattr(module, "__dict__", None)
    if type(names) is not dict:
        return ""
    now = (time.time(), time.monotonic(), time.perf_counter())
    bounds = tuple(zip(since, now, strict=True))
    own = names.get("__name__")
    for name, value in list(names.items()):
        if _is_clock(value, bounds):
            return str(name)
        # Nothing here may ask a value itself: its answer could be code of the program's.
        # One level deeper: containers, classes of its own, and their instances.
        kind = type(value)
        if kind is dict and len(value) < 200 and name != "__builtins__":
            inner = list(value.values())
        elif (kind is list or kind is tuple) and len(value) < 200:
            inner = list(value)
        elif (kind is type and value.__dict__.get("__module__") == own) or (
            kind.__dict__.get("__module__") == own and type(_get_names(value)) is dict
        ):
            inner = list(_get_names(value).values())
        else:
            continue
        for item in inner:
            if _is_clock(item, bounds):
                return str(name)
    return ""


def _get_names(value: "Any") -> "Any":
    try:
        return dict(value.__dict__) if type(value) is type else object.__getattribute__(value, "__dict__")
    except (AttributeError, TypeError):
        return None


def _is_clock(value: object, bounds) -> bool:  # type: ignore[no-untyped-def]
    kind = type(value)
    if kind is float:
        number = value
    elif kind is int and 10**9 < value < 10**20:  # type: ignore[operator]
        number = value / 1e9 if value > 10**15 else float(value)  # type: ignore[operator,arg-type]
    else:
        return False
    return any(low <= number <= high for low, high in bounds)
