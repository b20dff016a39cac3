"""`python run_installed.py SCRIPT | -c CODE [ARGS...]`: the script, imported from by an entrepot System.

What the program sees is what `python SCRIPT` would have shown it, but for the modules of entrepot itself in
`sys.modules`. An uncaught exception is printed without this file's frames.
"""

import os
import sys

from entrepot import System


def main() -> int:
    """Run the script as __main__ and return its exit status."""
    this = sys.modules["__main__"]
    del sys.argv[0]
    namespace = {
        name: this.__dict__[name]
        for name in ("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__builtins__")
    }
    if sys.argv[0] == "-c":
        source, path = sys.argv.pop(1), "<string>"
        sys.path[0] = ""
        del namespace["__loader__"]
    else:
        path = os.path.abspath(sys.argv[0])
        with open(path, "rb") as file:
            source = file.read()
        sys.path[0] = os.path.dirname(path)
        namespace["__file__"] = path
    namespace.update(__doc__=None, __annotations__={})
    # The same module object stays sys.modules["__main__"].
    this.__dict__.clear()
    this.__dict__.update(namespace)
    with System().installed():
        try:
            exec(compile(source, path, "exec", dont_inherit=True), this.__dict__)
        except Exception as error:
            own = error.__traceback__
            error.__traceback__ = own.tb_next if own else None
            sys.excepthook(type(error), error, error.__traceback__)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
