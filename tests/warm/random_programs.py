"""Random programs of many modules, and random edits to them. A seed gives the same ones again.

Each module has a value made of what it read while it was initialised; the program prints all of them.
So whatever is stale, or done twice, or not done, shows in the output.
"""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

READERS = (
    "v.append({n})",
    "v.append(os.environ.get('R_{k}'))",
    "v.append('R_{k}' in os.environ)",
    "v.append(sorted(name for name in os.environ if name.startswith('R_')))",
    "v.append(os.getenv('R_{k}', 'none'))",
    "v.append(open(here + '/data{k}').read() if os.path.exists(here + '/data{k}') else None)",
    "v.append(sorted(os.listdir(here + '/dir')))",
    "v.append([(e.name, e.is_dir()) for e in sorted(os.scandir(here + '/dir'), key=lambda e: e.name)])",
    "v.append(os.path.isdir(here + '/dir/d{k}'))",
    "v.append(os.stat(here + '/data0').st_mtime_ns)",
    "v.append(oct(os.stat(here + '/data1').st_mode))",
    "v.append(stat(here + '/data2').st_size)",
    "v.append(os.access(here + '/dir/d{k}', os.R_OK))",
    "v.append(os.readlink(here + '/link'))",
    "v.append(os.path.realpath(here + '/link').rpartition('/')[2])",
    "v.append(os.path.basename(os.getcwd()))",
    "v.append(importlib.util.find_spec('opt{k}') is not None)",
    "v.append(importlib.metadata.version('shop'))",
    "p = pathlib.Path(here, 'data{k}')\nv.append(list(p.open()) if p.is_file() else 0)",
    "v.append(glob.glob('d*', root_dir=here + '/dir'))",
    "v.append(len(sys.argv))",
    "v.append(getenv(b'R_{k}'))",
    "v.append(__import__('linked.{inner}').__name__)",
    "v.append(json.dumps({{'k': {n}}}))",
)
DOERS = (
    "print('doing {n}')",
    "os.environ['R_SET{k}'] = '{n}'",
    "registry.seen.append('{name}')",
    "registry.seen.append(len(registry.seen))",
    "import warnings; warnings.warn('old {n}')",
    "sys.path.append('/nowhere{k}')",
    "random.seed({n})",
    "import atexit; atexit.register(print, 'bye {n}')",
    "registry.patched = {n}",
    "open(here + '/log', 'a').write('x')",
)
OPTIONAL = "try:\n    import opt{o}\n    v.append(opt{o}.v)\nexcept ImportError:\n    v.append('none')"
HEAD = """\
import ctypes, glob, importlib.metadata, importlib.util, json, os, pathlib, random, sys
from os import stat
import registry
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
here = os.environ['R_HERE']
v = []
"""


