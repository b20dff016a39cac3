"""In an interpreter: come to the point where the program waits, become an image, and be the program.

`image_preload.c` runs this text in a namespace of its own, when Python is about to run its program and
no Python frame is there yet, and calls `begin(kind, subject)`. It gives back the code of the program
(or None: Python goes on by itself; or a FUNCTION to call). Somewhere in the middle, at the program's
first statement that does more than prepare, `wait` is called: there the image is written, and there
every run that takes the image over continues, in a process of its own that the kernel has made for it:
arguments, environment, descriptors and signals are the new ones, and Python is told of them (`arrival/resident.py`).

At the end it calls `finish` (`ending/resident.py`).

Resident: imports nothing that a bare interpreter has not loaded; nothing of it stays in `sys.modules`.
"""

import sys

HAD_GC = "gc" in sys.modules

import gc  # noqa: E402
import marshal  # noqa: E402
import posix  # noqa: E402

if not HAD_GC:
    del sys.modules["gc"]

TYPE_CHECKING = False  # typing is not loaded in a bare interpreter
if TYPE_CHECKING:
    from typing import Any

FUNCTION = None  # with FIRST and SECOND: what to call instead of running code
del FUNCTION

RUN: "dict[str, Any]" = {"stash": None, "modules": frozenset(), "late": None, "settings": {}}
LOADED: "dict[str, Any]" = {}


def load(relative: str, **given: object) -> "Any":
    """Return the namespace of another resident file, run once, with the names that it is given."""
    if relative not in LOADED:
        path = RESIDENT.rpartition("/warm/")[0] + "/" + relative  # type: ignore[name-defined] # noqa: F821
        names = {"__name__": relative, "__builtins__": __builtins__, **given}
        LOADED[relative] = names
        exec(compile(read_file(path), path, "exec", dont_inherit=True), names)
    return LOADED[relative]


def read_file(path: str) -> bytes:
    """Return a file's bytes."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    parts = []
    while part := posix.read(fd, 1 << 20):
        parts.append(part)
    posix.close(fd)
    return b"".join(parts)


def receive() -> "Any":
    """Return one value from the keeper: eight bytes of length, then marshalled plain values."""
    size = int.from_bytes(read_exactly(8), "little")
    return marshal.loads(read_exactly(size))


def read_exactly(size: int) -> bytes:
    """Read so many bytes; end the process if the keeper is gone."""
    data = b""
    while len(data) < size:
        part = posix.read(CONTROL, size - len(data))  # type: ignore[name-defined] # noqa: F821
        if not part:
            posix._exit(75)
        data += part
    return data


def send(value: "Any") -> None:
    """Tell the keeper a value."""
    data = marshal.dumps(value, 2)
    data = len(data).to_bytes(8, "little") + data
    while data:
        data = data[posix.write(CONTROL, data) :]  # type: ignore[name-defined] # noqa: F821


def begin(kind: str, subject: str) -> "Any":
    """Prepare, wait, and return the program's code, or None if Python itself goes on."""
    posix.access("\1entrepot\1P", 0)
    settings = receive()
    RUN["settings"] = settings
    # A module may put others in their place.
    RUN["streams"] = [(name, getattr(sys, f"__{name}__")) for name in ("stdin", "stdout", "stderr")]
    plan = settings["plan"]
    names = sys.modules["__main__"].__dict__
    filename = "<string>"
    source: str | bytes = subject
    if kind == "file":
        filename = subject
        if not settings["base"]:
            source = read_file(filename)
            set_main(names, filename)
    preparation = load("warm/preparation/resident.py")
    codes = load("warm/codes/resident.py")
    load_parts()
    RUN["give back"] = codes["leave_young"]()
    RUN["codes"] = codes["read_codes"](settings["codes"]) if settings["base"] else {}
    posix.access("\1entrepot\1R", 0)
    if kind in ("file", "command") and not settings["base"]:
        return preparation["begin"](names, source, filename, "", plan, load, wait)
    stash = preparation["begin_base"](plan, load, wait)
    if settings["base"]:
        return begin_run(names, stash)
    return set_module(subject)


