"""What the `entrepot` command runs for `entrepot watch`: as `python -m`, so that it is a program that can start warm.

Everything that is imported here, before the last statement, is in the program's image; so are modules of libraries that an
earlier run has imported. The program's own modules are not: the tracker must see them run.
"""

from __future__ import annotations

import sys

import entrepot.live.background
import entrepot.live.update  # noqa: F401  (here, so that it is in the image)
from entrepot.commands import watch
from entrepot.commands.output import report_errors


def main() -> int:
    """Run the program that the command line names; returns its exit status."""
    return report_errors(lambda: watch.main_argv(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
