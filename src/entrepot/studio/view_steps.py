"""The view to go through the imports of a run, step by step, forward and back."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING

from nicegui import ui

from entrepot.studio.elements import Editor, Picture, Story, make_button
from entrepot.studio.run_board import Shown
from entrepot.studio.steps import Step, Steps
from entrepot.studio.telling import make_steps
from entrepot.trace.records import Record

if TYPE_CHECKING:
    from entrepot.studio.page import StudioPage

PLAY_EVERY_S = 0.9


class StepsView:
    """Source and story on the left, the picture on the right, the controls below."""

    def __init__(self, page: StudioPage) -> None:
        self.page = page
        self.studio = page.studio
        self.steps: Steps | None = None
        self.at = 0
        self._shown_file = ""

    def build(self) -> None:
        sizes = self.studio.session.sizes
        with ui.element("div").classes("upright") as self.column:
            with ui.element("div").classes("sentence-bar"):
                self.sentence = ui.label("").classes("sentence").props('aria-live="polite"')
            with ui.splitter(value=sizes.get("steps", 42), limits=(20, 75)).classes("grow") as outer:
                outer.on_value_change(lambda event: sizes.update(steps=float(event.value)))
                with (
                    outer.before,
                    ui.splitter(horizontal=True, value=sizes.get("story", 55)).classes("fill") as inner,
                ):
                    inner.on_value_change(lambda event: sizes.update(story=float(event.value)))
                    with inner.before, ui.element("div").classes("upright"):
                        self.file = ui.label("").classes("file-name")
                        self.source = Editor().classes("grow")
                        self.source.put(readonly=True)
                    with inner.after:
                        self.story = Story().classes("fill")
                        self.story.when("go", lambda number: self.go(int(number)))
                with outer.after:
                    self.picture = Picture().classes("fill")
            self._build_controls()
        self.empty = ui.element("div").classes("empty")
        with self.empty:
            ui.label("See how the imports happen").classes("empty-title")
            ui.label(
                "The program is run once and watched. Then you go through it: where execution jumps, what is"
            ).classes("narrow")
            ui.label("found and compiled, what comes from the cache, which name is bound where.").classes(
                "narrow"
            )
            make_button("Run and record", icon="fiber_manual_record", act=self.record, css="main-button")
        self.column.set_visibility(False)
        kept = self.studio.session.views.get("steps", {})
        if kept and os.path.exists(self.studio.state.record_path):
            self.page.later(self._restore(str(kept.get("entry", "")), kept.get("at")))

    async def _restore(self, entry: str, at: object) -> None:
        """Show again what was shown before the page was loaded again."""
        steps = await asyncio.to_thread(self._make, self.studio.state.record_path, entry)
        if steps is not None:
            self.put(steps)
            self.go(at if isinstance(at, int) else 0)

    def _build_controls(self) -> None:
        with ui.element("div").classes("controls"):
            make_button(icon="first_page", label="First step", act=lambda: self.go(0))
            make_button(icon="chevron_left", label="Back", act=lambda: self.go(self.at - 1))
            self.play_button = make_button(icon="play_arrow", label="Play", act=self._turn_play)
            make_button(icon="chevron_right", label="Forward", act=lambda: self.go(self.at + 1))
            make_button(icon="last_page", label="Last step", act=lambda: self.go(1 << 30))
            with ui.element("div").classes("slider-place"):
                self.slider = ui.slider(
                    min=0, max=1, value=0, on_change=lambda event: self.go(int(event.value or 0))
                )
                self.slider.props('aria-label="Step"')
            self.counter = ui.label("").classes("counter")
            make_button("Record again", icon="fiber_manual_record", act=self.record)
        self.timer = ui.timer(PLAY_EVERY_S, lambda: self.go(self.at + 1), active=False)

    def shown(self) -> None:
        """Nothing waits for it to be shown."""

    def files_changed(self) -> None:
        """The steps are of a run: they stay."""

    def document_changed(self, name: str, *, by: object) -> None:
        """The steps are of a run: they stay."""

    def record(self) -> None:
        """Run the program watched, in the terminal, and show its steps when it has ended."""
        self.page.run("steps", then=lambda shown: self._recorded(shown, "start"))

    def explain(self) -> None:
        """The same, and show the step at which it failed."""
        self.page.run("steps", then=lambda shown: self._recorded(shown, "explain"))

    def _recorded(self, shown: Shown, kind: str) -> None:
        self.page.later(self.read(shown.order.report, shown.order.entry, kind))

    async def read(self, path: str, entry: str, kind: str = "start") -> None:
        """Show the steps of a record in a file, from the first of a kind."""
        async with self.page.busy("Reading the record…"):
            steps = await asyncio.to_thread(self._make, path, entry)
        if steps is None:
            self.page.say("The program left no record: it was ended, or started without one.", kind="bad")
            return
        await asyncio.to_thread(shutil.copyfile, path, self.studio.state.record_path)
        self.studio.session.views["steps"] = {"entry": entry, "at": 0}
        self.put(steps)
        self.page.show("steps")
        if kind != "start":
            kinds = [step.kind for step in steps.steps]
            self.go(kinds.index(kind) if kind in kinds else len(kinds) - 1)

    def _make(self, path: str, entry: str) -> Steps | None:
        root = self.studio.workspace.root
        try:
            with open(path, encoding="utf-8") as file:
                record = Record.from_json(file.read())
        except (OSError, ValueError):
            return None
        main = os.path.join(root, entry) if entry.endswith(".py") else ""
        return make_steps(record, main, lambda path: path.startswith(root + "/"), self._read_source)

    def _read_source(self, path: str) -> str:
        name = self.studio.workspace.find_name(path)
        if name is None:
            raise OSError(path)
        return self.studio.workspace.read(name).text

    def put(self, steps: Steps) -> None:
        """Show other steps, from the first."""
        self.steps = steps
        self._shown_file = ""
        self.column.set_visibility(True)
        self.empty.set_visibility(False)
        self.story.put(items=[[step.text, step.kind, step.depth] for step in steps.steps])
        self.slider.props(f"max={max(1, len(steps.steps) - 1)}")
        self.at = -1
        self.go(0)

    def go(self, number: int) -> None:
        """Show a step."""
        if self.steps is None:
            return
        last = len(self.steps.steps) - 1
        number = max(0, min(number, last))
        if number == last and self.timer.active:
            self._turn_play()
        if number == self.at:
            return
        self.at = number
        self.studio.session.views.setdefault("steps", {})["at"] = number
        step = self.steps.steps[number]
        self.sentence.set_text(step.text)
        self.counter.set_text(f"{number + 1} of {last + 1}" + (" (cut)" if self.steps.is_cut else ""))
        self.slider.set_value(number)
        self.story.put(at=number)
        self.picture.put(drawing=self.steps.draw(number))
        self._light(step)

    def _light(self, step: Step) -> None:
        name = self.studio.workspace.find_name(step.file) if step.file else None
        if name is None:
            return
        if name != self._shown_file:
            try:
                text = self._read_source(step.file)
            except (OSError, ValueError):
                return
            self._shown_file = name
            self.file.set_text(name)
            self.source.run_method("show", {"name": name, "text": text, "revision": 0})
        self.source.run_method("light", step.line, f"lit is-{step.kind}")

    def _turn_play(self) -> None:
        self.timer.active = not self.timer.active
        self.play_button.props(f"icon={'pause' if self.timer.active else 'play_arrow'}")
        if self.timer.active and self.steps and self.at >= len(self.steps.steps) - 1:
            self.go(0)
