"""The stash: modules initialised ahead of time, handed over when the program asks for them.

A program imports late: inside functions, in a framework's plugins, after its first real
statement. A warm interpreter has those modules too (it learned from earlier runs which), but
the program must not see them before it imports them. So they wait outside of `sys.modules`.

    stash = Stash(observer)
    stash.fill(names)        in the preparing interpreter: import them, in the order learned
    stash.hide()             take them out of sys.modules, undo what they changed outside
    stash.serve(start)       in the run: imports ask the stash first

A module is handed over with all that its own initialisation imported, in that order, at the
moment when Python would have run it, and only if it would have found the world that it was
initialised in: the same search path (or nothing of that name in what was added), finders,
environment where it counts, directory, no tracing, and the modules it took names from as they
were. If not, Python imports it as always, and whatever was built on the stashed copy is given up.

How: in the run `_frozen_importlib._find_and_load`, which the interpreter calls for a name that is
not in the cache, is a function that looks here first.

Does not know: what a module changed deep inside objects of other modules (a class's attributes, a
registry's entries) while it was prepared. See docs/differences.md.
"""

import _frozen_importlib
import posix
import sys

# Variables that libraries read where nobody sees it: those of eligible.py (a test keeps them the same).
FAMILIES = (
    "PYTHON", "LC_", "LANG", "TZ", "LD_", "OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_",
    "VECLIB_", "NUMEXPR_", "CUDA_", "NVIDIA_", "MALLOC_", "GLIBC_TUNABLES", "NLSPATH", "LOCPATH", "OPENSSL_",
    "SSL_CERT_",
)  # fmt: skip
_LISTS = (("sys", "path"), ("sys", "meta_path"), ("sys", "path_hooks"), ("warnings", "filters"))


class Late:
    """One module that waits."""

    __slots__ = ("binds", "changes", "environment", "file", "module", "name", "needs", "outside", "stamp")

    def __init__(self, name: str, module: object) -> None:
        self.name = name
        self.module = module
        self.needs: dict[
            str, None
        ] = {}  # everything that it asked for, in order; the waiting ones once hidden
        self.outside: tuple[str, ...] = ()  # the others, which the program sees
        self.file: str = ""
        self.stamp: object = None  # of its file
        self.binds: object = None  # the parent module to which the name must be bound again
        self.changes: list[tuple[str, str, int, object]] = []  # what it did to the lists of the process
        self.environment = 0  # how many of the changes of the environment were there before its own


