"""Why a waiting module may not be handed over: what it would find is not what it found.

    obstacles = Obstacles(ahead, world)
    obstacles.begin()            the run begins: this is what the program was given
    obstacles.find(group)        the reason why Python would not have initialised these modules just so, or ''

Modules were initialised ahead, in the world of the preparing interpreter. Before the program gets them, the world that
it has made meanwhile is compared: tracing, directory, finders and search path, environment where it counts, standard
streams where they are held, warning filters, files, and the modules that they took names from.

Does not know: what is deep inside objects of other modules.

Resident: `ahead` is of `ahead/resident.py`, `world` has the names of `world/resident.py`.
"""

import sys

TYPE_CHECKING = False  # typing is not loaded in a bare interpreter
if TYPE_CHECKING:
    from typing import Any

    from entrepot.warm.ahead.resident import Ahead

# Variables that libraries read where nobody sees it: those of eligible.py (a test keeps them the same).
FAMILIES = (
    "PYTHON", "LC_", "LANG", "TZ", "LD_", "OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_",
    "VECLIB_", "NUMEXPR_", "CUDA_", "NVIDIA_", "MALLOC_", "GLIBC_TUNABLES", "NLSPATH", "LOCPATH", "OPENSSL_",
    "SSL_CERT_",
)  # fmt: skip


