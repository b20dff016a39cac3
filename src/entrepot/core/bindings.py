"""Which names an import statement binds, read from the bytecode behind it.

The interpreter asks for a module and binds what it gets by the instructions that follow; nobody
is told the names. Used only while somebody listens.
"""

from entrepot.core import events, frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType
    from typing import Any

    from entrepot.core.modules import Importer


def prepare() -> None:
    """Load what is needed, before import statements are watched: its own would be told, and so on."""
    import dis  # noqa: F401 - find_bound finds it in the cache


def find_bound(frame: "FrameType") -> "list[tuple[str, str | None]]":
    """Return the names that the statement at a frame's current instruction binds.

    Each with the name after `from` that it stands for, or None where a module itself is bound;
    `("*", "*")` for a star import. Empty where the code is not at an import statement (a call of
    `__import__`, say).
    """
    import dis

    code = frame.f_code
    instructions = [i for i in dis.get_instructions(code) if i.opname not in ("CACHE", "EXTENDED_ARG")]
    start = next((n for n, i in enumerate(instructions) if i.offset == frame.f_lasti), None)
    if start is None or instructions[start].opname != "IMPORT_NAME":
        return []
    # The list after `from` is the constant pushed just before.
    is_from = instructions[start - 1].argval is not None
    found: list[tuple[str, str | None]] = []
    attribute: str | None = None
    for instruction in instructions[start + 1 :]:
        operation = instruction.opname
        if operation == "IMPORT_FROM":
            attribute = str(instruction.argval)
        elif operation.startswith("STORE_"):
            # From 3.13 on one instruction may store and then do another thing.
            target = instruction.argval[0] if isinstance(instruction.argval, tuple) else instruction.argval
            found.append((str(target), attribute if is_from else None))
            if not is_from:
                return found
        elif operation == "IMPORT_STAR" or (operation == "CALL_INTRINSIC_1" and instruction.arg == 2):
            return [("*", "*")]
        elif (operation == "POP_TOP" and is_from) or operation not in ("SWAP", "POP_TOP"):
            return found
    return found


def tell_bound(importer: "Importer", frame: "FrameType", name: str, level: int) -> None:
    """Tell an importer's listeners what the statement that called binds, and where."""
    tell = importer.tell
    if tell is None or frames.is_our_code(frame.f_code):
        return
    where: Any = frame.f_globals.get("__name__"), frame.f_code.co_filename, frame.f_lineno
    source = "." * level + name
    bound: Iterable[tuple[str, str | None]] = find_bound(frame)
    for target, attribute in bound:
        tell(events.Bound(source if attribute is None else f"{source}:{attribute}", *where, where[0], target))


frames.disguise()