class Stash:
    """All the modules that wait in a warm interpreter."""

    def __init__(self, observer, renew=None, read_registers=dict) -> None:  # type: ignore[no-untyped-def]
        self.observer = observer
        self._read_registers = read_registers
        self.renew = renew  # called with the name and the module of each one handed over
        self.waiting: dict[str, Late] = {}
        self._finders: dict[str, object] = {}  # of their packages' folders, until the program comes there
        self.snapshots: dict[str, dict[str, object]] = {}
        self.start_cold: object = None  # begins the run again, without the store; set where that can be done
        self.is_same = _is_same  # exchanged for one in C, which copies no page of memory by looking
        self.front = _front  # exchanged for one in C, which has no frame
        self.failed: dict[str, str] = {}  # name -> why it could not be imported
        self.misfits: dict[str, str] = {}  # name -> what it changes that cannot wait with it
        self.taken: list[str] = []
        self.final: list[str] = []  # handed over although something was not as it had been
        self.missed: dict[str, str] = {}  # name -> why it was not handed over in this run
        self.env_names: frozenset[str] | None = None  # None: any change of the environment counts
        self.warned: set[str] = set()  # modules to which a warning was charged, shown or not
        self._lists: dict[tuple[str, str], list[object]] = {}
        self._pending: dict[str, list[tuple[str, str, int, object]]] = {}
        self._settings: list[tuple[bytes, object]] = []  # variables as the waiting modules set them, in order
        self._settled: dict[str, tuple[int, int]] = {}  # module -> how many of these before and after it

    # ---- in the preparing interpreter

    def fill(self, names: list[str]) -> None:
        """Import modules ahead of the program. Those that cannot be imported now are passed over."""
        self.observer.tell("H", "")
        before = self._before = frozenset(sys.modules)
        finders = frozenset(sys.path_importer_cache)
        self._env = self._env_before = _read_environment()
        visible = {
            name: dict(module.__dict__) for name, module in list(sys.modules.items()) if _has_dict(module)
        }
        self._lists = _read_lists()
        genuine = {key: list(value) for key, value in self._lists.items()}
        self._list_names = frozenset(".".join(key) for key in _LISTS)
        self._registers = self._read_registers()
        self.observer.on_finish = self._finished
        for name in names:
            if name in sys.modules or name in self.observer.avoid:
                continue
            try:
                __import__(name)
            except Exception as error:
                self.failed[name] = f"{type(error).__name__}: {error}"
        self.observer.on_finish = None
        self.env_names = frozenset(self.observer.variables)
        self.observer.tell("P", "")
        settled = 0
        for name in list(sys.modules):
            if name not in before:
                late = Late(name, sys.modules[name])
                late.needs = dict(self.observer.edges.get(name, ()))
                if "." in name:
                    late.needs[name.rpartition(".")[0]] = None  # in the cache already, so nobody asked for it
                if _is_extension(late.module):
                    late.needs.update(dict.fromkeys(find_mentioned(late.module)))
                late.changes = self._pending.get(name, [])
                # Modules that nobody sees finish (parts of extensions) come after the one before them.
                late.environment, settled = self._settled.get(name, (settled, settled))
                file = getattr(late.module, "__file__", None)
                if type(file) is str and file:
                    late.file, late.stamp = file, _read_stamp(file)
                    if not is_external(file):
                        # It has been initialised already, before its time: not in the next preparation.
                        self.misfits[name] = "belongs to the program"
                self.waiting[name] = late
                if "__warningregistry__" in getattr(late.module, "__dict__", ()):
                    self.warned.add(name)
        self.observer.tell("R", "")
        self.warned |= {
            name
            for name, names in visible.items()
            if "__warningregistry__" not in names and "__warningregistry__" in sys.modules[name].__dict__
        }
        _write_lists(genuine)
        for key in self._env.keys() | self._env_before.keys():
            _write_variable(key, self._env_before.get(key))
        self._give_up_patchers(visible)
        cache = sys.path_importer_cache
        self._finders = {path: cache.pop(path) for path in list(cache) if path not in finders}

    def _finished(self, name: str) -> None:
        """Note what a module has just done to the lists of the process."""
        now = _read_lists()
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
        env = _read_environment()
        before_own = len(self._settings)
        if env != self._env:
            for variable in env.keys() | self._env.keys():
                if env.get(variable) != self._env.get(variable):
                    self._settings.append((variable, env.get(variable)))
                    self._pending.setdefault(name, []).append(
                        ("os", "environ", 0, (variable, env.get(variable)))
                    )
            self._env = env
        self._settled[name] = before_own, len(self._settings)
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

    def _give_up_patchers(self, visible: dict[str, dict[str, object]]) -> None:
        """Find out whether a waiting module changed one that the program can already see."""
        for name, before in visible.items():
            module = sys.modules.get(name)
            if module is None or name == "sys":
                continue
            for attribute, value in list(module.__dict__.items()):
                if attribute in before and before[attribute] is value:
                    continue
                full = f"{name}.{attribute}"
                if full in self.waiting and self.waiting[full].module is value:
                    self.waiting[full].binds = module
                    continue
                if full in sys.modules and sys.modules[full] is value:
                    continue  # a submodule, given up or there before
                # Module-level caches fill up by being used; only functions, classes and modules are patches.
                if attribute in before and (callable(value) or type(value) is type(sys)):
                    culprit = getattr(value, "__module__", None)
                    self.misfits.setdefault(
                        culprit if culprit in self.waiting else "*", f"changes {full} of another module"
                    )

    def hide(self) -> None:
        """Take the waiting modules out of the program's sight."""
        if "*" in self.misfits:
            # Which module did it is not known, so all of them go.
            self.waiting.clear()
        for name in (*self.failed, *self.misfits):
            self.drop(name)
        for name in [name for name in sys.modules if name not in self._before]:
            module = sys.modules.pop(name)
            parent, _, tail = name.rpartition(".")
            if parent in self._before and parent in sys.modules:
                names = sys.modules[parent].__dict__
                if names.get(tail) is module:
                    del names[tail]
        # What the program will see when it starts: taken now that nothing of the observer is left.
        for name in {need for late in self.waiting.values() for need in late.needs}:
            found = sys.modules.get(name)
            if _has_dict(found) and name not in ("sys", "builtins", "_frozen_importlib"):
                self.snapshots[name] = dict(found.__dict__)
        for late in self.waiting.values():
            late.outside = tuple(name for name in late.needs if name not in self.waiting)
            late.needs = {name: None for name in late.needs if name in self.waiting}
        self.snapshots["builtins"] = {"__import__": sys.modules["builtins"].__dict__["__import__"]}

    def drop(self, name: str) -> None:
        """Give up a module and all that was built on it."""
        gone = [name]
        while gone:
            name = gone.pop()
            if self.waiting.pop(name, None) is None and name not in self.failed and name not in self.misfits:
                continue
            gone += [other for other, late in self.waiting.items() if name in late.needs]

    # ---- in the run

    def serve(self) -> None:
        """Let imports ask here first, until nothing is left."""
        SERVED.append(self)
        self._start = _read_world()
        _ask("y")
        if not self.waiting:
            return
        waiting, modules, take = self.waiting, sys.modules, self._take

        def find(name, import_):  # type: ignore[no-untyped-def]
            if name in modules:
                return None
            parent = name.rpartition(".")[0]
            if parent and parent not in modules:
                import_(parent)
            return modules[name] if name in modules or (name in waiting and take(name)) else None

        # The interpreter takes frames of this name out of tracebacks.
        find.__code__ = find.__code__.replace(
            co_filename="<frozen importlib._bootstrap>", co_name="_call_with_frames_removed"
        )
        real = _frozen_importlib._find_and_load  # type: ignore[attr-defined]
        _frozen_importlib._find_and_load = self.front((waiting, find, real))  # type: ignore

    def meet(self, folder: str) -> None:
        """A folder has come before the search path: give up what it shadows, before anything is done.

        With an extension among it the run begins again, cold, because most cannot be initialised twice.
        """
        try:
            stems = {entry.partition(".")[0] for entry in posix.listdir(folder or ".")}
        except OSError:
            stems = {name for name in self.waiting if "." not in name}  # an archive, or not to be read
        for name in sorted(stems.intersection(self.waiting)):
            if name in self.waiting and self._is_elsewhere(name):
                users = self._find_users(name)
                if any(_is_extension(self.waiting[user].module) for user in users):
                    self.start_cold()  # type: ignore[operator]
                self.missed[name] = f"{name} is found elsewhere on the program's sys.path"
                self.drop(name)

    def _take(self, name: str) -> bool:
        parent = name.rpartition(".")[0]
        group = self._find_group(name)
        reason = ""
        if parent and parent in self.waiting and sys.modules.get(parent) is not self.waiting[parent].module:
            reason = f"{parent} was imported anew"
        reason = reason or self._find_obstacle(group)
        if reason:
            self.missed[name] = reason
            if not self._is_final(name):
                self.drop(name)
                return False
        for member in group:
            self._hand_over(self.waiting[member])
        for member in group:
            self._give_finders(member)
            self._redo(self.waiting[member])
        self.taken += group
        return True

    def has_changed_world(self) -> bool:
        """Whether the program has changed, for all that follows, what the initialisation of modules may depend on."""
        start, now = self._start, _read_world()
        if now["cwd"] != start["cwd"] or now["hooks"] != start["hooks"] or now["limit"] != start["limit"]:
            return True
        before, after = start["env"], now["env"]
        return any(
            before.get(name) != after.get(name) and not name.startswith(b"PYTEST_")  # type: ignore[attr-defined]
            for name in before.keys() | after.keys()  # type: ignore[attr-defined]
        )

    def list_new_folders(self) -> list[str]:
        """Return the folders that the program has put into its search path."""
        before: object = self._start["path"]
        return [
            path
            for path in sys.path
            if type(path) is str and path.startswith("/") and path not in before and "\n" not in path  # type: ignore[operator]
        ]

    def watch_code(self, code) -> bool:  # type: ignore[no-untyped-def]
        """Look at a program's code before it runs; say whether it may set what a waiting extension depends on.

        If so, the run begins again, cold, before the first thing that could not be done again: what is then set
        would come too late for an extension, which most cannot be initialised twice.
        """
        if code is None or is_external(code.co_filename) or not _sets_variables(code, self._counts):
            return False
        if not any(_is_extension(late.module) for late in self.waiting.values()):
            return False
        _ask("x")
        return True

    def _is_final(self, name: str) -> bool:
        """Whether giving up a module would have an extension initialised twice, which most refuse.

        As long as the run has done nothing that can be seen, it begins again, cold. After that the
        extension is handed over as it is; the next image is made without it.
        """
        if not any(_is_extension(self.waiting[other].module) for other in self._find_users(name)):
            return False
        if self.start_cold is not None and _is_untouched():
            self.start_cold()  # type: ignore[operator]
        self.final.append(name)
        return True

    def _find_users(self, name: str) -> set[str]:
        users, todo = set(), [name]
        while todo:
            name = todo.pop()
            if name in users or name not in self.waiting:
                continue
            users.add(name)
            todo += [other for other, late in self.waiting.items() if name in late.needs]
        return users

    def _find_group(self, name: str) -> list[str]:
        """Return a module and what its initialisation imports, each after what it imports itself.

        That is the order of sys.modules, where Python puts a module again when it has been initialised.
        """
        group: list[str] = []
        todo = [name]
        seen: set[str] = set()
        while todo:
            name = todo.pop()
            if name[:1] == " ":  # all that it needs has been seen to
                group.append(name[1:])
                continue
            if name in seen or name not in self.waiting or name in sys.modules:
                continue
            seen.add(name)
            todo.append(" " + name)
            todo += reversed(self.waiting[name].needs)
            if "." in name:
                todo.append(name.rpartition(".")[0])
        return group

    def _find_obstacle(self, group: list[str]) -> str:
        """Return why Python would not have initialised these modules just so, or ''."""
        start, now = self._start, _read_world()
        if now["trace"]:
            return "a trace or profile function is set"
        if now["cwd"] != start["cwd"]:
            return "the program changed its directory"
        if now["hooks"] != start["hooks"]:
            return "the program changed sys.path_hooks"
        if now["limit"] != start["limit"]:
            return "the program changed the recursion limit"
        if now["filters"] != start["filters"]:
            for name in self.warned:
                if name in group or name not in self.waiting:
                    return f"the program changed the warning filters, and {name} is warned about"
        variable = self._find_setting(group, start["env"], now["env"])  # type: ignore[arg-type]
        if variable:
            return f"the environment variable {_text(variable)} is not as it was"
        if not (_ask("?") and _ask("k")):  # the run has changed files, or what it did is not known
            for name in group:
                late = self.waiting[name]
                if late.file and _read_stamp(late.file) != late.stamp:
                    return f"the file of {name} was changed meanwhile"
        needs: set[str] = set()
        for name in group:
            needs.update(self.waiting[name].needs, self.waiting[name].outside)
        for name in needs.difference(group):
            waiting = self.waiting.get(name)
            module = sys.modules.get(name)
            if waiting is not None:
                if module is not waiting.module:
                    return f"{name}, which it uses, is not here"
                continue
            before = self.snapshots.get(name)
            if before is None:
                continue
            if module is None:
                return f"{name}, which it uses, was removed"
            if self.is_same(before, module.__dict__):
                continue
            for attribute, value in before.items():
                if module.__dict__.get(attribute) is not value and not _is_plain(attribute, value):
                    return f"{name}.{attribute} was changed by the program"
        return self._find_shadow(group, now)

    def _find_setting(
        self, group: list[str], start: "dict[bytes, object]", now: "dict[bytes, object]"
    ) -> bytes:
        """Return a variable that some of these modules would find otherwise than when they were prepared.

        They found what modules before them had set; here they find what the program, or modules handed
        over before them, have set.
        """
        names = {name for name, _ in self._settings}
        if now != start:
            names |= {name for name in now.keys() | start.keys() if now.get(name) != start.get(name)}
        for name in sorted(names):
            if not self._counts(name):
                continue
            values = [(at, value) for at, (other, value) in enumerate(self._settings) if other == name]
            current = now.get(name)
            if (
                not values and start.get(name) != current
            ):  # none of the modules sets it, so all found the same
                return name
            for member in group if values else ():
                late = self.waiting[member]
                found = start.get(name)
                for at, value in values:
                    if at < late.environment:
                        found = value
                if found != current:
                    return name
                for _, where, _, item in late.changes:
                    if where == "environ" and item[0] == name:  # type: ignore[index]
                        current = item[1]  # type: ignore[index]
        return b""

    def _find_shadow(self, group: list[str], now: dict[str, object]) -> str:
        """Ask the finders that the program added, and the path as it is now."""
        start = self._start
        is_moved = now["path"] != start["path"] or now["folders"] != start["folders"]
        extra = []
        if now["meta"] != start["meta"]:
            path_finder = _find_path_finder()  # type: ignore[no-untyped-call]
            for finder in sys.meta_path:
                if finder is path_finder:
                    break
                if id(finder) not in start["meta"]:  # type: ignore[operator]
                    extra.append(finder)
        # That of entrepot.live says of which files it finds just what PathFinder does.
        asked = [(finder, getattr(finder, "leaves_alone", None)) for finder in extra]
        paths: dict[str, list[str] | None] = {"": None}
        for name in group if asked else ():
            above = name.rpartition(".")[0]
            if above not in paths:
                parent = sys.modules.get(above) or getattr(self.waiting.get(above), "module", None)
                paths[above] = _list_path(parent)
            for finder, leaves in asked:
                if leaves is not None and leaves(self.waiting[name].file):
                    continue
                if finder.find_spec(name, paths[above]) is not None:
                    return "a finder that the program added finds it"
        for name in group if is_moved else ():
            if "." not in name and self._is_elsewhere(name):
                return f"{name} is found elsewhere on the program's sys.path"
        return ""

    def _is_elsewhere(self, name: str) -> bool:
        """Whether the search path, as it is now, leads to another file than the waiting module's."""
        spec = getattr(self.waiting[name].module, "__spec__", None)
        if spec is None or spec.origin in ("built-in", "frozen"):
            return False
        finder = _find_path_finder()  # type: ignore[no-untyped-call]
        found = finder.find_spec(name)
        return found is None or found.origin != spec.origin or _list_portions(found) != _list_portions(spec)

    def _counts(self, name: bytes) -> bool:
        text = _text(name)
        names = self.env_names
        if names is None or "*" in names or text in names or text.startswith(FAMILIES):
            return True
        return not _ask("?") or _ask("g" + text)  # read by C code

    def _hand_over(self, late: Late) -> None:
        sys.modules[late.name] = late.module  # type: ignore[assignment]
        if self.renew is not None:
            self.renew(late.name, late.module)
        if late.binds is not None:
            setattr(late.binds, late.name.rpartition(".")[2], late.module)

    def _give_finders(self, name: str) -> None:
        """Give the interpreter the finders that have led to this module, which it has no need to make anew."""
        above = name.rpartition(".")[0]
        for path in _list_path(sys.modules.get(above)) if above and self._finders else ():
            if path in self._finders:
                sys.path_importer_cache.setdefault(path, self._finders.pop(path))  # type: ignore[call-overload]

    def _redo(self, late: Late) -> None:
        """Do to the process's lists and environment what the module did when it was initialised."""
        for module_name, list_name, place, item in late.changes:
            if list_name == "environ":
                _write_variable(*item)  # type: ignore[misc]
                continue
            owner = sys.modules.get(module_name) or getattr(self.waiting.get(module_name), "module", None)
            if owner is None:
                continue
            items = getattr(owner, list_name)
            if place < 0:
                items.append(item)
            else:
                items.insert(min(place, len(items)), item)
            if module_name == "warnings":
                mutated(owner)


