"""Cut an entry point in two: leading statements that only prepare, and the rest.

    entry = compile_entry(source, filename, stop)
    exec(entry.code, main.__dict__)       # calls stop() where the rest begins, then goes on

Both parts are one code object run by one frame, with the script's own line numbers: a call is
put between two statements. What a warm interpreter does in `stop` (wait, fork, return in the
child) is not this file's business. So a process stopped there is the program, stopped.

A statement prepares when it imports, defines, or binds names to expressions that call nothing
but the few functions in `CALLS`; tests and guards around such statements too. The statements are
really run, in order and observed: `os.environ["OMP_NUM_THREADS"] = "1"` before `import numpy`
means what it says.

Resident: no imports; the syntax tree comes from `compile`. Node classes are known by their names.
"""

_TOKEN = "entrepot: the rest of the program begins here"
_ONLY_AST = 0x400  # ast.PyCF_ONLY_AST

# Calls that only prepare, by the last parts of their dotted names.
CALLS = frozenset(
    [
        "abspath",
        "basename",
        "dirname",
        "exists",
        "expanduser",
        "expandvars",
        "isdir",
        "isfile",
        "join",
        "normpath",
        "realpath",
        "relpath",
        "splitext",
        "getenv",
        "os.environ.get",
        "os.environ.setdefault",
        "os.environ.pop",
        "os.environ.update",
        "sys.path.insert",
        "sys.path.append",
        "Path",
        "resolve",
        "absolute",
        "joinpath",
        "with_suffix",
        "with_name",
        "getLogger",
        "NullHandler",
        "addHandler",
        "TypeVar",
        "ParamSpec",
        "TypeVarTuple",
        "NewType",
        "namedtuple",
        "NamedTuple",
        "TypedDict",
        "frozenset",
        "dict",
        "list",
        "set",
        "tuple",
        "int",
        "float",
        "str",
        "bytes",
        "bool",
        "complex",
        "len",
        "sorted",
        "min",
        "max",
        "range",
        "zip",
        "object",
        "super",
        "dataclass",
        "dataclasses.dataclass",
        "field",
        "partial",
        "property",
        "staticmethod",
        "classmethod",
        "lru_cache",
        "cache",
        "wraps",
        "total_ordering",
        "contextmanager",
        "asynccontextmanager",
        "abstractmethod",
        "overload",
        "final",
        "re.compile",
        "Decimal",
        "Fraction",
        "timedelta",
        "auto",
        "Enum",
        "filterwarnings",
        "simplefilter",
        "matplotlib.use",
        "mpl.use",
        "plt.switch_backend",
        "plt.style.use",
        "strip",
        "lstrip",
        "rstrip",
        "lower",
        "upper",
        "split",
        "format",
        "replace",
        "encode",
        "decode",
    ]
)


class Entry:
    """An entry point, compiled so that it stops once on its way."""

    __slots__ = ("code", "later", "leading", "line", "reason")

    def __init__(self, code, leading: int, line: int, reason: str, later: "list[str]") -> None:  # type: ignore[no-untyped-def]
        self.code = code
        self.later = later  # modules that statements of the rest import, whatever happens
        self.leading = leading  # number of statements before the stop
        self.line = line  # first line of the rest, 0 at the end of the file
        self.reason = reason  # why it stops there


class _Stop:
    """Stands among the constants of the code; the statement put in is `stop @ None`."""

    __slots__ = ("call",)

    def __init__(self, call) -> None:  # type: ignore[no-untyped-def]
        self.call = call

    def __matmul__(self, other: object) -> None:
        call, self.call = self.call, None
        if call is not None:
            call()


def compile_entry(  # type: ignore[no-untyped-def]
    source, filename: str, stop, avoid=frozenset(), at_most: int = 1 << 30, package: str = ""
) -> Entry:
    """Compile an entry point.

    `avoid` names modules that must not be imported before the stop; `at_most` limits the number
    of leading statements; `package` is what relative imports start from.

    Raises:
        SyntaxError, ValueError: as `compile`, with the same text.
    """
    tree = compile(source, filename, "exec", _ONLY_AST, dont_inherit=True)
    leading, reason = find_stop(tree.body, avoid, at_most, package)
    line = tree.body[leading].lineno if leading < len(tree.body) else 0
    later = find_later(tree.body[leading:], package)
    pieces = compile(_TOKEN.__repr__() + " @ None", filename, "exec", _ONLY_AST, dont_inherit=True)
    statement = pieces.body[0]
    near = tree.body[min(leading, len(tree.body) - 1)] if tree.body else statement
    _place(statement, near.lineno)
    tree.body.insert(leading, statement)
    code = compile(tree, filename, "exec", dont_inherit=True)
    hook = _Stop(stop)
    consts = tuple(hook if type(value) is str and value == _TOKEN else value for value in code.co_consts)
    return Entry(code.replace(co_consts=consts), leading, line, reason, later)


def _place(node, line: int) -> None:  # type: ignore[no-untyped-def]
    node.lineno = node.end_lineno = line
    node.col_offset = node.end_col_offset = 0
    for name in node._fields:
        child = getattr(node, name)
        if hasattr(child, "_fields") and hasattr(child, "lineno"):
            _place(child, line)


def find_later(body, package: str) -> "list[str]":  # type: ignore[no-untyped-def]
    """Return the modules that statements of their own import: what a first run will most likely go on to."""
    found: dict[str, None] = {}
    for statement in body:
        if type(statement).__name__ in ("Import", "ImportFrom"):
            found.update(dict.fromkeys(find_imported(statement, package)))
    return list(found)


