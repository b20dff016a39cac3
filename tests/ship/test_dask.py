"""A client's modules on Dask workers: every worker, present and future, and after each edit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from dask_cluster import CALC, PROGRAM, Cluster, read_told

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


def test_processes_of_a_local_cluster_follow_edits(run_local):
    """Workers import the client's modules, run its edits after `refresh`, and refuse a broken one whole."""
    script = """
if __name__ == "__main__":
    with local(2) as client:
        import calc
        modules = Modules("main.py")
        client.register_plugin(modules)
        tell(client.gather(client.map(calc.times, [1, 2])))
        edit("calc.py", "RATE = 3\\ndef times(x):\\n    return x * RATE + 1\\n")
        report = modules.refresh()
        tell([report.ok, sorted(one.state for one in report.running.values())])
        tell(client.gather(client.map(calc.times, [1, 2], pure=False)))
        edit("calc.py", "RATE = 4\\n1 / 0\\n")
        report = modules.refresh()
        tell([report.ok, len(report.behind), "calc.py:2: ZeroDivisionError" in str(report)])
        tell(client.gather(client.map(calc.times, [1, 2], pure=False)))
        edit("calc.py", "RATE = 4\\ndef times(x):\\n    return x * RATE\\n")
        tell(modules.refresh().ok)
        tell(client.gather(client.map(calc.times, [1, 2], pure=False)))
"""
    told = run_local(PROGRAM, script)

    assert told == [
        [2, 4], [True, ["same", "updated", "updated"]], [4, 7], [False, 2, True], [4, 7], True, [4, 8],
    ]  # fmt: skip


def test_a_worker_in_the_clients_process_follows_too(run_local):
    """With threads for workers the client's own modules follow its files."""
    script = """
if __name__ == "__main__":
    with local(2, processes=False) as client:
        import calc
        modules = Modules("main.py")
        client.register_plugin(modules)
        tell(client.gather(client.map(calc.times, [1, 2])))
        edit("calc.py", "RATE = 3\\ndef times(x):\\n    return x * RATE + 1\\n")
        tell(modules.refresh().ok)
        tell(client.gather(client.map(calc.times, [1, 2], pure=False)))
"""
    assert run_local(PROGRAM, script) == [[2, 4], True, [4, 7]]


def test_modules_of_the_script_that_starts_the_cluster(run_local):
    """What worker processes imported with the client's script becomes the shipped module, once."""
    script = """
import calc
if __name__ == "__main__":
    with local(1) as client:
        modules = Modules("main.py")
        client.register_plugin(modules)
        tell(client.submit(lambda: (sys.modules["calc"] is calc, calc.times(2))).result())
        edit("calc.py", "RATE = 5\\ndef times(x):\\n    return x * RATE\\n")
        tell([modules.refresh().ok, client.submit(calc.times, 2, pure=False).result()])
        tell([str(clash) for clash in modules.status().clashes])
"""
    told = run_local(PROGRAM, script)
    assert told == [[True, 4], [True, 10], []]


def test_new_modules_data_and_packages_travel(run_local):
    """An edit may bring a module or a data file, and take one away."""
    script = """
def read():
    from shop import cart
    return cart.read()
def has(name):
    import importlib.util
    return importlib.util.find_spec(name) is not None
if __name__ == "__main__":
    with local(1) as client:
        os.rename("shop", "../shop")
        sys.path.append("..")
        modules = Modules("main.py", paths=[".."])
        client.register_plugin(modules)
        sys.path.remove("..")
        tell(on_all(client, read))
        edit("../shop/extra.py", "value = 'extra'\\n")
        edit("../shop/table.txt", "two")
        edit("../shop/cart.py", '''
            from importlib import resources
            from shop import extra
            def read():
                return extra.value + resources.files("shop").joinpath("table.txt").read_text()
        ''')
        tell(modules.refresh().ok)
        tell(on_all(client, read))
        edit("../shop/cart.py", "def read(): return 1\\n")
        os.unlink("../shop/extra.py")
        tell([modules.refresh().ok, on_all(client, has, "shop.extra"), on_all(client, read)])
"""
    files = {
        "main.py": "import shop.cart\n",
        "shop/__init__.py": "",
        "shop/table.txt": "one",
        "shop/cart.py": """
            from importlib import resources
            def read():
                return resources.files("shop").joinpath("table.txt").read_text()
        """,
    }
    assert run_local(files, script) == [['"one"'], True, ['"extratwo"'], [True, ["false"], ["1"]]]


