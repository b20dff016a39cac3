"""The benchmark runner finds the scripts, makes the page, and its exit status says whether the bars held."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "bench" / "run.py"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """bench/run.py, looking for benchmarks in an empty folder."""
    spec = importlib.util.spec_from_file_location("bench_run_under_test", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HERE", tmp_path)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(module, "PAGE", tmp_path / "benchmarks.md")
    return module


def write(folder: Path, name: str, row: str) -> None:
    """A benchmark with one row."""
    (folder / f"{name}.py").write_text(f'"""About {name}."""\n\n\ndef run(quick):\n    return [{row}]\n')


def test_every_script_with_run_is_found_and_put_on_the_page(bench, tmp_path, capsys):
    """Scripts without `run` are helpers; the page has a table for each benchmark, in order."""
    write(tmp_path, "b", '{"what": "x|y", "entrepot": "1 ms", "peer": "2 ms", "ratio": 0.5, "bar": 1.0}')
    write(tmp_path, "a", '{"what": "quick?", "ratio": 1 if quick else 0.25, "memory": "3 MB"}')
    (tmp_path / "helper.py").write_text("x = 1\n")

    assert bench.main([]) == 0

    page = (tmp_path / "benchmarks.md").read_text()
    assert page.index("## a\n\nAbout a.") < page.index("## b\n\nAbout b.")
    assert "| x\\|y | 1 ms | 2 ms | 0.5 |  | 1 |" in page
    assert "| quick? |  |  | 0.25 |  |  | 3 MB |" in page
    assert "helper" not in page


def test_ratio_over_its_bar_fails_and_is_marked(bench, tmp_path, capsys):
    """Missing a bar is exit status 1, and bold on the page."""
    write(tmp_path, "slow", '{"what": "x", "ratio": 1.2, "bar": 1.0}')

    assert bench.main([]) == 1
    assert "| **1.2** |" in (tmp_path / "benchmarks.md").read_text()


def test_failing_benchmark_does_not_stop_the_others(bench, tmp_path, capsys):
    """It is reported in its place with its error; the rest runs; the exit status is 1."""
    write(tmp_path, "a_broken", "1 / 0")
    write(tmp_path, "b_fine", '{"what": "fine"}')

    assert bench.main([]) == 1

    page = (tmp_path / "benchmarks.md").read_text()
    assert "ZeroDivisionError" in page
    assert "| fine |" in page


def test_quick_run_keeps_nothing(bench, tmp_path, capsys):
    """--quick prints, and neither results nor page are written."""
    write(tmp_path, "a", '{"what": "quick" if quick else "full"}')

    assert bench.main(["--quick"]) == 0

    assert "| quick |" in capsys.readouterr().out
    assert not (tmp_path / "benchmarks.md").exists()
    assert not (tmp_path / "results").exists()


def test_running_one_keeps_the_results_of_the_others(bench, tmp_path, capsys):
    """The page is made from all kept results, of scripts that still exist."""
    write(tmp_path, "a", '{"what": "first"}')
    write(tmp_path, "b", '{"what": "second"}')
    bench.main([])
    (tmp_path / "b.py").unlink()
    write(tmp_path, "c", '{"what": "third"}')

    bench.main(["c"])

    page = (tmp_path / "benchmarks.md").read_text()
    assert "first" in page
    assert "third" in page
    assert "second" not in page
    assert json.loads((tmp_path / "results" / "a.json").read_text())["rows"] == [{"what": "first"}]


def test_unknown_benchmark_is_wrong_usage(bench, tmp_path, capsys):
    """The message names those that there are."""
    write(tmp_path, "a", '{"what": "x"}')

    with pytest.raises(SystemExit, match="2"):
        bench.main(["nonsense"])
    assert "there are: a" in capsys.readouterr().err