def _ask(question: str) -> bool:
    """Put a question to `observe.c`, which is still in the process; no, where it is not."""
    try:
        return posix.access("\1entrepot\1" + question, 0)
    except (UnicodeError, ValueError):
        return False


def _is_untouched() -> bool:
    """Whether this run has done nothing yet that doing it again would double."""
    return _ask("?") and _ask("t")


def _is_extension(module: object) -> bool:
    """Whether a module is a distribution's extension. The standard library's bear a second time."""
    file = getattr(module, "__file__", None)
    return type(file) is str and file.endswith(".so") and "/lib-dynload/" not in file


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


def _has_dict(module: object) -> bool:
    return type(getattr(module, "__dict__", None)) is dict


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _is_same(before: dict[str, object], now: dict[str, object]) -> bool:
    """Whether every name of a namespace is bound to the object that it was bound to."""
    return all(now.get(name) is value for name, value in before.items())


def _front(bound):  # type: ignore[no-untyped-def]
    """A function that asks whoever hands modules over, for those that wait, and then the genuine one."""
    waiting, find, real = bound

    def _find_and_load(name, import_):  # type: ignore[no-untyped-def]
        found = find(name, import_) if name in waiting else None
        return real(name, import_) if found is None else found

    # The interpreter takes frames of this file out of tracebacks.
    _find_and_load.__code__ = _find_and_load.__code__.replace(co_filename="<frozen importlib._bootstrap>")
    return _find_and_load