def test_only_what_changed_travels(run_local):
    """An edit of one of 1,000 modules sends that one; each worker gets it once; nothing changed sends nothing."""
    script = """
def total():
    import many
    return many.total()
if __name__ == "__main__":
    os.mkdir("many")
    for number in range(1000):
        edit(f"many/part_{number}.py", f"VALUE = {number}\\n" + "# words to fill the file\\n" * 20)
    lines = [f"from many.part_{number} import VALUE as v{number}\\n" for number in range(1000)]
    edit("many/__init__.py", "".join(lines) + "def total():\\n    return sum(globals()[f'v{n}'] for n in range(1000))\\n")
    edit("main.py", "import many\\n")
    with local(2) as client:
        modules = Modules("main.py")
        client.register_plugin(modules)
        whole = sum(map(len, modules.sender.blobs.values()))
        tell(on_all(client, total))
        edit("many/part_7.py", "VALUE = 1007\\n")
        report = modules.refresh()
        received = [one.received_bytes for one in report.running.values()]
        tell([report.ok, report.sent_bytes < 1000 < whole / 100, max(received) <= report.sent_bytes])
        tell(on_all(client, total))
        report = modules.refresh()
        tell([report.ok, report.sent_bytes])
"""
    told = run_local({}, script, timeout_s=140)

    assert told == [["499500"], [True, True, True], ["500500"], [True, 0]]


def test_commands_in_other_folders(cluster, draw_client):
    """A scheduler and workers started elsewhere import the client's modules; so does one that comes later."""
    script = draw_client(CLIENT)
    cluster.start_scheduler()
    cluster.start_worker("one")
    cluster.start_worker("two", nanny=True)
    told = read_told(cluster.run_client(script, "2"))
    cluster.start_worker("three")
    told += read_told(cluster.run_client(script, "3", "look"))

    assert told == [[2, "[6]"], [True, "[10]"], [3, "[10]"], True]


CLIENT = """
def answer(worker_arguments=None):
    import calc
    return [calc.times(3) if calc.RATE == 2 else calc.times(2)]
if __name__ == "__main__":
    with connect(int(sys.argv[2])) as client:
        modules = Modules("main.py")
        if "look" not in sys.argv:
            client.register_plugin(modules)
            tell([len(client.run(answer)), *on_all(client, answer)])
            edit("calc.py", "RATE = 5\\ndef times(x):\\n    return x * RATE\\n")
            report = modules.refresh()
            tell([report.ok, *on_all(client, answer)])
        else:
            tell([len(client.run(answer)), *on_all(client, answer)])
            tell(modules.status().ok)
"""


def test_entrepot_is_not_carried_where_it_is_installed(cluster, draw_client):
    """A worker that has entrepot uses it; one whose entrepot is too old for ours takes that of the client; one that has
    imported such a one already says so, and so does the scheduler."""
    script = draw_client("""
def where():
    import calc, entrepot.ship.dask_plugins as plugins
    return [calc.RATE, type(plugins.__loader__).__name__, plugins.__file__.startswith("(sent)")]
if __name__ == "__main__":
    with connect(2) as client:
        client.register_plugin(Modules("main.py"))
        tell(sorted(client.run(where).values()))
        def pretend():
            import entrepot.ship.dask_plugins
            entrepot.ship.dask_plugins.PROTOCOL = 0
        client.run(pretend, workers=list(client.scheduler_info()["workers"])[:1])
        try:
            client.register_plugin(Modules("main.py"))
        except Exception as error:
            tell([str(error).count("it did not answer"), str(error).count("another version of entrepot")])
        client.run_on_scheduler(pretend)
        try:
            client.register_plugin(Modules("main.py"))
        except Exception as error:
            tell("another version of entrepot, (sent)" in str(error))
""", {
        "main.py": "import calc\n", "calc.py": CALC,
        "old/entrepot/__init__.py": "", "old/entrepot/ship/__init__.py": "",
        "old/entrepot/ship/dask_plugins.py": "import entrepot.errors\n", "old/entrepot/errors.py": "PROTOCOL = 0\n",
    })  # fmt: skip
    cluster.start_scheduler()
    cluster.start_worker("has", python=sys.executable)
    cluster.start_worker("old", env={"PYTHONPATH": str(script.parent / "old")})
    told = read_told(cluster.run_client(script))

    assert told[0] == [[2, "Carried", True], [2, "SourceFileLoader", False]]
    assert told[1:] == [[0, 1], True]


