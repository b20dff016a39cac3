"""What did a program import, and what did importing do?

The public names are fetched when asked for (PEP 562): the observer below this package enters programs.
"""

_PUBLIC = {"record": "running", "TracedRun": "running", "Record": "records"}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> object:
    """Fetch a public name."""
    if name in _PUBLIC:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
