"""Small random programs, and a random refactoring of each: what is compared is what they print.

`make_program(seed)` gives the files of a program that runs (deterministic, no input), with
definitions that use each other at import time and at call time, in the many ways a name can be
used. `make_command(seed, program)` picks something to do to it.

    python tests/refactor/random_programs.py 0 1000     tries these seeds and says what differed
"""

from __future__ import annotations

import collections
import importlib.util
import itertools
import os
import random
import re
import shutil
import sys
import tempfile
import textwrap
from pathlib import Path
from types import ModuleType

Files = dict[str, str]


class Maker:
    """Writes one module, statement by statement; `names` are those that later code may use."""

    def __init__(self, choice: random.Random, prefix: str, *, is_rich: bool = False) -> None:
        self.choice = choice
        self.is_rich = is_rich
        self.later: list[str] = []  # functions that come at the end
        self.prefix = prefix
        self.functions: list[str] = []  # of one number, giving a number
        self.classes: list[str] = []  # made without arguments, with .value() and .size
        self.constants: list[str] = []
        self.counters: list[str] = []  # rebound with `global`
        self.lists: list[str] = []
        self.decorators: list[str] = []
        self.taken: list[str] = []  # names that are another module's
        self.objects: list[str] = []  # what is changed by a look at it: machines, iterators
        self.uses: list[str] = []  # expressions for numbers that do so
        self.beside = ""  # a module of the same package
        self.count = 0
        self.blocks: list[str] = []

    @property
    def names(self) -> list[str]:
        found = [
            *self.functions,
            *self.classes,
            *self.constants,
            *self.counters,
            *self.lists,
            *self.decorators,
            *self.objects,
        ]
        return [name for name in found if name not in self.taken]

    def own(self, names: list[str]) -> list[str]:
        return [name for name in names if name not in self.taken]

    def fresh(self, word: str) -> str:
        self.count += 1
        return f"{self.prefix}{word}{self.count}"

    def number(self, depth: int = 0) -> str:
        """Return an expression for a number, made of what there is."""
        if self.uses and self.choice.random() < 0.2:
            return self.choice.choice(self.uses)
        pick = self.choice.random()
        if pick < 0.25 or depth > 2:
            return str(self.choice.randrange(1, 9))
        if pick < 0.45 and self.functions:
            return f"{self.choice.choice(self.functions)}({self.number(depth + 1)})"
        if pick < 0.6 and self.constants:
            return self.choice.choice(self.constants)
        if pick < 0.7 and self.classes:
            return f"{self.choice.choice(self.classes)}().{self.choice.choice(['value()', 'size'])}"
        if pick < 0.76 and self.lists:
            return f"len({self.choice.choice(self.lists)})"
        if pick < 0.8 and self.counters:
            return self.choice.choice(self.counters)
        if pick < 0.85:
            return f"({self.number(depth + 1)} + {self.number(depth + 1)})"
        if pick < 0.9:
            return f"sum([q * {self.number(depth + 2)} for q in range(3)])"
        if pick < 0.95:
            return f"(lambda v, w={self.number(depth + 2)}: v + w)({self.number(depth + 2)})"
        return f"max(w for w in ({self.number(depth + 2)}, {self.number(depth + 2)}))"

    # -- statements ------------------------------------------------------------------------

    def constant(self) -> None:
        name = self.fresh("c")
        text = self.number()
        form = self.choice.randrange(4)
        if form == 0:
            self.add(f"{name} = {text}  # the {name}")
        elif form == 1:
            self.add(f"# about {name}\n{name}: int = {text}")
        elif form == 2:
            other = self.fresh("c")
            self.add(f"{name}, {other} = {text}, {self.number()}")
            self.constants.append(other)
        else:
            self.add(f"if {self.number()} > 0:\n    {name} = {text}\nelse:\n    {name} = 0")
        self.constants.append(name)

    def function(self) -> None:
        name = self.fresh("f")
        lines = [f"def {name}(x, y={self.number()}):" if self.choice.random() < 0.3 else f"def {name}(x):"]
        if self.choice.random() < 0.2:
            lines[0] = f'def {name}(x: "int") -> "int":'
        if self.decorators and self.choice.random() < 0.3:
            lines.insert(0, f"@{self.choice.choice(self.decorators)}")
        if self.choice.random() < 0.3:
            lines.insert(0, f"# above {name}")
        if self.choice.random() < 0.4:
            lines.append(f'    """What {name} does."""')
        lines += ["    " + line for line in self.body()]
        self.add("\n".join(lines))
        self.functions.append(name)

    def body(self) -> list[str]:
        """Return the lines of a function of x that returns a number."""
        pick = self.choice.randrange(13)
        number = self.number
        later = self.choice.choice(self.later) if self.later and self.choice.random() < 0.3 else None
        if self.beside and self.choice.random() < 0.5:
            return [f"from . import {self.beside} as near", f"return len(near.__doc__ or '') + {number()}"]
        if pick == 0 and self.counters:
            counter = self.choice.choice(self.counters)
            return [f"global {counter}", f"{counter} += 1", f"return {counter} + {number()}"]
        if pick == 1 and self.lists:
            return [f"{self.choice.choice(self.lists)}.append(x)", f"return {number()}"]
        if pick == 2:
            return ["def inner(z):", f"    return z + x + {number()}", "", f"return inner({number()})"]
        if pick == 3:
            return [
                "total = x", "def grow():", "    nonlocal total", f"    total += {number()}", "    return total",
                "grow()", "return grow()",
            ]  # fmt: skip
        if pick == 4 and self.own(self.constants):
            shadow = self.choice.choice(self.own(self.constants))
            return [f"{shadow} = x  # a local of that name", f"return {shadow} * 2"]
        if pick == 5:
            return [f"if (n := {number()}) > 2:", "    return n", f"return {number()}"]
        if pick == 6:
            return [
                f'text = f"{{{number()}}} and {{x!r:>{{{self.choice.randrange(2, 5)}}}}}"',
                "return len(text)",
            ]
        if pick == 7:
            return [f'return len(f"{{x=}}") + {number()}']
        if pick == 8:
            return [
                "match x:", f"    case {self.choice.randrange(3)}:", f"        return {number()}", "    case [*_]:",
                "        return 0", "    case other:", f"        return other + {number()}",
            ]  # fmt: skip
        if pick == 9:
            return [
                "try:",
                f"    return {number()} // x",
                "except ZeroDivisionError as error:",
                "    return len(str(error))",
            ]
        if pick == 10 and self.functions:
            one = self.choice.choice(self.functions)
            return [f"found = [{one}(k) for k in range(2)]", f"return sum(map({one}, found)) + {number()}"]
        if pick == 11 and later:
            return ["if x > 1000:", f"    return {later}(x)", f"return {number()}"]
        return [f"return x + {number()}"]

    def klass(self) -> None:
        name = self.fresh("C")
        base = f"({self.choice.choice(self.classes)})" if self.classes and self.choice.random() < 0.4 else ""
        lines = [f"class {name}{base}:"]
        if self.choice.random() < 0.3:
            lines.append(f'    """{name}: {self.prefix}."""')
        lines += [f"    size = {self.number()}", "", "    def value(self):"]
        lines += ["        x = self.size", *("        " + line for line in self.body())]
        pick = self.choice.randrange(5)
        if pick == 0:
            lines += ["", "    @staticmethod", "    def other(x):", f"        return {self.number()}"]
        elif pick == 1:
            lines += ["", "    @property", "    def seen(self):", f"        return {self.number()}"]
        elif pick == 2 and self.own(self.constants):
            own = self.choice.choice(self.own(self.constants))
            lines += [f"    {own} = {own}", f"    twice = {own} * 2"]
        elif pick == 3:
            lines += ["", f'    def same(self, other: "{name}") -> "{name}":', f"        return {name}()"]
        self.add("\n".join(lines))
        self.classes.append(name)

    def counter(self) -> None:
        name = self.fresh("n")
        self.add(f"{name} = {self.choice.randrange(5)}")
        self.counters.append(name)

    def list_(self) -> None:
        name = self.fresh("l")
        self.add(f"{name} = []")
        self.lists.append(name)

    def decorator(self) -> None:
        name = self.fresh("d")
        extra = (
            f"{self.choice.choice(self.lists)}.append(7)"
            if self.lists and self.choice.random() < 0.5
            else "pass"
        )
        if self.choice.random() < 0.5:
            self.add(f"def {name}(function):\n    {extra}\n    return function")
        else:
            self.add(
                f"def {name}(function):\n    def call(*args, **more):\n        return function(*args, **more) + {self.number()}\n"
                f"    return call"
            )
        self.decorators.append(name)

    def loud(self) -> None:
        self.add(f"print({self.number()}, {self.number()})")

    def change(self) -> None:
        """Something that goes on making what is there."""
        pick = self.choice.randrange(4)
        if pick == 0 and self.functions and not self.is_rich:
            self.add(f"{self.choice.choice(self.functions)}.mark = {self.number()}")
        elif pick == 1 and self.lists:
            self.add(f"{self.choice.choice(self.lists)}.append({self.number()})")
        elif pick == 2 and self.classes:
            self.add(f"{self.choice.choice(self.classes)}.size = {self.number()}")
        elif pick == 3 and self.own(self.constants):
            self.add(f"{self.choice.choice(self.own(self.constants))} += {self.number()}")

    # -- rarer statements: each adds what it makes to the names -----------------------------

    def guarded(self) -> None:
        """Something bound in one of several ways."""
        name = self.fresh("f")
        pick = self.choice.randrange(4)
        if pick == 0:
            self.add(
                f"try:\n    from nowhere import {name}\nexcept ImportError:\n    def {name}(x):\n"
                f"        return x + {self.number()}"
            )
        elif pick == 1:
            self.add(
                f"if sys.version_info >= (3, 8):\n    def {name}(x):\n        return {self.number()}\nelse:\n"
                f"    def {name}(x):\n        return 0"
            )
        elif pick == 2:
            self.add(f"{name} = lambda x, y={self.number()}: x + {self.number()}")
        else:
            self.add(f"{name} = functools.partial(max, {self.number()})")
        self.functions.append(name)

    def factory(self) -> None:
        make, name = self.fresh("m"), self.fresh("f")
        self.add(f"def {make}(n):\n    def made(x):\n        return x + n + {self.number()}\n    return made")
        self.add(f"{name} = {make}({self.number()})")
        self.functions.append(name)

    def typed(self) -> None:
        name = self.fresh("f")
        kind = self.choice.choice(self.classes or ["int"])
        pick = self.choice.randrange(4)
        if pick == 0:
            self.add(
                f"@typing.overload\ndef {name}(x: int) -> int: ...\n@typing.overload\ndef {name}(x: str) -> str: ...\n"
                f"def {name}(x):\n    return x + {self.number()}"
            )
        elif pick == 1:
            self.add(
                f'def {name}(x: "typing.Optional[{kind}]" = None) -> "list[{kind}]":\n    y: {kind!r} = x\n'
                f"    return {self.number()}"
            )
        elif pick == 2:
            self.add(
                f'def {name}(x: typing.Union[int, {kind}]) -> typing.List["{kind}"]:\n    return {self.number()}'
            )
        else:
            self.add(
                f"@functools.lru_cache(maxsize=None)\ndef {name}(x, /, *, k={self.number()}):\n    return x + k"
            )
        self.functions.append(name)

    def record(self) -> None:
        name = self.fresh("C")
        pick = self.choice.randrange(4)
        if pick == 0:
            self.add(
                f"@dataclasses.dataclass\nclass {name}:\n    size: int = {self.number()}\n"
                f"    more: list = dataclasses.field(default_factory=list)\n\n    def value(self):\n        return self.size"
            )
        elif pick == 1:
            self.add(
                f"class {name}(Exception):\n    size: int = {self.number()}\n\n"
                f"    def value(self):\n        return {self.number()}"
            )
        elif pick == 2:
            self.add(
                f"class {name}:\n    size = {self.number()}\n    parts = [k + 1 for k in range(size % 5)]\n"
                f"    table = {{k: {self.number()} for k in parts}}\n\n    class Inner:\n        deep = {self.number()}\n\n"
                f"    def value(self):\n        return self.Inner.deep + len({name}.table)"
            )
        else:
            self.add(
                f"class {name}:\n    size = {self.number()}\n    __hidden = {self.number()}\n\n    def value(self):\n"
                f"        return self.__hidden + type(self).size + len(pickle.dumps(0))"
            )
        self.classes.append(name)

    def registry(self) -> None:
        table, enter, name = self.fresh("l"), self.fresh("d"), self.fresh("f")
        self.add(f"{table} = {{}}")
        self.add(f"def {enter}(function):\n    {table}[len({table})] = function\n    return function")
        self.add(f"@{enter}\ndef {name}(x):\n    return len({table}) + x")
        self.decorators.append(enter)
        self.functions.append(name)

    def machine(self) -> None:
        """Something that a look at it changes: by a method, a property, an operator, or because it is used up."""
        kind, name = self.fresh("C"), self.fresh("o")
        pick = self.choice.randrange(5)
        if pick == 0:
            self.add(f"{name} = iter(range(1, 90))")
            self.uses += [f"next({name}, 0)"]
        elif pick == 1:
            enter = self.fresh("f")
            self.add(f"{name} = []")
            self.add(f"def {enter}(x, to={name}):\n    to.append(x)\n    return len(to) + {self.number()}")
            self.functions.append(enter)
            self.uses += [f"{enter}(1, {name})", f"len({name})"]
        else:
            self.add(
                f"class {kind}:\n    size = {self.number()}\n    made = []\n\n    def put(self, x):\n"
                f"        self.made.append(x)\n        return len(self.made)\n\n    def value(self):\n        return self.put(2)\n\n"
                f"    def show(self):\n        print({name!r}, len(self.made))\n        return 1\n\n    @property\n"
                f"    def seen(self):\n        return self.put(1)\n\n    def __getitem__(self, x):\n        return self.put(x)"
            )
            self.add(f"{name} = {kind}()")
            self.uses += [
                f"{name}.put(1)",
                f"{name}.seen",
                f"{name}[3]",
                f"len({name}.made)",
                f"{name}.show()",
            ]
            self.classes.append(kind)
        self.objects.append(name)
        for _ in range(self.choice.randrange(4)):
            made = self.fresh("c")
            self.add(f"{made} = {self.choice.choice(self.uses)}")
            self.constants.append(made)

    def shared_line(self) -> None:
        one, two = self.fresh("c"), self.fresh("c")
        self.add(f"{one} = {self.number()}; {two} = {self.number()}  # the {one}")
        self.constants += [one, two]

    def looped(self) -> None:
        name = self.fresh("c")
        pick = self.choice.randrange(3)
        if pick == 0:
            self.add(f"{name} = 0\nfor {name}i in range(3):\n    {name} += {name}i\ndel {name}i")
        elif pick == 1:
            self.add(f"if ({name} := {self.number()}) > 100:\n    print('large')")
        else:
            self.add(f"with contextlib.suppress(ValueError):\n    {name} = {self.number()}")
        self.constants.append(name)

    def text_holder(self) -> None:
        name = self.fresh("f")
        inner = self.number(2)
        self.add(
            f"def {name}(x):\n    r'''Give text.\n\n    >>> {name}(1) > 0\n    True\n    '''\n"
            f"    return len(f\"{{x:{{{inner}}}}} {{f'{{{inner}}}'}} {{{{}}}} {{{inner}!r:>4}}\") + {inner}"
        )
        self.functions.append(name)

    def running(self) -> None:
        """Generators and coroutines."""
        name, helper = self.fresh("f"), self.fresh("g")
        if self.choice.random() < 0.5:
            self.add(f"def {helper}(n):\n    for k in range(n % 4):\n        yield k + {self.number()}")
            self.add(f"def {name}(x):\n    return sum({helper}(x)) + len([*{helper}(2)])")
        else:
            self.add(f"async def {helper}(n):\n    return n + {self.number()}")
            self.add(f"def {name}(x):\n    return next({helper}(x).__await__(), 3)")
            self.blocks[-1] = (
                f"def {name}(x):\n    try:\n        {helper}(x).send(None)\n    except StopIteration as end:\n"
                f"        return end.value"
            )
        self.functions.append(name)

    def add(self, text: str) -> None:
        self.blocks.append(text)

    def fill(self, size: int) -> None:
        kinds = [self.constant] * 3 + [self.function] * 5 + [self.klass] * 3
        kinds += [self.counter, self.list_, self.decorator, self.change, self.change]
        if self.choice.random() < 0.4:
            kinds.append(self.loud)
        if self.is_rich:
            kinds += [self.guarded, self.factory, self.typed, self.record, self.registry, self.shared_line]
            kinds += [self.looped, self.text_holder, self.running, self.machine]
        for number in range(size):
            if self.choice.random() < 0.15 and number < size - 2:
                name = f"{self.prefix}late{number}"
                self.later.append(name)
            self.choice.choice(kinds)()
        for name in self.later:
            self.add(f"def {name}(x):\n    return x + {self.number()}")
            self.functions.append(name)


