"""`entrepot bundle`: a program as one file."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from typing import TYPE_CHECKING

from entrepot.commands.progress import Progress

if TYPE_CHECKING:
    from entrepot.ship.contents import Contents, Entry
    from entrepot.trace.records import Record

SUMMARY = "make one file of a program and the modules it reaches, to run elsewhere"
EXAMPLES = """\
  entrepot bundle main.py -o app.pyz          then: python app.pyz
  entrepot bundle -m shop -o shop.pyz --include all --python 3.11 3.12
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "script", nargs="?", metavar="SCRIPT", help="the entry point (a folder: its __main__.py)"
    )
    parser.add_argument(
        "-m", dest="module", metavar="MODULE", help="the entry point is what `python -m MODULE` runs"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the file to write, such as app.pyz")
    parser.add_argument(
        "--include", choices=("own", "all"), default="own",
        help="the program's own modules (default), or the installed distributions that it needs too",
    )  # fmt: skip
    parser.add_argument(
        "--python", nargs="+", action="extend", metavar="VERSION",
        help="Pythons to carry bytecode for, as 3.11 3.12, or paths of interpreters (default: this one)",
    )  # fmt: skip
    parser.add_argument("--add", action="append", default=[], metavar="MODULE",
        help="carry this module too, a package whole",
    )  # fmt: skip
    parser.add_argument(
        "--data", action="append", default=[], metavar="PATTERN",
        help="carry files beside the entry point too, as 'config/*.toml'",
    )  # fmt: skip
    parser.add_argument(
        "--path", action="append", default=[], metavar="DIR", help="look for own modules here too"
    )
    parser.add_argument(
        "--trace", action="append", default=[], metavar="ARGS",
        help="run the program with these arguments (one word to the shell) and carry what it imports too",
    )  # fmt: skip
    parser.add_argument(
        "--record", action="append", default=[], metavar="FILE",
        help="carry what a run imported too, as `entrepot trace --format json -o FILE` wrote it down",
    )  # fmt: skip
    parser.add_argument(
        "--environment",
        metavar="PATH",
        help="interpreter or virtual environment of the program: --python of other commands (default: as there)",
    )
    parser.add_argument(
        "--shebang",
        default="/usr/bin/env python3",
        metavar="COMMAND",
        help="what runs the file when it is started by its name; '' for none (default: /usr/bin/env python3)",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument(
        "--verify", nargs="+", metavar=("FILE", "SHA256"),
        help="instead: compare the hashes in a bundle with its contents, and the whole file with SHA256",
    )  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.verify:
        return _verify(args)
    if args.script is None and args.module is None and args.python and os.path.exists(args.python[-1]):
        # `--python 3.11 3.12 main.py`: the last one is what is to be bundled.
        args.script = args.python.pop()
    if (args.script is None) == (args.module is None) or not args.output:
        wrong = "give a SCRIPT or -m MODULE" if args.output else "say with -o FILE what is to be written"
        print(f"entrepot bundle: {wrong}\n  entrepot bundle SCRIPT -o app.pyz", file=sys.stderr)
        return 2
    from entrepot.ship.bundle import check_output, list_sources, make_bundle, write_bundle
    from entrepot.ship.bytecode import compile_all, find_interpreter
    from entrepot.ship.collect import collect
    from entrepot.ship.reach import find_entry
    from entrepot.trace.records import read_record

    entry = find_entry(args.script, args.module, args.path, args.environment)
    records = [read_record(path) for path in args.record]
    records += [_trace(args, entry, arguments) for arguments in args.trace]
    with Progress("Finding what the program reaches"):
        contents = collect(
            entry, include=args.include, folders=args.path, added=args.add, data=args.data, records=records,
            python=args.environment,
        )  # fmt: skip
    check_output(args.output, contents)
    sources = list_sources(contents)
    missing = []
    bytecodes = {}
    for version in args.python or [f"{sys.version_info[0]}.{sys.version_info[1]}"]:
        python = find_interpreter(version)
        if python is None:
            missing.append(version)
        else:
            with Progress(f"Compiling {len(sources)} files for Python {version}"):
                made = compile_all(python, version, sources)
            bytecodes[made.key] = made
    with Progress(f"Writing {args.output}"):
        data = make_bundle(contents, bytecodes.values(), shebang=args.shebang)
        write_bundle(args.output, data)
    own = [contents.entry_path, *contents.names.values()]
    broken = sorted(
        {path for path in own for one in bytecodes.values() if path in sources and path not in one.codes}
    )
    _tell(args, contents, [one.tag for one in bytecodes.values()], missing, broken, data)
    return 0


def _trace(args: argparse.Namespace, entry: Entry, arguments: str) -> Record:
    from entrepot.trace.running import record

    program = [args.script] if args.script is not None else ["-m", args.module]
    run = record(*program, *shlex.split(arguments), python=_find_python(args, entry))
    print(f"entrepot bundle: the traced run ended with status {run.status}", file=sys.stderr)
    return run.record


def _find_python(args: argparse.Namespace, entry: Entry) -> str | None:
    """Return the interpreter of the environment whose modules the program sees."""
    from entrepot.program.searchpath import find_search_path
    from entrepot.ship.reach import find_roots

    if args.environment and not os.path.isdir(args.environment):
        return str(args.environment)
    roots = find_roots(entry, args.path) or (os.getcwd(),)
    for site in find_search_path([], roots[0], args.environment).site:
        python = os.path.normpath(os.path.join(site, "..", "..", "..", "bin", "python"))
        if os.path.isfile(python) and os.access(python, os.X_OK):
            return python
    return None


def _tell(
    args: argparse.Namespace,
    contents: Contents,
    tags: list[str],
    missing: list[str],
    broken: list[str],
    data: bytes,
) -> None:
    """Print what was made, and what is not in it."""
    import hashlib

    digest = hashlib.sha256(data).hexdigest()
    if args.format == "json":
        answer = {
            "file": args.output,
            "size_bytes": len(data),
            "sha256": digest,
            "modules": sorted(contents.names),
            "files": sorted(contents.files),
            "real": sorted(contents.real),
            "bytecode": sorted(tags),
            "not_compiled": missing,
            "broken": broken,
            "needed": list(contents.needed),
            "left_out": [
                {"what": item.what, "reason": item.reason, "path": item.path, "line": item.line}
                for item in contents.left_out
            ],
        }
        print(json.dumps(answer, indent=1))
        return
    size = f"{len(data) / 1e6:.1f} MB" if len(data) > 999_999 else f"{max(1, len(data) // 1000)} kB"
    files = f"{len(contents.files)} file{'s' * (len(contents.files) != 1)}"
    print(f"{args.output}: {files}, {size}, bytecode for {', '.join(sorted(tags)) or 'none'}")
    print(f"  sha256 {digest}")
    if contents.real:
        print(f"  laid out as files at the first start: {len(contents.real)}")
    if contents.needed:
        print(f"  needed where it runs and not included (--include all): {', '.join(contents.needed)}")
    for path in broken[:20]:
        print(
            f"  {os.path.relpath(contents.files[path].file or path)}: does not compile here; entrepot check says why"
        )
    for version in missing:
        print(f"  no Python {version} was found here: it will run from source there")
    for item in contents.left_out:
        print(f"  {item}")


def _verify(args: argparse.Namespace) -> int:
    from entrepot.ship.bundle import verify_bundle

    if len(args.verify) > 2:
        print("entrepot bundle: --verify takes FILE and perhaps SHA256", file=sys.stderr)
        return 2
    found = verify_bundle(*args.verify)
    if args.format == "json":
        print(json.dumps({"file": found.path, "sha256": found.sha256, "files": found.files}, indent=1))
        return 0
    name = os.path.basename(found.entry[1]) if found.entry[0] != "module" else f"-m {found.entry[2]}"
    print(
        f"{found.path}: whole; {len(found.files)} files, runs {name}, bytecode for {', '.join(found.bytecode)}"
    )
    print(f"  sha256 {found.sha256}")
    return 0