def load_parts() -> None:
    """Load what is needed later. Nobody listens yet: what is read after that is compared by each run."""
    for part in ("trace/searches", "trace/surroundings", "warm/world", "warm/ahead", "warm/obstacles"):
        load(f"{part}/resident.py")
    load(
        "warm/arrival/resident.py",
        RUN=RUN,
        read_file=read_file,
        renew_all=load("warm/renewal/resident.py")["renew_all"],
        describe_run=describe_run,  # type: ignore[name-defined] # noqa: F821
        find_changed=find_changed,  # type: ignore[name-defined] # noqa: F821
        set_quick=set_quick,  # type: ignore[name-defined] # noqa: F821
    )
    ending = load(
        "warm/ending/resident.py",
        RUN=RUN,
        gc=gc,
        is_external=load("warm/world/resident.py")["is_external"],
        is_inert=is_inert,  # type: ignore[name-defined] # noqa: F821
        note_hot=note_hot,  # type: ignore[name-defined] # noqa: F821
    )
    for name in (
        "leaves_nothing",
        "finish_objects",
        "let_go",
        "report_late",
        "ended",
        "ends_plainly",
        "has_plain_code",
    ):
        globals()[name] = ending[name]  # image_preload.c calls them


def set_module(name: str) -> None:
    """Have a module run as the program."""
    runpy = __import__("runpy")
    globals().update(FUNCTION=runpy._run_module_as_main, FIRST=name, SECOND=sys.argv[0] == "-m")


def begin_run(names: "dict[str, Any]", stash: "Any") -> "Any":
    """In a run that has the modules which programs share: become this program, of whatever kind it is."""
    kind, subject = RUN["kind"], RUN["subject"]
    try:
        folder = find_folder(kind, subject)
        if kind == "f" and not subject.startswith("/"):
            subject = posix.getcwd() + "/" + subject
        source = read_file(subject) if kind == "f" else read_stdin() if kind == "s" else subject + "\n"
    except OSError:
        return start_cold()
    sys.path_importer_cache.pop(RUN["base"], None)
    sys.path_importer_cache.pop(RUN["script"], None)
    if kind == "f":
        sys.path_importer_cache[subject] = None  # Python has asked whether it is an archive
    if not sys.flags.safe_path:
        # Only now: the stash compares, so that it searches the program's folder for every name.
        if folder is None:
            del sys.path[0]
        else:
            sys.path[0] = folder
            stash.meet(folder)
    LOADED["warm/codes/resident.py"]["serve"](RUN["codes"], stash.watch_code, front_get_code)  # type: ignore[name-defined] # noqa: F821
    if kind == "m":
        return set_module(subject)
    if kind == "f":
        set_main(names, subject)
    if kind == "s":
        names.update(__file__="<stdin>", __cached__=None)
    filename = {"f": subject, "s": "<stdin>"}.get(kind, "<string>")
    try:
        code = compile(source, filename, "exec", dont_inherit=True)
    except Exception:
        return start_cold()  # Python tells it, to the letter
    if stash.watch_code(code) and kind == "s":
        return start_cold()  # later there would be no program any more
    if kind == "c":
        LOADED["warm/preparation/resident.py"]["register"](code, source)
    return code


def read_stdin() -> bytes:
    """Return the program that comes through stdin, all of it, as Python reads it before it begins."""
    try:
        start = posix.lseek(0, 0, 1)
    except OSError:
        start = -1  # a pipe
    parts = []
    while part := posix.read(0, 1 << 16):
        parts.append(part)
    RUN["stdin"] = start, b"".join(parts)
    posix.access("\1entrepot\1y", 0)  # nothing that could not be given back has been done
    return b"".join(parts)


def give_back_stdin(start: int, text: bytes) -> None:
    """Have the program stand in stdin again: for a run that begins once more."""
    if start >= 0:
        posix.lseek(0, start, 0)
        return
    if len(text) <= 1 << 16:  # what a pipe holds
        end, filled = posix.pipe()
        posix.write(filled, text)
    else:
        end = filled = posix.memfd_create("stdin")
        while text:
            text = text[posix.write(filled, text) :]
        posix.lseek(end, 0, 0)
    posix.dup2(end, 0)
    for fd in {end, filled} - {0}:
        posix.close(fd)


