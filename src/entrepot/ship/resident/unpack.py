"""Real files for what cannot be read from a bundle: compiled modules, their libraries, data opened by path.

They are laid out once, in a folder named by the hash of their contents, below a folder that only its owner can read:

    $ENTREPOT_BUNDLES, else $XDG_CACHE_HOME/entrepot/bundles, else ~/.cache/entrepot/bundles
        3f0c.../app/...  3f0c.../site-packages/...      the files
        3f0c....stamp                                   how each looked when it was written and its hash was right
    3f0c...-77ab....code and .code.stamp            bytecode of these files, unpacked
    3f0c....used                                    when they were last used, and by whom (see `forget`)

A start compares the files with the stamp (size, both times, inode); where one differs its hash is taken, and where
that is wrong the folder is made again. A compiled module is compared once more as it is loaded. Where no such folder
can be had, the files go to one that is removed at the end.

Uses compiled-in modules only: the program may have modules of any name.
"""

import _frozen_importlib_external as _external
import marshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.ship.resident.opened import Bundle

_machinery: "Any" = _external
_os: "Any" = _machinery._os
_REAL, _EXECUTABLE = 1, 2
# Stamps read by this process: tree -> how its files looked.
_stamps: "dict[str, dict[str, tuple[int, ...]]]" = {}
_FOLDER, _REGULAR = 0o040000, 0o100000


def find_tree(bundle: "Bundle") -> str:
    """Return the folder with the bundle's real files, laid out now if it is not there. Raises ImportError."""
    name = bundle.manifest["tree"]
    try:
        store = bundle.get_part("place").open_store()
        tree = f"{store}/{name}"
        # From here on nobody removes it.
        bundle.get_part("forget").use(tree + ".used")
        if not is_whole(bundle, tree):
            lay_out(bundle, store, tree)
            bundle.get_part("forget").forget(bundle.get_part("unpack"), store, name)
        if bundle.real_blocks and hasattr(_os, "pread"):
            find_code(bundle, f"{tree}-{bundle.real_digest.hex()[:16]}.code")
    except OSError:
        store = make_private_folder(dict(bundle.get_part("place").read_environment()))
        tree = f"{store}/{name}"
        write_files(bundle, tree)
        write_stamp(tree, look_at_all(bundle, tree))
    return tree


def find_code(bundle: "Bundle", path: str) -> None:
    """Let bytecode of real files be read from a file where it is unpacked, made unless it is there. Raises OSError."""
    sizes = [bundle.blocks[number][2] or bundle.blocks[number][1] for number in bundle.real_blocks]
    try:
        is_known = read_stamp(path).get("") == _look(path)
        if not is_known and hash_file(path) != bundle.real_digest:
            raise FileNotFoundError(path)
    except OSError:
        is_known = False
        temporary = f"{path}.{_get_suffix()}.new"
        _write(temporary, b"".join([bundle.unpack(number) for number in bundle.real_blocks]), 0o400)
        _os.replace(temporary, path)
    if not is_known:
        write_stamp(path, {"": _look(path)})
    starts, at = {}, 0
    for number, size in zip(bundle.real_blocks, sizes, strict=True):
        starts[number] = at
        at += size
    bundle.laid_out = (_os.open(path, _os.O_RDONLY | getattr(_os, "O_CLOEXEC", 0)), starts)


def list_real(bundle: "Bundle") -> "list[str]":
    """Return the files that must be real."""
    return [inside for inside, entry in bundle.files.items() if entry[4] & _REAL]


def _look(path: str) -> "tuple[int, int, int, int]":
    status = _os.lstat(path)
    if status.st_mode & 0o170000 != _REGULAR:
        raise FileNotFoundError(path)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def is_whole(bundle: "Bundle", tree: str) -> bool:
    """Whether a folder holds what it should, by its stamp, or else by the hash of each file in doubt."""
    stamp = read_stamp(tree)
    is_stale = False
    for inside in list_real(bundle):
        try:
            seen = _look(f"{tree}/{inside}")
        except OSError:
            return False
        if stamp.get(inside) != seen:
            if hash_file(f"{tree}/{inside}") != bundle.files[inside][3]:
                return False
            is_stale = True
    if is_stale:
        write_stamp(tree, look_at_all(bundle, tree))
    return True


def hash_file(path: str) -> bytes:
    """Return the SHA-256 of a file."""
    from _io import FileIO

    with FileIO(path) as file:
        return get_sha256()(file.readall()).digest()  # type: ignore[no-any-return]


def get_sha256() -> "Any":
    """Return the fastest SHA-256 there is."""
    try:
        from _hashlib import openssl_sha256 as sha256
    except ImportError:
        from _sha2 import sha256  # type: ignore[import-not-found, no-redef, unused-ignore]
    return sha256


