"""A site folder, as installers leave it: `install(site, "rates", "1.2", {"rates.py": ""})`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def install(
    site: Path,
    name: str,
    version: str,
    files: dict[str, str],
    *,
    requires: Sequence[str] = (),
    entry_points: str = "",
) -> None:
    """Lay a distribution out as an installer does."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    files = {**files, f"{info}/METADATA": metadata, f"{info}/WHEEL": "Wheel-Version: 1.0\n"}
    if entry_points:
        files[f"{info}/entry_points.txt"] = entry_points
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    record = "".join(f'"{path}",,\n' if "," in path else f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    (site / info / "RECORD").write_text(record)
