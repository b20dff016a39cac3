"""Findings while somebody types, and the processes that are asked: a lost answer is said, and the next one heals it."""

import asyncio
import os

import pytest

from entrepot.studio import checks, questions, studio
from entrepot.studio.analyst import Analyst, LostQuestionError
from entrepot.studio.care import Care
from entrepot.studio.checks import Checks
from entrepot.studio.questions import Told
from entrepot.studio.studio import Studio


class FakeAnalyst:
    """Answers what a test says, or dies of it."""

    def __init__(self):
        self.answers = {}
        self.asked = []

    async def ask(self, question, *given, is_long=False):
        self.asked.append((question.__name__, given))
        answer = self.answers.get(question.__name__)
        if answer is None:
            raise LostQuestionError(question=question.__name__)
        return answer


def make_told(code, name, severity="warning"):
    return Told(code, "", severity, name, 1, 1, "", (), False)


async def until(look):
    """Wait until something is so."""
    while not look():
        await asyncio.sleep(0.005)


@pytest.fixture
def play(draw, tmp_path, monkeypatch):
    """Return a function that plays a scenario with the studio of a folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(checks, "PAUSE_S", 0.01)
    monkeypatch.setattr(checks, "MOST_PAUSE_S", 0.01)
    monkeypatch.setattr(studio, "LOOK_EVERY_S", 0.01)
    root = draw({"main.py": "x = 1\n", "pack/deep/a.py": "y = 1\n", "notes.md": ""}, "root")

    def run(scenario):
        async def main():
            opened = Studio(str(root))
            opened.start()
            try:
                return await asyncio.wait_for(scenario(opened, root), 30)
            finally:
                await opened.end()

        return asyncio.run(main())

    return run


def test_a_survey_that_is_lost_is_said_and_the_next_one_heals_it(play):
    """What was known stays known meanwhile; work in the entry point is what that is for."""

    async def scenario(opened, root):
        analyst = FakeAnalyst()
        watched = Checks(opened, analyst)
        told = []
        watched.on_change.append(lambda: told.append(watched.error))
        watched.start()
        await until(lambda: told)
        assert told[-1] == "the question 'survey' could not be answered: its process died"
        assert not watched.is_known
        analyst.answers["survey"] = [
            make_told("EP601", "main.py"),
            make_told("EP601", "pack/deep/a.py"),
            make_told("EP401", "pack/deep/a.py", "error"),
        ]
        told.clear()
        watched.look_at_all()
        await until(lambda: told)
        assert watched.error == ""
        assert (watched.count("main.py"), watched.count("pack/deep/a.py")) == ((0, 0), (1, 1))
        assert watched.count_folders() == {"pack/deep": (1, 1), "pack": (1, 1)}
        await watched.end()

    play(scenario)


def test_in_a_large_program_a_text_is_looked_at_alone_first(play, monkeypatch):
    """What needs the others stays until they are looked at; what is no Python or no draft is not looked at."""
    monkeypatch.setattr(checks, "SMALL", 0)

    async def scenario(opened, root):
        analyst = FakeAnalyst()
        watched = Checks(opened, analyst)
        watched.findings = {"main.py": [make_told("EP501", "main.py"), make_told("EP502", "main.py")]}
        watched.start()
        told = []
        watched.on_change.append(lambda: told.append(watched.error))
        opened.documents.set_text("main.py", "import a\n")
        watched.look_at("notes.md")
        watched.look_at("main.py")
        watched.look_at("pack/deep/a.py")  # without a draft
        await until(lambda: "the question 'check_text' could not be answered: its process died" in told)
        analyst.answers["check_text"] = [make_told("EP302", "main.py"), make_told("EP601", "main.py")]
        watched.look_at("main.py")
        await until(lambda: "EP302" in {found.code for found in watched.findings["main.py"]})
        assert [found.code for found in watched.findings["main.py"]] == ["EP501", "EP302"]
        assert {given for name, given in analyst.asked if name == "check_text"} == {("main.py", "import a\n")}
        await watched.end()

    play(scenario)


@pytest.mark.slow
def test_a_process_that_dies_of_a_question_is_replaced(tmp_path):
    """The question fails, the next one is answered; at the end no process is left."""

    async def scenario():
        care = Care()
        analyst = Analyst(care)
        try:
            with pytest.raises(LostQuestionError, match="'abort' could not be answered"):
                await analyst.ask(os.abort)
            await analyst.warm_up()
            assert await analyst.ask(questions.check_text, "a.py", "x = 1\n") == []
            with pytest.raises(SyntaxError):
                await analyst.ask(compile, "x = (", "a.py", "exec")
            return await analyst.ask(os.getsid, 0)
        finally:
            analyst.close()
            care.end()

    with pytest.raises(ProcessLookupError):
        os.kill(asyncio.run(scenario()), 0)


def test_the_entry_is_one_that_is_there(play):
    """When its file goes, the first that can be run; one that is being typed is left alone."""

    async def scenario(opened, root):
        assert opened.session.entry == "main.py"
        (root / "tool.py").write_text("")
        (root / "main.py").unlink()
        opened.look_now()
        assert opened.session.entry == "tool.py"
        opened.session.entry = "typing.py"
        (root / "other.py").write_text("")
        opened.look_now()
        assert opened.session.entry == "typing.py"
        opened.session.entry = "tool.py"
        (root / "tool.py").unlink()
        (root / "other.py").unlink()
        opened.look_now()
        assert opened.session.entry == ""

    play(scenario)


def test_a_large_folder_is_looked_at_in_a_moment(play, monkeypatch):
    """Not while a page waits; tabs of files that are gone are closed, of drafts not, and the pages are told."""
    monkeypatch.setattr(studio, "SMALL", 0)
    monkeypatch.setattr(studio, "LOOK_EVERY_S", 30)

    class Page:
        def __init__(self):
            self.told = []

        def files_changed(self):
            self.told.append("files")

        def document_changed(self, name, *, by):
            self.told.append(name)

    async def scenario(opened, root):
        page = Page()
        opened.pages.append(page)
        opened.open("pack/deep/a.py")
        opened.open("notes.md")
        opened.open("main.py")
        opened.documents.set_text("main.py", "typed = 1\n")
        for name in ("pack/deep/a.py", "main.py"):
            (root / name).unlink()
        opened.look_now()
        assert page.told == []
        await until(lambda: "files" in page.told)
        assert page.told == ["pack/deep/a.py", "main.py", "files"]
        assert (opened.session.tabs, opened.session.active) == (["notes.md", "main.py"], "main.py")
        opened.close("main.py")
        opened.close("never opened.py")
        assert (opened.session.tabs, opened.session.active) == (["notes.md"], "notes.md")
        opened.session.expanded = ["pack", "pack/deep"]
        # It is looked at again just as the studio ends.
        opened.rename("pack", "box")
        assert opened.session.expanded == ["box", "box/deep"]

    play(scenario)
