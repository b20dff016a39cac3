"""Modules in a table of files, imported by a System of their own."""

from __future__ import annotations

import traceback

import pytest

from entrepot import System
from entrepot.core.members import Folder
from entrepot.core.spec import ModuleSpec


class Texts:
    """A table made of texts."""

    spec_class = ModuleSpec
    suffixes: list[str] = [".cpython-311.so"]

    def __init__(self, texts):
        self.files = texts
        self.folders = {path[:at] for path in texts for at, sign in enumerate(path) if sign == "/"}

    def place_of(self, inside):
        return f"/texts/{inside}"

    def find_inside(self, place):
        return place.removeprefix("/texts/") if place.startswith("/texts/") else None

    def list_folder(self, inside):
        return sorted(
            {
                path[len(inside) + 1 :].partition("/")[0]
                for path in self.files
                if path.startswith(inside + "/")
            }
        )

    def read(self, inside):
        return self.files[inside].encode()

    def read_text(self, inside):
        return self.files[inside]

    def read_elsewhere(self, path):
        with open(path, "rb") as file:
            return file.read()

    def read_code(self, inside, place):
        return compile(self.files[inside], place, "exec", dont_inherit=True)

    def make_loader(self, name, place, inside):
        raise ImportError(f"{inside} is compiled")

    def make_reader(self, folder):
        return None

    def hook(self, path):
        inside = self.find_inside(path)
        if inside not in self.folders:
            raise ImportError(path)
        return Folder(self, inside)


@pytest.fixture
def system():
    """A system whose whole path is one folder of a table."""
    table = Texts({
        "app/shop/__init__.py": "from shop import cart\n",
        "app/shop/cart.py": "value = 1\ndef fail():\n    1 / 0\n",
        "app/shop/inner/leaf.py": "import shop.cart as c\nvalue = c.value + 1\n",
        "app/bad.py": "1 / 0\n",
        "app/shop/quick.cpython-311.so": "",
        "app/shop/data.txt": "data",
    })  # fmt: skip
    made = System(path=["/texts/app"])
    made.path_hooks.insert(0, table.hook)
    return made


def test_packages_modules_and_portions_are_found(system):
    """A package, a module, a folder without `__init__`, each with the attributes that a file would give it."""
    leaf = system.import_module("shop.inner.leaf")
    shop = system.modules["shop"]

    assert leaf.value == 2
    assert (leaf.__file__, leaf.__spec__.parent) == ("/texts/app/shop/inner/leaf.py", "shop.inner")
    assert (shop.__file__, list(shop.__path__)) == ("/texts/app/shop/__init__.py", ["/texts/app/shop"])
    assert list(system.modules["shop.inner"].__path__) == ["/texts/app/shop/inner"]


def test_what_is_not_there_is_not_found(system):
    """A missing module is missing, a compiled one is asked of the table."""
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'shop\.none'"):
        system.import_module("shop.none")
    with pytest.raises(ImportError, match="is compiled"):
        system.import_module("shop.quick")


def test_a_loader_gives_source_code_and_data(system):
    """What inspect, runpy and pkgutil ask a loader for."""
    loader = system.import_module("shop.cart").__loader__

    assert loader.get_source("shop.cart").startswith("value = 1")
    assert loader.get_code().co_filename == loader.get_filename() == "/texts/app/shop/cart.py"
    assert loader.get_data("/texts/app/shop/data.txt") == b"data"
    assert b"get_data" in loader.get_data(__file__)
    for path in ("/texts/app/none.txt", "/no/such/file"):
        with pytest.raises(FileNotFoundError):
            loader.get_data(path)
    assert (loader.is_package(), loader.get_resource_reader()) == (False, None)
    with pytest.raises(ImportError, match="cannot handle other"):
        loader.get_source("other")


def test_pkgutil_lists_the_modules(system):
    """Names as a folder would give them, a folder without `__init__` left out."""
    finder = system.import_module("shop").__spec__.loader.table.hook("/texts/app/shop")

    assert sorted(finder.iter_modules("shop.")) == [("shop.cart", False), ("shop.quick", False)]
    above = finder.table.hook("/texts/app")
    assert sorted(above.iter_modules()) == [("bad", False), ("shop", True)]


def test_a_failed_import_shows_the_modules_own_line(system):
    """No frame of the loader is in the traceback."""
    with pytest.raises(ZeroDivisionError) as caught:
        system.import_module("bad")

    files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert files[-1] == "/texts/app/bad.py"
    assert not any("core/members" in file for file in files)