def test_a_worker_that_is_killed_runs_the_newest_when_it_is_back(cluster, draw_client):
    """A worker process that dies is started again by its nanny, with what is current then; so is one after restart()."""
    script = draw_client("""
if __name__ == "__main__":
    with connect(2) as client:
        modules = Modules("main.py")
        client.register_plugin(modules)
        tell(on_all(client, answer))
        edit("calc.py", "RATE = 6\\n")
        modules.refresh()
        pids = client.run(os.getpid)
        victim = next(iter(pids))
        os.kill(pids[victim], signal.SIGKILL)
        while victim in client.scheduler_info(n_workers=-1)["workers"]:
            time.sleep(0.05)
        client.wait_for_workers(2)
        tell(on_all(client, answer))
        edit("calc.py", "RATE = 7\\n")
        tell(modules.refresh().ok)
        client.restart()
        tell(on_all(client, answer))
        tell(len(modules.status().running))
""")
    cluster.start_scheduler()
    cluster.start_worker("both", count=2)

    assert read_told(cluster.run_client(script)) == [["2"], ["6"], True, ["7"], 3]


def test_name_clashes_are_reported(cluster, draw_client):
    """A module with the name of an installed one comes first and is told; one that was imported before is told as used."""
    script = draw_client("""
def look():
    import tornado, colorsys, calc
    return [colorsys.__doc__, calc.RATE]
if __name__ == "__main__":
    with connect(1) as client:
        modules = Modules("main.py")
        client.register_plugin(modules)
        report = modules.status()
        tell(sorted([clash.name, clash.is_used] for clash in report.clashes))
        tell(on_all(client, look))
""", {
        "main.py": "import calc, colorsys, locket\n", "calc.py": CALC, "colorsys.py": '"mine"\n', "locket.py": '"mine"\n',
    })  # fmt: skip
    cluster.start_scheduler()
    cluster.start_worker("one")

    told = read_told(cluster.run_client(script))

    assert told == [[["colorsys", False], ["locket", True]], ['["mine", 2]']]


def test_32_workers(cluster, draw_client):
    """Thirty-two workers, eight in each of four processes, take the modules, and an edit."""
    script = draw_client("""
if __name__ == "__main__":
    with connect(32) as client:
        modules = Modules("main.py")
        client.register_plugin(modules)
        tell([len(client.run(answer)), on_all(client, answer)])
        edit("calc.py", "RATE = 6\\n")
        report = modules.refresh()
        tell([report.ok, len(report.running), on_all(client, answer)])
""")
    cluster.start_scheduler()
    for name in ("a", "b", "c", "d"):
        cluster.start_crowd(name, 8)

    assert read_told(cluster.run_client(script)) == [[32, ["2"]], [True, 33, ["6"]]]


def test_registering_again_is_an_edit(cluster, draw_client):
    """A new client with edited files brings running workers up to date; two programs live side by side."""
    script = draw_client("""
def answer():
    import calc
    return calc.times(1)
def other():
    import second
    return second.value
if __name__ == "__main__":
    with connect(1) as client:
        if "again" in sys.argv:
            edit("calc.py", "RATE = 6\\ndef times(x):\\n    return x * RATE\\n")
        client.register_plugin(Modules("main.py"))
        if "again" in sys.argv:
            client.register_plugin(Modules("second.py"))
            tell(on_all(client, other))
        tell(on_all(client, answer))
""", {
        "main.py": "import calc\n", "calc.py": CALC, "second.py": "value = 'second'\n",
    })  # fmt: skip
    cluster.start_scheduler()
    cluster.start_worker("one")

    assert read_told(cluster.run_client(script)) == [["2"]]
    assert read_told(cluster.run_client(script, "again")) == [['"second"'], ["6"]]


def test_registering_what_a_worker_cannot_take_raises(cluster, draw_client):
    """Where a running worker refuses what is registered, `register_plugin` says which one and why."""
    script = draw_client("""
if __name__ == "__main__":
    with connect(1) as client:
        client.register_plugin(Modules("main.py"))
        tell(on_all(client, answer))
        edit("calc.py", "RATE = (\\n")
        try:
            client.register_plugin(Modules("main.py"))
        except Exception as error:
            tell([type(error).__name__, "calc.py:1: SyntaxError" in str(error)])
        tell(on_all(client, answer))
""")
    cluster.start_scheduler()
    cluster.start_worker("one")

    assert read_told(cluster.run_client(script)) == [["2"], ["NotTakenError", True], ["2"]]


