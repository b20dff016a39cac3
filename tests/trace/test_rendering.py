"""Trees, stories, diagrams, comparisons and pages are made from a record alone."""

from __future__ import annotations

import json
import re
import sysconfig
from pathlib import Path

from entrepot.trace import comparison, mermaid, page, story, tree
from entrepot.trace.labels import Labeller
from entrepot.trace.records import Effect, Failure, Module, Record, Statement


def make_module(name: str, **fields: object) -> Module:
    values: dict[str, object] = {
        "name": name,
        "statement": -1,
        "parent": "",
        "depth": 0,
        "searched": (),
        "origin": f"/app/{name}.py",
        "loader": "SourceFileLoader",
        "bytecode": "read",
        "reason": "",
        "at_s": 0.0,
        "wall_s": 0.010,
        "own_wall_s": 0.010,
        "cpu_s": 0.010,
        "own_cpu_s": 0.010,
        "memory_bytes": 0,
        "functions": (),
        "classes": (),
        "variables": (),
        "imported": (),
    }
    return Module(**{**values, **fields})  # type: ignore[arg-type]


def make_statement(number: int, importer: str, line: int, asked: str, **fields: object) -> Statement:
    values: dict[str, object] = {
        "number": number,
        "importer": importer,
        "file": "/app/main.py" if importer == "__main__" else f"/app/{importer}.py",
        "line": line,
        "form": "import",
        "asked": asked,
        "names": (),
        "function": "",
        "depth": 0,
        "is_cached": False,
        "is_import_time": True,
        "at_s": number * 0.001,
        "wall_s": 0.0005,
        "modules": (),
    }
    return Statement(**{**values, **fields})  # type: ignore[arg-type]


ARCADE = Record(
    command=("main.py",),
    python="3.12.1",
    status=0,
    wall_s=0.1,
    preloaded=("sys",),
    statements=(
        make_statement(0, "__main__", 3, "arcade", modules=("arcade",)),
        make_statement(1, "__main__", 4, "arcade", is_cached=True, at_s=0.02),
    ),
    modules=(
        make_module(
            "arcade",
            statement=0,
            bytecode="compiled",
            reason="missing",
            is_kept=True,
            functions=("get_score", "add_points"),
            variables=("score",),
        ),
    ),
    effects=(Effect("output", "hello\n", "arcade", "/app/arcade.py", 2, 2, 0.0002, True, "stdout"),),
)


def test_the_story_is_told_in_sentences():
    """A beginner reads what was looked for, found, compiled, run, kept and bound."""
    assert story.tell_story(ARCADE).splitlines() == [
        "Python 3.12.1 starts. 1 module is in the module cache already.",
        "It runs main.py as the module __main__.",
        "main.py line 3 imports arcade.",
        "  arcade is not in the module cache. Found arcade.py beside main.py; compiled, because there was "
        "no bytecode of it yet; the bytecode is kept in __pycache__. Running it defines 2 functions and 1 variable.",
        "  arcade.py line 2 writes 'hello'.",
        "arcade is now in the module cache. __main__'s name 'arcade' is bound to it. "
        "Execution goes on after main.py line 3.",
        "main.py line 4 imports arcade. It is in the module cache: nothing is run. "
        "__main__'s name 'arcade' is bound to it.",
        "The exit status is 0.",
    ]


def test_the_tree_nests_modules_and_fits_the_width():
    """A module stands below the one that was being run, and no line is wider than the terminal."""
    record = ARCADE._replace(
        modules=(
            make_module("outer", wall_s=0.03),
            make_module("inner" * 30, parent="outer", depth=1, wall_s=0.02),
            make_module("fast", wall_s=0.001),
        ),
    )
    lines = tree.render_tree(record, width=60).splitlines()

    assert max(map(len, lines[2:])) <= 60
    assert lines[2].endswith("outer")
    assert "  innerinner" in lines[3]
    assert "1 modules under 5 ms left out" in tree.render_tree(record, at_least_s=0.005)
    by_time = tree.render_tree(record._replace(modules=record.modules[::-1]), by_time=True).splitlines()
    assert by_time[2].endswith("outer")


