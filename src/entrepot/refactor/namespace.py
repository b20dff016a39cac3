"""What a module's top level binds, as far as its text tells."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Namespace:
    """What a module's top level binds, in order. `exported` is `__all__`, None without one."""

    bound: dict[str, None] = field(default_factory=dict)
    maybe: dict[str, None] = field(default_factory=dict)
    exported: list[str] | None = None
    unknown: str | None = None  # why the names cannot be told

    def star_names(self) -> tuple[list[str], list[str]]:
        """Return the names a star import brings: certainly, perhaps."""
        if self.exported is not None:
            return list(dict.fromkeys(self.exported)), []
        certain = [name for name in self.bound if not name.startswith("_")]
        return certain, [name for name in self.maybe if not name.startswith("_") and name not in self.bound]
