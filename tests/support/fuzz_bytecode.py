"""Reads thousands of damaged bytecode files by CPython's import system and by ours, and compares.

    python fuzz_bytecode.py COUNT SEED FOLDER

Each damage is tried in a forked child of its own, once for each system, because damaged bytecode may end the
interpreter: what the child found (the code or the exception, and the bytecode file afterwards) comes back
through a pipe. Prints JSON: how many were tried, how many of them ended CPython, and the differences.

Code whose bytes were damaged is read and not run: what it would do depends on what lies in memory.
"""

import hashlib
import importlib.util
import json
import marshal
import os
import py_compile
import random
import re
import resource
import signal
import sys
from contextlib import nullcontext

from entrepot import System

SOURCE = '''"""A module with some of everything that bytecode can hold."""
import sys
NUMBERS = (1, -5, 2**70, 1.5, 2j, True, None, ..., b"bytes", "text")
MORE = ("gr\\u00f6\\u00dfe", frozenset({1, 2}), ("a", ("b",)))
def f(a, /, b=1, *args, c, d: int = 2, **more) -> "str":
    x = [i * a for i in range(b) if i]
    def inner():
        nonlocal x
        return lambda: (x, a, f"{c!r:>{d}}")
    try:
        return inner()
    except (ValueError, KeyError) as error:
        raise RuntimeError from error
    finally:
        x = None
class C(Exception):
    y: int = 3
    async def g(self):
        async with self as s:
            yield await s
'''
MODES = {
    "timestamp": py_compile.PycInvalidationMode.TIMESTAMP,
    "checked": py_compile.PycInvalidationMode.CHECKED_HASH,
    "unchecked": py_compile.PycInvalidationMode.UNCHECKED_HASH,
}


def damage(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return a damaged copy and what was done: "head" where only the first 16 bytes or the length changed."""
    kind = chance.choice(
        ["head", "head byte", "cut", "bit", "bit", "bit", "byte", "bytes", "lose", "repeat", "noise"]
    )
    changed = bytearray(data)
    place = chance.randrange(16, len(data))
    if kind == "head":
        bit = chance.randrange(128)
        changed[bit // 8] ^= 1 << bit % 8
    elif kind == "head byte":
        changed[chance.randrange(16)] = chance.choice([0, 1, 2, 3, 4, 127, 128, 255])
    elif kind == "cut":
        del changed[chance.randrange(len(data)) :]
    elif kind == "bit":
        changed[place] ^= 1 << chance.randrange(8)
    elif kind == "byte":
        changed[place] = chance.randrange(256)
    elif kind == "bytes":
        for _ in range(chance.randrange(2, 20)):
            changed[chance.randrange(16, len(data))] = chance.choice([0, 255, chance.randrange(256)])
    elif kind == "lose":
        del changed[place : place + chance.randrange(1, 50)]
    elif kind == "repeat":
        changed[place:place] = changed[place : place + chance.randrange(1, 50)]
    else:
        changed[16:] = chance.randbytes(chance.randrange(0, 200))
    return kind, bytes(changed)


def look(name: str, path: str, *, run: bool) -> str:
    """Read (and run) the module as the import system in force does; returns what came of it."""
    try:
        if run:
            module = __import__(name)
            found = f"module {sorted(vars(module))} {module.NUMBERS!r}"
        else:
            code = importlib.util.find_spec(name).loader.get_code(name)
            found = "code " + hashlib.sha256(marshal.dumps(code)).hexdigest() + code.co_filename
    except BaseException as error:
        found = (
            f"{type(error).__name__}: {error} {getattr(error, 'name', None)} {getattr(error, 'path', None)}"
        )
    with open(path, "rb") as file:
        found += " then " + hashlib.sha256(file.read()).hexdigest()
    return re.sub(r"0x[0-9a-f]+", "0x", found)


def look_in_child(name: str, path: str, *, run: bool, ours: bool) -> tuple[int, str]:
    """Look in a forked child; returns how it ended (0 or a wait status) and what it found."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
            resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
            signal.alarm(20)
            with System().installed() if ours else nullcontext():
                os.write(write, look(name, path, run=run).encode("utf-8", "backslashreplace"))
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        found = pipe.read().decode()
    return os.waitpid(child, 0)[1], found


def main(count: int, seed: int, folder: str) -> dict[str, object]:
    """Try `count` damages; returns the report."""
    chance = random.Random(seed)
    os.chdir(folder)
    sys.path.insert(0, folder)
    with open("damaged.py", "w", encoding="utf-8") as file:
        file.write(SOURCE)
    beside = importlib.util.cache_from_source("damaged.py")
    good = {}
    for mode, value in MODES.items():
        py_compile.compile("damaged.py", invalidation_mode=value)
        with open(beside, "rb") as file:
            good[mode] = file.read()
    os.mkdir("alone")
    crashes, differences, found_kinds = 0, [], set()
    for number in range(count):
        mode = chance.choice([*MODES, "sourceless"])
        kind, data = damage(good.get(mode, good["timestamp"]), chance)
        path = os.path.abspath("alone/sole.pyc" if mode == "sourceless" else beside)
        sys.path[0] = os.path.dirname(path) if mode == "sourceless" else folder
        name = "sole" if mode == "sourceless" else "damaged"
        results = []
        for ours in (False, True):
            with open(path, "wb") as file:
                file.write(data)
            results.append(look_in_child(name, path, run=kind in ("head", "head byte", "cut"), ours=ours))
        python, entrepot = results
        found_kinds.add(python[1].partition(" ")[0])
        if python[0] != 0 or not python[1]:
            crashes += 1
        elif python != entrepot:
            differences.append(
                {"number": number, "mode": mode, "kind": kind, "python": python, "entrepot": entrepot}
            )
    return {"tried": count, "crashes": crashes, "differences": differences, "found": sorted(found_kinds)}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), os.path.abspath(sys.argv[3]))))
