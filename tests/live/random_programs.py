"""Random programs of several modules, random edits, and what a program looks like to somebody who asks all of it.

A program is a list of modules, a module a list of statements, each written from a kind (constant, function, class,
table, registration ...) and names that stand above it or in modules before it. An edit writes a statement anew, puts
one in, takes one out, or swaps two; some edits break the program on purpose by taking away what others read.

`look` turns namespaces into values: functions are called, classes asked for their attributes and methods, so that two
programs look the same when they do the same. It does not know state: nothing here changes a value after the import.
It does not look at the order in which entries of several modules stand in one registry.
"""

from __future__ import annotations

import random
from types import FunctionType, GeneratorType, ModuleType
from typing import Any

MODULES = 4
HEAD = "import abc, functools, enum, dataclasses, typing\n"


class Program:
    """Modules as lists of statements; `text(i)` is the source of module `m<i>`."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.modules: list[list[str]] = [[] for _ in range(MODULES)]
        self.count = 0
        self.modules[0] = [
            "REG = []",
            "TABLE = {}",
            "def register(f):\n    REG.append(f)\n    return f",
            "def twice(f):\n    @functools.wraps(f)\n    def inner(*a):\n        return (2, f(*a))\n    return inner",
            "def maker(n):\n    def made(x):\n        return (x, n)\n    return made",
        ]
        for index in range(MODULES):
            for _ in range(self.random.randint(4, 7)):
                self.modules[index].append(self.statement(index, len(self.modules[index])))

    def copy(self) -> list[list[str]]:
        """Return the statements, to go back to."""
        return [list(m) for m in self.modules]

    def text(self, index: int) -> str:
        """Return a module's source."""
        before = "".join(f"import m{i}\n" for i in range(index))
        return HEAD + before + "\n".join(self.modules[index]) + "\n"

    def files(self) -> dict[str, str]:
        """Return all sources by file name."""
        return {f"m{i}.py": self.text(i) for i in range(MODULES)}

    def edit(self) -> None:
        """Change one to three statements in one or two modules."""
        choose = self.random
        for _ in range(choose.choice([1, 1, 1, 2, 3])):
            index = choose.randrange(MODULES)
            body = self.modules[index]
            fixed = 5 if index == 0 else 0
            place = choose.randint(fixed, len(body))
            what = choose.choice(["rewrite"] * 5 + ["insert"] * 3 + ["delete", "swap", "comment", "head"])
            if (what == "insert" and len(body) < 14) or place == len(body):
                body.insert(place, self.statement(index, place))
            elif what == "delete":
                del body[place]
            elif what == "swap" and place + 1 < len(body):
                body[place], body[place + 1] = body[place + 1], body[place]
            elif what == "comment":
                body.insert(place, "# a remark\n")
            elif what == "head" and index == 0:
                number = choose.randint(3, 9)
                body[3] = body[3].replace("(2,", f"({number},")
                body[4] = body[4].replace("(x, n)", f"(x, n, {number})")
            else:
                name = _bound(body[place])
                body[place] = self.statement(index, place, name)

    # -- statements -----------------------------------------------------------------------------------------------

    def _names(self, index: int, place: int, kinds: str) -> list[str]:
        found = []
        for i in range(index + 1):
            body = self.modules[i][:place] if i == index else self.modules[i]
            for statement in body:
                name = _bound(statement)
                if name and name[0] in kinds and name[1:].isdigit():
                    found.append(name if i == index else f"m{i}.{name}")
        return found

    def _value(self, index: int, place: int, *, calls: bool = True) -> str:
        choose = self.random
        options = [str(choose.randint(0, 20))]
        options += [f"{n} + 1" for n in self._names(index, place, "K")]
        options += [f"{n}.a" for n in self._names(index, place, "C")]
        if calls:
            options += [f"len(repr({n}({choose.randint(0, 5)})))" for n in self._names(index, place, "f")]
            options += [f"len({n})" for n in self._names(index, place, "T")]
        return choose.choice(options)

    def statement(self, index: int, place: int, name: str | None = None) -> str:
        """Write a statement; `name` asks for one that binds this name again."""
        choose = self.random
        self.count += 1
        kind = name[0] if name and name[1:].isdigit() else choose.choice("KKKffffCCCTTgriIeopunswxDvb")
        new = name or f"{kind}{self.count}"
        value = self._value(index, place)
        functions = self._names(index, place, "f")
        classes = self._names(index, place, "C")
        tables = self._names(index, place, "T")
        lead = "" if index == 0 else "m0."
        if kind == "K":
            return choose.choice([
                f"{new} = {value}",
                f"{new} = {value}",
                f"if {value} > 9:\n    {new} = {self._value(index, place)}\nelse:\n    {new} = -1",
                f"try:\n    {new} = {value}\nexcept TypeError:\n    {new} = 0",
                f"{new} = sum(i for i in range({value} % 7))",
                f"{new} = 0\nfor i in range(3):\n    {new} += {value}",
            ])  # fmt: skip
        if kind == "f":
            decorator = choose.choice(
                ["", "", "", "@" + lead + "twice\n", "@" + lead + "register\n", "@functools.lru_cache\n"]
            )
            default = self._value(index, place)
            inner = self._value(index, place)
            body = choose.choice([
                f"    return (x, d, {inner})",
                f"    return (x, {inner}, 'a')",
                f"    y = [x + i for i in range(2)]\n    return (y, {inner})",
                f"    def h(z):\n        return (z, x, {inner})\n    return h(d)",
            ])  # fmt: skip
            head = choose.choice([f"(x, d={default})", "(x, d=0)", f"(x, *, d={default})"])
            return f"{decorator}def {new}{head}:\n{body}"
        if kind == "C":
            bases = f"({choose.choice(classes)})" if classes and choose.random() < 0.4 else ""
            parts = [f"    a = {value}"]
            if choose.random() < 0.5:
                parts.append(f"    b = {self._value(index, place)}")
            parts.append(f"    def m(self, x=1):\n        return (x, self.a, {self._value(index, place)})")
            if choose.random() < 0.4:
                parts.append(
                    f"    @property\n    def p(self):\n        return (self.a, {self._value(index, place)})"
                )
            if choose.random() < 0.3:
                parts.append(
                    f"    @classmethod\n    def c(cls):\n        return (cls.__name__, {self._value(index, place)})"
                )
            if bases and choose.random() < 0.5:
                parts.append("    def s(self):\n        return super().m(2)")
            return f"class {new}{bases}:\n" + "\n".join(parts)
        if kind == "T":
            items = [value, *functions[-2:], *choose.sample(classes, min(1, len(classes)))]
            return choose.choice([
                f"{new} = [{', '.join(items)}]",
                f"{new} = ({', '.join(items)},)",
                f"{new} = {{{', '.join(f'{i}: {v}' for i, v in enumerate(items))}}}",
                f"{new} = [i + {value} for i in range(2)]",
                f"{new} = [*{choose.choice(tables)}, {value}]" if tables else f"{new} = []",
            ])  # fmt: skip
        if kind == "g":
            return f"{new} = {lead}maker({value})"
        if kind == "r":
            key, what = self.count, choose.choice(functions or ["len"])
            return choose.choice(
                [f"{lead}TABLE[{key}] = {value}", f"{lead}REG.append({what})", f"{lead}REG.append({value})"]
            )
        if kind in "iI" and index:
            source = choose.randrange(index)
            there = [
                n for s in self.modules[source] if (n := _bound(s)) and n[0] in "KfCT" and n[1:].isdigit()
            ]
            if there:
                wanted = choose.choice(there)
                if kind == "I" and choose.random() < 0.3:
                    return f"from m{source} import *"
                is_taken = any(_bound(s) == wanted for s in self.modules[index] if _bound(s) != name)
                other = f" as {wanted[0]}{self.count}"
                return f"from m{source} import {wanted}" + (other if is_taken else choose.choice(["", other]))
        if kind == "e":
            return f"class {new}(enum.Enum):\n    A = {value}\n    B = 'x'\n    def m(self):\n        return (self.value, {self._value(index, place)})"
        if kind == "o":
            return f"@dataclasses.dataclass\nclass {new}:\n    a: int = {value}\n    b: int = 2\n    def m(self):\n        return (self.b, {self._value(index, place)})"
        if kind == "p":
            return f"{new} = functools.partial({choose.choice(functions or ['max'])}, 3)"
        if kind == "n":
            return f"class {new}(typing.NamedTuple):\n    a: int = {value}\n    b: int = 3\n    def m(self):\n        return (self.a, {self._value(index, place)})"
        if kind == "s":
            slots = choose.choice(["'a',", "'a', 'b'"])
            return f"class {new}:\n    __slots__ = ({slots})\n    def __init__(self):\n        self.a = {value}\n    def m(self):\n        return (self.a, {self._value(index, place)})"
        if kind == "w" and tables:
            own = [name for name in tables if "." not in name]
            if own:
                return f"W{self.count} = [*{own[-1]}]\nW{self.count} += [{value}]"
        if kind == "x" and choose.random() < 0.3:
            return choose.choice(["1 / 0", "raise SystemExit(1)", "import m_missing", "undefined_name"])
        if kind == "D":
            return (
                f"if {value} > 8:\n    def h{self.count}(x):\n        return (x, {self._value(index, place)})\n"
                f"else:\n    def h{self.count}(x):\n        return ('else', x)"
            )
        if kind == "v":
            return f"def v{self.count}(x):\n    for i in range(3):\n        yield (i, {value})\nV{self.count} = list(v{self.count}(1))"
        if kind == "b":
            return (
                f"class B{self.count}(abc.ABC):\n    made = []\n    def __init_subclass__(cls):\n        cls.tag = (cls.__name__, {value})\n"
                f"class S{self.count}(B{self.count}):\n    def m(self):\n        return (self.tag, {self._value(index, place)})"
            )
        if kind == "u" and classes:
            return f"{new} = {choose.choice(classes)}()"
        return f"K{self.count} = {value}"


