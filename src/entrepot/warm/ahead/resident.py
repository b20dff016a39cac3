"""Modules imported ahead of the program: those that wait, and what each did to the process meanwhile.

    ahead = Ahead(observer, world)
    ahead.fill(names)        import them, in the order learned; then undo what they changed outside
    ahead.hide()             take them out of `sys.modules`
    ahead.waiting            name -> module, what it needs, and what it changed

All of it happens in the preparing interpreter. What cannot wait is in `failed` and `misfits`, with the reason.

Resident: `world` has the names of `world/resident.py`.
"""

import _frozen_importlib
import builtins
import sys

_NOTHING: list[tuple[str, str, int, object]] = []


class Late:
    """One module that waits."""

    __slots__ = (
        "binds", "changes", "environment", "file", "maker", "module", "name", "needs", "outside", "place", "stamp",
    )  # fmt: skip

    def __init__(self, name: str, module: object) -> None:
        self.name = name
        self.module = module
        self.needs: dict[
            str, None
        ] = {}  # everything that it asked for, in order; the waiting ones once hidden
        self.outside: tuple[str, ...] = ()  # the others, which the program sees
        self.file: str = ""
        self.stamp: object = None  # of its file
        self.place: object = None  # where the search path leads for its name, if that has no dot
        self.maker = ""  # who has put it into sys.modules, where nobody imported it: it comes with that one
        self.binds: object = None  # the package in which its name must be bound when it is handed over
        self.changes: list[tuple[str, str, int, object]] = []  # what it did to the lists of the process
        self.environment = 0  # how many of the changes of the environment were there before its own