@dataclass
class World:
    """A program on the disk and its surroundings."""

    root: Path
    seed: int
    size: int = 14
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = ""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.root.mkdir(parents=True)
        self.cwd = str(self.root)
        self.env["R_HERE"] = str(self.root)
        (self.root / "registry.py").write_text("seen = []\npatched = 0\n")
        (self.root / "dir").mkdir()
        for number in range(3):
            (self.root / f"data{number}").write_text("start")
        for name in ("one", "two"):
            (self.root / name).mkdir()
            (self.root / name / "inner.py").write_text(f"v = '{name}'\n")
        (self.root / "link").symlink_to("one")
        (self.root / "linked").symlink_to("one")
        (self.root / "shop-1.0.dist-info").mkdir()
        self.write_version("1.0")
        for number in range(self.size):
            self.write_module(number)
        self.write_main()

    def write_version(self, version: str) -> None:
        text = f"Metadata-Version: 2.1\nName: shop\nVersion: {version}\n"
        (self.root / "shop-1.0.dist-info" / "METADATA").write_text(text)

    def find_file(self, number: int) -> Path:
        package = self.root / f"m{number}" / "__init__.py"
        return package if package.exists() else self.root / f"m{number}.py"

    def write_module(self, number: int) -> None:
        pick = self.random
        name = f"m{number}"
        lines = [pick.choice(READERS) for _ in range(pick.randint(0, 3))]
        if pick.random() < 0.15:
            lines.append(pick.choice(DOERS))
        later = range(number + 1, self.size)
        for other in pick.sample(later, min(len(later), pick.randint(0, 2))):
            form = pick.choice(("import m{o}\nv.append(m{o}.v)", "from m{o} import v as w\nv.append(w)"))
            lines.append(form.replace("{o}", str(other)))
        if pick.random() < 0.2:
            other = pick.randint(0, 3)
            lines.append(OPTIONAL.replace("{o}", str(other)))
        pick.shuffle(lines)
        done = [
            line if line.startswith(("import m", "from m", "try")) else line.format(
                n=pick.randint(10, 99), k=pick.randint(0, 3), name=name, inner="inner"
            )
            for line in lines
        ]  # fmt: skip
        self.find_file(number).write_text(HEAD + "\n".join(done) + "\n")

    def write_main(self) -> None:
        pick = self.random
        chosen = pick.sample(range(self.size), pick.randint(2, 5))
        late = pick.sample(range(self.size), 2)
        lines = [
            "import os, sys",
            f"os.environ['R_MAIN'] = '{pick.randint(1, 2)}'" if pick.random() < 0.3 else "X = 1",
        ]
        lines += ["import registry"] * (pick.random() < 0.5)
        for number in chosen:
            lines.append(f"import m{number}")
            if pick.random() < 0.2:  # from here on the program does more than prepare
                lines.append("import registry\nprint(registry.seen, len(sys.modules) > 0)")
        lines += ["import registry", "def main():"]
        lines += [f"    import m{number}\n    print({number}, m{number}.v)" for number in late]
        lines += [f"print({number}, m{number}.v)" for number in chosen]
        lines += [
            "main()",
            "print(registry.seen, registry.patched)",
            "print([name for name in sys.modules if name.startswith(('m', 'opt', 'linked'))])",
            "print(sorted((k, v) for k, v in os.environ.items() if k.startswith('R_')))",
            "print(sys.path, len(sys.argv))",
        ]
        if pick.random() < 0.1:
            lines.append("raise SystemExit(3)")
        (self.root / "main.py").write_text("\n".join(lines) + "\n")

    def edit(self) -> str:
        """Make one random change and say what it was."""
        pick = self.random
        number, k = pick.randrange(self.size), pick.randint(0, 3)
        kind = pick.choice(
            [
                "module",
                "module",
                "same_size",
                "shadow",
                "optional",
                "data",
                "touch",
                "chmod",
                "variable",
                "unset_variable",
                "link",
                "linked",
                "entry",
                "version",
                "main",
                "package",
                "branch",
                "cwd",
                "nothing",
                "nothing",
            ]
        )
        path = self.find_file(number)
        if kind == "module":
            self.write_module(number)
        elif kind == "same_size":
            before = path.stat()
            path.write_text(
                path.read_text().replace("1", "2", 1) if "1" in path.read_text() else path.read_text()
            )
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        elif kind == "shadow":
            target = self.root / pick.choice(("glob.py", "json.py"))
            if target.exists():
                target.unlink()
            else:
                target.write_text(SHADOWS[target.name])
        elif kind == "optional":
            target = self.root / f"opt{k}.py"
            if target.exists():
                target.unlink()
            else:
                target.write_text(f"v = {pick.randint(1, 9)}\n")
        elif kind == "data":
            target = self.root / f"data{k}"
            if k == 3 and target.exists():
                target.unlink()
            else:
                target.write_text(pick.choice(("a", "b", "longer")))
        elif kind == "touch":
            os.utime(self.root / "data0", ns=(pick.randint(1, 10**18), pick.randint(1, 10**18)))
        elif kind == "chmod":
            (self.root / "data1").chmod(pick.choice((0o644, 0o755, 0o600)))
        elif kind == "variable":
            self.env[f"R_{k}"] = pick.choice(("x", "y"))
        elif kind == "unset_variable":
            self.env.pop(f"R_{k}", None)
        elif kind in ("link", "linked"):
            link = self.root / kind
            target_name = "two" if os.readlink(link) == "one" else "one"
            link.unlink()
            link.symlink_to(target_name)
        elif kind == "entry":
            target = self.root / "dir" / f"d{k}"
            if target.is_dir():
                target.rmdir()
                target.write_text("")
            elif target.exists():
                target.unlink()
            else:
                target.mkdir()
        elif kind == "version":
            self.write_version(f"{pick.randint(1, 9)}.0")
        elif kind == "main":
            self.write_main()
        elif kind == "package":
            if path.name == "__init__.py":
                text = path.read_text()
                shutil.rmtree(path.parent)
                (self.root / f"m{number}.py").write_text(text)
            else:
                folder = self.root / f"m{number}"
                folder.mkdir()
                path.rename(folder / "__init__.py")
        elif kind == "branch":
            for other in range(0, self.size, 3):
                self.write_module(other)
        elif kind == "cwd":
            self.cwd = pick.choice((str(self.root), str(self.root / "dir"), "/"))
        return f"{kind} {number} {k}"


SHADOWS = {
    "glob.py": "def glob(*args, **more):\n    return 'shadow'\n",
    "json.py": "def dumps(value):\n    return 'shadow'\n",
}
