"""What is asked of a folder: findings with drafts, names, edits planned and applied."""

import pytest

from entrepot.errors import Refused
from entrepot.studio import questions


@pytest.fixture
def root(draw, tmp_path, monkeypatch):
    """A folder with two modules and a state of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
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


def test_one_text_is_checked_alone(root):
    """What does not need the other modules, at once."""
    assert [t.code for t in questions.check_text("x.py", "import json\nimport json\njson.x = 1\n")] == [
        "EP502"
    ]
    assert [t.code for t in questions.check_text("x.py", "def f(:\n")] == ["EP001"]
    assert questions.check_text("x.py", "print('\ud800')\n") is not None


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


def ask(root, name, **options):
    """Look a name up as written in main.py."""
    given = {"file": "main.py", "text": None, "line": 0, "entry": "main.py", **options}
    return questions.look_up_name(str(root), None, name, **given)


def test_a_dotted_name_is_found_in_two_steps(root):
    """First in the importer's namespace, then in the module's; the other of the same name stands apart."""
    answer = ask(root, "arcade.get_score")

    assert [(s.place, s.kind, s.path, s.line) for s in answer.steps] == [
        ("__main__'s namespace", "module", "main.py", 2),
        ("arcade's namespace", "function", "arcade.py", 4),
    ]
    assert answer.is_found
    assert answer.others == (("other", "function", "other.py", 1),)
    lit = {
        (box["name"], row["name"])
        for box in answer.drawing["modules"]
        for row in box["rows"]
        if row["is_lit"]
    }
    assert lit == {("__main__", "arcade"), ("arcade", "get_score")}


def test_local_names_builtins_and_what_nobody_has(root):
    """As the language looks them up: functions, the module, the builtins."""
    text = "total = 0\ndef f(price):\n    tax = price\n    return tax + total + len([]) + nothing\n"
    text += "class C:\n    size = 1\n    other = size\n"

    def first(name, line):
        return ask(root, name, text=text, line=line).steps[0]

    assert first("tax", 4).place == "the function f"
    assert (first("price", 3).place, first("price", 3).line) == ("the function f", 2)
    assert first("len", 4).place == "the builtins"
    assert first("nothing", 4).kind == "missing"
    assert first("size", 7).place == "the class C"


def test_names_are_followed_through_imports(draw, tmp_path, monkeypatch):
    """From-imports, `as`, stars, re-exports, submodules, relative imports."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = draw(
        {
            "main.py": "from pack import f as g, sub\nfrom pack.star import *\nimport pack.sub as s\nimport json\n",
            "pack/__init__.py": "from .inner import f\nfrom . import sub\n",
            "pack/inner.py": "def f(): pass\n",
            "pack/sub.py": "VALUE = 1\n",
            "pack/star.py": "brought = 1\n_not = 2\n",
        }
    )

    def last(name):
        return ask(root, name).steps[-1]

    assert "what pack.inner has under the name 'f'" in last("g").text
    assert (last("sub.VALUE").kind, last("sub.VALUE").path) == ("variable", "pack/sub.py")
    assert (last("s.VALUE").kind, last("s.VALUE").path) == ("variable", "pack/sub.py")
    assert "what pack.star has under the name 'brought'" in last("brought").text
    assert last("_not").kind == "missing"
    assert last("json").kind == "module"
    assert last("pack.inner.f").line == 1