class Ahead:
    """All the modules that wait, and what is known of them."""

    def __init__(self, observer, world, read_registers=dict) -> None:  # type: ignore[no-untyped-def]
        self.observer = observer
        self._world = world
        self._read_registers = read_registers
        self.waiting: dict[str, Late] = {}
        self.finders: dict[str, object] = {}  # of their packages' folders, until the program comes there
        self.snapshots: dict[str, dict[str, object]] = {}
        self.failed: dict[str, str] = {}  # name -> why it could not be imported
        self.misfits: dict[str, str] = {}  # name -> what it changes that cannot wait with it
        self.env_names: frozenset[str] | None = None  # None: any change of the environment counts
        self.warned: set[str] = set()  # modules to which a warning was charged, shown or not
        self.holders: set[str] = set()  # modules that have taken a standard stream, and hold it
        self._held: tuple[int, ...] = ()  # by how many places each of the streams was held then
        self.settings: list[tuple[bytes, object]] = []  # variables as the waiting modules set them, in order
        self._seen: set[str] = set()  # names that have been in sys.modules
        self._started: set[str] = set()  # those of them that somebody has imported
        self._made: dict[str, str] = {}  # the others, each with the module that was being initialised
        self._settled: dict[str, tuple[int, int]] = {}  # module -> how many of these before and after it
        self._lists: dict[tuple[str, str], list[object]] = {}
        self._pending: dict[str, list[tuple[str, str, int, object]]] = {}
        # The modules that the program sees already, as they were.
        self._visible: dict[str, dict[str, object]] = {}
        self._patchers: dict[str, str] = {}  # name of one of these that was changed -> by whom
        # The packages that wait, as their own initialisation has left them.
        self._packages: dict[str, dict[str, object]] = {}

    def fill(self, names: list[str]) -> None:
        """Import modules ahead of the program. Those that cannot be imported now are passed over."""
        self.observer.tell("H", "")
        before = self._before = frozenset(sys.modules)
        finders = frozenset(sys.path_importer_cache)
        self._env = self._env_before = self._world.read_environment()
        self._visible = {
            name: dict(module.__dict__) for name, module in list(sys.modules.items()) if _has_dict(module)
        }
        self._lists = self._world.read_lists()
        genuine = {key: list(value) for key, value in self._lists.items()}
        self._list_names = frozenset(".".join(key) for key in self._world.LISTS)
        self._registers = self._read_registers()
        self._seen = set(before)
        self._held = self._world.count_holders()
        self.observer.on_start, self.observer.on_finish = self._begins, self._finished
        for name in names:
            if name in sys.modules or name in self.observer.avoid:
                continue
            try:
                __import__(name)
            except Exception as error:
                self.failed[name] = f"{type(error).__name__}: {error}"
        self.observer.on_start = self.observer.on_finish = None
        self.holders.discard("threading")  # for the main thread's complaints: renewed
        self.failed = {name: reason for name, reason in self.failed.items() if name not in sys.modules}
        self.env_names = frozenset(self.observer.variables)
        self.observer.tell("P", "")
        settled = 0
        for name in list(sys.modules):
            if name not in before:
                late = Late(name, sys.modules[name])
                late.needs = self._find_needs(name)
                if "." in name:
                    late.needs[name.rpartition(".")[0]] = None  # in the cache already, so nobody asked for it
                if self._world.is_extension(late.module):
                    late.needs.update(dict.fromkeys(find_mentioned(late.module)))
                late.changes = self._pending.get(name, [])
                # Modules that nobody sees finish (parts of extensions) come after the one before them.
                late.environment, settled = self._settled.get(name, (settled, settled))
                file = getattr(late.module, "__file__", None)
                if type(file) is str and file:
                    late.file, late.stamp = file, self._world.read_stamp(file)
                    if not self._world.is_external(file) and late.module is not sys.modules.get("__main__"):
                        # It has been initialised already, before its time: not in the next preparation.
                        self.misfits[name] = "belongs to the program"
                self.waiting[name] = late
                if "__warningregistry__" in getattr(late.module, "__dict__", ()):
                    self.warned.add(name)
        for name, maker in self._made.items():
            if name in self.waiting and maker in self.waiting:
                self.waiting[name].maker = maker
                self.waiting[name].needs[maker] = self.waiting[maker].needs[name] = None
        self.observer.tell("R", "")
        self.warned |= {
            name
            for name, names in self._visible.items()
            if "__warningregistry__" not in names and "__warningregistry__" in sys.modules[name].__dict__
        }
        self._world.write_lists(genuine)
        self.observer.tell("P", "")
        for name, late in self.waiting.items():
            late.place = self._world.find_place(name) if "." not in name else None
        for key in self._env.keys() | self._env_before.keys():
            self._world.write_variable(key, self._env_before.get(key))
        self.observer.tell("R", "")
        self._give_up_patchers()
        cache = sys.path_importer_cache
        self.finders = {path: cache.pop(path) for path in list(cache) if path not in finders}

    def _find_needs(self, name: str) -> "dict[str, None]":
        """Return everything that initialising a module asks for, in order."""
        edges, modules = self.observer.edges, sys.modules
        needs: dict[str, None] = {}
        todo = [*edges.get(name, ())]
        while todo:
            need = todo.pop(0)
            if need in needs:
                continue
            needs[need] = None
            if need not in modules:  # it failed, and has left what it asked for: its package, at least
                todo[:0] = edges.get(need, ())
            elif need != name and "__getattr__" in getattr(modules[need], "__dict__", ()):
                # What a package imports when a name is taken out of it (PEP 562) is asked for once: all who have
                # taken it need it.
                todo[:0] = [place for place in find_origins(modules[name]) if place.startswith(need + ".")]
        return needs

    def _begins(self, name: str, importer: str) -> None:
        self._note_made(importer)
        self._note_holder(importer)
        self._started.add(name)

    def _note_holder(self, name: str) -> None:
        held = self._world.count_holders()
        if held != self._held:
            self.holders.add(name)
            self._held = held

    def _note_made(self, maker: str) -> None:
        for name in sys.modules.keys() - self._seen:
            self._seen.add(name)
            if name not in self._started:
                self._made[name] = maker

    def _finished(self, name: str) -> None:
        """Note what a module has just done to other modules, and to the lists of the process."""
        self._note_made(name)
        self._note_holder(name)
        package = sys.modules.get(name)
        if _has_dict(package) and "__path__" in package.__dict__:
            self._packages[name] = dict(package.__dict__)
        for other in self.observer.edges.get(name, ()):
            for attribute in self._list_changed(other):
                self._patchers.setdefault(f"{other}.{attribute}", name)
        now = self._world.read_lists()
        for key, items in now.items():
            before = self._lists.get(key, [])
            if items == before:
                continue
            added = [item for item in items if not any(item is other for other in before)]
            kept = [item for item in items if any(item is other for other in before)]
            if kept != before:
                missing = [item for item in before if not any(item is other for other in items)]
                if not self._cancel(key, missing):
                    self.misfits[name] = f"takes something out of {key[0]}.{key[1]}"
                    continue
                before = kept
            for item in added:
                at = next(index for index, other in enumerate(items) if other is item)
                place = at if at < len(before) else -1
                self._pending.setdefault(name, []).append((*key, place, item))
        self._lists = now
        env = self._world.read_environment()
        before_own = len(self.settings)
        if env != self._env:
            for variable in env.keys() | self._env.keys():
                if env.get(variable) != self._env.get(variable):
                    self.settings.append((variable, env.get(variable)))
                    self._pending.setdefault(name, []).append(
                        ("os", "environ", 0, (variable, env.get(variable)))
                    )
            self._env = env
        self._settled[name] = before_own, len(self.settings)
        registers = self._read_registers()
        for key, value in registers.items():
            # A register that has just come with its module is that module's own affair.
            if key not in self._list_names and self._registers.get(key, value) != value:
                self.misfits[name] = f"changes {key}"
        self._registers = registers

    def _cancel(self, key: tuple[str, str], items: list[object]) -> bool:
        """Forget additions that were gone when the importer left `warnings.catch_warnings`."""
        for item in items:
            for changes in self._pending.values():
                found = [change for change in changes if change[:2] == key and change[3] is item]
                if found:
                    changes.remove(found[0])
                    break
            else:
                return False
        return True

    def _list_changed(self, name: str) -> list[str]:
        """Return the names of a module that the program sees already which are bound to something else now.

        Those that begin with an underscore are the module's own affair, unless a function, class or module was there:
        caches fill up by being used.
        """
        before, module = self._visible.get(name), sys.modules.get(name)
        if before is None or name == "sys" or not _has_dict(module):
            return []
        found = []
        for attribute, value in module.__dict__.items():
            had = before.get(attribute, _NOTHING)
            is_own = attribute[:1] == "_" and not (name == "builtins" and had is _NOTHING)
            if not _is_equal(had, value) and (not is_own or (had is not _NOTHING and _is_made(value))):
                found.append(attribute)
        return found + [attribute for attribute in before if attribute not in module.__dict__]

    def _give_up_patchers(self) -> None:
        """Find out whether a waiting module changed one that the program can already see."""
        for name in self._visible:
            for attribute in self._list_changed(name):
                full, value = f"{name}.{attribute}", getattr(sys.modules[name], attribute, None)
                if full in sys.modules and sys.modules[full] is value:
                    continue  # a submodule: `_unbind` sees to it
                culprit = self._patchers.get(full) or getattr(value, "__module__", None)
                # Where nobody is known to have done it, all may have.
                for guilty in (culprit,) if culprit in self.waiting else tuple(self.waiting):
                    self.misfits.setdefault(guilty, f"changes {full} of another module")

    def hide(self) -> None:
        """Take the waiting modules out of the program's sight."""
        added = [name for name in sys.modules if name not in self._before]
        for name in added:
            self._unbind(name)
        self._packages = self._visible = {}  # nothing may be held that the program or its end lets go
        for name in (*self.failed, *self.misfits):
            self.drop(name)
        for name in added:
            del sys.modules[name]
        # What the program will see when it starts: taken now that nothing of the observer is left.
        for name in {need for late in self.waiting.values() for need in late.needs}:
            found = sys.modules.get(name)
            if _has_dict(found) and found not in (sys, builtins, _frozen_importlib):
                self.snapshots[name] = dict(found.__dict__)
        self._gather()
        self.snapshots["builtins"] = {"__import__": sys.modules["builtins"].__dict__["__import__"]}

    def _unbind(self, name: str) -> None:
        """Take a module's name out of its package, where it came by being imported and not by the package itself.

        What stood there before comes back.
        """
        above, _, tail = name.rpartition(".")
        package, module, late = sys.modules.get(above), sys.modules[name], self.waiting.get(name)
        before = self._packages.get(above, self._visible.get(above))
        if before is None or not _has_dict(package) or package.__dict__.get(tail) is not module:
            return
        had = before.get(tail, _NOTHING)
        if had is module:
            return
        if had is _NOTHING:
            del package.__dict__[tail]
        else:
            package.__dict__[tail] = had
        if late is not None:
            late.binds = package

    def _gather(self) -> None:
        """Put all that a run looks at when it hands modules over into places beside each other.

        The texts of import statements and of specifications lie all over the memory, and a run copies each page in which it
        looks at something: counting who holds it is writing.
        """
        names = {name for late in self.waiting.values() for name in (late.name, *late.needs)}
        texts = {name: ("." + name)[1:] for name in sorted(names)}
        late_ones = list(self.waiting.values())
        self.waiting.clear()
        for late in late_ones:
            late.name = texts[late.name]
            self.waiting[late.name] = late
        for late in late_ones:
            late.file = ("." + late.file)[1:]
        for late in late_ones:
            late.outside = tuple([texts[name] for name in late.needs if name not in self.waiting])
            late.needs = {texts[name]: None for name in late.needs if name in self.waiting}
            late.changes = late.changes or _NOTHING

    def drop(self, name: str) -> None:
        """Give up a module and all that was built on it."""
        gone = [name]
        while gone:
            name = gone.pop()
            if self.waiting.pop(name, None) is None and name not in self.failed and name not in self.misfits:
                continue
            gone += [other for other, late in self.waiting.items() if name in late.needs]


