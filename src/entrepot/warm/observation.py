"""Turn the log of an observed preparation into what it depended on and what it did.

`read_observation` walks the events with the stack of modules being initialised, so that each
input and each deed has the name of the module that it belongs to. The result is a value;
`fingerprint.py` makes of it what is checked before each run, `verdict.py` what may be shared.
"""

# ruff: noqa: ARG002  every `on_` method takes an event's text and detail

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field

from entrepot.trace.log import Event, Seen
from entrepot.warm import eligible

START = "<start>"  # the interpreter's own start: site, .pth files, sitecustomize
PROGRAM = "__main__"


@dataclass(slots=True)
class Module:
    """A module that was initialised while observed."""

    name: str
    importer: str
    source: str = ""
    failed: bool = False
    finished: bool = False


@dataclass(slots=True)
class Observation:
    """All that one preparation read, ran and did."""

    modules: dict[str, Module] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)  # as they finished
    # (path, follows links) -> what about the file was asked for -> first seen
    files: dict[tuple[str, bool], dict[str, Seen]] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)  # files of the system's that were read
    tails: dict[str, set[str]] = field(default_factory=dict)  # directory -> names searched for in it
    readers: dict[str, str] = field(default_factory=dict)  # input -> the first module that read it
    env: set[str] = field(default_factory=set)
    env_all: bool = False
    cwd: bool = False
    argv: bool = False
    day: bool = False
    host: bool = False
    limits: set[int] = field(default_factory=set)
    # Name, value, and whether `os.environ` has it too: C code can set a variable that Python does not see.
    env_set: list[tuple[str, str | None, bool]] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)  # module -> why it may not be shared
    # Module -> what it has asked about the standard streams; the second: before the program would have waited.
    terminal: dict[str, str] = field(default_factory=dict)
    terminal_early: dict[str, str] = field(default_factory=dict)
    deed: tuple[str, str] | None = None  # the effect that ended the preparation
    stack: list[str] = field(default_factory=list)  # modules unfinished at the end
    edges: dict[str, set[str]] = field(default_factory=dict)  # importer -> imported
    statements: list[str] = field(default_factory=list)
    young: str = ""  # a file changed so shortly before it was read that its times prove nothing
    disarmed: bool = False


def read_observation(
    events: Iterable[Event], cwd: str, *, shared: bool = False, env: Iterable[str] = ()
) -> Observation:
    """Walk the log once. `shared`: for any program, so what depends on one program's surroundings is refused.

    `env`: the variables that there were at the start.
    """
    seen = Observation()
    walker = _Walker(seen, cwd, shared, frozenset(env))
    for event in events:
        walker.take(event)
    walker.finish()
    seen.stack = walker.stack[:]
    return seen