def test_the_tree_says_what_failed_and_what_the_cache_answered():
    """With the exit status of a program that did not end well."""
    record = ARCADE._replace(
        status=3,
        modules=(make_module("arcade", error="ValueError: x"), make_module("b")),
        statements=(
            *ARCADE.statements,
            make_statement(2, "b", 1, "os", is_cached=True),
            make_statement(3, "b", 2, "sys", is_cached=True),
        ),
    )
    text = tree.render_tree(record, shows_cached=True)

    assert text.splitlines()[0].endswith(", exit status 3")
    assert "arcade  FAILED (ValueError: x)" in text
    assert "b  +2 from the cache" in text
    assert "--cached" not in text


def test_the_picture_shows_cache_modules_and_names():
    """The Mermaid picture has the interpreter, the cache, and each module's names by kind."""
    text = mermaid.draw_namespaces(ARCADE)

    assert text.startswith("flowchart LR\n  interpreter([Python interpreter]) --> cache")
    assert 'm_arcade -- functions --> m_arcade__function["get_score<br/>add_points"]' in text


def test_the_graph_tells_cached_imports_apart():
    """An arrow is drawn once, dotted when the cache answered."""
    assert mermaid.draw_graph(ARCADE).splitlines()[-1] == "  m___main__ --> m_arcade"


def test_the_graph_follows_dots_and_draws_no_arrow_to_oneself():
    """A relative name is counted from the package, which a package's own file is; what nobody knows is left out."""
    modules = [make_module(name) for name in ("p", "p.a", "p.b", "p.b.c")]
    asked = [
        ("p.a", ".b"), ("p", ".a"), ("p.b.c", "..a"), ("p.b.c", "."), ("p.b", "."), ("p.a", "p.a"), ("p.a", ".none"),
        ("p.a", "...b"), ("p.a", "os"),
    ]  # fmt: skip
    files = {"p": "/app/p/__init__.py", "p.b": "/app/p/b/__init__.py"}
    statements = [
        make_statement(number, importer, number, name, is_cached=True, file=files.get(importer, "/app/x.py"))
        for number, (importer, name) in enumerate(asked)
    ]
    record = ARCADE._replace(modules=tuple(modules), statements=tuple(statements))

    arrows = [line.strip() for line in mermaid.draw_graph(record).splitlines() if "-.->" in line]
    assert arrows == ["m_p_a -.-> m_p_b", "m_p -.-> m_p_a", "m_p_b_c -.-> m_p_a", "m_p_b_c -.-> m_p_b"]
    assert page.make_data(record)["arrows"] == [[1, 2, 0], [0, 1, 1], [3, 1, 2], [3, 2, 3]]


def test_pictures_and_pages_leave_out_what_is_not_the_programs():
    """Contents of installed modules, effects after the imports, importers that were there before."""
    there = make_module("email", origin=f"{sysconfig.get_path('stdlib')}/email/__init__.py", functions=("f",))
    record = ARCADE._replace(
        modules=(*ARCADE.modules, there, make_module("lost", error="x", functions=("g",))),
        statements=(*ARCADE.statements, make_statement(2, "site", 1, "arcade")),
        effects=(
            *[ARCADE.effects[0]._replace(what=f"{number}") for number in range(70)],
            ARCADE.effects[0]._replace(is_import_time=False, what="late"),
            ARCADE.effects[0]._replace(module="unknown"),
        ),
    )
    text = mermaid.draw_namespaces(record)
    assert 'm_email["email"]' in text
    assert "m_email__function" not in text
    assert "m_lost" not in text
    assert "m_email__function" in mermaid.draw_namespaces(record, own_only=False)
    data = page.make_data(record)
    assert data["arrows"] == [[-1, 0, 3]]
    assert [len(module["effects"]) for module in data["modules"]] == [60, 0, 0]