def read_stamp(tree: str) -> "dict[str, tuple[int, ...]]":
    """Return how each file looked when it was right; nothing where there is no such record."""
    from _io import FileIO

    if tree in _stamps:
        return _stamps[tree]
    try:
        _look(tree + ".stamp")
        with FileIO(tree + ".stamp") as file:
            stamp = marshal.loads(file.readall())
    except (OSError, ValueError, EOFError, TypeError):
        return {}
    if not isinstance(stamp, dict):
        return {}
    _stamps[tree] = stamp
    return stamp


def look_at_all(bundle: "Bundle", tree: str) -> "dict[str, tuple[int, ...]]":
    """Return how each file looks."""
    return {inside: _look(f"{tree}/{inside}") for inside in list_real(bundle)}


def write_stamp(tree: str, stamp: "dict[str, tuple[int, ...]]") -> None:
    """Write down how files look: whole, under a temporary name first."""
    temporary = f"{tree}.{_get_suffix()}.stamp"
    _write(temporary, marshal.dumps(stamp), 0o600)
    _os.replace(temporary, tree + ".stamp")
    _stamps[tree] = stamp


def _get_suffix() -> str:
    return f"{_os.getpid()}-{_os.urandom(4).hex()}"


def _write(path: str, data: bytes, mode: int) -> None:
    flags = (
        _os.O_WRONLY | _os.O_CREAT | _os.O_EXCL | getattr(_os, "O_NOFOLLOW", 0) | getattr(_os, "O_BINARY", 0)
    )
    fd = _os.open(path, flags | getattr(_os, "O_CLOEXEC", 0), mode)
    try:
        view = memoryview(data)
        while view:
            view = view[_os.write(fd, view) :]
    finally:
        _os.close(fd)


def write_files(bundle: "Bundle", tree: str) -> None:
    """Write the real files into a new folder, each checked by its hash. Raises OSError."""
    made = set()
    _os.mkdir(tree, 0o700)
    sha256 = get_sha256()
    for inside in list_real(bundle):
        path = tree
        for step in inside.split("/")[:-1]:
            path += f"/{step}"
            if path not in made:
                made.add(path)
                _os.mkdir(path, 0o700)
        data = bundle.read(inside)
        if sha256(data).digest() != bundle.files[inside][3]:
            raise ImportError(f"{bundle.path} is damaged: {inside}", path=bundle.path)
        executable = bundle.files[inside][4] & _EXECUTABLE
        _write(f"{tree}/{inside}", data, 0o500 if executable else 0o400)


def lay_out(bundle: "Bundle", store: str, tree: str) -> None:
    """Write the real files beside their place, then rename: whole or not there. Others may do the same meanwhile."""
    beside = f"{store}/{_get_suffix()}.new"
    try:
        write_files(bundle, beside)
        for _ in range(3):
            try:
                _os.rename(beside, tree)
                break
            except OSError:
                # Another process was first, or what is there is damaged.
                if is_whole(bundle, tree):
                    return
                aside = f"{store}/{_get_suffix()}.old"
                try:
                    _os.rename(tree, aside)
                    remove(aside)
                except OSError:
                    continue
        write_stamp(tree, look_at_all(bundle, tree))
    finally:
        remove(beside)


def make_private_folder(environment: "dict[str, str]") -> str:
    """Return a new folder for this process alone, removed at its end. Raises OSError."""
    import atexit

    path = f"{environment.get('TMPDIR') or '/tmp'}/entrepot-bundle-{_get_suffix()}"
    _os.mkdir(path, 0o700)
    owner = _os.getpid()
    atexit.register(lambda: remove(path) if _os.getpid() == owner else None)
    return path


def remove(path: str) -> None:
    """Remove a folder and all in it; what cannot be removed stays."""
    try:
        for name in _os.listdir(path):
            inner = f"{path}/{name}"
            if _os.lstat(inner).st_mode & 0o170000 == _FOLDER:
                remove(inner)
            else:
                _os.unlink(inner)
        _os.rmdir(path)
    except OSError:
        pass


def make_loader(bundle: "Bundle", name: str, place: str, inside: str) -> "Any":
    """Return the loader of a compiled module, which looks once more at the file."""

    class Checked(_machinery.ExtensionFileLoader):  # type: ignore[misc]
        """Loads a compiled module that is what the bundle carries."""

        def create_module(self, spec: "Any") -> "Any":
            if (
                read_stamp(bundle.tree).get(inside) != _look(place)
                and hash_file(place) != bundle.files[inside][3]
            ):
                raise ImportError(
                    f"{place} was altered since it was laid out, and is not loaded; start the program again",
                    name=name, path=place,
                )  # fmt: skip
            return super().create_module(spec)

    return Checked(name, place)
