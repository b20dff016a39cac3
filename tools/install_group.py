"""Install dependency groups of pyproject.toml (PEP 735) with whatever pip this is.

`pip install --group` needs pip 25.1; a fresh virtual environment often has an older one.

    python tools/install_group.py test lint
"""

import subprocess
import sys
import tomllib


def read_group(groups: dict[str, list[object]], name: str) -> list[str]:
    """Return the requirements of a group, with the groups that it includes."""
    requirements: list[str] = []
    for item in groups[name]:
        if isinstance(item, dict):
            requirements += read_group(groups, item["include-group"])
        else:
            requirements.append(str(item))
    return requirements


def main(names: list[str]) -> int:
    """Install the named groups into the environment of this interpreter."""
    with open("pyproject.toml", "rb") as file:
        groups = tomllib.load(file)["dependency-groups"]
    requirements = [item for name in names for item in read_group(groups, name)]
    return subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *requirements])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
