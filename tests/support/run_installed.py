"""Given to `python -c`, with SCRIPT | -c CODE [ARGS...]: runs that while an entrepot System imports.

What the program sees is what `python SCRIPT` would have shown it, but for the modules of entrepot itself in
`sys.modules`. An uncaught exception is printed without this file's frames.
"""


def main():
    """Run the script as __main__ and return its exit status."""
    # Names of this function and not of the module: the script takes the module over.
    import os
    import sys

    from entrepot import System

    this = sys.modules["__main__"].__dict__
    del sys.argv[0]
    namespace = {name: this[name] for name in ("__name__", "__loader__", "__builtins__")}
    namespace.update(__doc__=None, __package__=None, __spec__=None, __annotations__={})
    if sys.argv[0] == "-c":
        source, path = sys.argv.pop(1), "<string>"
        sys.path[0] = ""
    else:
        path = os.path.abspath(sys.argv[0])
        with open(path, "rb") as file:
            source = file.read()
        sys.path[0] = os.path.dirname(path)
        loader = sys.modules["_frozen_importlib_external"].SourceFileLoader("__main__", path)
        namespace.update(__file__=path, __loader__=loader)
    this.clear()
    this.update(namespace)
    with System().installed():
        try:
            exec(compile(source, path, "exec", dont_inherit=True), this)
        except Exception as error:
            own = error.__traceback__
            error.__traceback__ = own.tb_next if own else None
            sys.excepthook(type(error), error, error.__traceback__)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
