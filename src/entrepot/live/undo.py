"""The undo log: what to do, in reverse, to have the old program back whole."""

from __future__ import annotations

from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class UndoLog:
    """Steps back. Every step is tried even if another fails; what failed is returned as text."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[..., object], tuple[Any, ...]]] = []

    def add(self, what: str, step: Callable[..., object], *args: Any) -> None:
        """Remember one step back; `what` names it should it fail."""
        self._steps.append((what, step, args))

    def run(self) -> list[str]:
        """Go back, last step first."""
        failed = []
        while self._steps:
            what, step, args = self._steps.pop()
            try:
                step(*args)
            except Exception as error:
                failed.append(f"{what} ({type(error).__name__}: {error})")
        return failed