class _Walker:
    def __init__(self, result: Observation, cwd: str, shared: bool, env: frozenset[str]) -> None:
        self.result = result
        self.cwd = cwd
        self.shared = shared
        self.env = env
        self.stack: list[str] = []
        self.armed = False
        self.filling = False  # what the stash's modules set is set again when they are handed over
        self.unseen: dict[str, tuple[str | None, str, bool]] = {}  # variables: value, who set it, filling
        self.tail = ""
        self.seeks_distributions = False

    @property
    def who(self) -> str:
        if self.stack:
            return self.stack[-1]
        return PROGRAM if self.armed else START

    def take(self, event: Event) -> None:
        kind = event.kind
        if event.seen is not None:
            self.take_file(kind, event.text, event.seen)
            return
        method = getattr(self, "on_" + _WORDS.get(kind, "other"))
        method(event.text, event.detail)

    # ---- modules

    def on_arm(self, text: str, detail: str) -> None:
        self.armed = True

    def on_disarm(self, text: str, detail: str) -> None:
        self.result.disarmed = True

    def on_begin(self, name: str, detail: str) -> None:
        importer = self.who
        self.result.edges.setdefault(importer, set()).add(name)
        if name not in self.result.modules:
            self.result.modules[name] = Module(name, importer)
        self.stack.append(name)

    def on_end(self, name: str, detail: str) -> None:
        while self.stack and self.stack.pop() != name:
            pass
        module = self.result.modules[name]
        module.finished, module.failed = True, False
        self.result.order.append(name)

    def on_fail(self, name: str, detail: str) -> None:
        while self.stack and self.stack.pop() != name:
            pass
        self.result.modules[name].failed = True

    def on_cached(self, name: str, detail: str) -> None:
        self.result.edges.setdefault(self.who, set()).add(name)

    def on_tail(self, tail: str, detail: str) -> None:
        self.tail = tail

    def on_distributions(self, text: str, detail: str) -> None:
        self.seeks_distributions = bool(text)

    def on_statement(self, text: str, detail: str) -> None:
        self.result.statements.append(text)

    # ---- files

    def take_file(self, kind: str, path: str, seen: Seen) -> None:
        if not path:
            return
        if not path.startswith("/") and (seen.mode or kind == "p" or not self.armed):
            # What is not there stays as it was asked for: in another directory it may not be there either.
            self.depend_on_cwd()
            path = os.path.join(self.cwd, path)
        if _is_of_the_system(path):
            path = _find_own_path(path)
            if _is_volatile(path):
                self.refuse_restless(path)
            elif kind in "esa" and path.startswith(_LIMITS):
                self.result.files.setdefault((path, True), {}).setdefault("e", seen)
            return
        if kind == "f":
            self.result.tails.setdefault(path, set()).add(self.tail)
        if self.stack and (kind == "y" or (kind == "o" and path.endswith(".so"))):
            self.result.modules[self.stack[-1]].source = path
        if seen.mode and stat.S_ISCHR(seen.mode) and kind == "o":
            if not path.startswith(("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/full")):
                self.refuse(f"opens the device {path}")
            return
        if not self.armed and kind in "sk" and not stat.S_ISREG(seen.mode):
            kind = "e" if kind == "s" else "z"  # site asks whether directories are there
        if self.seeks_distributions and kind in "sl":
            kind = {"s": "e", "l": "d"}[kind]
        follows = kind not in "kzp"
        asked = self.result.files.setdefault((path, follows), {})
        if kind == "l" and not self.armed and not self.stack:
            kind = "h"  # site looks for .pth files only
        before = asked.setdefault(kind, seen)
        # Whatever else was asked for before: a stat after an edit would hide that the text before it was read.
        is_edited = bool(seen.mode) and any(
            one.mode and one.ctime_ns != seen.ctime_ns and not stat.S_ISDIR(seen.mode)
            for one in asked.values()
        )
        if before.mode != seen.mode or is_edited:
            self.result.young = path  # changed while we looked
        if seen.is_young and kind in "oysklfd" and not path.endswith("__pycache__"):
            self.result.young = path
        self.result.readers.setdefault(path, self.who)

    def on_text(self, path: str, library: str) -> None:
        """A file of the system's is read, whose text counts: it has neither size nor time."""
        path = _find_own_path(path)
        if not self.armed or _is_volatile(path):
            return
        is_python = os.path.basename(library).startswith(("python", "libpython"))
        if is_python and path in _RESTLESS:
            self.refuse_restless(path)
        elif is_python or path.startswith(_LIMITS):
            self.result.texts.add(path)
            self.result.readers.setdefault(path, self.who)

    def refuse_restless(self, path: str) -> None:
        if self.who not in eligible.RESTLESS:
            self.refuse(f"reads {path}, which changes all the time")

    def on_file_system(self, text: str, detail: str) -> None:
        if self.armed:
            self.refuse("asks how full a file system is")

    # ---- surroundings

    def on_variable(self, name: str, detail: str) -> None:
        if name == "PATH" and not self.armed:
            return  # only to find the executable, which is given
        self.result.env.add(name)
        self.result.readers.setdefault("$" + name, self.who)

    def depend_on_cwd(self) -> None:
        self.result.cwd = True
        if self.shared and self.armed:
            self.refuse("depends on the current directory")

    def on_all_variables(self, text: str, detail: str) -> None:
        if self.shared and self.armed:
            self.refuse("looks at all environment variables")
            return
        self.result.env_all = True
        self.result.readers.setdefault("$*", self.who)

    def on_directory(self, text: str, detail: str) -> None:
        if self.armed and self.who != "multiprocessing.process":  # keeps it for spawned children: renewed
            self.depend_on_cwd()
            self.result.readers.setdefault("cwd", self.who)

    def on_argv(self, text: str, detail: str) -> None:
        if self.shared and self.armed:
            self.refuse("reads the program's arguments")
            return
        self.result.argv = True
        self.result.readers.setdefault("argv", self.who)

    def on_host(self, text: str, detail: str) -> None:
        self.result.host = True

    def on_limit(self, text: str, library: str) -> None:
        if not self.armed or os.path.basename(library).startswith("libc.so"):
            return
        if text.isdigit():
            self.result.limits.add(int(text))
            self.result.readers.setdefault("limits", self.who)
        else:
            self.refuse("asks for its priority")

    def on_clock(self, text: str, library: str) -> None:
        if not self.armed or eligible.is_private(library):
            return
        how = eligible.CLOCK.get(self.who)
        if how is None:
            self.refuse("reads the clock")
        elif how == "day":
            self.result.day = True

    def on_randomness(self, text: str, library: str) -> None:
        if self.who in eligible.RANDOM or self.who in eligible.PROBES:
            return
        if not self.armed or eligible.is_private(library):
            return
        self.refuse("takes randomness")

    def on_identity(self, text: str, library: str) -> None:
        if (
            self.armed
            and not eligible.is_private(library)
            and self.who
            not in {
                *eligible.PROBES,
                *eligible.IDENTITY,
            }
        ):
            self.refuse(f"asks for the process's identity ({text})")

    def on_terminal(self, text: str, library: str) -> None:
        if not self.armed:
            return
        why = f"asks what the standard streams are ({text})"
        if not self.stack or text not in eligible.NO_TERMINAL:
            self.refuse(why)
        elif self.filling:
            self.result.terminal.setdefault(self.who, why)
        else:
            self.result.terminal_early.setdefault(self.who, why)

    def on_note(self, text: str, detail: str) -> None:
        name, _, what = text.partition("\1")
        if what.startswith("keeps the clock") and name in eligible.CLOCK:
            return
        if self.stack and name != self.stack[-1]:
            name = self.stack[-1]
        if what.startswith("uses or seeds") and name in eligible.RANDOM:
            return
        if what == "takes randomness" and (name in eligible.RANDOM or name in eligible.PROBES):
            return
        self.result.reasons.setdefault(name, what)

    def on_thread(self, text: str, library: str) -> None:
        reason = eligible.get_thread_reason(library)
        if reason:
            self.result.reasons[self.who] = reason  # says more than that the thread asks who it is

    def on_fill(self, text: str, detail: str) -> None:
        self.filling = True

    # Set before the program begins: by .pth files and sitecustomize, but LC_CTYPE by Python itself (PEP 538).

    def on_set(self, name: str, value: str) -> None:
        if self.armed or name != "LC_CTYPE":
            self.take_variable(name, value)

    def on_unset(self, name: str, detail: str) -> None:
        self.take_variable(name, None)

    def take_variable(self, name: str, value: str | None) -> None:
        before, _, filling = self.unseen.get(name, (None, "", True))
        if not filling:
            self.result.env_set.append((name, before, False))
        self.unseen[name] = value, self.who, self.filling
        if not self.armed:  # `os.environ` is not watched yet
            self.on_mapped(name, "")

    def on_mapped(self, name: str, detail: str) -> None:
        """`os.environ` has it now, which has just set it."""
        if name in self.unseen:
            value, _, filling = self.unseen.pop(name)
            if not filling:
                self.result.env_set.append((name, value, True))

    def finish(self) -> None:
        """What C code has set, or `os.putenv`, is not in `os.environ`."""
        for name, (value, who, filling) in self.unseen.items():
            if not filling:
                self.result.env_set.append((name, value, False))
            elif value is not None or name in self.env:  # else taken away again, as numpy does
                self.result.reasons.setdefault(who, f"sets {name}, and os.environ does not know")

    def on_effect(self, what: str, detail: str) -> None:
        if self.who in eligible.PROBES:
            return
        if self.armed:
            self.result.deed = (what, detail)
        self.refuse(_say(what, detail))

    def on_opening(self, what: str, detail: str) -> None:
        # Descriptors that are still there at the end of the module are told by `resident.py`.
        if self.armed and what == "maps shared memory":
            self.refuse(what)

    def on_other(self, text: str, detail: str) -> None:
        pass

    def refuse(self, reason: str) -> None:
        self.result.reasons.setdefault(self.who, reason)


