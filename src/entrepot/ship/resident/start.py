"""The `__main__.py` of a bundle: refuse what was altered, then hand over to the finder.

Python's own zip importer finds this file and runs nothing else. It is compiled at each start, so it is short; Pythons
that are too old for the rest read it, so it is plain. The last 64 bytes of a bundle are the SHA-256 of all before them.
"""

import sys


def _open_bundle(path):
    if sys.version_info < (3, 11):
        sys.exit(
            "%s: this bundle needs Python 3.11 or newer, and this is %s" % (path, sys.version.split()[0])
        )
    import marshal
    import zlib
    from _imp import _fix_co_filename
    from _io import FileIO

    file = FileIO(path)
    size = file.seek(0, 2)
    try:
        if size > 400000 or sys.version_info >= (3, 14):
            # Five times as fast, and takes 2 ms to load.
            from _hashlib import openssl_sha256 as sha256
        elif sys.version_info >= (3, 12):
            from _sha2 import sha256
        else:
            from _sha256 import sha256
    except ImportError:
        from hashlib import sha256
    digest, left = sha256(), size - 64
    file.seek(0)
    while left > 0:
        data = file.read(min(left, 1 << 20))
        left = left - len(data) if data else -1
        digest.update(data)
    if left or file.read() != digest.hexdigest().encode():
        sys.exit("%s: this bundle was altered or is damaged; it is not run" % path)
    file.seek(size - 98)
    offset, length = file.read(33).split()
    file.seek(int(offset, 16))
    manifest = marshal.loads(file.read(int(length, 16)))
    code, offset, length = manifest["runtime"].get(sys.implementation.cache_tag) or manifest["runtime"][""]
    file.seek(offset)
    text = zlib.decompress(file.read(length), -15)
    name = "<frozen importlib._bootstrap_external>"  # Python leaves frames of this name out of tracebacks
    if code == sys.modules["_frozen_importlib_external"].MAGIC_NUMBER:
        finder = marshal.loads(text)
        _fix_co_filename(finder, name)
    else:
        finder = compile(text, name, "exec", dont_inherit=True)
    scratch = {"__name__": "_entrepot.finder"}
    exec(finder, scratch)
    return scratch["begin"](file, manifest, path, globals())


exec(_open_bundle(__loader__.archive))
