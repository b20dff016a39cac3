"""A bundle's folders and files as `importlib.resources` and `importlib.metadata` walk them."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

    from entrepot.ship.resident.opened import Bundle


def make_reader(bundle: "Bundle", folder: str) -> "Any":
    """Return the reader of a package's folder."""
    return Reader(bundle, folder)


class Reader:
    """A `TraversableResources` for one package."""

    def __init__(self, bundle: "Bundle", folder: str) -> None:
        self.bundle = bundle
        self.folder = folder

    def files(self) -> "Any":
        """Return the package's folder: a real path where its files are laid out, else one to walk."""
        return find_path(self.bundle, self.folder)

    def open_resource(self, resource: str) -> "BinaryIO":
        """Open one file for reading bytes."""
        return self.files().joinpath(resource).open("rb")  # type: ignore[no-any-return]

    def resource_path(self, resource: str) -> str:
        """Return the path of a file in the file system. Raises FileNotFoundError where it has none."""
        path = self.files().joinpath(resource)
        if isinstance(path, Path) or not path.is_file():
            raise FileNotFoundError(resource)
        return str(path)

    def is_resource(self, path: str) -> bool:
        """Whether the package has a file of that name."""
        return self.files().joinpath(path).is_file()  # type: ignore[no-any-return]

    def contents(self) -> "Iterator[str]":
        """Yield the names in the package's folder."""
        return (item.name for item in self.files().iterdir())


def find_path(bundle: "Bundle", inside: str) -> "Any":
    """Return a file or folder as something to read: a `pathlib.Path` where it is a real one."""
    marks = bundle.files[inside][4] if inside in bundle.files else bundle.folders.get(inside, 0)
    if marks & 1:
        import pathlib

        return pathlib.Path(bundle.place_of(inside))
    return Path(bundle, inside)


class Path:
    """A file or folder in a bundle: the `Traversable` of importlib.resources."""

    def __init__(self, bundle: "Bundle", inside: str) -> None:
        self._bundle = bundle
        self._inside = inside

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._inside.rpartition("/")[2]

    stem = property(lambda self: self.name.rpartition(".")[0] or self.name)
    suffix = property(lambda self: "".join(self.name.rpartition(".")[1:]) if "." in self.name else "")
    parent = property(lambda self: Path(self._bundle, self._inside.rpartition("/")[0]))

    def __str__(self) -> str:
        return self._bundle.place_of(self._inside)

    def __repr__(self) -> str:
        return f"Path({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and (self._bundle, self._inside) == (other._bundle, other._inside)

    def __hash__(self) -> int:
        return hash(self._inside)

    def iterdir(self) -> "Iterator[Path]":
        """Yield what is in this folder. Raises OSError where it is none."""
        if not self.is_dir():
            raise (NotADirectoryError if self.is_file() else FileNotFoundError)(str(self))
        names = self._bundle.list_folder(self._inside)
        return (find_path(self._bundle, f"{self._inside}/{name}") for name in names)

    def is_file(self) -> bool:
        """Whether there is such a file."""
        return self._inside in self._bundle.files

    def is_dir(self) -> bool:
        """Whether there is such a folder."""
        return self._inside in self._bundle.folders

    def exists(self) -> bool:
        """Whether there is either."""
        return self.is_file() or self.is_dir()

    def joinpath(self, *parts: "Any") -> "Any":
        """Return the path of something below, or above by `..`."""
        steps = self._inside.split("/")
        for part in parts:
            for step in str(part).split("/"):
                if step == "..":
                    steps = steps[:-1]
                elif step not in ("", "."):
                    steps.append(step)
        return find_path(self._bundle, "/".join(steps))

    def __truediv__(self, part: "Any") -> "Any":
        return self.joinpath(part)

    def read_bytes(self) -> bytes:
        """Return the file's bytes. Raises OSError."""
        if self.is_dir():
            raise IsADirectoryError(21, "Is a directory", str(self))
        if not self.is_file():
            raise FileNotFoundError(2, "No such file or directory", str(self))
        return self._bundle.read(self._inside)

    def read_text(self, encoding: "str | None" = None, errors: "str | None" = None) -> str:
        """Return the file's text, in UTF-8 if no encoding is given."""
        with self.open("r", encoding=encoding, errors=errors) as stream:
            return stream.read()  # type: ignore[no-any-return]

    def open(
        self, mode: str = "r", buffering: int = -1, encoding: "str | None" = None, errors: "str | None" = None,
        newline: "str | None" = None,
    ) -> "Any":  # fmt: skip
        """Open the file for reading."""
        import io

        if set(mode) - set("rbt"):
            raise PermissionError(13, "a bundle cannot be written to", str(self))
        raw = io.BytesIO(self.read_bytes())
        return raw if "b" in mode else io.TextIOWrapper(raw, encoding or "utf-8", errors, newline)


def find_distributions(bundle: "Bundle", context: "Any") -> "Iterator[Any]":
    """Yield the distributions that the bundle carries, for `importlib.metadata`."""
    from importlib.metadata import Distribution

    class Carried(Distribution):
        """The metadata of one distribution in the bundle."""

        def __init__(self, folder: str) -> None:
            self._folder = folder

        def read_text(self, filename: "Any") -> "str | None":
            inside = f"{self._folder}/{filename}"
            return bundle.read(inside).decode("utf-8") if inside in bundle.files else None

        def locate_file(self, path: "Any") -> "Any":
            return find_path(bundle, f"site-packages/{path}".rstrip("/"))

    wanted = normalize(context.name) if getattr(context, "name", None) else None
    for folder in bundle.folders:
        if folder.endswith((".dist-info", ".egg-info")) and folder.count("/") == 1:
            name = normalize(folder.partition("/")[2].rpartition(".")[0].partition("-")[0])
            if wanted in (None, name):
                yield Carried(folder)


def normalize(name: str) -> str:
    """Return a distribution's name as names are compared (PEP 503), with `_` between its words."""
    words = name.lower().replace("-", "_").replace(".", "_").split("_")
    return "_".join(word for word in words if word)
