"""What star imports bring: names that the source of the importer does not tell."""

from __future__ import annotations

from entrepot.live.facts import absolute
from entrepot.live.record import Record
from entrepot.live.staging import Stage
from entrepot.live.statements import Unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrepot.live.update import Update

_MISSING = object()


class Stars:
    """The star imports of one update."""

    def __init__(self, update: Update) -> None:
        self._update = update

    def binds_of(self, record: Record, unit: Unit) -> frozenset[str]:
        """What a statement binds, with what its star imports bring."""
        found = unit.binds
        if not unit.imports:
            return found
        for wanted in unit.imports:
            name = absolute(record, wanted) if wanted.names == ("*",) else None
            if name in self._update.records:
                space = self._update.facts.namespace(name)
                found = found.union(space.get("__all__") or (n for n in space if n[:1] != "_"))
        return found

    def drop_names(self, stage: Stage, module: str | None) -> None:
        """Names that a star import brought before leave first: it may bring fewer now."""
        record = self._update.records.get(module or "")
        if record is None:
            return
        other = self._update.stages.get(record.name)
        before = other.before if other is not None else record.namespace
        # Not only what `__all__` has now: the same list may have lost names already.
        for name in {*(n for n in before if n[:1] != "_"), *before.get("__all__", ())}:
            if (
                name not in stage.parsed.binds
                and name in stage.staged
                and stage.staged[name] is before.get(name, _MISSING)
            ):
                del stage.staged[name]
