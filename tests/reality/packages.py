"""Import packages under CPython and under an installed System, and compare what is then there.

    python tests/reality/packages.py --python VENV/bin/python numpy pandas ...
    python tests/reality/packages.py --fetch pure          (a few small packages, in a throw-away venv)

Each package is imported in a fresh process of the given Python, twice: plainly, and with
`System().installed()` around it. The two must agree on the names in `sys.modules`, the order in
which they came, the public names of each module and its `__file__`, `__path__`, `__package__`,
`__spec__.origin`, `__spec__.parent` and more. Prints a line for each package; exit status 1 where two differ.

Does not know whether a package works, only that importing it made the same modules.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "src")

# Popular on PyPI, as what is imported. Compiled ones, frameworks, plugins, namespace packages.
POPULAR = """
    numpy pandas scipy scipy.stats sklearn sklearn.ensemble matplotlib matplotlib.pyplot django
    django.db.models sqlalchemy sqlalchemy.orm boto3 botocore.session pydantic cryptography.x509
    lxml.etree PIL.Image sympy jinja2 requests aiohttp fastapi grpc google.protobuf.descriptor_pb2
    pyarrow pyarrow.parquet setuptools pkg_resources pytest numba IPython flask click rich.console
    attrs httpx urllib3 s3fs fsspec tqdm yaml six six.moves.urllib.parse dateutil.parser pytz
    certifi idna charset_normalizer packaging.version typing_extensions werkzeug markupsafe colorama
    tomli wheel cffi jwt psutil bs4 docutils.core sphinx.application pygments.lexers
    google.api_core.client_options google.auth google.cloud.storage opentelemetry.trace
    opentelemetry.sdk.trace redis celery kombu psycopg2 pymysql pymongo paramiko websockets uvicorn
    starlette.applications gunicorn.app.base tornado.web gevent greenlet eventlet
    twisted.internet.defer networkx seaborn statsmodels.api plotly.express bokeh.plotting
    dask.dataframe distributed xarray h5py polars orjson ujson msgpack simplejson jsonschema rpds
    marshmallow alembic black mypy.api pylint.lint isort flake8.api.legacy coverage hypothesis tox
    virtualenv poetry.core hatchling.build pip zipp importlib_metadata importlib_resources
    more_itertools pluggy toml ruamel.yaml loguru structlog openpyxl xlrd zmq notebook
    jupyter_client ipykernel nltk skimage cv2 Crypto.Cipher.AES bcrypt nacl.secret OpenSSL tenacity
    cachetools wrapt deprecated mako.template shapely pyproj faker arrow pendulum pyparsing regex
    lz4.frame zstandard Cython babel markdown mistune typer prompt_toolkit textual.app
    selenium.webdriver pexpect watchfiles humanize tabulate graphviz pydot anyio trio sniffio
    azure.core azure.storage.blob kubernetes docker ansible dns.resolver email_validator dotenv
    pydantic_settings tiktoken tokenizers huggingface_hub safetensors pyspark
""".split()  # noqa: SIM905
# Small, pure and quickly fetched: requirement and what is imported.
PURE = {
    "attrs": "attrs",
    "click": "click",
    "jinja2": "jinja2",
    "idna": "idna",
    "packaging": "packaging.requirements",
    "six": "six.moves.urllib.parse",
    "zipp": "zipp",
    "pluggy": "pluggy",
}

LOOK = r"""
import sys
before = list(sys.modules)

def look(names):
    found = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "entrepot" or name in names:
            continue
        spec = getattr(module, "__spec__", None)
        try:
            path = list(module.__path__)
        except (AttributeError, TypeError):
            path = repr(getattr(module, "__path__", None))
        namespace = getattr(module, "__dict__", {})
        found[name] = {
            "type": type(module).__name__,
            "repr": type(module).__name__ == "module" and repr(module),
            "names": sorted(key for key in namespace if isinstance(key, str) and not key.startswith("_")),
            "dir": sorted(key for key in dir(type(module))),
            "__name__": str(namespace.get("__name__")),
            "__file__": str(namespace.get("__file__")),
            "__cached__": str(namespace.get("__cached__")),
            "__path__": path,
            "__package__": str(namespace.get("__package__")),
            "__doc__": str(namespace.get("__doc__"))[:200],
            "loader": type(namespace.get("__loader__")).__name__,
            "spec": [
                str(getattr(spec, field, None))
                for field in ("name", "origin", "parent", "has_location", "cached")
            ],
            "locations": [str(at) for at in getattr(spec, "submodule_search_locations", None) or ()],
        }
    return found
"""

BODY = r"""
import warnings
warnings.simplefilter("ignore")
failure = None
try:
    __import__(NAME)
except BaseException as error:
    failure = f"{type(error).__name__}: {error}"