def test_a_comparison_names_what_changed_and_ignores_noise():
    """Slower, faster, new and vanished modules are told; small changes are not."""
    before = ARCADE._replace(modules=(make_module("a"), make_module("b"), make_module("gone")))
    after = ARCADE._replace(
        modules=(make_module("a", own_wall_s=0.050), make_module("b", own_wall_s=0.011), make_module("new")),
    )
    difference = comparison.compare(before, after)

    assert [name for name, _, _ in difference.slower] == ["a"]
    assert difference.faster == ()
    assert [name for name, _ in difference.appeared] == ["new"]
    assert [name for name, _ in difference.went] == ["gone"]
    assert "10.0 ->     50.0 ms  a" in comparison.render_difference(difference)
    many = before._replace(modules=tuple(make_module(f"m{number}") for number in range(30)))
    assert comparison.render_difference(comparison.compare(before, many)).count("  and 10 more\n") == 1


def test_a_budget_is_checked_in_time_and_in_number():
    """Over the budget gives a sentence for each; within it, none."""
    assert comparison.find_over_budget(ARCADE, budget_s=1.0, max_modules=1) == []
    over = comparison.find_over_budget(ARCADE, budget_s=0.001, max_modules=0)
    assert [sentence.partition(",")[0] for sentence in over] == [
        "imports took 10 ms",
        "1 modules were initialised",
    ]


def test_the_page_holds_its_data_safely_and_fetches_nothing():
    """Whatever a program writes cannot become markup, and no address is in the page."""
    evil = "</script><script>alert(1)</script>"
    record = ARCADE._replace(command=(evil,), effects=(ARCADE.effects[0]._replace(what=evil),))
    text = page.render_page(record)

    assert evil not in text
    assert not re.search(r"(src|href)=\"(https?:)?//", text)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert data
    assert json.loads(data[1])["modules"][0]["effects"][0][1] == evil


def test_labels_follow_marks_split_anywhere():
    """The same labelled lines come out however the stream is cut into reads."""
    stream = b"\0TOKa:1\0one\ntw\0TOK\0\0TOKa:2\0o\n\0TOK\0\0TOK>b:3\0child\nz\0z\n"
    expected = b"[a:1] one\n[a:1] two\n[b:3 (child)] child\n[b:3 (child)] z\0z\n"
    for size in range(1, len(stream)):
        labeller = Labeller("TOK")
        out = b"".join(labeller.feed(stream[at : at + size]) for at in range(0, len(stream), size))
        assert out + labeller.close() == expected


def test_the_schema_lists_exactly_the_fields_of_a_record():
    """The published schema has each field of each kind of entry, and no other."""
    folder = Path(story.__file__).parent
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    kinds = {"Statement": Statement, "Module": Module, "Effect": Effect, "Failure": Failure}

    assert list(schema["properties"]) == list(Record._fields)
    for name, kind in kinds.items():
        assert list(schema["$defs"][name]["properties"]) == list(kind._fields)


def test_the_story_names_what_follows_as(tmp_path):
    """The names that a statement binds are those behind `as`, which only the source says."""
    source = tmp_path / "main.py"
    source.write_text("\n\nimport arcade as a\nfrom arcade import get_score as score, add_points\n")
    statements = (
        ARCADE.statements[1]._replace(file=str(source), line=3),
        ARCADE.statements[1]._replace(
            file=str(source), line=4, form="from", names=("get_score", "add_points"), number=2
        ),
    )
    told = story.tell_story(ARCADE._replace(statements=statements, modules=()))

    assert "__main__'s name 'a' is bound to it." in told
    assert "name 'add_points' is bound to what arcade calls so, and its name 'score'" in told
    assert "name 'score' is bound to what arcade calls 'get_score'." in told