def find_stop(body, avoid=frozenset(), at_most: int = 1 << 30, package: str = "") -> tuple[int, str]:  # type: ignore[no-untyped-def]
    """Return how many statements only prepare, and why the next one does not."""
    for index, statement in enumerate(body):
        if index >= at_most:
            return index, f"line {statement.lineno} could not be prepared"
        reason = find_reason(statement, avoid, package)
        if reason:
            return index, f"line {statement.lineno} {reason}"
    return len(body), "the whole file only prepares"


def find_reason(node, avoid, package: str) -> str:  # type: ignore[no-untyped-def]
    """Return why a statement does more than prepare, or ''."""
    kind = type(node).__name__
    if kind in ("Pass",):
        return ""
    if kind in ("Import", "ImportFrom"):
        for name in find_imported(node, package):
            if name in avoid:
                return f"imports {name}, which is left to the run"
        return ""
    if kind in ("FunctionDef", "AsyncFunctionDef"):
        parts = [
            *node.decorator_list,
            *node.args.defaults,
            *(d for d in node.args.kw_defaults if d is not None),
        ]
        return "" if all(map(is_safe, parts)) else "calls something to define a function"
    if kind == "ClassDef":
        parts = [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]
        if not all(map(is_safe, parts)):
            return "calls something to define a class"
        return _find_reason_in(node.body, avoid, package)
    if kind == "Assign":
        if is_safe(node.value) and all(map(_is_target, node.targets)):
            return ""
        return "calls something"
    if kind == "AnnAssign":
        if (node.value is None or is_safe(node.value)) and _is_target(node.target):
            return ""
        return "calls something"
    if kind == "Expr":
        return "" if is_safe(node.value) else "calls something"
    if kind == "If":
        if not is_safe(node.test):
            return "decides by calling something"
        return _find_reason_in(node.body + node.orelse, avoid, package)
    if kind == "Try":
        handlers = [statement for handler in node.handlers for statement in handler.body]
        return _find_reason_in(node.body + handlers + node.orelse + node.finalbody, avoid, package)
    if kind == "Delete":
        return "" if all(type(target).__name__ == "Name" for target in node.targets) else "deletes something"
    if kind == "TypeAlias":
        return ""
    return {"For": "loops", "While": "loops", "With": "enters a context", "Raise": "raises"}.get(
        kind, "does more"
    )


def _find_reason_in(body, avoid, package: str) -> str:  # type: ignore[no-untyped-def]
    for statement in body:
        reason = find_reason(statement, avoid, package)
        if reason:
            return reason
    return ""


def find_imported(node, package: str) -> list[str]:  # type: ignore[no-untyped-def]
    """Return the names of all modules that an import statement may initialise, parents included."""
    found = []
    if type(node).__name__ == "Import":
        names = [alias.name for alias in node.names]
    else:
        base = node.module or ""
        if node.level:
            parts = package.split(".")
            stem = ".".join(parts[: len(parts) - node.level + 1])
            base = f"{stem}.{base}" if base and stem else stem or base
        names = [base, *(f"{base}.{alias.name}" for alias in node.names)] if base else []
    for name in names:
        parts = name.split(".")
        found += [".".join(parts[: count + 1]) for count in range(len(parts))]
    return found


_SAFE = frozenset(
    [
        "Constant",
        "Name",
        "Attribute",
        "Tuple",
        "List",
        "Dict",
        "Set",
        "UnaryOp",
        "BinOp",
        "BoolOp",
        "Compare",
        "Subscript",
        "Slice",
        "IfExp",
        "JoinedStr",
        "FormattedValue",
        "Starred",
    ]
)


def is_safe(node) -> bool:  # type: ignore[no-untyped-def]
    """Whether evaluating an expression calls nothing but what `CALLS` allows."""
    kind = type(node).__name__
    if kind == "Lambda":
        return all(map(is_safe, node.args.defaults))
    if kind == "Call":
        return (
            _is_known_call(node.func)
            and all(map(is_safe, node.args))
            and all(is_safe(k.value) for k in node.keywords)
        )
    if kind not in _SAFE:
        return False
    for name in node._fields:
        value = getattr(node, name)
        for child in value if type(value) is list else (value,):
            if hasattr(child, "_fields") and child._fields and not is_safe(child):
                return False
    return True


def _is_known_call(function) -> bool:  # type: ignore[no-untyped-def]
    if not is_safe(function):
        return False
    names: list[str] = []
    node = function
    while type(node).__name__ == "Attribute":
        names.insert(0, node.attr)
        node = node.value
    if type(node).__name__ == "Name":
        names.insert(0, node.id)
    return any(".".join(names[start:]) in CALLS for start in range(len(names)))


# What each run has of its own. `os.environ[...] = ...` is done again in it, other changes are not.
_ARGUMENTS = ("argv", "orig_argv")
_THE_RUNS = (*_ARGUMENTS, "environ", "environb", "stdin", "stdout", "stderr")


def _is_target(node) -> bool:  # type: ignore[no-untyped-def]
    kind = type(node).__name__
    if kind in ("Tuple", "List"):
        return all(map(_is_target, node.elts))
    if kind == "Attribute":
        return node.attr not in _THE_RUNS and is_safe(node.value)
    if kind == "Subscript":
        owner = getattr(node.value, "attr", getattr(node.value, "id", ""))
        return owner not in _ARGUMENTS and is_safe(node.value) and is_safe(node.slice)
    return kind == "Name"
