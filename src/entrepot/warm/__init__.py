"""How can a module that one program has initialised serve the next one?

The public name is fetched when asked for (PEP 562): what is below this package enters programs.
"""

__all__ = ["get_context"]


def __getattr__(name: str) -> object:
    """Fetch a public name."""
    if name == "get_context":
        return __import__("entrepot.warm.workers", fromlist=[name]).get_context
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
