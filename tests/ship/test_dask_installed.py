"""A cluster whose every process has entrepot installed, as most have."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dask_cluster import CALC, Cluster, read_told
from warm_place import wait_until

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster on the tests' own Python."""
    made = Cluster(tmp_path, sys.executable)
    yield made
    made.close()


def test_two_clients_and_two_programs(installed, draw_client):
    """Whoever publishes last counts, also where another has published meanwhile; names that are taken are told, those of
    modules and those of programs."""
    script = draw_client("""
def where():
    import calc
    return [calc.RATE, os.path.basename(os.path.dirname(os.path.dirname(calc.__file__))).rpartition("-")[0]]

if __name__ == "__main__":
    with connect(2) as client, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        one, other = Modules("main.py"), Modules("main.py")
        client.register_plugin(one)
        tell(on_all(client, where))
        tell(sorted(str(clash).partition(" ")[0] for clash in one.status().clashes))
        for number, modules in enumerate((one, other, one), 3):
            edit("calc.py", f"RATE = {number}\\n")
            report = modules.refresh()
            tell([bool(report), report.sent_bytes > 0, *on_all(client, answer)])
        tell(client.run_on_scheduler(answer))

        os.mkdir("away")
        edit("away/main.py", "import calc\\n")
        edit("away/calc.py", "RATE = 'away'\\n")
        client.register_plugin(Modules("away/main.py"))
        tell(on_all(client, answer))
        while not any("stands for the modules of" in str(one.message) for one in seen):
            time.sleep(0.02)
        names = [str(one.message).partition(" ")[0] for one in seen if type(one.message).__name__ == "NameClashWarning"]
        tell(sorted(set(names)))
        client.shutdown()
""", {"main.py": "import calc, colorsys\n", "calc.py": CALC, "colorsys.py": '"mine"\n'})  # fmt: skip
    installed.start_scheduler()
    installed.start_worker("one")
    installed.start_worker("two")
    told = read_told(installed.run_client(script))

    assert told == [
        ['[2, "entrepot-modules"]'], ["colorsys"],
        [True, True, "3"], [True, True, "4"], [True, True, "5"], 5,
        ['"away"'], ["colorsys", "entrepot-modules-main.py"],
    ]  # fmt: skip


def test_what_a_worker_cannot_take_is_told_with_the_worker(installed, draw_client):
    """By `refresh` without a registration before it; a worker to which files come damaged says so."""
    script = draw_client("""
def pretend():
    import entrepot.ship.dask_plugins
    entrepot.ship.dask_plugins.PROTOCOL = 0

def damage(dask_scheduler):
    [shelf] = [handle.__self__ for name, handle in dask_scheduler.handlers.items() if name.startswith("entrepot_")]
    shelf.blobs, shelf.last_packed = {name: b"other" for name in shelf.blobs}, ((), b"")

if __name__ == "__main__":
    with connect(2) as client:
        modules = Modules("main.py")
        worker = sorted(client.scheduler_info()["workers"])[0]
        client.run(pretend, workers=[worker])
        report = modules.refresh()
        tell([bool(report), report.behind == [worker], report.sent_bytes > 0])
        client.run_on_scheduler(damage)
""")
    installed.start_scheduler()
    installed.start_worker("one")
    installed.start_worker("two")
    assert read_told(installed.run_client(script)) == [[False, True, True]]

    installed.start_worker("three")
    wait_until(
        lambda: re.search("what was sent as the file [0-9a-f]{64} is another", installed.read_log("three"))
    )