_WORDS = {
    "A": "arm",
    "D": "disarm",
    "B": "begin",
    "E": "end",
    "X": "fail",
    "C": "cached",
    "F": "tail",
    "J": "statement",
    "L": "distributions",
    "V": "variable",
    "c": "variable",
    "W": "all_variables",
    "d": "directory",
    "G": "argv",
    "h": "host",
    "m": "limit",
    "n": "clock",
    "r": "randomness",
    "i": "identity",
    "t": "terminal",
    "j": "text",
    "u": "file_system",
    "N": "note",
    "T": "thread",
    "H": "fill",
    "M": "mapped",
    "S": "set",
    "U": "unset",
    "!": "effect",
    "~": "opening",
}


def _say(what: str, detail: str) -> str:
    detail = detail.strip()
    if not detail:
        return what
    if what in ("prints", "writes to stderr"):
        first = detail.splitlines()[0]
        return f"{what} {first[:80]!r}"
    return f"{what}: {detail}"


_CONSTANT = (
    "/proc/cpuinfo",
    "/proc/sys/",
    "/sys/devices/system/",
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
    "/proc/self/mounts",
    "/proc/mounts",
    "/proc/filesystems",
    "/proc/version",
    "/sys/fs/cgroup",
    "/proc/meminfo",
)


# What Python code keeps of these is old at once. Libraries in C look there for the machine's kind and size.
_RESTLESS = ("/proc/cpuinfo", "/proc/meminfo")
# What this process may use, which its caller decides.
_LIMITS = ("/proc/self/cgroup", "/sys/fs/cgroup", "/proc/sys/")


def _find_own_path(path: str) -> str:
    """Libraries spell their own process's number."""
    parts = path.split("/")
    if parts[2:3] and parts[2].isdigit() and parts[1] == "proc":
        return "/".join(["/proc/self", *parts[3:]])
    return path


def _is_of_the_system(path: str) -> bool:
    return path.startswith(("/proc/", "/sys/"))


def _is_volatile(path: str) -> bool:
    return not path.startswith(_CONSTANT) and path not in ("/proc", "/proc/self", "/sys")