def _bound(statement: str) -> str | None:
    """Return the first name that a statement binds."""
    for line in statement.splitlines():
        words = line.replace("(", " ").replace(":", " ").split()
        if line.startswith(("@", "try", "if")):
            continue
        if words[:1] in (["def"], ["class"]):
            return words[1]
        if line.startswith("from"):
            return words[-1]
        if len(words) > 2 and words[1] == "=" and words[0].isidentifier():
            return words[0]
    return None


def look(value: Any, depth: int = 0) -> Any:
    """Describe a value by what it does."""
    if depth > 4:
        return "..."
    if isinstance(value, ModuleType):
        return ("module", value.__name__)
    if isinstance(value, type):
        if value.__module__[0] != "m":
            return ("type", value.__qualname__)
        found = {
            n: look(v, depth + 1)
            for n, v in vars(value).items()
            if n[:1] != "_" and not callable(v) and not isinstance(v, property | classmethod)
        }
        bases = [base.__qualname__ for base in value.__mro__]
        try:
            one = next(iter(value)) if hasattr(value, "__members__") else value()
        except Exception as error:
            return (value.__qualname__, bases, sorted(found.items(), key=repr), type(error).__name__)
        return (value.__qualname__, bases, sorted(found.items(), key=repr), _look_at_one(one, depth))
    if isinstance(value, list | tuple):
        return [type(value).__name__, *(look(item, depth + 1) for item in value)]
    if isinstance(value, dict):
        return {key: look(item, depth + 1) for key, item in value.items()}
    if callable(value):
        try:
            done = value(4)
            done = list(done) if isinstance(done, GeneratorType) else done
        except Exception as error:
            return ("raises", type(error).__name__)
        name = getattr(value, "__qualname__", "") if type(value) is FunctionType else ""
        return ("gives", name, done if not callable(done) else look(done, depth + 1))
    if type(value).__module__[:1] == "m" and type(value).__module__[1:].isdigit():
        return ("one of", type(value).__qualname__, _look_at_one(value, depth))
    return value


def _look_at_one(one: Any, depth: int) -> Any:
    found = []
    for name in sorted(n for n in dir(type(one)) if n[:1] != "_" and n not in ("name", "value")):
        try:
            attribute = getattr(one, name)
            found.append(
                (
                    name,
                    attribute()
                    if callable(attribute) and not isinstance(attribute, type)
                    else look(attribute, depth + 1),
                )
            )
        except Exception as error:
            found.append((name, type(error).__name__))
    return repr(found)


def look_at_all(modules: dict[str, ModuleType]) -> dict[str, Any]:
    """Describe every public name of every module."""
    return {
        f"{name}.{key}": look(value)
        if key not in ("REG", "TABLE")
        else sorted(map(repr, look(value).items() if key == "TABLE" else look(value)))
        for name, module in modules.items()
        for key, value in sorted(vars(module).items())
        if key[:1] != "_"
        and key
        not in ("abc", "typing", "functools", "enum", "dataclasses", "i", "register", "twice", "maker")
    }