found = look(())
"""

PLAIN = BODY
OURS = """
sys.path.append(SOURCE)
from entrepot import System
sys.path.remove(SOURCE)
system = System()
del System
with system.installed():
    del system
""" + "\n".join("    " + line for line in BODY.splitlines())

END = """
import json
with open(OUTPUT, "w") as file:
    json.dump({"failure": failure, "modules": found}, file)
import os
os._exit(0)
"""


def look_at(python: str, name: str, is_ours: bool, timeout_s: float = 300) -> dict:
    """Import a package in a fresh process and return its failure (or None) and all modules' faces."""
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "found.json")
        code = f"NAME = {name!r}\nSOURCE = {SOURCE!r}\nOUTPUT = {output!r}\n"
        code += LOOK + (OURS if is_ours else PLAIN) + END
        # The same hash of strings in both, or what a package does in the order of a set may differ.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore", "HOME": folder}
        environment |= {"MPLBACKEND": "agg", "XDG_CACHE_HOME": folder, "PYTHONDONTWRITEBYTECODE": ""}
        done = subprocess.run(
            [python, "-c", code],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if not os.path.exists(output):
            return {"failure": f"exit status {done.returncode}: {done.stderr[-2000:]}", "modules": {}}
        with open(output) as file:
            return json.load(file)


def find_differences(plain: dict, ours: dict) -> list[str]:
    """Return one line for each way in which two looks differ; none where they agree."""
    found = []
    if plain["failure"] != ours["failure"]:
        found.append(f"failure: {plain['failure']} / {ours['failure']}")
    for name in plain["modules"].keys() | ours["modules"].keys():
        if name not in ours["modules"]:
            found.append(f"{name}: only under CPython")
        elif name not in plain["modules"]:
            # What entrepot itself has loaded, before anything was imported.
            if name not in ("_functools", "_operator"):
                found.append(f"{name}: only under the System")
        else:
            before, after = plain["modules"][name], ours["modules"][name]
            found += [
                f"{name}: {field}: {describe(before[field], after[field])}"
                for field in before
                if before[field] != after[field]
            ]
    return sorted(found)


def describe(before: object, after: object) -> str:
    """Return how two values differ, in short."""
    if isinstance(before, list) and isinstance(after, list):
        less = [item for item in before if item not in after]
        more = [item for item in after if item not in before]
        return f"less {less}, more {more}"
    return f"{before!r} / {after!r}"


def compare(python: str, name: str) -> tuple[int, str | None, list[str]]:
    """Return how many modules a package has brought, its failure under CPython, and the differences."""
    # Once before, so that both find bytecode and whatever else a first import leaves behind.
    plain = look_at(python, name, False)
    ours = look_at(python, name, True)
    differences = find_differences(plain, ours)
    if differences and not find_differences(plain, look_at(python, name, False)):
        return len(plain["modules"]), plain["failure"], differences
    if differences:
        # Not the same twice under CPython alone: compare with what it does now.
        stable = set(find_differences(plain, look_at(python, name, False)))
        differences = [
            line for line in differences if line.split(":")[0] not in {s.split(":")[0] for s in stable}
        ]
    return len(plain["modules"]), plain["failure"], differences


def make_venv(folder: str, requirements: list[str]) -> str:
    """Make a venv with some packages and return its Python. Raises CalledProcessError without a registry."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = os.path.join(folder, "bin", "python")
    command = [python, "-m", "pip", "install", "--quiet", "--no-input", *requirements]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return python


def main() -> int:
    """Compare what the command line names, print a line for each, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", help="packages to import (default: all that are installed of a list)"
    )
    parser.add_argument("--python", default=sys.executable, help="the Python that has them")
    parser.add_argument("--fetch", choices=["pure"], help="install a few packages into a throw-away venv")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python, names = options.python, options.names or POPULAR
        if options.fetch:
            python, names = make_venv(folder, list(PURE)), list(PURE.values())
        return report(python, names)


def report(python: str, names: list[str]) -> int:
    """Compare packages and print what comes out; return 1 where there were differences."""
    agreed, absent, different = 0, [], []
    for name in names:
        modules, failure, differences = compare(python, name)
        if differences:
            different.append(name)
            print(f"DIFFERS {name} ({modules} modules)", flush=True)
            for line in differences[:12]:
                print(f"    {line[:600]}", flush=True)
            if len(differences) > 12:
                print(f"    ... and {len(differences) - 12} more", flush=True)
        elif failure:
            absent.append(name)
            print(f"fails   {name} the same in both: {failure[:120]}", flush=True)
        else:
            agreed += 1
            print(f"same    {name} ({modules} modules)", flush=True)
    print(
        f"{agreed} the same, {len(absent)} fail the same way in both, {len(different)} different {different}"
    )
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
