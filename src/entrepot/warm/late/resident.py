"""The stash: modules initialised ahead of time, handed over when the program asks for them.

A program imports late: inside functions, in a framework's plugins, after its first real
statement. A warm interpreter has those modules too (it learned from earlier runs which), but
the program must not see them before it imports them. So they wait outside of `sys.modules`.

    stash = Stash(ahead, obstacles, world)      in the preparing interpreter, where `ahead` has filled and hidden
    stash.serve()                               in the run: imports ask the stash first
    stash.list_late(added)                      at its end: what the next stash may hold

A module is handed over with all that its own initialisation imported, in that order, at the
moment when Python would have run it, and only if it would have found the world that it was
initialised in: the same search path (or nothing of that name in what was added), finders,
environment where it counts, directory, standard streams where it holds them, no tracing, and the modules
it took names from as they were. If not, Python imports it as always, and what was built on the stashed copy is given up.

How: in the run `_frozen_importlib._find_and_load`, which the interpreter calls for a name that is
not in the cache, is a function that looks here first.

Does not know: what a module changed deep inside objects of other modules (a class's attributes, a
registry's entries) while it was prepared. See docs/differences.md.

Resident: `ahead` is of `ahead/resident.py`, `obstacles` of `obstacles/resident.py`, and `world` has the names of
`world/resident.py`.
"""

import _frozen_importlib
import posix
import sys

TYPE_CHECKING = False  # typing is not loaded in a bare interpreter
if TYPE_CHECKING:
    from typing import Any

    from entrepot.warm.ahead.resident import Ahead, Late
    from entrepot.warm.obstacles.resident import Obstacles


