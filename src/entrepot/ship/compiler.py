"""Compile sources with the interpreter that runs this file, to bytes that depend on nothing else.

Started as a script by any Python from 3.11 on (`bytecode.py`), isolated; takes a list of (name, source) on its
standard input and gives a list of bytecode or None on its standard output, both as marshal writes them in version 2.

`marshal` marks an object for later mention only if something else holds it too, so the same code can give
different bytes. Here everything in a code object is held while it is written: then all is marked, always.
"""

import marshal
import sys


def compile_one(name: str, source: bytes) -> "bytes | None":
    """Return the marshalled code of a source, or None where this Python cannot compile it."""
    try:
        code = compile(source, name, "exec", 0, True, 0)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    held: list[object] = []
    hold(code, held)
    return marshal.dumps(code)


def hold(value: object, held: "list[object]") -> None:
    """Add a value and all values in it to a list."""
    held.append(value)
    if isinstance(value, (tuple, frozenset)):
        for item in value:
            hold(item, held)
    elif hasattr(value, "co_code"):
        fields = (
            "co_consts",
            "co_names",
            "co_filename",
            "co_name",
            "co_qualname",
            "co_linetable",
            "co_exceptiontable",
        )
        for field in fields:
            hold(getattr(value, field), held)
        for field in ("co_varnames", "co_cellvars", "co_freevars"):
            held.extend(getattr(value, field))


def main() -> None:
    """Compile what is asked for."""
    sys.setrecursionlimit(10000)
    made = [compile_one(name, source) for name, source in marshal.loads(sys.stdin.buffer.read())]
    magic = sys.modules["_frozen_importlib_external"].MAGIC_NUMBER
    answer = (sys.implementation.cache_tag, magic, made)
    sys.stdout.buffer.write(marshal.dumps(answer, 2))


if __name__ == "__main__":
    main()
