"""Lazy loading: a module that runs when somebody asks it for something."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot.core import lazy, loaders, spec
from outcome import outcome


@pytest.fixture
def make(draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Return a function that makes a lazy module with some source."""

    def make_lazy(source: str) -> Any:
        path = str(draw({"lazy_module.py": source}) / "lazy_module.py")
        loader = lazy.LazyLoader.factory(loaders.SourceFileLoader)("lazy_module", path)
        made = spec.spec_from_file_location("lazy_module", path, loader=loader)
        assert made
        module = spec.make_module(made)
        monkeypatch.setitem(sys.modules, "lazy_module", module)
        loader.exec_module(module)
        return module

    return make_lazy


RUNS = "import sys\nsys.lazy_runs = getattr(sys, 'lazy_runs', 0) + 1\nx = 1\n"


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    if hasattr(sys, "lazy_runs"):
        del sys.lazy_runs


class TestLazyLoader:
    """importlib.util.LazyLoader."""

    def test_the_module_runs_at_its_first_use_and_once(self, make: Any):
        """Then it is an ordinary module."""
        module = make(RUNS)
        assert not hasattr(sys, "lazy_runs")

        assert (module.x, module.x) == (1, 1)

        assert sys.lazy_runs == 1  # type: ignore[attr-defined]
        assert type(module) is type(sys)

    def test_what_was_set_before_wins(self, make: Any):
        """As it would have if the module had run at once."""
        module = make(RUNS)

        module.x = 2

        assert module.x == 2

    def test_deleting_runs_it_too(self, make: Any):
        """What is not there cannot be deleted."""
        module = make(RUNS)

        del module.x

        assert not hasattr(module, "x")
        assert outcome(make(RUNS).__delattr__, "nosuch")[0] is AttributeError

    def test_its_own_code_may_look_at_it(self, make: Any):
        """Without running it again."""
        module = make("import sys\nme = sys.modules[__name__].__name__\n" + RUNS)

        assert module.me == "lazy_module"

    def test_a_module_that_replaces_itself_cannot_be_lazy(self, make: Any):
        """Who has the module already would have another."""
        module = make("import sys\nsys.modules[__name__] = 23\n")

        error, arguments, _ = outcome(lambda: module.x)

        assert error is ValueError
        assert arguments[0].startswith("module object for 'lazy_module' substituted in sys.modules")

    def test_a_loader_must_be_able_to_run_later(self):
        """`load_module` alone is not enough."""
        assert outcome(lazy.LazyLoader, object())[:2] == (TypeError, ("loader must define exec_module()",))

    def test_the_deprecated_way(self, draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
        """`load_module` loads lazily as well."""
        path = str(draw({"lazy_module.py": RUNS}) / "lazy_module.py")
        monkeypatch.delitem(sys.modules, "lazy_module", raising=False)
        loader = lazy.LazyLoader(loaders.SourceFileLoader("lazy_module", path))
        with pytest.warns(DeprecationWarning, match="load_module"):
            module = loader.load_module("lazy_module")
        assert not hasattr(sys, "lazy_runs")

        assert module.x == 1
        del sys.modules["lazy_module"]
