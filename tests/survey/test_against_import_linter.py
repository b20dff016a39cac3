"""Contracts are judged as import-linter judges them, on made-up packages and contracts."""

from __future__ import annotations

import os
import random
import sys

import grimp
import pytest
from importlinter.configuration import configure
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

from entrepot.program.model import Program
from entrepot.survey.contract_files import Contract, ContractError
from entrepot.survey.contracts import ContractChecker

PEERS = {
    "layers": LayersContract,
    "forbidden": ForbiddenContract,
    "independence": IndependenceContract,
    "protected": ProtectedContract,
    "acyclic_siblings": AcyclicSiblingsContract,
}
LETTERS = "abcd"


def make_package(folder: str, name: str, chance: random.Random) -> list[str]:
    """Write a package of three levels with some imports; return its modules."""
    modules = [name]
    for first in LETTERS:
        modules.append(f"{name}.{first}")
        modules += [f"{name}.{first}.{second}" for second in LETTERS[: chance.randint(0, 3)]]
    packages = {module.rpartition(".")[0] for module in modules if "." in module}
    arrows = [chance.sample(modules[1:], 2) for _ in range(chance.randint(2, 7))]
    for module in modules:
        path = os.path.join(folder, *module.split("."))
        path = os.path.join(path, "__init__.py") if module in packages else path + ".py"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(f"import {imported}\n" for importer, imported in arrows if importer == module))
    return modules


def make_contract(kind: str, modules: list[str], chance: random.Random) -> dict[str, object]:
    """Return random options of a contract."""
    root, inner = modules[0], modules[1:]

    def pick(low: int, high: int) -> list[str]:
        return chance.sample(inner, chance.randint(low, min(high, len(inner))))

    options: dict[str, object] = {}
    if kind == "layers":
        use_containers = chance.random() < 0.5
        tails = list(LETTERS) if use_containers else [f"{root}.{one}" for one in LETTERS]
        chance.shuffle(tails)
        rows: list[str] = []
        while tails:
            row = [tails.pop() for _ in range(min(len(tails), chance.choice([1, 1, 2])))]
            row = [f"({one})" if use_containers or chance.random() < 0.2 else one for one in row]
            rows.append(chance.choice([" | ", " : "]).join(row))
            if chance.random() < 0.2:
                break
        options["layers"] = rows
        if use_containers:
            packages = sorted({module.rpartition(".")[0] for module in inner} - {root})
            options["containers"] = chance.sample(
                [root, *packages], chance.randint(1, min(2, 1 + len(packages)))
            )
            options["exhaustive"] = chance.choice(["True", "False"])
            options["exhaustive_ignores"] = chance.sample(LETTERS, 1)
    elif kind == "forbidden":
        options["source_modules"] = [*pick(1, 2), *chance.choice([[], [f"{root}.*"], [f"{root}.**"]])]
        options["forbidden_modules"] = [*pick(1, 2), *chance.choice([[], [f"{root}.a.*"]])]
        options["allow_indirect_imports"] = chance.choice(["True", "False"])
        options["as_packages"] = chance.choice(["True", "False"])
    elif kind == "independence":
        options["modules"] = chance.choice(
            [[f"{root}.*"], [f"{root}.{one}" for one in chance.sample(LETTERS, 2)]]
        )
    elif kind == "protected":
        options["protected_modules"] = [*pick(1, 2), *chance.choice([[], [f"{root}.b.*"]])]
        options["allowed_importers"] = [*pick(1, 2), *chance.choice([[], [f"{root}.c.**"]])]
        options["as_packages"] = chance.choice(["True", "False"])
    else:
        options["ancestors"] = chance.choice([[root], [f"{root}.*"], [f"{root}.a"]])
        options["depth"] = str(chance.randint(0, 2))
        if chance.random() < 0.3:
            options["skip_descendants"] = [f"{root}.{chance.choice(LETTERS)}"]
    if chance.random() < 0.4:
        options["ignore_imports"] = [
            chance.choice([f"{root}.a.* -> {root}.b", f"{root}.** -> {root}.c.**", f"{root}.a -> {root}.*"])
        ]
        options["unmatched_ignore_imports_alerting"] = "none"
    return options


def ask_peer(graph: grimp.ImportGraph, kind: str, root: str, options: dict[str, object]) -> bool | None:
    """Return whether import-linter says that the contract is kept; None where it refuses the contract."""
    try:
        contract = PEERS[kind](
            name="c", session_options={"root_packages": [root]}, contract_options=dict(options)
        )
        return bool(contract.check(graph=graph, verbose=False).kept)
    except Exception:  # each kind has errors of its own
        return None


@pytest.mark.slow
@pytest.mark.parametrize("kind", PEERS)
def test_contracts_are_judged_as_import_linter_does(tmp_path, monkeypatch, kind):
    """Kept and broken alike; what import-linter refuses is refused."""
    configure()
    seed = int(os.environ.get("ENTREPOT_SEED", "3"))
    verdicts = set()
    for number in range(int(os.environ.get("ENTREPOT_STEPS", "6"))):
        chance = random.Random(f"{seed} {kind} {number}")
        name = f"made_{kind}_{number}"
        modules = make_package(str(tmp_path / str(number)), name, chance)
        monkeypatch.syspath_prepend(str(tmp_path / str(number)))
        checker = ContractChecker(Program.read(tmp_path / str(number), is_kept=False))
        for _ in range(12):
            options = make_contract(kind, modules, chance)
            expected = ask_peer(grimp.build_graph(name, cache_dir=None), kind, name, options)
            try:
                found: bool | None = not list(checker.check(Contract("c", kind, options)))
            except ContractError:
                found = None
            assert found is expected, (seed, number, options, expected, found)
            verdicts.add(expected)
        sys.modules.pop(name, None)
    assert {True, False} <= verdicts