class Obstacles:
    """What stands between a run and the modules that wait for it."""

    def __init__(self, ahead: "Ahead", world: "Any") -> None:
        self._ahead = ahead
        self._world = world
        self._start: dict[str, Any] = {}  # nothing until the run begins
        # Modules that have asked about the standard streams, of which none was a terminal.
        self._asking: frozenset[str] = frozenset()
        self.is_same = _is_same  # exchanged for one in C, which copies no page of memory by looking

    def begin(self) -> None:
        """Remember the world that the program is given."""
        self._start = self._world.read_world()

    def expect_no_terminal(self, names: "list[str]") -> None:
        """Hand these modules over only where it is as they have found it: no standard stream is a terminal."""
        self._asking = frozenset(names)
        self._ahead.holders |= self._asking

    def find(self, group: list[str]) -> str:
        """Return why Python would not have initialised these modules just so, or ''."""
        start, now = self._start, self._world.read_world()
        if now["trace"]:
            return "a trace or profile function is set"
        if now["cwd"] != start["cwd"]:
            return "the program changed its directory"
        if now["hooks"] != start["hooks"]:
            return "the program changed sys.path_hooks"
        if now["limit"] != start["limit"]:
            return "the program changed the recursion limit"
        if now["filters"] != start["filters"]:
            for name in self._ahead.warned:
                if name in group or name not in self._ahead.waiting:
                    return f"the program changed the warning filters, and {name} is warned about"
        if now["streams"] != start["streams"]:
            for name in self._ahead.holders.intersection(group):
                return f"the program put another standard stream in its place, and {name} holds one"
        if not self._asking.isdisjoint(group) and self._world.has_terminal():
            return "a standard stream is a terminal, or closed"
        variable = self._find_setting(group, start["env"], now["env"])
        if variable:
            return f"the environment variable {_text(variable)} is not as it was"
        # The run has changed files, or what it did is not known.
        if not (self._world.ask("?") and self._world.ask("k")):
            for name in group:
                late = self._ahead.waiting[name]
                if late.file and self._world.read_stamp(late.file) != late.stamp:
                    return f"the file of {name} was changed meanwhile"
        needs: set[str] = set()
        for name in group:
            needs.update(self._ahead.waiting[name].needs, self._ahead.waiting[name].outside)
        for name in needs.difference(group):
            waiting = self._ahead.waiting.get(name)
            module = sys.modules.get(name)
            if waiting is not None:
                if module is not waiting.module:
                    return f"{name}, which it uses, is not here"
                continue
            before = self._ahead.snapshots.get(name)
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
        names = {name for name, _ in self._ahead.settings}
        if now != start:
            names |= {name for name in now.keys() | start.keys() if now.get(name) != start.get(name)}
        for name in sorted(names):
            if not self._counts(name):
                continue
            values = [(at, value) for at, (other, value) in enumerate(self._ahead.settings) if other == name]
            current = now.get(name)
            # Where none of the modules sets it, all found the same.
            if not values and start.get(name) != current:
                return name
            for member in group if values else ():
                late = self._ahead.waiting[member]
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

    def _find_shadow(self, group: list[str], now: "dict[str, Any]") -> str:
        """Ask the finders that the program added, and the path as it is now."""
        start = self._start
        is_moved = now["path"] != start["path"] or now["folders"] != start["folders"]
        extra = []
        if now["meta"] != start["meta"]:
            path_finder = self._world.find_path_finder()
            for finder in sys.meta_path:
                if finder is path_finder:
                    break
                if id(finder) not in start["meta"]:
                    extra.append(finder)
        # That of entrepot.live says of which files it finds just what PathFinder does.
        asked = [(finder, getattr(finder, "leaves_alone", None)) for finder in extra]
        paths: dict[str, list[str] | None] = {"": None}
        for name in group if asked else ():
            above = name.rpartition(".")[0]
            if above not in paths:
                parent = sys.modules.get(above) or getattr(self._ahead.waiting.get(above), "module", None)
                paths[above] = self._world.list_path(parent)
            for finder, leaves in asked:
                late = self._ahead.waiting[name]
                if late.maker or (leaves is not None and leaves(late.file)):
                    continue
                if finder.find_spec(name, paths[above]) is not None:
                    return "a finder that the program added finds it"
        for name in group if is_moved else ():
            if "." not in name and self.is_elsewhere(name):
                return f"{name} is found elsewhere on the program's sys.path"
        return ""

    def is_elsewhere(self, name: str) -> bool:
        """Whether the search path, as it is now, leads to another place than when the module was initialised.

        Not to another than the module says: some change what they say (six), or come from a finder of their own
        (editable installs).
        """
        late = self._ahead.waiting[name]
        if late.maker or getattr(getattr(late.module, "__spec__", None), "origin", None) in (
            "built-in",
            "frozen",
        ):
            return False
        return bool(self._world.find_place(name) != late.place)

    def has_changed_world(self) -> bool:
        """Whether the program has changed, for all that follows, what the initialisation of modules may depend on."""
        now = self._world.read_world()
        start = self._start or now
        if now["cwd"] != start["cwd"] or now["hooks"] != start["hooks"] or now["limit"] != start["limit"]:
            return True
        before, after = start["env"], now["env"]
        return any(
            before.get(name) != after.get(name) and not name.startswith(b"PYTEST_")
            for name in before.keys() | after.keys()
        )

    def list_new_folders(self) -> list[str]:
        """Return the folders that the program has put into its search path."""
        before = self._start.get("path", sys.path)
        return [
            path
            for path in sys.path
            if type(path) is str and path.startswith("/") and path not in before and "\n" not in path
        ]

    def sets_variables(self, code) -> bool:  # type: ignore[no-untyped-def]
        """Whether code of the program may set a variable that a waiting module depends on."""
        return _sets_variables(code, self._counts)

    def _counts(self, name: bytes) -> bool:
        text = _text(name)
        names = self._ahead.env_names
        if names is None or "*" in names or text in names or text.startswith(FAMILIES):
            return True
        return not self._world.ask("?") or self._world.ask("g" + text)  # read by C code


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


def _is_same(before: dict[str, object], now: dict[str, object]) -> bool:
    """Whether every name of a namespace is bound to the object that it was bound to."""
    return all(now.get(name) is value for name, value in before.items())


def _is_plain(attribute: str, value: object) -> bool:
    """Whether a name may change without being a patch: counters and caches of the module's own."""
    return attribute.startswith("_") and not callable(value)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