def test_a_worker_with_another_python_gets_the_source(cluster, draw_client, tmp_path):
    """Bytecode of the client's Python does not reach a worker that has another; its modules and edits do."""
    from entrepot.ship.bytecode import find_interpreter

    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.11"
    python = find_interpreter(other)
    if not python:
        pytest.skip(f"Python {other} is not on this machine")
    made = tmp_path / "other"
    subprocess.run([python, "-m", "venv", made], check=True)
    pip = [
        made / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "distributed",
    ]
    subprocess.run(pip, check=True, capture_output=True)
    script = draw_client("""
if __name__ == "__main__":
    with connect(2) as client:
        import calc
        modules = Modules("main.py")
        client.register_plugin(modules)
        report = modules.status()
        tell(len({one.python for one in report.running.values()}))
        workers = list(client.scheduler_info()["workers"])
        tell([client.submit(calc.look, workers=[worker], pure=False).result() for worker in sorted(workers)])
        edit("calc.py", "RATE = 6\\n" + open("calc.py").read().partition("\\n")[2])
        tell(modules.refresh().ok)
        tell([client.submit(calc.look, workers=[worker], pure=False).result()[0] for worker in sorted(workers)])
""", {
        "main.py": "import calc\n",
        "calc.py": """
            RATE = 2
            import os, sys

            def look():
                tag = os.path.basename(__spec__.cached).split(".")[1] == sys.implementation.cache_tag
                return [RATE, tag, sys.version_info[:2] == CLIENT]
        """.replace("CLIENT", repr(sys.version_info[:2])),
    })  # fmt: skip
    cluster.start_scheduler()
    cluster.start_worker("same")
    cluster.start_worker("other", python=str(made / "bin" / "python"))
    told = read_told(cluster.run_client(script))

    assert told[0] == 2
    assert sorted(told[1]) == [[2, True, False], [2, True, True]]
    assert told[2:] == [True, [6, 6]]


@pytest.fixture
def hosts(need: Callable[[object, str], None]) -> Iterator[list[tuple[str, str]]]:
    """Three network namespaces, each with an address of its own, joined by a bridge in the first."""
    need(shutil.which("ip"), "ip (Debian: iproute2)")
    number = os.getpid() % 200 + 20
    names = [f"entrepot{os.getpid()}{letter}" for letter in "abc"]
    allowed = subprocess.run(["ip", "netns", "add", names[0]], capture_output=True)
    need(allowed.returncode == 0, "the right to make network namespaces")

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        for name in names[1:]:
            ip("netns", "add", name)
        ip("-n", names[0], "link", "add", "bridge0", "type", "bridge")
        for at, name in enumerate(names):
            ip("-n", name, "link", "set", "lo", "up")
            if at:
                ip(
                    "-n",
                    names[0],
                    "link",
                    "add",
                    f"to{at}",
                    "type",
                    "veth",
                    "peer",
                    "name",
                    "eth0",
                    "netns",
                    name,
                )
                ip("-n", names[0], "link", "set", f"to{at}", "master", "bridge0", "up")
                ip("-n", name, "link", "set", "eth0", "up")
            device = "eth0" if at else "bridge0"
            ip("-n", name, "address", "add", f"10.{number}.0.{at + 1}/24", "dev", device)
        ip("-n", names[0], "link", "set", "bridge0", "up")
        yield [(name, f"10.{number}.0.{at + 1}") for at, name in enumerate(names)]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def test_other_hosts(hosts, bare_python, tmp_path, draw_client):
    """Scheduler, workers and client that share no network but a wire, no folder, and no home."""
    script = draw_client(CLIENT)
    cluster = Cluster(tmp_path, bare_python, hosts)
    try:
        cluster.start_scheduler()
        cluster.start_worker("one", host=1)
        cluster.start_worker("two", host=2, nanny=True)
        told = read_told(cluster.run_client(script, "2", host=2))
        cluster.start_worker("three", host=1)
        told += read_told(cluster.run_client(script, "3", "look", host=0))
    finally:
        cluster.close()

    assert told == [[2, "[6]"], [True, "[10]"], [3, "[10]"], True]
