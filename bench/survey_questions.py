"""Questions about large programs: an edit, cycles, chains and closure at 20,000 modules, and `check`.

    one file changed    the graph of homeassistant after an edit, beside grimp with its cache: CPU and wall
    20,000 modules      a made-up program with 90,000 arrows and cycles; cycles, all shortest chains between
                        two modules, whole closure: beside networkx (cycles, chains) in the same process
    check               of homeassistant, cold and warm: CPU and wall, no peer

Downloads the tree and the peers into a temporary folder. Where a bar is a number
of seconds, it stands in the peer's place.
Quick: django in place of homeassistant.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from environments import get_python
from survey_graph import GRIMP, OURS, PEERS, fetch, measure

MODULES = 20_000
ARROWS = 90_000


def make_graph(modules: int, arrows: int) -> list[list[int]]:
    """Return a graph like a program's: some modules are wanted by many, chains are long, a few go round."""
    chance = random.Random(5)
    found: list[set[int]] = [set() for _ in range(modules)]
    for number in range(1, modules):
        found[number].add(max(0, number - chance.randint(1, 400)))
    for _ in range(arrows - modules):
        importer = chance.randrange(1, modules)
        imported = max(0, importer - chance.randint(1, 1200)) // 10 * 10
        if chance.random() < 0.0005:
            imported = min(modules - 1, importer + chance.randint(1, 50))
        if imported != importer:
            found[importer].add(imported)
    return [sorted(targets) for targets in found]


def time_s(question: Callable[[], object]) -> float:
    """Return the CPU seconds that a question takes."""
    begin = time.process_time()
    question()
    return time.process_time() - begin


def run_graph(rounds: int) -> list[dict[str, object]]:
    """Ask one graph of 20,000 modules; run by an interpreter that has networkx."""
    import networkx

    from entrepot.program.graph import find_chains, find_closure, find_cycles

    graph = make_graph(MODULES, ARROWS)
    other = networkx.DiGraph((a, b) for a, targets in enumerate(graph) for b in targets)
    first, last = MODULES - 1, 0
    cycles = [sorted(part) for part in networkx.strongly_connected_components(other) if len(part) > 1]
    assert sorted(find_cycles(graph)) == sorted(cycles)
    assert find_chains(graph, first, last) == sorted(networkx.all_shortest_paths(other, first, last))
    reached = find_closure(graph)[first]
    assert reached.bit_count() == len(networkx.descendants(other, first)) + 1
    questions: list[tuple[str, Callable[[], object], Callable[[], object] | None]] = [
        (
            f"cycles ({len(cycles)})",
            lambda: find_cycles(graph),
            lambda: list(networkx.strongly_connected_components(other)),
        ),
        (
            "all shortest chains between two modules",
            lambda: find_chains(graph, first, last),
            lambda: list(networkx.all_shortest_paths(other, first, last)),
        ),
        ("whole closure", lambda: find_closure(graph), None),
    ]
    rows: list[dict[str, object]] = []
    for what, mine, theirs in questions:
        own = [time_s(mine) for _ in range(rounds)]
        peer = [time_s(theirs) for _ in range(rounds)] if theirs else []
        rows.append(make_limit_row(f"20,000 modules, {what}: CPU", own, 0.5))
        if peer:
            rows.append(make_row(f"20,000 modules, {what}, beside networkx: CPU", own, peer, None))
    return rows


def make_row(what: str, own: list[float], peer: list[float], bar: float | None) -> dict[str, object]:
    """Return one row. Ratios are of the rounds' pairs."""
    ratios = [a / b for a, b in zip(own, peer, strict=True)]
    return {
        "what": what,
        "entrepot": f"{statistics.median(own):.3f} s",
        "peer": f"{statistics.median(peer):.3f} s",
        "ratio": round(statistics.median(ratios), 3),
        "spread": f"{min(ratios):.3f}-{max(ratios):.3f}",
        "bar": bar,
    }


def make_limit_row(what: str, own: list[float], limit_s: float) -> dict[str, object]:
    """Return a row whose peer is a number of seconds."""
    row = make_row(what, own, [limit_s] * len(own), 1.0)
    return {**row, "peer": f"{limit_s} s allowed"}


def edit(tree: str, name: str) -> None:
    """Add a line to one file in the middle of the tree."""
    files = sorted(
        os.path.join(folder, file)
        for folder, _, inside in os.walk(os.path.join(tree, name))
        for file in inside
        if file.endswith(".py")
    )
    with open(files[len(files) // 2], "a", encoding="utf-8") as file:
        file.write("\nimport json\n")


def run(quick: bool) -> list[dict[str, object]]:
    """Return the rows: what, entrepot, peer, ratio, spread, bar."""
    rounds = 3 if quick else 5
    name = "django" if quick else "homeassistant"
    with tempfile.TemporaryDirectory() as folder:
        python = get_python(PEERS)
        source = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
        environment = {**os.environ, "PYTHONPATH": source, "ENTREPOT_CACHE": os.path.join(folder, "cache")}
        tree = fetch(folder, name)
        ours = [python, "-c", OURS, tree, "kept"]
        grimp = [python, "-c", GRIMP, tree, name, os.path.join(folder, "grimp")]
        measure(ours, environment), measure(grimp, environment)
        pairs = []
        for _ in range(rounds):
            edit(tree, name)
            pairs.append((measure(ours, environment), measure(grimp, environment)))
        rows = [
            make_row(
                f"graph of {name}, one file changed, beside grimp cached: {unit}",
                [mine[index] for mine, _ in pairs],
                [theirs[index] for _, theirs in pairs],
                0.45,
            )
            for index, unit in ((0, "CPU"), (1, "wall"))
        ]
        code = f"import json, survey_questions as s; print(json.dumps(s.run_graph({rounds})))"
        inner = {
            **environment,
            "PYTHONPATH": os.pathsep.join([source, os.path.dirname(os.path.abspath(__file__))]),
        }
        done = subprocess.run([python, "-c", code], env=inner, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the questions on 20,000 modules failed:\n{done.stderr}")
        import json

        rows += json.loads(done.stdout)
        check = [python, "-m", "entrepot", "check", "--format", "json", os.path.join(tree, name)]
        for what, bar in (("cold", 30.0), ("warm", 3.0)):
            times = [measure(check, environment, fine=(0, 1)) for _ in range(1 if what == "cold" else rounds)]
            for index, unit in ((0, "CPU"), (1, "wall")):
                rows.append(
                    make_limit_row(f"check of {name}, {what}: {unit}", [t[index] for t in times], bar)
                )
    return rows


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row)