def find_mentioned(module: object) -> set[str]:
    """Return the modules that a compiled one has among its names, or has taken something from.

    Parts of one library may hand modules to each other without asking the interpreter (mypyc), and look for
    them in its cache when they are used.
    """
    found = set()
    for value in list(getattr(module, "__dict__", {}).values()):
        name = getattr(value, "__name__" if type(value) is type(sys) else "__module__", None)
        if type(name) is str and name in sys.modules and name != getattr(module, "__name__", ""):
            found.add(name)
    return found


def find_origins(module: object) -> "dict[str, None]":
    """Return the modules that made the functions and classes among a module's names."""
    values = list(getattr(module, "__dict__", {}).values())
    # By their true types: to ask some objects for their class is to wake them up (django's lazy ones).
    made = [value for value in values if issubclass(type(value), type) or type(value) is type(_has_dict)]
    places = [getattr(value, "__module__", None) for value in made]
    return dict.fromkeys(place for place in places if type(place) is str and place in sys.modules)


def _is_made(value: object) -> bool:
    """Whether a value is a function, a class or a module."""
    return callable(value) or type(value) is type(sys)


def _is_equal(had: object, value: object) -> bool:
    """Whether nobody could tell one from the other: `time.tzset` makes the same texts anew."""
    if had is value:
        return True
    if type(had) is not type(value):
        return False
    if type(value) is tuple:
        items = zip(had, value, strict=False)  # type: ignore[call-overload]
        return len(had) == len(value) and all(_is_equal(one, other) for one, other in items)  # type: ignore[arg-type]
    return type(value) in (bool, int, float, str, bytes) and had == value


def _has_dict(module: object) -> bool:
    return type(getattr(module, "__dict__", None)) is dict
