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
    digest, left, buffer = sha256(), size - 64, bytearray(262144)
    file.seek(0)
    while left > 0:
        count = file.readinto(memoryview(buffer)[:left])
        digest.update(memoryview(buffer)[:count])
        left = left - count if count else -1
    if left or file.read() != digest.hexdigest().encode():
        sys.exit("%s: this bundle was altered or is damaged; it is not run" % path)
    file.seek(size - 115)
    base, length, more = [int(word, 16) for word in file.read(50).split()]
    file.seek(base + length)
    manifest = marshal.loads(zlib.decompress(file.read(more)))
    runtime = manifest["runtime"]
    magic, number = runtime.get(sys.implementation.cache_tag, runtime[""])
    if magic != sys.modules["_frozen_importlib_external"].MAGIC_NUMBER:
        number = runtime[""][1]
    offset, length, _ = manifest["blocks"][number]
    file.seek(base + offset)
    parts = marshal.loads(zlib.decompress(file.read(length), -15))
    name = "<frozen importlib._bootstrap_external>"  # Python leaves frames of this name out of tracebacks
    opened = parts["opened"]
    opened = (
        compile(opened, name, "exec", dont_inherit=True)
        if number == runtime[""][1]
        else marshal.loads(opened)
    )
    _fix_co_filename(opened, name)
    scratch = {"__name__": "_entrepot.opened"}
    exec(opened, scratch)
    return scratch["begin"](file, base, manifest, path, parts, globals())


exec(_open_bundle(__loader__.archive))
