"""What brings entrepot's modules to a process of a cluster: installed ones of our language, else those sent."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import subprocess
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from entrepot.ship import carried, dask_arrival

pytest.importorskip("distributed")

PLUGINS = """
PROTOCOL = 7
told = []
class WorkerModules:
    def __init__(self, *arguments):
        told.append(arguments)
    async def setup(self, worker):
        told.append("setup")
    async def teardown(self, worker):
        told.append("teardown")
def fail():
    raise LookupError("here")
"""
TEXTS = {
    "entrepot": ("(sent) entrepot/__init__.py", ""),
    "entrepot.ship": ("(sent) entrepot/ship/__init__.py", ""),
    "entrepot.ship.dask_plugins": ("(sent) entrepot/ship/dask_plugins.py", PLUGINS),
}
SENT = zlib.compress(json.dumps(TEXTS).encode())


@pytest.fixture
def pretend(
    draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str | None], None]]:
    """`pretend(text)`: this process has imported no entrepot, and one is installed whose plugins are this text."""
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "entrepot"}
    finders = list(sys.meta_path)

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "entrepot"]:
            del sys.modules[name]

    def begin(text: str | None) -> None:
        files = {"entrepot/__init__.py": "", "entrepot/ship/__init__.py": ""}
        if text is not None:
            files["entrepot/ship/dask_plugins.py"] = text
        monkeypatch.syspath_prepend(draw(files, "installed"))
        forget()

    yield begin
    forget()
    sys.meta_path[:] = finders
    sys.modules.update(kept)


def make_worker(packed: bytes) -> SimpleNamespace:
    """Return a worker whose scheduler answers our message."""

    async def answer(action: str) -> bytes:
        assert action == "get_carried"
        return packed

    return SimpleNamespace(scheduler=SimpleNamespace(our_message=answer))


def test_what_is_installed_is_used_where_it_speaks_our_language(pretend):
    """Nothing is asked for: the worker's plugin becomes the installed one."""
    pretend(PLUGINS)
    plugin = dask_arrival.Arriving(7, "our_message", "", "name", "process", ["root"])

    asyncio.run(plugin.setup(SimpleNamespace()))
    asyncio.run(plugin.teardown(SimpleNamespace()))

    module = sys.modules["entrepot.ship.dask_plugins"]
    assert module.told == [("name", "process", ["root"]), "setup", "teardown"]
    assert not module.__file__.startswith("(sent)")


@pytest.mark.parametrize("installed", [None, "PROTOCOL = 6\n", "1 / 0\n"], ids=["without", "older", "broken"])
def test_otherwise_what_was_sent_is_imported_from_memory(pretend, installed):
    """It is asked for, and its tracebacks and sources are those of files."""
    pretend(installed)
    plugin = dask_arrival.Arriving(7, "our_message", hashlib.sha256(SENT).hexdigest(), "name")
    asyncio.run(plugin.setup(make_worker(SENT)))

    module = sys.modules["entrepot.ship.dask_plugins"]
    assert module.told == [("name",), "setup"]
    assert module.__file__ == "(sent) entrepot/ship/dask_plugins.py"
    assert sys.modules["entrepot"].__path__ == []
    assert "def fail" in inspect.getsource(module)
    with pytest.raises(LookupError) as caught:
        module.fail()
    assert 'raise LookupError("here")' in "".join(traceback.format_exception(caught.value))


def test_on_a_scheduler_the_shelf_is_made_of_what_was_sent(pretend):
    """It gets the modules too, for workers that lack them."""
    pretend(None)
    text = PLUGINS + "class Shelf:\n    def __init__(self, *arguments): self.arguments = arguments\n"
    sent = zlib.compress(json.dumps({**TEXTS, "entrepot.ship.dask_plugins": ("(sent) p.py", text)}).encode())

    assert dask_arrival.make_shelf(7, sent, "name").arguments == (sent, "name")


def test_other_modules_than_the_client_sent_are_refused(pretend):
    """The scheduler is not believed: nothing of it is run."""
    pretend(None)
    plugin = dask_arrival.Arriving(7, "our_message", "0" * 64, "name")

    with pytest.raises(RuntimeError, match="other modules of entrepot than the client"):
        asyncio.run(plugin.setup(make_worker(SENT)))
    assert "entrepot" not in sys.modules
    asyncio.run(plugin.teardown(SimpleNamespace()))  # dask calls it all the same


def test_a_process_that_has_imported_another_version_says_so():
    """Two versions in one process would be neither."""
    import entrepot

    with pytest.raises(RuntimeError) as caught:
        dask_arrival.bring(-1, SENT)
    assert f"another version of entrepot, {entrepot.__file__}: start it again" in str(caught.value)


def test_what_is_carried_is_all_that_a_worker_needs():
    """The plugins can be imported from it alone."""
    texts = json.loads(zlib.decompress(carried.pack()))
    assert texts["entrepot.ship.dask_arrival"][1] == inspect.getsource(dask_arrival)
    assert texts["entrepot.live"][0] == "(sent) entrepot/live/__init__.py"


def test_without_distributed_it_says_what_to_install():
    """In one line, and the rest of entrepot works."""
    code = "import sys; sys.modules['distributed'] = None; import entrepot.ship.dask"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.stderr.splitlines()[-2:] == [
        "entrepot.ship.dask.NoDaskError: entrepot.ship.dask needs Dask's distributed",
        "  to install it:  pip install 'entrepot[dask]'",
    ]
