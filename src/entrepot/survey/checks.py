"""All findings of a program: those of single files, and those that need the whole.

`find_all` is the list behind `entrepot check`, before suppressions. Each kind has a function
`check_...` in a file for what it is about; what each code means is in `docs/check.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from entrepot.program.model import Program
from entrepot.survey.file_checks import check_cycles, check_files
from entrepot.survey.findings import Finding
from entrepot.survey.local import Facts
from entrepot.survey.shadow_checks import check_shadows
from entrepot.survey.star_checks import check_all, check_stars
from entrepot.survey.state import State
from entrepot.survey.target_checks import check_names, check_resolution, check_uses
from entrepot.survey.use_checks import check_init, check_private, check_reach, check_unused

CHECKS: tuple[Callable[[State], Iterator[Finding]], ...] = (
    check_files,
    check_cycles,
    check_stars,
    check_shadows,
    check_resolution,
    check_names,
    check_uses,
    check_unused,
    check_private,
    check_init,
    check_reach,
    check_all,
)


def find_all(
    program: Program, *, is_kept: bool = True, processes: int = 2
) -> tuple[list[Finding], dict[str, Facts]]:
    """Return every finding of a program, and the facts of its files (for suppressions)."""
    state = State(program, is_kept=is_kept, processes=processes)
    found = {finding for check in CHECKS for finding in check(state)}
    return sorted(found, key=lambda finding: finding.sort_key), state.facts
