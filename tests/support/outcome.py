"""What a call gives, raises and warns, as a value: to compare a function with its oracle."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any


def outcome(call: Callable[..., Any], *args: Any) -> tuple[Any, Any, list[tuple[type[Warning], str]]]:
    """Return ("value", result, warnings), or the type and arguments of the error instead of the first two."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        result: tuple[Any, Any]
        try:
            result = ("value", call(*args))
        except Exception as error:
            result = (type(error), error.args)
    return (*result, [(warning.category, str(warning.message)) for warning in seen])