RICH = "import contextlib\nimport dataclasses\nimport functools\nimport pickle\nimport sys\nimport typing"


def make_program(seed: int) -> Files:
    """Return the files of a program whose `main.py` runs. Odd seeds use more of the language."""
    choice = random.Random(seed)
    is_rich = seed % 2 == 1
    if is_rich and choice.random() < 0.3:
        return make_script(choice)
    in_package = choice.random() < 0.3
    lib = Maker(choice, "a", is_rich=is_rich)
    files: Files = {}
    head = []
    if is_rich:
        head.append(
            RICH if choice.random() < 0.7 else "import " + RICH.replace("import ", "").replace("\n", ", ")
        )
        if choice.random() < 0.4:
            head.append(add_base(choice, lib, files, in_package))
    lib.fill(choice.randrange(4, 12))
    if choice.random() < 0.3:
        head.insert(0, '"""The library."""')
    if choice.random() < 0.15:
        head.insert(1 if head and head[0].startswith('"') else 0, "from __future__ import annotations")
    if choice.random() < 0.5:
        head.append(
            choice.choice(
                [
                    "import os",
                    "import math  # sums",
                    "from collections import OrderedDict, deque",
                    "import os.path as p",
                ]
            )
        )
        used = {"import os": "len(os.sep)", "import math  # sums": "math.floor(2.5)"}.get(head[-1])
        if "deque" in head[-1]:
            used = "len(deque([1]))"
        elif "os.path" in head[-1]:
            used = "len(p.sep)"
        name = lib.fresh("f")
        lib.add(f"def {name}(x):\n    return x + {used}")
        lib.functions.append(name)
    tail = []
    if is_rich and choice.random() < 0.15:
        tail.append(
            'def __getattr__(name):\n    if name == "lazy":\n        return 5\n    raise AttributeError(name)'
        )
    if choice.random() < 0.2:
        listed = choice.sample(lib.names, max(1, len(lib.names) // 2))
        tail.append(f"__all__ = {listed!r}")
        if is_rich and choice.random() < 0.5:
            tail[-1] = f"__all__ = {listed[:1]!r}\n__all__ += {listed[1:]!r}\n__all__.extend(())"
    if choice.random() < 0.3 and lib.functions:
        tail.append(f'if __name__ == "__main__":\n    print({choice.choice(lib.functions)}(1))')
    where = "pkg/" if in_package else ""
    module = "pkg.alib" if in_package else "alib"
    text = join(choice, [*head, *lib.blocks, *tail])
    files[f"{where}alib.py"] = text
    if in_package:
        init = ["from .alib import " + choice.choice(lib.names)] if choice.random() < 0.4 else []
        if choice.random() < 0.15:
            init = ["from .alib import *"]
        files["pkg/__init__.py"] = "\n".join(init) + "\n" if init else ""
    other_text = make_user(choice, lib, module, "b", in_package)
    files[f"{where}blib.py"] = other_text
    user_module = "pkg.blib" if in_package else "blib"
    files["main.py"] = make_main(choice, lib, module, user_module, other_text)
    if choice.random() < 0.05:
        files = {name: text.replace("\n", "\r\n") for name, text in files.items()}
    return files


def add_base(choice: random.Random, lib: Maker, files: Files, in_package: bool) -> str:
    """Write a module that the library itself imports; return the import."""
    base = Maker(choice, "e")
    base.fill(choice.randrange(1, 4))
    files["pkg/elib.py" if in_package else "elib.py"] = join(choice, base.blocks)
    name = "pkg.elib" if in_package else "elib"
    lib.beside = "elib" if in_package else ""
    pick = choice.randrange(3)
    prefix = f"{name}." if pick == 2 else ""
    lib.functions += [prefix + n for n in base.functions]
    lib.constants += [prefix + n for n in base.constants]
    lib.taken = [*lib.functions, *lib.constants]
    if pick == 0 and lib.taken:
        return f"from {'.elib' if in_package else name} import {', '.join(lib.taken)}"
    return f"from {name} import *" if pick == 1 else f"import {name}"


def make_script(choice: random.Random) -> Files:
    """Return a program that is one script, in the usual forms."""
    lib = Maker(choice, "a", is_rich=True)
    lib.fill(choice.randrange(4, 12))
    body = [f"print({name!r}, {shown(lib, name, name)})" for name in lib.names if choice.random() < 0.8] or [
        "pass"
    ]
    inside = "\n".join("    " + line for line in body)
    tail = choice.choice(
        [
            ["\n".join(body)],
            [f"def main():\n{inside}", 'if __name__ == "__main__":\n    main()'],
            [f'if __name__ == "__main__":\n{inside}'],
        ]
    )
    text = join(choice, ["#!/usr/bin/env python3\n# A script.", RICH, *lib.blocks, *tail])
    return {"main.py": text.replace("    ", "\t") if choice.random() < 0.1 else text}


def join(choice: random.Random, blocks: list[str]) -> str:
    pieces = [blocks[0]] if blocks else []
    for before, block in itertools.pairwise(blocks):
        is_definition = "def " in before + block or "class " in before + block
        pieces.append(("\n" * (3 if is_definition else choice.choice([1, 2]))) + block)
    text = "".join(pieces)
    return text + ("" if choice.random() < 0.1 else "\n")


def make_user(choice: random.Random, lib: Maker, module: str, prefix: str, in_package: bool) -> str:
    """Return a module that uses the library in one of the forms."""
    public = sorted(set(lib.names))
    taken = choice.sample(public, min(len(public), choice.randrange(1, 5)))
    form = choice.randrange(9 if lib.is_rich else 7)
    lines: list[str] = []
    spelled = dict.fromkeys(taken, "")
    package, _, last = module.rpartition(".")
    if form == 0:
        lines.append(f"from {'.' + last if in_package else module} import {', '.join(taken)}")
        spelled = {name: name for name in taken}
    elif form == 1:
        lines.append(f"from {module} import (\n" + "".join(f"    {name},\n" for name in taken) + ")")
        spelled = {name: name for name in taken}
    elif form == 2:
        lines.append(f"import {module}")
        spelled = {name: f"{module}.{name}" for name in taken}
    elif form == 3:
        lines.append(f"import {module} as lib")
        spelled = {name: f"lib.{name}" for name in taken}
    elif form == 4:
        lines.append(f"from {package} import {last}" if package else f"import {last}")
        spelled = {name: f"{last}.{name}" for name in taken}
    elif form == 5:
        lines.append(f"from {module} import {taken[0]} as one")
        spelled = {taken[0]: "one"}
    elif form == 6:
        lines.append(f"import {module}")
        spelled = {name: f'getattr({module}, "{name}")' for name in taken}
    elif form == 7:
        lines.append(f"try:\n    import {module} as lib\nexcept ImportError:\n    lib = None")
        spelled = {name: f"lib.{name}" for name in taken}
    else:
        lines += [f"import {module}", "from unittest import mock"]
        spelled = {name: f"{module}.{name}" for name in taken}
    lines.append("")
    lines.append(f"def {prefix}show():")
    for name, expression in spelled.items():
        lines.append(f"    print({shown(lib, name, expression)})")
        if form == 8 and name in lib.functions:
            lines.append(f'    with mock.patch("{module}.{name}", lambda *_: 77):')
            lines += [f"        print({shown(lib, n, e)})" for n, e in spelled.items()]
    if form in (2, 3, 4) and lib.counters and choice.random() < 0.4:
        root = {2: module, 3: "lib", 4: last}[form]
        lines.append(f"    {root}.{choice.choice(lib.counters)} = 40")
    if choice.random() < 0.3:
        lines.append("")
        lines.append("class Own:")
        for expression in spelled.values():
            lines.append(f"    kept = {expression}")
    if choice.random() < 0.3:
        lines.append(f"print({shown(lib, next(iter(spelled)), spelled[next(iter(spelled))])})")
    return "\n".join(lines) + "\n"


def shown(lib: Maker, name: str, expression: str) -> str:
    if name in lib.functions:
        return f"{expression}(2)"
    if name in lib.classes:
        return f"{expression}().value(), {expression}.size"
    if name in lib.decorators or name in lib.objects:
        return f"callable({expression})"
    return expression


def make_main(choice: random.Random, lib: Maker, module: str, user_module: str, other: str) -> str:
    lines = [f"import {user_module}", f"import {module} as alib_"]
    if choice.random() < 0.2:
        lines.insert(0, f"from {module} import *")
    lines.append("")
    body = []
    for name in sorted(set(lib.names)):
        if choice.random() < 0.7:
            body.append(f"print({name!r}, {shown(lib, name, f'alib_.{name}')})")
        if choice.random() < 0.15:
            body.append(f"{user_module}.bshow()")
    body.append(f"{user_module}.bshow()")
    for counter in lib.counters:
        body.append(f"print(alib_.{counter})")
    if choice.random() < 0.5:
        lines += [
            "def main():",
            *("    " + line for line in body),
            "",
            'if __name__ == "__main__":',
            "    main()",
        ]
    else:
        lines += body
    return "\n".join(lines) + "\n"


def make_command(seed: int, files: Files) -> tuple[str, str]:
    """Return the kind of a command, and the command."""
    choice = random.Random(f"{seed} command")
    path = next((name for name in files if name.endswith("alib.py")), "main.py")
    module = path[: -len(".py")].replace("/", ".")
    text = files[path]
    names = sorted(set(re.findall(r"(?m)^(?:async def |def |class )?(a[A-Za-z]+\d+)\b", text)))
    pick = choice.random()
    if module == "main" and 0.85 < pick < 0.92:
        pick = 0.5  # what runs it would not find it
    if pick < 0.6:
        chosen = choice.sample(names, choice.randrange(1, max(2, len(names) // 2 + 1)))
        style = choice.choice(["", " --style module"])
        reexport = choice.choice(["", "", " --reexport"])
        if len(chosen) > 2 and choice.random() < 0.4:
            half = len(chosen) // 2
            to = f"--to mone={','.join(chosen[:half])} --to mtwo={','.join(chosen[half:])}"
        else:
            to = f"--to mone={','.join(chosen)}"
        return "split", f"split {path} {to}{style}{reexport}"
    if pick < 0.7:
        chosen = choice.sample(names, 1)
        target = choice.choice(["blib", "mnew"])
        if module.startswith("pkg."):
            target = choice.choice([f"pkg.{target}", f"pkg.{target}", "mtop"])
        return "move", f"move {module}:{','.join(chosen)} {target}"
    if pick < 0.85:
        new = choice.choice(["zz", "inner", "total", "q", "lib", "x", "print", "found", names[0], "one"])
        return "rename", f"rename {module}:{choice.choice(names)} {new}"
    if pick < 0.92:
        return (
            "rename module",
            f"rename {module} {choice.choice(['pkg.zlib_' if module.startswith('pkg.') else 'zlib_', 'show' if not module.startswith('pkg.') else 'pkg.sub'])}",
        )
    if pick < 0.97:
        function = choice.choice(re.findall(r"(?m)^def (a\w+)\(x", text) or ["af1"])
        return (
            "rename parameter",
            f"rename {module}:{function}(x) {choice.choice(['price', 'z', 'q', 'total'])}",
        )
    return "expand", "expand ."


def load_casebook() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "refactor_casebook", Path(__file__).with_name("casebook.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("refactor_casebook", module)
    spec.loader.exec_module(module)
    return module


def try_one(seed: int, root: Path) -> tuple[str, str]:
    """Do one; return its kind and "same", the refusal, or what differed."""
    casebook = load_casebook()
    files = make_program(seed)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    before = casebook.read_tree(root)
    ran_before = casebook.run_program(root, "main.py")
    if ran_before[0] != 0:
        return "invalid", f"does not run: {ran_before[2]}"
    kind, command = make_command(seed, files)
    status, said = casebook.run_cli(root, command)
    if status != 0:
        if casebook.read_tree(root) != before:
            return kind, f"WRONG: refused, but something was written: {said}"
        if "please report" in said or "Traceback" in said:
            return kind, f"WRONG: {command}: {said}"
        return kind, "refused: " + re.sub(
            r"\b[ab]\w+\d+\b|\d+|\b\w+\.py\b", "_", said.splitlines()[-1 if "refus" in said else 0]
        )[:90]
    after = casebook.read_tree(root)
    ran_after = casebook.run_program(root, "main.py")
    if ran_after != ran_before:
        return (
            kind,
            f"WRONG: {command}\n{said}\n{show(ran_before)}\n{show(ran_after)}\n{casebook.show_tree(after)}",
        )
    comments = collections.Counter(
        re.findall(rb"# (?:above|about|the|a local) ?\w*", b"\n".join(before.values()))
    )
    left = collections.Counter(re.findall(rb"# (?:above|about|the|a local) ?\w*", b"\n".join(after.values())))
    if kind in ("split", "move") and comments - left:
        return kind, f"WRONG: {command}: lost {comments - left}\n{casebook.show_tree(after)}"
    try:
        casebook.check_clean(before, after, is_split=kind in ("split", "move"))
    except AssertionError as error:
        return kind, f"WRONG: {command}: {error}\n{casebook.show_tree(after)}"
    if "nothing to change" not in said:
        casebook.run_cli(root, "undo --root .")
        if casebook.read_tree(root) != before:
            return kind, f"WRONG: {command}: undo gave other bytes"
    return kind, "same"


def show(ran: tuple[int, str, str]) -> str:
    return f"exit {ran[0]}\n{textwrap.shorten(ran[1], 600)}\n{ran[2][-600:]}"


def main(first: int, last: int) -> int:
    counted: collections.Counter[tuple[str, str]] = collections.Counter()
    wrong = 0
    folder = Path(tempfile.mkdtemp(prefix="random-programs-"))
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    try:
        for seed in range(first, last):
            root = folder / "project"
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            kind, result = try_one(seed, root)
            if result.startswith("WRONG"):
                wrong += 1
                print(f"=== seed {seed}: {kind}\n{result}\n", flush=True)
                result = "WRONG"
            counted[kind, result] += 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for (kind, result), count in counted.most_common():
        print(f"{count:6} {kind}: {result}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), int(sys.argv[2])))
