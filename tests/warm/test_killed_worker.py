"""A worker that is killed while it publishes an image leaves the one before, or none: never a mixture."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from native import NEEDS_NATIVE
from stored import Stored

pytestmark = NEEDS_NATIVE


@pytest.mark.parametrize(
    "written", [(".record",), (".record", ".plan"), (".record", ".plan", ".info"), (".checks",)]
)
def test_an_image_is_not_used_with_what_another_depended_on(tmp_path: Path, written: tuple[str, ...]) -> None:
    """The next worker finds the image before beside a part of what was written of the next."""
    with Stored(tmp_path) as place:
        place.write(main="import own\nprint(own.x)", own="x = 1")
        place.prepare()
        assert place.run()[1][1] == "1\n"
        place.wait_idle()
        before = tmp_path / "before"
        before.mkdir()
        for path in place.store.glob("*.*"):
            os.link(path, before / path.name)  # each is written anew, never changed
        place.write(own="x = 22")
        place.prepare()
        assert place.run()[1][1] == "22\n"
        place.wait_idle()
        for path in before.iterdir():
            if not path.name.endswith(written):
                path.replace(place.store / path.name)

        for _ in range(3):
            how, outcome = place.run()
            assert outcome == (0, "22\n", ""), how
            place.prepare()
            place.wait_idle()
        assert place.run()[0] == "warm"