def _is_plain(attribute: str, value: object) -> bool:
    """Whether a name may change without being a patch: counters and caches of the module's own."""
    return attribute.startswith("_") and not callable(value)


def _find_path_finder():  # type: ignore[no-untyped-def]
    for finder in sys.meta_path:
        if getattr(finder, "__name__", "") == "PathFinder":
            return finder
    raise ImportError("sys.meta_path has no PathFinder")


def _read_environment() -> dict[bytes, object]:
    os = sys.modules.get("os")
    return dict(dict.items(os.environ._data)) if os is not None else {}


def _write_variable(name: bytes, value: object) -> None:
    environ = sys.modules["os"].environb
    if value is not None:
        environ[name] = value
    elif name in environ:
        del environ[name]


def mutated(warnings) -> None:  # type: ignore[no-untyped-def]
    """Tell the interpreter that the list of filters is another one."""
    for name in ("_filters_mutated", "_filters_mutated_lock_held"):
        function = getattr(warnings, name, None)
        if function is not None:
            function()
            return


def _read_lists() -> dict[tuple[str, str], list[object]]:
    found: dict[tuple[str, str], list[object]] = {}
    for key in _LISTS:
        module = sys.modules.get(key[0])
        if module is not None:
            found[key] = list(module.__dict__[key[1]])
    return found


