"""Every scenario of tests/live/pages: an edited program does what its sources say, with its state kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenarios import PAGES, Scenario, read_page, run

ALL = [(page.stem, scenario) for page in sorted(PAGES.glob("*.txt")) for scenario in read_page(page)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("page", "scenario"), ALL, ids=[f"{page}: {scenario.name}" for page, scenario in ALL]
)
def test_the_running_program_does_what_its_new_sources_say(page: str, scenario: Scenario, tmp_path: Path):
    """Compared with a fresh start on the edited files; kept state is claimed beside it."""
    if page == "libraries":
        pytest.importorskip(scenario.name.partition(":")[0])
    root = tmp_path / "program"
    root.mkdir()

    assert not run(scenario, root)


def test_there_are_as_many_scenarios_as_promised():
    """The set does not shrink by accident, and no two scenarios have one name."""
    assert len(ALL) >= 191
    assert len({(page, scenario.name) for page, scenario in ALL}) == len(ALL)
