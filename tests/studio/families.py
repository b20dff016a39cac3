"""A module that holds two families of names which do not know each other."""

FAMILIES = "".join(
    f"{kind.upper()} = {{}}\n\n\ndef add_{kind}(name):\n    {kind.upper()}[name] = 1\n\n\n"
    f"def find_{kind}(name):\n    return {kind.upper()}[name]\n\n\n"
    f"def drop_{kind}(name):\n    del {kind.upper()}[name]\n\n\n"
    for kind in ("price", "person")
)
