"""What Django has taken in for good, and what it can be told to look at again.

Django makes tables and relations of a model's fields and reads its settings once: edits of these are refused, which
`entrepot watch --on-refusal restart` answers by starting anew. Views, methods of models, forms, templates' tags follow like any
code; url patterns are looked up again. Imports nothing: without Django in the process there is nothing to do.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from entrepot.live.staging import Stage


def is_model(value: object) -> bool:
    """Whether a class is one of Django's models."""
    base: Any = getattr(sys.modules.get("django.db.models.base"), "ModelBase", None)
    return base is not None and isinstance(value, base)


def find_refusal(stages: Iterable[Stage]) -> tuple[Stage, int, str] | None:
    """Return the first staged change that Django would not see: the stage, a line, and why."""
    settings = os.environ.get("DJANGO_SETTINGS_MODULE")
    conf = sys.modules.get("django.conf")
    is_configured = conf is not None and conf.settings.configured
    for stage in stages:
        if stage.record.name == settings and is_configured and stage.changes():
            line = next((u.first for u in stage.parsed.units if id(u) in stage.ran and u.binds), 1)
            return stage, line, "Django has read its settings already; restart the program"
    return None


def look_again() -> None:
    """After an update: url patterns may be others."""
    urls = sys.modules.get("django.urls")
    if urls is not None:
        urls.clear_url_caches()
