"""Bring this process to the point where the program waits: observed, in order, and no further.

    code = begin(main, source, filename, package, plan, load, wait)      then run `code` in `main`
    stash = begin_base(plan, load, wait)                                 no entry point: modules only

With an entry point its leading statements run first, because the caller runs `code`; where they end,
a call put into the code imports ahead what earlier runs went on to import, takes the observer
away and calls `wait(report, stash)`. That returns in each run, which then goes on with the rest of
the program, in the same frame.

`plan` is `verdict.Plan.to_wire()`. An exception of the leading statements leaves the code like any
other: the preparation has failed (the observer's log says where) and the process must end.

Resident: `load` gives the namespaces of the resident files this one needs, because nothing of
entrepot may stay in `sys.modules`.
"""

import sys


def begin(main, source, filename: str, package: str, plan, load, wait):  # type: ignore[no-untyped-def] # noqa: ARG001
    """Arm the observer and return the entry point's code, which stops once on its way.

    Raises:
        SyntaxError, ValueError: as `compile` does for the entry point.
    """
    observer, ahead, stash = _make(plan, load)

    def stop() -> None:
        # Nothing has been learned of a program that has only run cold: its own text says what it will import.
        later = (
            () if plan["late"] else find_external(entry.later, load("warm/world/resident.py")["is_external"])
        )
        report = _settle(observer, ahead, plan["late"] or later, load)
        report.update(leading=entry.leading, line=entry.line, reason=entry.reason)
        wait(report, stash)
        stash.serve()

    entry = load("warm/entry/resident.py")["compile_entry"](
        source,
        filename,
        stop,
        avoid=frozenset([*plan["avoid"], *plan["only_late"]]),
        at_most=plan["at_most"],
        package=package,
    )
    if not filename.startswith("<"):
        # The caller has read it a moment ago; a change since then is too young to make a record.
        observer.tell("F", "S\1" + filename)
        observer.tell("f", "")
    observer.arm()
    if filename == "<string>":
        register(entry.code, source)
    return entry.code


def register(code, source: str) -> None:  # type: ignore[no-untyped-def]
    """Let tracebacks show the lines of a program given by -c, as Python does from 3.13 on."""
    if sys.version_info >= (3, 13):
        linecache = __import__("linecache")
        # 3.13 finds them by the name of the file, 3.14 by the code.
        by_code = hasattr(linecache, "_getline_from_code")
        linecache._register_code(code if by_code else "<string>", source, "<string>")


def begin_base(plan, load, wait):  # type: ignore[no-untyped-def]
    """Import ahead what the plan names, then wait; in the run, let imports ask the stash first."""
    observer, ahead, stash = _make(plan, load)
    observer.arm()
    report = _settle(observer, ahead, plan["late"], load)
    wait(report, stash)
    stash.serve()
    return stash


def _make(plan, load) -> tuple:  # type: ignore
    observing, renewing = load("trace/resident.py"), load("warm/renewal/resident.py")
    searches = type(sys.implementation)(**load("trace/searches/resident.py"))  # types.SimpleNamespace
    surroundings = type(sys.implementation)(**load("trace/surroundings/resident.py"))
    observer = observing["Observer"](observing["mark_native"], searches, surroundings)
    observer.keeps_generators = True
    observer.avoid.update(plan["avoid"])
    observer.probes = frozenset(plan["probes"])

    def on_avoided(name: str) -> None:
        # The chain that wanted it is in the log; the next plan avoids it from its beginning.
        observer.tell("Z", name)
        observer.tell("!", "")

    observer.on_avoided = on_avoided
    world = type(sys.implementation)(**load("warm/world/resident.py"))
    ahead = load("warm/ahead/resident.py")["Ahead"](observer, world, surroundings.read_registers)
    obstacles = load("warm/obstacles/resident.py")["Obstacles"](ahead, world)
    stash = load("warm/late/resident.py")["Stash"](ahead, obstacles, world, renewing["renew_late"])
    return observer, ahead, stash


def _settle(observer, ahead, names, load) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """Import ahead, take the observer away, hide what waits."""
    ahead.fill(names)
    watched = sys.argv
    observer.disarm()
    load("warm/renewal/resident.py")["SEEDS"] += [seed for seed, _, _ in observer.generators]
    ahead.hide()
    ahead.observer = None
    return {
        "waiting": list(ahead.waiting),
        "failed": dict(ahead.failed),
        "misfits": dict(ahead.misfits),
        "keeps_argv": find_keepers(watched) if watched is not sys.argv else [],
    }


def find_external(names, is_external) -> list[str]:  # type: ignore[no-untyped-def]
    """Return those of the names that are no modules of the program: these may not be initialised out of their order."""
    known: dict[str, bool] = {}
    for name in names:
        top = name.partition(".")[0]
        if top not in known:
            spec = getattr(sys.modules.get(top), "__spec__", None) or find_spec(top)
            folders = getattr(spec, "submodule_search_locations", None)
            place = getattr(spec, "origin", None) or next(iter(folders or ()), None)
            known[top] = place in ("built-in", "frozen") or (type(place) is str and is_external(place + "/"))
    return [name for name in names if known[name.partition(".")[0]]]


def find_spec(name: str) -> object:
    """Ask the finders for a module that nobody has imported."""
    for finder in sys.meta_path:
        found = finder.find_spec(name, None)
        if found is not None:
            return found
    return None


def find_keepers(watched) -> list[str]:  # type: ignore[no-untyped-def]
    """Return the names of modules that took `sys.argv` itself (`from sys import argv`)."""
    found = []
    for name, module in list(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        if type(names) is dict and any(value is watched for value in list(names.values())):
            found.append(name)
    return found
