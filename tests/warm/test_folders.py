"""A folder that changed is looked at closely: only what an import could take up there makes a run cold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from native import NEEDS_NATIVE
from stored import Stored

pytestmark = NEEDS_NATIVE
WRITER = (
    "import json, os\nopen('result.txt', 'w').write('1')\nos.remove('result.txt')\nprint(json.dumps(1))\n"
)


def test_a_program_that_writes_beside_itself_stays_warm(tmp_path: Path) -> None:
    """A data file written, or removed, in the program's folder is no module."""
    with Stored(tmp_path) as place:
        place.write(main=WRITER)
        place.prepare()

        hows = [place.run()[0] for _ in range(3)]
        (tmp_path / "notes").write_text("")
        hows.append(place.run()[0])

    assert hows == ["warm"] * 4


@pytest.mark.parametrize("name", ["json.py", "json.pyc", "json.so", "json/__init__.py", "json"])
def test_a_file_that_shadows_is_seen_at_once(tmp_path: Path, name: str) -> None:
    """Whatever an import of json could take up beside the script is taken up by the next run."""
    with Stored(tmp_path) as place:
        place.write(main="import json\nprint(hasattr(json, 'dumps'))")
        place.prepare()
        before = place.run()
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        target.write_text("")

        after = place.run()

    assert before == ("warm", (0, "True\n", ""))
    if name != "json":  # a file without ending is nothing to import, and a run may be warm or cold
        assert after[0].startswith(("cold", "base"))
        assert after[1][:2] == place.plain()[:2]


def test_a_distribution_that_is_added_is_seen_where_others_were_looked_for(tmp_path: Path) -> None:
    """importlib.metadata lists whole folders; a data file there does not count, a distribution does."""
    site = tmp_path / "site"
    info = site / "shop-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    with Stored(tmp_path, PYTHONPATH=str(site)) as place:
        place.write(
            own="from importlib import metadata\nX = metadata.version('shop')",
            main="import own\nprint(own.X)",
        )
        place.prepare()
        (site / "data.txt").write_text("")
        hows = [place.run()]
        os.rename(info, site / "shop-2.0.dist-info")
        (site / "shop-2.0.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: shop\nVersion: 2.0\n"
        )
        hows.append(place.run())

    assert hows[0] == ("warm", (0, "1.0\n", ""))
    assert hows[1][1] == (0, "2.0\n", "")