def find_folder(kind: str, subject: str) -> "str | None":
    """Return what Python puts before the search path for this program."""
    if kind in "cs":
        return ""
    if kind == "f":
        path = sys.modules["os"].path
        return path.dirname(path.realpath(subject))  # type: ignore[no-any-return]
    try:
        return posix.getcwd()
    except OSError:
        return None


def set_main(names: "dict[str, Any]", filename: str) -> None:
    """Set what Python sets in `__main__` for a file, whose path is absolute by now."""
    loader = sys.modules["_frozen_importlib_external"].SourceFileLoader
    names["__file__"] = filename
    names["__cached__"] = None
    names["__loader__"] = loader("__main__", filename)


def wait(report: "dict[str, Any]", stash: "Any") -> None:
    """Become an image. Returns in each run that takes it over, and never here."""
    RUN.pop("give back")()
    send(report)
    answer = receive()
    if answer.get("dump") is None:
        posix._exit(0)
    RUN["image"] = answer["dump"]
    report.clear()  # here, not in each run
    RUN["stash"] = stash
    stash.start_cold = start_cold
    stash.obstacles.is_same = is_same  # type: ignore[name-defined] # noqa: F821
    stash.obstacles.expect_no_terminal(answer["terminal"])
    stash.front = front_find_and_load  # type: ignore[name-defined] # noqa: F821
    if answer["base"]:
        RUN["script"] = sys.argv[0]
        RUN["base"] = None if sys.flags.safe_path else sys.path[0]  # of no program: replaced in the run
    elif answer["late"]:
        RUN["late"] = answer["late"].decode("utf-8", "surrogateescape") + "/" + answer["name"]
    for finder in sys.path_importer_cache.values():
        if hasattr(finder, "_path_mtime"):
            setattr(finder, "_path_mtime", -1)  # noqa: B010 (a FileFinder's, which reads its folder anew)
    plan = RUN["settings"]["plan"]
    RUN["learned"] = frozenset([*plan["late"], *plan["avoid"], *RUN["settings"]["folders"]])
    RUN["modules"] = frozenset(sys.modules)
    RUN["newest"] = next(reversed(sys.modules))
    environment = [*posix.environ.items()]
    take_up = load("warm/arrival/resident.py")["take_up"]
    gc.collect()
    answer["quick"] = answer["quick"] and not LOADED["warm/ending/resident.py"]["has_own_ends"]()
    RUN["is_frozen"] = answer["quick"]
    if answer["quick"]:
        gc.freeze()  # collections of the run look at none of what is here, and copy no page of it
    parent = posix.getpid()
    child = fork_quietly()
    if child:
        status = posix.waitpid(child, 0)[1]
        if status:
            send({"error": f"ended with status {status}"})
        posix._exit(0)
    end_with(parent)  # type: ignore[name-defined] # noqa: F821
    result = dump(answer["dump"])  # type: ignore[name-defined] # noqa: F821
    if result == 1:
        try:
            take_up(answer, dict(environment))
        except Exception:
            start_cold()
        return
    send({"error": result if result != 0 else ""})
    posix._exit(0)


def fork_quietly() -> int:
    """Fork without the warning about threads (3.12): the child, which alone goes on, has none of them."""
    filters = __import__("_warnings").filters
    # Nobody is told that the list has changed: a program can see the count of its changes.
    filters.insert(0, ("ignore", None, DeprecationWarning, None, 0))
    child = posix.fork()
    del filters[0]
    globals().pop("__warningregistry__", None)
    return child


def start_cold() -> None:
    """Something is not as it must be, and nothing of the run has been used up: begin again, plainly."""
    posix.access("\1entrepot\1o", 0)  # observe.c need not do it
    if "stdin" in RUN:
        give_back_stdin(*RUN["stdin"])
    environment = LOADED["warm/arrival/resident.py"]["parse_environment"](read_file("/proc/self/environ"))
    arguments = read_file("/proc/self/cmdline").split(b"\0")[:-1]
    posix.execve("/proc/self/exe", arguments, environment)
