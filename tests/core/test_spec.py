"""Specs: what a finder says of a module, the module made from it, and how both describe themselves."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import sys
import types
from importlib import _bootstrap as theirs  # type: ignore[attr-defined]
from typing import Any

import pytest

from entrepot.core import loaders, namespace, spec
from outcome import outcome

FIELDS = ("name", "origin", "submodule_search_locations", "cached", "parent", "has_location", "loader_state")


def fields_of(made: Any) -> Any:
    """Return what can be compared of a spec of either import system."""
    return made if made is None else {field: getattr(made, field) for field in FIELDS}


class Plain:
    """A loader that says nothing of itself."""

    def create_module(self, spec: Any) -> Any:
        return None

    def exec_module(self, module: Any) -> None:
        pass


class WithFile(Plain):
    """A loader that knows its file."""

    def __init__(self, package: bool | None = None, path: str | None = "/x/m.py") -> None:
        self.package, self.path = package, path

    def get_filename(self, name: str) -> str:
        if self.path is None:
            raise ImportError
        return self.path

    def is_package(self, name: str) -> bool:
        if self.package is None:
            raise ImportError
        return self.package


class BuiltIn(Plain):
    """A loader whose class says where from."""

    _ORIGIN = "built-in"

    def is_package(self, name: str) -> bool:
        return True


LOADERS = [Plain(), WithFile(), WithFile(True), WithFile(False), WithFile(True, None), BuiltIn(), None]


class TestMaking:
    """PEP 451: specs made from loaders, from files and from modules."""

    @pytest.mark.parametrize("loader", LOADERS)
    @pytest.mark.parametrize("origin", [None, "somewhere"])
    @pytest.mark.parametrize("is_package", [None, True, False])
    def test_from_a_loader_as_importlib_makes_it(self, loader: Any, origin: Any, is_package: Any):
        """What the loader says of itself is asked in the same way."""
        # [PEP 451 spec_from_loader]
        options = {"origin": origin, "is_package": is_package}

        ours = spec.spec_from_loader("p.m", loader, **options)

        assert fields_of(ours) == fields_of(importlib.util.spec_from_loader("p.m", loader, **options))

    @pytest.mark.parametrize(
        "location", [None, "/x/m.py", "m.py", "./m.py", "/x/m.so", "/x/m.pyc", "/x/m.txt", ""]
    )
    @pytest.mark.parametrize("loader", LOADERS)
    @pytest.mark.parametrize("locations", [(), (None,), ([],), (["/x"],)])
    def test_from_a_file_as_importlib_makes_it(self, location: Any, loader: Any, locations: Any):
        """The suffix names the loader; an empty list of locations becomes the file's folder."""

        # [PEP 451 spec_from_file_location]
        def options() -> dict[str, Any]:
            given = {"submodule_search_locations": None if locations[0] is None else list(locations[0])}
            return {"loader": loader} | (given if locations else {})

        ours = outcome(lambda: fields_of(spec.spec_from_file_location("p.m", location, **options())))

        theirs_ = outcome(
            lambda: fields_of(importlib.util.spec_from_file_location("p.m", location, **options()))
        )
        assert ours == theirs_

    @pytest.mark.parametrize("module", [json, json.decoder, sys, importlib, types.ModuleType("bare")])
    def test_from_a_module_as_importlib_makes_it(self, module: Any):
        """Its own, or one read off its attributes."""
        assert fields_of(spec.spec_from_module(module)) == fields_of(theirs._spec_from_module(module))
        copy = types.ModuleType(module.__name__)
        copy.__dict__.update({k: v for k, v in vars(module).items() if k != "__spec__"})
        del copy.__dict__["__spec__"]

        assert fields_of(spec.spec_from_module(copy)) == fields_of(theirs._spec_from_module(copy))


class TestTheSpecItself:
    """5.6.1: the fields of a spec."""

    def test_two_are_equal_when_all_they_say_is(self):
        """And a spec is not equal to, nor hashable like, something else."""
        loader = Plain()
        first, second = spec.ModuleSpec("m", loader, origin="o"), spec.ModuleSpec("m", loader, origin="o")

        assert first == second
        second.has_location = True
        assert first != second
        assert first != "m"
        with pytest.raises(TypeError, match="unhashable"):
            hash(first)

    @pytest.mark.parametrize("options", [{}, {"origin": "o"}, {"is_package": True}])
    def test_it_describes_itself_as_importlibs(self, options: dict[str, Any]):
        """The repr names the fields that say something."""
        loader = Plain()

        assert repr(spec.ModuleSpec("m", loader, **options)) == repr(
            importlib.machinery.ModuleSpec("m", loader, **options)
        )

    def test_the_bytecode_file_may_be_set(self):
        """`cached` is worked out from the origin unless somebody has set it."""
        # [5.6 cached]
        made = spec.ModuleSpec("m", None, origin="/x/m.py")
        assert made.cached is None
        made.has_location = True
        assert made.cached == importlib.util.cache_from_source("/x/m.py")
        made.cached = "/elsewhere"
        assert made.cached == "/elsewhere"