class Stash:
    """All the modules that wait in a warm interpreter, as a run gets them."""

    def __init__(self, ahead: "Ahead", obstacles: "Obstacles", world: "Any", renew: "Any" = None) -> None:
        self._ahead = ahead
        self.obstacles = obstacles
        self._world = world
        self.renew = renew  # called with the name and the module of each one handed over
        self.waiting = ahead.waiting
        self.start_cold: object = None  # begins the run again, without the store; set where that can be done
        self.front = _front  # exchanged for one in C, which has no frame
        self.asked: list[str] = []  # names that were not in the cache, as the run has asked for them
        self.taken: list[str] = []
        self.final: list[str] = []  # handed over although something was not as it had been
        self.missed: dict[str, str] = {}  # name -> why it was not handed over in this run

    def serve(self) -> None:
        """Let imports ask here first."""
        self.obstacles.begin()
        self._world.ask("y")
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
        _frozen_importlib._find_and_load = self.front((waiting, find, real, self.asked))  # type: ignore

    def meet(self, folder: str) -> None:
        """A folder has come before the search path: give up what it shadows, before anything is done.

        With an extension among it the run begins again, cold, because most cannot be initialised twice.
        """
        try:
            stems = {entry.partition(".")[0] for entry in posix.listdir(folder or ".")}
        except OSError:
            stems = {name for name in self.waiting if "." not in name}  # an archive, or not to be read
        for name in sorted(stems.intersection(self.waiting)):
            if name in self.waiting and self.obstacles.is_elsewhere(name):
                users = self._find_users(name)
                if any(self._world.is_extension(self.waiting[user].module) for user in users):
                    self.start_cold()  # type: ignore[operator]
                self.missed[name] = f"{name} is found elsewhere on the program's sys.path"
                self._ahead.drop(name)

    def _take(self, name: str) -> bool:
        if self.waiting[name].maker:
            return False  # nobody finds it by its name
        parent = name.rpartition(".")[0]
        group = self._find_group(name)
        reason = ""
        if parent and parent in self.waiting and sys.modules.get(parent) is not self.waiting[parent].module:
            reason = f"{parent} was imported anew"
        reason = reason or self.obstacles.find(group)
        if reason:
            self.missed[name] = reason
            if not self._is_final(name):
                self._ahead.drop(name)
                return False
        for member in group:
            self._hand_over(self.waiting[member])
        for member in group:
            self._give_finders(member)
            self._redo(self.waiting[member])
        self.taken += group
        return True

    def watch_code(self, code) -> bool:  # type: ignore[no-untyped-def]
        """Look at a program's code before it runs; say whether it may set what a waiting extension depends on.

        If so, the run begins again, cold, before the first thing that could not be done again: what is then set
        would come too late for an extension, which most cannot be initialised twice.
        """
        if (
            code is None
            or self._world.is_external(code.co_filename)
            or not self.obstacles.sets_variables(code)
        ):
            return False
        if not any(self._world.is_extension(late.module) for late in self.waiting.values()):
            return False
        self._world.ask("x")
        return True

    def _is_final(self, name: str) -> bool:
        """Whether giving up a module would have an extension initialised twice, which most refuse.

        As long as the run has done nothing that can be seen, it begins again, cold. After that the
        extension is handed over as it is; the next image is made without it.
        """
        if not any(self._world.is_extension(self.waiting[other].module) for other in self._find_users(name)):
            return False
        if self.start_cold is not None and self._is_untouched():
            self.start_cold()  # type: ignore[operator]
        self.final.append(name)
        return True

    def _is_untouched(self) -> bool:
        """Whether this run has done nothing yet that doing it again would double."""
        return bool(self._world.ask("?") and self._world.ask("t"))

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

    def _hand_over(self, late: "Late") -> None:
        sys.modules[late.name] = late.module  # type: ignore[assignment]
        if self.renew is not None:
            self.renew(late.name, late.module)
        if late.binds is not None:
            setattr(late.binds, late.name.rpartition(".")[2], late.module)

    def _give_finders(self, name: str) -> None:
        """Give the interpreter the finders that have led to this module, which it has no need to make anew."""
        above = name.rpartition(".")[0]
        for path in self._world.list_path(sys.modules.get(above)) if above and self._ahead.finders else ():
            if path in self._ahead.finders:
                sys.path_importer_cache.setdefault(path, self._ahead.finders.pop(path))  # type: ignore[call-overload]

    def _redo(self, late: "Late") -> None:
        """Do to the process's lists and environment what the module did when it was initialised."""
        for module_name, list_name, place, item in late.changes:
            if list_name == "environ":
                self._world.write_variable(*item)  # type: ignore[misc]
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
                self._world.mutated(owner)

    def let_go(self) -> None:
        """Hold no module that the program has, and nothing that modules hold.

        Those that wait still do: what is done at the end may ask for them, and under Python they would not be there to end.
        """
        self._ahead.snapshots.clear()
        for late in self._ahead.waiting.values():
            if late.name in sys.modules:
                late.module = None

    def list_late(self, added) -> list[str]:  # type: ignore[no-untyped-def]
        """Return which of the names that a run has added to `sys.modules` the next stash may hold.

        In the order in which they were asked for: initialised in that order, each finds what it itself initialises not yet
        there, and so it is known what belongs to it. Those that nobody has asked for follow as they were added.

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
        found = ["!" + name for name in self.final]
        found += self.obstacles.list_new_folders()
        is_changed = self.obstacles.has_changed_world()
        added = dict.fromkeys(added)
        for name in dict.fromkeys([*(name for name in self.asked if name in added), *added]):
            module = sys.modules.get(name)
            if type(name) is not str:
                continue
            file = getattr(module, "__file__", None)
            if type(file) is str and not self._world.is_external(file):
                continue
            spec = getattr(module, "__spec__", None)
            loader = getattr(spec, "loader", None)
            if getattr(spec, "name", None) != name or loader is None:
                continue
            kind = loader if isinstance(loader, type) else type(loader)
            if kind.__module__.startswith(("_frozen_importlib", "importlib")) and kind.__name__ in ordinary:
                # Before or after the change, nobody knows; and an extension cannot be given up in a run.
                is_unsure = is_changed and self._world.is_extension(module) and name not in self.taken
                found.append("!" + name if is_unsure else name)
        return found


def _front(bound):  # type: ignore[no-untyped-def]
    """A function that asks whoever hands modules over, for those that wait, and then the genuine one."""
    waiting, find, real, asked = bound

    def _find_and_load(name, import_):  # type: ignore[no-untyped-def]
        asked.append(name)
        found = find(name, import_) if name in waiting else None
        return real(name, import_) if found is None else found

    # The interpreter takes frames of this file out of tracebacks.
    _find_and_load.__code__ = _find_and_load.__code__.replace(co_filename="<frozen importlib._bootstrap>")
    return _find_and_load