def _write_lists(lists: dict[tuple[str, str], list[object]]) -> None:
    for (module_name, name), items in lists.items():
        module = sys.modules.get(module_name)
        if module is not None and module.__dict__[name] != items:
            module.__dict__[name][:] = items
            if module_name == "warnings":
                mutated(module)


def _read_world() -> dict[str, object]:
    """What the program may have changed before it asks for a module."""
    os = sys.modules.get("os")
    warnings = sys.modules.get("warnings")
    filters = tuple(map(id, warnings.filters)) if warnings is not None else ()
    try:
        cwd = posix.getcwd()
    except OSError:
        cwd = ""
    return {
        "cwd": cwd,
        "path": list(sys.path),
        "folders": [_read_stamp(folder) for folder in sys.path],
        "meta": [id(finder) for finder in sys.meta_path],
        "hooks": [id(hook) for hook in sys.path_hooks],
        "filters": filters,
        "limit": sys.getrecursionlimit(),
        "env": dict(os.environ._data) if os is not None else {},
        "trace": sys.gettrace() is not None or sys.getprofile() is not None or _is_monitored(),
    }


def _read_stamp(path: object) -> object:
    """What changes when something is put into a folder or a file is written anew; None where it is not there."""
    try:
        st = posix.stat(path or ".")  # type: ignore[arg-type]
    except (OSError, TypeError, ValueError):
        return None
    return st.st_ino, st.st_mtime_ns, st.st_ctime_ns


