"""entrepot: a module system for Python programs.

The public names are fetched when asked for, so that importing a part of entrepot
(`entrepot.warm.resident` runs inside other people's programs) brings in nothing else.
"""

__version__ = "0.1.0"

# Public name -> the module that defines it. A module of entrepot may be named too ("entrepot.live").
_PUBLIC = {
    "Program": "entrepot.program.model",
    "System": "entrepot.core.system",
    "load_ipython_extension": "entrepot.live.ipython",
    "unload_ipython_extension": "entrepot.live.ipython",
}

__all__ = ["Program", "System", "__version__"]


def __getattr__(name: str) -> object:
    """Fetch a public name (PEP 562)."""
    if name == "live":
        __import__("entrepot.live")
        return globals()[name]
    if name in _PUBLIC:
        # Not by importlib, which the program may have no need of.
        value = getattr(__import__(_PUBLIC[name], fromlist=[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=None)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
