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
from entrepot.survey.contracts import ContractChecker, NotReadError
from entrepot.survey.findings import CODES, Finding, gather
from entrepot.survey.fixes import apply_fixes
from entrepot.survey.policy import (
    BASELINE_NAME,
    Policy,
    PolicyError,
    Told,
    apply_policy,
    check_codes,
    is_selected,
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
    parser.add_argument(
        "--format",
        choices=["text", "json", "github", "sarif"],
        default="text",
        help="github: notes beside the lines of a pull request; sarif: for code scanning (default: text)",
    )
    parser.add_argument(
        "--select",
        metavar="CODE,...",
        help="only these codes, or those that begin so: EP1 is EP101, EP102 ...",
    )
    parser.add_argument("--ignore", metavar="CODE,...", help="none of these codes, or of those that begin so")
    parser.add_argument("--all", action="store_true", help="tell notes too, not only errors and warnings")
    parser.add_argument(
        "--baseline",
        metavar="FILE",
        help=f"tell only findings that are not in FILE (default: {BASELINE_NAME} beside pyproject.toml, if there)",
    )
    parser.add_argument(
        "--write-baseline",
        action="store_true",
        help="write today's findings into the baseline, so that they are told no more",
    )
    parser.add_argument(
        "--contracts",
        metavar="DIR",
        help="the folder whose .importlinter, pyproject.toml or tach.toml has the contracts (default: that of the "
        "program, and of the pyproject.toml above it)",
    )
    parser.add_argument("--codes", action="store_true", help="list the codes with what they mean, and stop")
    add_program_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run the command; 1 where there is something to tell."""
    if args.codes:
        for code, row in CODES.items():
            print(f"{code}  {row.severity:<8} {row.name:<20} {row.summary}{' [*]' if row.is_fixable else ''}")
        return 0
    if args.contracts and not os.path.isdir(args.contracts):
        raise PolicyError(
            path=args.contracts, reason="--contracts takes a folder, and there is none of this name"
        )
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
    if selected := _split_codes(args.select, "--select"):
        policy.select = selected
    policy.ignore = [*policy.ignore, *_split_codes(args.ignore, "--ignore")]
    policy.is_all = args.all
    if args.baseline:
        policy.baseline = os.path.abspath(args.baseline)
    if args.write_baseline:
        policy.baseline = ""
    return policy


def _split_codes(given: str | None, option: str) -> list[str]:
    """Return the codes of an option. Raises PolicyError for one that there is not."""
    codes = [code.strip() for code in (given or "").split(",") if code.strip()]
    check_codes(codes, option)
    return codes


def check_path(path: str, args: argparse.Namespace, policy: Policy, told: Told) -> list[Finding]:
    """Check one program; return what is to be told."""
    program = read_program(path, args)
    with Progress(f"Checking {len(program.modules)} modules"):
        findings, facts = find_all(program, is_kept=not args.no_cache)
    folders = dict.fromkeys([args.contracts] if args.contracts else [program.folder, policy.folder])
    # EP901, a suppression of nothing, can be told only if all that could be suppressed is known.
    if any(is_selected(code, policy) for code in ("EP801", "EP802", "EP901")):
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
        try:
            all_broken = checker.check(contract)
        except NotReadError as error:
            what = (
                f"contract {contract.name!r} is not judged: {error.module} is of the project and was not read"
            )
            print(f"{what} (entrepot check {os.path.relpath(folder)} judges it)", file=sys.stderr)
            continue
        for broken in all_broken:
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
