"""What goes wrong on clusters: processes that stop, go and come back, clients that vanish or disagree."""

from __future__ import annotations

import signal

import pytest

from dask_cluster import PROGRAM, read_told

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


def test_a_cluster_that_grows_and_shrinks(run_local):
    """Workers that adaptive scaling starts have the newest modules before their first task, with none there at first."""
    script = """
if __name__ == "__main__":
    with local(0) as client:
        client.cluster.adapt(minimum=0, maximum=2, interval="100ms", wait_count=2)
        import calc
        modules = Modules("main.py")
        client.register_plugin(modules)
        tell(client.gather(client.map(calc.times, range(3))))
        while client.scheduler_info()["workers"]:
            time.sleep(0.05)
        edit("calc.py", open("calc.py").read().replace("RATE = 2", "RATE = 3"))
        tell([len(modules.refresh().running)])
        futures = client.map(calc.times, range(10, 13))
        edit("calc.py", open("calc.py").read().replace("RATE = 3", "RATE = 3 + 0"))
        tell(modules.refresh().ok)
        tell(client.gather(futures))
"""
    assert run_local(PROGRAM, script) == [[0, 2, 4], [1], True, [30, 33, 36]]


def test_an_edit_that_one_worker_cannot_take(cluster, draw_client):
    """Each worker takes an edit whole or not at all, and the report says which runs what, now and when it is asked again;
    a worker that has stopped is waited for no longer than was said, and takes the edit when it goes on."""
    script = draw_client("""
def both():
    import calc
    return [calc.RATE, calc.times(1)]
def spoil():
    os.environ["SPOILT"] = "1"
if __name__ == "__main__":
    with connect(3) as client:
        modules = Modules("main.py")
        client.register_plugin(modules)
        on_all(client, both)
        spoilt, stopped, well = sorted(client.scheduler_info()["workers"])
        client.run(spoil, workers=[spoilt])
        edit("calc.py", "import os\\ndef times(x): return -x\\nassert 'SPOILT' not in os.environ\\nRATE = 6\\n")
        report = modules.refresh()
        tell([report.behind == [spoilt], "calc.py:3: AssertionError" in str(report)])
        tell([client.run(both)[worker] for worker in (spoilt, stopped, well)])
        tell(modules.status().behind == [spoilt])
        pid = client.run(os.getpid)[stopped]
        os.kill(pid, signal.SIGSTOP)
        edit("calc.py", "def times(x): return -x\\nRATE = 7\\n")
        report = modules.refresh(timeout_s=2)
        tell([report.behind == [stopped], "did not answer within 2 s" in str(report)])
        os.kill(pid, signal.SIGCONT)
        while not modules.status().ok:
            time.sleep(0.05)
        tell(on_all(client, both))
""")
    cluster.start_scheduler()
    cluster.start_worker("three", count=3)

    assert read_told(cluster.run_client(script)) == [
        [True, True], [[2, 2], [6, -1], [6, -1]], True, [True, True], ["[7, -1]"],
    ]  # fmt: skip


def test_a_scheduler_that_is_started_anew(cluster, draw_client):
    """`status` says that a new scheduler has nothing; `refresh` sends it all, without a new registration."""
    script = draw_client("""
if __name__ == "__main__":
    with connect(1) as client:
        modules = Modules("main.py")
        client.register_plugin(modules)
        tell(on_all(client, answer))
        open("../again", "w").close()
        while not os.path.exists("../there"):
            time.sleep(0.05)
        client.wait_for_workers(1)
        report = modules.status()
        tell([report.ok, "does not have these modules" in str(report)])
        edit("calc.py", "RATE = 6\\n")
        report = modules.refresh()
        tell([report.ok, report.sent_bytes > 0, len(report.running)])
        tell(on_all(client, answer))
""")
    cluster.start_scheduler()
    cluster.start_worker("one")
    again, there = script.parents[1] / "again", script.parents[1] / "there"
    with cluster.start_client(script) as client:
        client.wait_until(again.exists)
        cluster.kill("scheduler")
        cluster.kill("one")
        cluster.start_scheduler(port=cluster.address.rpartition(":")[2])
        cluster.start_worker("two")
        there.touch()

        assert read_told(client.finish()) == [["2"], [False, True], [True, True, 2], ["6"]]


@pytest.mark.parametrize("moment", ["register_scheduler_plugin", "publish"])
def test_a_client_that_dies_while_it_sends(cluster, draw_client, moment):
    """What was sent in part changes nothing; the next client begins where the cluster was."""
    script = draw_client("""
import threading
from distributed.comm import tcp

plain_write = tcp.TCP.write
async def write(self, message, *arguments, **more):
    if isinstance(message, dict) and moment in (message.get("op"), message.get("action")):
        threading.Timer(0.01, os.kill, [os.getpid(), signal.SIGKILL]).start()
    return await plain_write(self, message, *arguments, **more)

if __name__ == "__main__":
    with connect(1) as client:
        moment = sys.argv[2]
        if moment == "look":
            client.register_plugin(Modules("main.py"))
            tell(on_all(client, answer))
        else:
            tcp.TCP.write = write
            if moment == "publish":
                modules = Modules("main.py")
                client.register_plugin(modules)
                tell(on_all(client, answer))
            edit("calc.py", "RATE = 6\\nTEXT = " + repr(random.randbytes(10_000_000).hex()) + "\\n")
            modules.refresh() if moment == "publish" else client.register_plugin(Modules("main.py"))
""")
    cluster.start_scheduler()
    cluster.start_worker("one")
    died = cluster.run_client(script, moment)
    (script.parent / "calc.py").write_text("RATE = 7\n")

    assert died.status == -signal.SIGKILL
    assert died.out == (b'["2"]\n' if moment == "publish" else b"")
    assert read_told(cluster.run_client(script, "look")) == [["7"]]


def test_two_programs_on_one_cluster(cluster, draw_client):
    """Modules of the same name are told with the program that has them; so is a program that takes another one's place."""
    script = """
if __name__ == "__main__":
    with connect(1) as client, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        modules = Modules("main.py", **json.loads(sys.argv[2]))
        client.register_plugin(modules)
        client.run(answer)
        end = time.monotonic() + 5
        while "{}" != sys.argv[2] and not seen and time.monotonic() < end:
            time.sleep(0.05)
        edit("fresh.py", repr(sys.argv[2]))
        edit("main.py", "import calc, fresh\\n")
        clashes = [[clash.name, clash.program, clash.is_used] for clash in modules.refresh().running["scheduler"].clashes]
        tell([sorted(clashes), sorted(str(warning.message).partition(" of ")[0] for warning in seen)])
"""
    one, two, three = (draw_client(script, folder=folder) for folder in ("one", "two", "three"))
    (two.parent / "calc.py").write_text("RATE = 3\n")
    (three.parent / "calc.py").write_text("RATE = 4\n")
    cluster.start_scheduler()
    cluster.start_worker("one")
    name = "entrepot-modules-main.py"

    assert read_told(cluster.run_client(one, "{}")) == [[[], []]]
    assert read_told(cluster.run_client(two, '{"name": "two"}')) == [
        [[["calc", name, False], ["fresh", name, False]], ["calc", "main is also a module"]]
    ]
    (told,) = read_told(cluster.run_client(three, '{"name": "entrepot-modules-main.py"}'))
    assert told[0] == [["calc", "two", False], ["fresh", "two", False]]
    assert f"{name} stands for the modules" in told[1]
