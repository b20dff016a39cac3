"""`entrepot check`: what is wrong with a program's modules, and fixes where they keep behaviour."""

from __future__ import annotations

import argparse
import os
import sys

from entrepot.commands.graph import add_program_arguments, read_program
from entrepot.commands.progress import Progress
from entrepot.program.collection import paused_collection
from entrepot.program.model import Program
from entrepot.survey.checks import find_all
from entrepot.survey.contract_files import read_contracts, read_tach
from entrepot.survey.contracts import ContractChecker
from entrepot.survey.findings import CODES, Finding, gather
from entrepot.survey.fixes import apply_fixes
from entrepot.survey.policy import (
    BASELINE_NAME,
    Policy,
    Told,
    apply_policy,
    check_codes,
    list_excused,
    read_policy,
    write_baseline,
)
from entrepot.survey.report import count_characters, render_github, render_json, render_sarif, render_text
from entrepot.survey.tach import find_circles, find_tach_breaks

SUMMARY = "what is wrong with the modules of a program"
EXAMPLES = """\
  entrepot check                              everything below this folder
  entrepot check src --select EP1 --fix       mend what can be mended
  entrepot check --write-baseline             from now on, tell only what is new
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "paths", nargs="*", default=["."], help="folders, or scripts of programs (default: .)"
    )
    parser.add_argument(
        "--fix", action="store_true", help="mend what can be mended without changing behaviour"
    )
    parser.add_argument("--format", choices=["text", "json", "github", "sarif"], default="text")
    parser.add_argument("--select", metavar="CODE,...", help="only these codes (or beginnings of codes)")
    parser.add_argument("--ignore", metavar="CODE,...", help="not these")
    parser.add_argument("--all", action="store_true", help="notes too")
    parser.add_argument("--baseline", metavar="FILE", help="tell only what is not in it")
    parser.add_argument("--write-baseline", action="store_true", help="write today's findings as known")
    parser.add_argument("--contracts", metavar="DIR", help="where .importlinter or pyproject.toml lies")
    parser.add_argument("--codes", action="store_true", help="list the codes")
    add_program_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run the command; 1 where there is something to tell."""
    if args.codes:
        for code, row in CODES.items():
            print(f"{code}  {row.severity:<8} {row.name:<20} {row.summary}{' [*]' if row.is_fixable else ''}")
        return 0
    told = Told([])
    for path in args.paths:
        policy = _read_options(args, path)
        with paused_collection():
            findings = check_path(path, args, policy, told)
        for _ in range(10 if args.fix else 0):
            mended = apply_fixes(findings)
            if not mended:
                break
            print(f"Fixed {mended} finding{'s' if mended > 1 else ''} in {path}.", file=sys.stderr)
            told.suppressed = told.known = 0
            findings = check_path(path, args, policy, told)
        if args.write_baseline:
            name = os.path.join(policy.folder, args.baseline or BASELINE_NAME)
            write_baseline(name, findings, policy.folder)
            print(f"{len(findings)} findings written to {os.path.relpath(name)}", file=sys.stderr)
            findings = []
        told.findings += findings
    told.findings = count_characters(gather(list(dict.fromkeys(told.findings))))
    match args.format:
        case "json":
            print(render_json(told.findings))
        case "github":
            if told.findings:
                print(render_github(told.findings))
        case "sarif":
            print(render_sarif(told.findings))
        case _:
            print(render_text(told.findings, told.suppressed, told.known))
    is_asked = bool(args.select)
    return int(any(is_asked or finding.severity != "note" for finding in told.findings))


def _read_options(args: argparse.Namespace, path: str) -> Policy:
    folder = os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path) or ".")
    start = folder
    while not os.path.isfile(os.path.join(start, "pyproject.toml")) and os.path.dirname(start) != start:
        if os.path.exists(os.path.join(start, ".git")):
            break
        start = os.path.dirname(start)
    policy = read_policy(start if os.path.isfile(os.path.join(start, "pyproject.toml")) else folder)
    if args.select:
        policy.select = args.select.split(",")
    if args.ignore:
        policy.ignore = [*policy.ignore, *args.ignore.split(",")]
    check_codes([*(args.select or "").split(",")] if args.select else [], "--select")
    check_codes([*(args.ignore or "").split(",")] if args.ignore else [], "--ignore")
    policy.is_all = args.all
    if args.baseline:
        policy.baseline = os.path.abspath(args.baseline)
    if args.write_baseline:
        policy.baseline = ""
    return policy


def check_path(path: str, args: argparse.Namespace, policy: Policy, told: Told) -> list[Finding]:
    """Check one program; return what is to be told."""
    program = read_program(path, args)
    with Progress(f"Checking {len(program.modules)} modules"):
        findings, facts = find_all(program, is_kept=not args.no_cache)
    folders = dict.fromkeys([args.contracts] if args.contracts else [program.folder, policy.folder])
    for folder in folders:
        findings += check_contracts(program, folder)
    paths = {name: module.path for name, module in program.modules.items()}
    result = apply_policy(sorted(set(findings), key=lambda f: f.sort_key), list_excused(facts, paths), policy)
    told.suppressed += result.suppressed
    told.known += result.known
    return result.findings


def check_contracts(program: Program, folder: str) -> list[Finding]:
    """Return what breaks the contracts and interfaces that stand in a folder."""
    found = []
    checker = ContractChecker(program)
    for contract in read_contracts(folder):
        for broken in checker.check(contract):
            first = program.modules[broken.chain[0]]
            chain = " -> ".join(broken.chain)
            steps = zip(broken.chain, broken.lines, strict=False)
            related = [
                (program.modules[n].path, line, f"{n} imports") for n, line in steps if n in program.modules
            ]
            line = broken.lines[0] if broken.lines else 1
            text = f"{broken.contract}: {broken.reason}: {chain}"
            more = tuple(related) if len(related) > 1 else ()
            found.append(Finding("EP801", first.path or program.folder, line, 1, text, first.name, more))
    tach = read_tach(folder)
    if tach is None:
        return found
    if tach.not_judged:
        print(f"tach: {', '.join(tach.not_judged)} not judged here, only by tach itself", file=sys.stderr)
    for name, circle in find_circles(tach):
        path = program.modules[name].path if name in program.modules else ""
        text = f"depends_on leads back to {name}: {' -> '.join(circle)}"
        found.append(Finding("EP801", path or tach.path, 1, 1, text, name))
    for one in find_tach_breaks(program, tach):
        path = program.modules[one.module].path
        found.append(Finding(one.code, path, one.line, one.column + 1, one.message, one.module))
    return found
