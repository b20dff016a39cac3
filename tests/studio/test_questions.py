"""What is asked of a folder: findings with drafts, names, edits planned and applied."""

import os

import pytest
from families import FAMILIES

from entrepot.errors import Refused
from entrepot.studio import questions


@pytest.fixture
def root(draw, tmp_path, monkeypatch):
    """A folder with two modules and a state of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return draw(
        {
            "main.py": "import json\nimport arcade\nprint(arcade.get_score())\n",
            "arcade.py": "SCORES = [1]\n\n\ndef get_score():\n    return SCORES[0]\n",
            "other.py": "def get_score():\n    return 2\n",
        },
        folder="root",
    )


def test_findings_of_drafts_are_told_without_writing_them(root):
    """The draft is what counts, in its own file and for those who import it."""
    before = {told.code for told in questions.survey(str(root), None, {})}
    drafts = {"main.py": "from arcade import get_scores\n", "arcade.py": "def get_score(:\n"}
    told = questions.survey(str(root), None, drafts)

    assert "EP501" in before
    assert ("EP001", "arcade.py", 1) in {(t.code, t.name, t.line) for t in told}
    assert "EP501" not in {t.code for t in told if "json" in t.message}
    assert "def get_score():" in (root / "arcade.py").read_text()
    assert all(not t.name.startswith("/") and "/tmp" not in t.message for t in told)


def test_what_is_surveyed_follows_drafts_and_files(root, tmp_path):
    """A draft that is given up leaves nothing, no empty folder either, and a file that is gone is gone."""

    def unresolved(drafts):
        told = questions.survey(str(root), None, drafts, str(tmp_path / "place"))
        return [(t.name, t.line, t.message.partition(" ")[0]) for t in told if t.code == "EP401"]

    draft = "import arcade, other\nimport pack.deep\n"
    assert unresolved({"main.py": draft, "pack/deep/new.py": "x = 1\n"}) == []
    assert unresolved({"main.py": draft}) == [("main.py", 2, "pack")]
    (root / "other.py").unlink()
    (root / "pack").mkdir()
    (root / "pack" / "deep.py").write_text("")
    assert unresolved({"main.py": draft}) == [("main.py", 1, "other")]


def test_one_text_is_checked_alone(root):
    """What does not need the other modules, at once."""
    assert [t.code for t in questions.check_text("x.py", "import json\nimport json\njson.x = 1\n")] == [
        "EP502"
    ]
    assert [t.code for t in questions.check_text("x.py", "def f(:\n")] == ["EP001"]
    assert questions.check_text("x.py", "print('\ud800')\n") is not None
    assert [t.code for t in questions.check_text("x.py", "# coding: latin-7\n# \0")] == ["EP001"]
    for depth in (2_000, 20_000):  # what nobody writes by hand ends in a finding or in none
        assert {t.code for t in questions.check_text("x.py", f"x = a{'.b' * depth}\n")} <= {"EP001"}


def test_a_fix_is_planned_applied_and_undone(root):
    """Through the journal, as every edit."""
    (told,) = [t for t in questions.survey(str(root), None, {}) if t.code == "EP501"]
    options = {"file": told.name, "code": told.code, "line": told.line, "column": told.column}
    preview = questions.plan(str(root), "fix", options)

    assert "-import json" in preview.diff
    assert "import json" in (root / "main.py").read_text()
    questions.apply(preview.number)
    assert "import json" not in (root / "main.py").read_text()
    assert questions.find_last_edit(str(root)) == preview.title
    questions.undo(str(root))
    assert "import json" in (root / "main.py").read_text()
    with pytest.raises(Refused):
        questions.undo(str(root))


@pytest.mark.parametrize(
    ("kind", "options", "made"),
    [
        ("split", {"file": "arcade.py", "to": {"scores": ["SCORES"]}}, "scores.py"),
        ("move", {"file": "arcade.py", "names": ["get_score", "SCORES"], "to": "games"}, "games.py"),
        ("rename", {"old": "arcade", "new": "games"}, "games.py"),
    ],
)
def test_edits_are_planned_as_the_commands_plan_them(root, kind, options, made):
    """Nothing is written before it is applied."""
    preview = questions.plan(str(root), kind, options)

    assert (made, "made") in preview.files
    assert not (root / made).exists()
    questions.apply(preview.number)
    assert (root / made).exists()


def test_all_of_a_file_is_mended_at_once(root):
    """Where nothing says which finding; one that is not there any more is refused."""
    (root / "main.py").write_text("import json, arcade\nimport csv\nprint(arcade)\n")
    preview = questions.plan(str(root), "fix", {"file": "main.py"})
    questions.apply(preview.number)

    assert (root / "main.py").read_text() == "import arcade\nprint(arcade)\n"
    for options in ({}, {"code": "EP501", "line": 2, "column": 8}):
        with pytest.raises(Refused, match="not there any more"):
            questions.plan(str(root), "fix", {"file": "main.py", **options})


def test_stars_are_expanded_and_old_previews_are_forgotten(root):
    """Twenty of them are kept; one that is not is made again."""
    (root / "main.py").write_text("from arcade import *\nprint(get_score())\n")
    first = questions.plan(str(root), "expand", {"file": "main.py"})
    assert first.files == (("main.py", "changed"),)
    for _ in range(21):
        last = questions.plan(str(root), "expand", {"file": "main.py"})

    with pytest.raises(Refused, match="make it again"):
        questions.apply(first.number)
    questions.apply(last.number)
    assert (root / "main.py").read_text() == "from arcade import get_score\nprint(get_score())\n"


def test_the_chart_has_what_the_entry_reaches(draw):
    """A file, a package with `__main__`, a module; none where there is no such entry."""
    root = draw(
        {
            "main.py": "import pack.one\nTYPE_CHECKING = 0\nif TYPE_CHECKING:\n    import two\n",
            "pack/__init__.py": "",
            "pack/__main__.py": "import two\n",
            "pack/one.py": "import pack.one\nfrom two import *\ndef f():\n    import two\n",
            "two.py": "import three\n",
            "three.py": "import two\n",
        },
        folder="root",
    )
    names = questions.chart(str(root), None, "").names

    def reach(entry):
        reached = questions.chart(str(root), None, entry).reached
        return None if reached is None else {names[number] for number in reached}

    assert reach("main.py") == {"main", "pack", "pack.one", "two", "three"}
    assert reach("-m pack") == {"pack", "pack.__main__", "two", "three"}
    assert reach("-m two") == {"two", "three"}
    assert reach("-m nothing") is None
    assert reach("nothing.py") is None
    chart = questions.chart(str(root), None, "main.py")
    arrows = {(names[a], names[b]): (early, star) for a, b, early, star in chart.arrows}
    assert arrows == {
        ("main", "pack.one"): (True, False), ("pack.one", "two"): (True, True), ("pack.__main__", "two"): (True, False),
        ("two", "three"): (True, False), ("three", "two"): (True, False),
    }  # fmt: skip
    assert [{names[number] for number in cycle} for cycle in chart.cycles] == [{"two", "three"}]
    assert {names[number] for number in chart.packages} == {"pack"}


def test_a_file_whose_name_is_no_text_is_not_spoken_of(root):
    """It cannot be sent to a page; what is said of the others names it as it can be shown."""
    (root / os.fsdecode(b"bad\xff.py")).write_bytes(b"import json\n")

    assert {told.name for told in questions.survey(str(root), None, {})} <= {
        "main.py",
        "arcade.py",
        "other.py",
    }
    assert "bad\N{REPLACEMENT CHARACTER}" in questions.chart(str(root), None, "main.py").names


def test_a_plan_that_has_been_overtaken_is_refused(root):
    """The file is another than when the edit was planned."""
    preview = questions.plan(str(root), "rename", {"old": "arcade:get_score", "new": "find_score"})
    (root / "arcade.py").write_text("def get_score():\n    return 7\n")

    with pytest.raises(Refused):
        questions.apply(preview.number)
    with pytest.raises(Refused):
        questions.apply(10_000)


def test_definitions_say_who_needs_whom(root):
    """For the board."""
    parts = {part.name: part for part in questions.list_parts(str(root), "arcade.py")}

    assert parts["get_score"].uses == ("SCORES",)
    assert (parts["get_score"].line, parts["get_score"].end_line) == (4, 5)
    assert parts["SCORES"].kind == "variable"


def test_what_can_be_moved_is_what_the_top_level_names(root):
    """Classes, variables with and without types, of a tuple none; names that are local use nothing."""
    (root / "other.py").write_text(
        "__all__ = ['A']\nsize: int = 1\na, b = 1, 2\nc.d = 3\nclass A:\n    size = size\n"
        "async def f(size):\n    return size, A\nprint(size)\nf = A = 2\n"
    )
    parts = questions.list_parts(str(root), "other.py")

    assert [(part.name, part.kind, part.line, part.uses) for part in parts] == [
        ("size", "variable", 2, ()), ("A", "class", 5, ("size",)), ("f", "function", 7, ("A",)),
    ]  # fmt: skip


def test_groups_are_suggested_with_their_reasons(root):
    """Of a file that holds two families; each name is in one group."""
    (root / "other.py").write_text(FAMILIES)
    groups = questions.suggest(str(root), "other.py")

    assert groups
    for module, names, reasons in groups:
        assert module
        assert reasons
        assert {name.rpartition("_")[2].lower() for name in names} in ({"price"}, {"person"})
    assert questions.suggest(str(root), "main.py") == []
