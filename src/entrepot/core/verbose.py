"""What `python -v` prints while importing, in importlib's words."""

import sys

from entrepot.core import frames


def say(message: str, *args: object, level: int = 1) -> None:
    """Print a message to stderr when `-v` was given at least `level` times."""
    if sys.flags.verbose >= level:
        if not message.startswith(("#", "import ")):
            message = "# " + message
        print(message.format(*args), file=sys.stderr)


frames.disguise()
