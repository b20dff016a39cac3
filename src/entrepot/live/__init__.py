"""How does a running program follow its source, whole or not at all?

The public names are fetched when asked for (PEP 562), so that importing this package costs a program nothing.
"""

_PUBLIC = {
    "start": "session",
    "refresh": "session",
    "run_main": "session",
    "stop": "session",
    "keep": "session",
    "on_reload": "session",
    "on_dispose": "session",
    "subscribe": "session",
    "refresh_on_change": "background",
    "Report": "report",
    "Problem": "report",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> object:
    """Fetch a public name."""
    if name in _PUBLIC:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