class Stubborn(types.ModuleType):
    """A module that lets no import-related attribute be set."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class TestModules:
    """5.4 Loading: a module is created, then given its attributes."""

    def test_a_loader_must_make_what_it_runs(self):
        """`exec_module` without `create_module` is refused."""
        # [5.4.1 loaders]
        half = type("Half", (), {"exec_module": None})()

        ours = outcome(spec.make_module, spec.ModuleSpec("m", half))

        assert ours == outcome(theirs.module_from_spec, importlib.machinery.ModuleSpec("m", half))
        assert ours[0] is ImportError

    @pytest.mark.parametrize("override", [False, True])
    @pytest.mark.parametrize("kind", [types.ModuleType, type("Own", (types.ModuleType,), {}), Stubborn])
    @pytest.mark.parametrize("locations", [None, ["/x"]])
    @pytest.mark.parametrize("has_loader", [True, False])
    def test_attributes_are_set_as_by_importlib(
        self, override: bool, kind: Any, locations: Any, has_loader: bool
    ):
        """What is there stays, unless the module is reloaded; what refuses goes without."""

        # [5.6 attributes]
        def fill(make: Any, set_attributes: Any) -> dict[str, Any]:
            made = make("m", Plain() if has_loader else None, origin="/x/m.py")
            made.has_location = True
            made.submodule_search_locations = locations
            module = kind("m")
            module.__dict__["__file__"] = "already"
            set_attributes(made, module, override=override)
            found = {k: v for k, v in vars(module).items() if k != "__spec__"}
            found["__loader__"] = type(found.get("__loader__")).__name__
            return found

        ours = outcome(fill, spec.ModuleSpec, spec.set_attributes)

        assert ours == outcome(fill, importlib.machinery.ModuleSpec, theirs._init_module_attrs)

    @pytest.mark.parametrize(
        "module", [json, sys, importlib, types.ModuleType("bare"), types.SimpleNamespace()]
    )
    def test_modules_are_described_as_by_importlib(self, module: Any):
        """Name and place, in CPython's words."""
        # [5.6.2 module reprs]
        assert spec.describe_module(module) == theirs._module_repr(module)

    def test_a_module_without_a_spec_is_described_by_what_it_has(self):
        """Its file, else its loader; on 3.11 the loader may say it."""
        for attributes in ({"__file__": "f"}, {"__loader__": Plain()}, {"__file__": "f", "__loader__": 1}):
            module = types.ModuleType("m")
            module.__dict__.update(attributes)
            assert spec.describe_module(module) == theirs._module_repr(module)

    @pytest.mark.parametrize("name", ["m", None])
    @pytest.mark.parametrize("origin", ["o", None])
    @pytest.mark.parametrize("location", [True, False])
    @pytest.mark.parametrize("has_loader", [True, False])
    def test_specs_describe_their_module_as_importlibs_do(
        self, name: Any, origin: Any, location: bool, has_loader: bool
    ):
        """Whatever the spec says, and does not say."""
        loader = Plain() if has_loader else None
        made = spec.ModuleSpec(name, loader, origin=origin)
        expected = importlib.machinery.ModuleSpec(name, loader, origin=origin)
        made.has_location = expected.has_location = location

        assert spec.describe_spec(made) == theirs._module_repr_from_spec(expected)

    def test_a_namespace_package_is_described_by_its_portions(self):
        """From 3.12 on; 3.11 shows its loader."""
        loader = namespace.NamespaceLoader.__new__(namespace.NamespaceLoader)
        loader._path = ["/x"]
        made = spec.ModuleSpec("n", loader)

        expected = (
            "<module 'n' (namespace) from ['/x']>"
            if sys.version_info >= (3, 12)
            else "NamespaceLoader object"
        )
        assert expected in spec.describe_spec(made)

    def test_warnings_name_a_class_or_the_class_of_an_instance(self):
        """As in "F.find_spec() not found"."""
        assert spec.name_of(Plain) == spec.name_of(Plain()) == "Plain"
        assert loaders.find_loader_class("/x/m.txt") is None
