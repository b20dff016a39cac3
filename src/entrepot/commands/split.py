"""`entrepot split`: cut a file that has grown into modules."""

from __future__ import annotations

import argparse
import sys

from entrepot.commands.carry_out import add_edit_arguments, carry_out, make_project, planning
from entrepot.refactor.changes import Edit
from entrepot.refactor.project import Project

SUMMARY = "move definitions of a file into modules beside it"
EXAMPLES = """\
  entrepot split main.py --suggest            which definitions belong together?
  entrepot split main.py --to arcade=get_score,add_points --to inventory=Inventory
  entrepot undo                               as if it had not been
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the file, or the module's name")
    parser.add_argument(
        "--to",
        action="append",
        default=[],
        metavar="MODULE=NAME,...",
        help="which names go to which module; may be repeated",
    )
    parser.add_argument(
        "--style",
        choices=("names", "module"),
        default="names",
        help="how FILE and others then import them: from module import name, or import module and module.name "
        "(default: names)",
    )
    parser.add_argument("--reexport", action="store_true", help="keep the names importable from FILE too")
    parser.add_argument(
        "--suggest", action="store_true", help="instead: propose groups, with the reasons; writes nothing"
    )
    add_edit_arguments(parser)


def main(args: argparse.Namespace) -> int:
    from entrepot.refactor.split import parse_request, plan_split

    if args.suggest:
        from entrepot.refactor.suggest import as_json, describe, suggest_split

        project = make_project(args, args.file)
        with planning(project):
            suggestion = suggest_split(project, project.get_module(args.file))
        print(as_json(suggestion) if args.format == "json" else describe(suggestion))
        return 0
    if not args.to:
        wrong = "say what goes where with --to MODULE=NAME,..., or ask with --suggest"
        print(f"entrepot split: {wrong}", file=sys.stderr)
        return 2

    def plan(project: Project) -> Edit:
        request = parse_request(args.to)
        return plan_split(
            project, args.file, request, style=args.style, reexport=args.reexport, force=args.force
        )

    return carry_out(args, args.file, plan)