def _list_portions(spec: object) -> "list[str] | None":
    """The folders of a package, those of a namespace package included."""
    places = getattr(spec, "submodule_search_locations", None)
    return None if places is None else list(places)


def _list_path(package: object) -> list[str]:
    """The folders of a package's `__path__`. A namespace package's own asks for its parent, which may not be there yet."""
    path = getattr(package, "__dict__", {}).get("__path__", ())
    return list(getattr(path, "_path", path))


def _is_monitored() -> bool:
    """Whether a tool of `sys.monitoring` (Python 3.12) watches: coverage, debuggers."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        return False
    return any(monitoring.get_tool(number) is not None for number in range(6))


SERVED: list[Stash] = []  # the stash of this run


def list_late(added) -> list[str]:  # type: ignore[no-untyped-def]
    """Return which of the names that a run has added to `sys.modules` the next stash may hold, in order.

    Only modules of distributions and of the standard library: the program's own may register
    themselves with each other, and are initialised in the order in which the program does it.
    A path is a folder that the program has put into its search path: what comes there may shadow them.
    And only what the ordinary loaders made: a module that somebody's hook compiled (pytest rewrites
    assertions, for one) would be another module if it were imported ahead. A name with ! before it must
    not wait in the next stash.
    """
    ordinary = (
        "SourceFileLoader ExtensionFileLoader SourcelessFileLoader NamespaceLoader _NamespaceLoader "
        "BuiltinImporter FrozenImporter"
    )
    found = ["!" + name for stash in SERVED for name in stash.final]
    for stash in SERVED:
        found += stash.list_new_folders()
    is_changed = any(stash.has_changed_world() for stash in SERVED)
    for name in added:
        module = sys.modules.get(name)
        if type(name) is not str:
            continue
        file = getattr(module, "__file__", None)
        if type(file) is str and not is_external(file):
            continue
        spec = getattr(module, "__spec__", None)
        loader = getattr(spec, "loader", None)
        if getattr(spec, "name", None) != name or loader is None:
            continue
        kind = loader if isinstance(loader, type) else type(loader)
        if kind.__module__.startswith(("_frozen_importlib", "importlib")) and kind.__name__ in ordinary:
            # Before or after the change, nobody knows; and an extension cannot be given up in a run.
            is_unsure = is_changed and _is_extension(module) and not _is_taken(name)
            found.append("!" + name if is_unsure else name)
    return found


def _sets_variables(code, counts) -> bool:  # type: ignore[no-untyped-def]
    """Whether code, or a function in it, writes to the environment: a name that counts, or who knows which."""
    names = frozenset(code.co_names)
    writes = "putenv" in names or "unsetenv" in names
    if not names.isdisjoint(("environ", "environb")):
        writes = writes or not names.isdisjoint(("update", "setdefault", "pop", "clear", "popitem"))
        writes = writes or not WRITING.isdisjoint(code.co_code[::2])
    if writes:
        words = [text for text in code.co_consts if type(text) is str and text.isidentifier()]
        if not words or any(counts(word.encode()) for word in words):
            return True
    return any(_sets_variables(part, counts) for part in code.co_consts if type(part) is type(code))


def _find_instructions(text: str) -> frozenset[int]:
    return frozenset(compile(text, "", "exec").co_code[::2])


# The instructions that put something into a mapping, or take it out, whatever their numbers are in this version.
WRITING = _find_instructions("a[b] = c; del a[b]") - _find_instructions("a = b[c]; del a; a |= b")


def _is_taken(name: str) -> bool:
    return any(name in stash.taken for stash in SERVED)


def is_external(path: str) -> bool:
    """Whether a file belongs to an installed distribution or to the standard library."""
    if "/site-packages/" in path or "/dist-packages/" in path:
        return True
    standard = getattr(sys.modules.get("os"), "__file__", None) or ""
    return bool(standard) and path.startswith(standard.rpartition("/")[0] + "/")
