"""Two versions of a library in one process, each in a System of its own, both used for real.

    python tests/reality/versions.py                     every library of the table
    python tests/reality/versions.py click sqlalchemy    some

Fetches what is missing with pip into a folder (`--folder`, by default a throw-away one). For each
library: two systems, one for each version, used in turn, twice; the host's import state must be what
it was. Prints what came out; exit status 1 where something did not work.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import http.server
import io
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from entrepot import System

Result = tuple[Any, ...]


def use_click(system: System) -> Result:
    """Parse a command line."""
    click = system.import_module("click")
    runner = system.import_module("click.testing").CliRunner()

    @click.command()
    @click.option("--count", default=1, type=int, help="How often.")
    @click.argument("name")
    def hello(count: int, name: str) -> None:
        for _ in range(count):
            click.echo(f"hi {name}")

    done = runner.invoke(hello, ["--count", "2", "bo"])
    assert (done.exit_code, done.output) == (0, "hi bo\nhi bo\n")
    assert "How often." in runner.invoke(hello, ["--help"]).output
    assert runner.invoke(hello, ["--count", "x", "bo"]).exit_code == 2
    return (click.__version__,)


def use_jinja2(system: System) -> Result:
    """Render a template that extends another."""
    jinja2 = system.import_module("jinja2")
    templates = {
        "page": "{% extends 'base' %}{% block body %}{{ x|upper }}{{ '<' }}{% endblock %}",
        "base": "<p>{% block body %}{% endblock %}</p>",
    }
    environment = jinja2.Environment(loader=jinja2.DictLoader(templates), autoescape=True)
    assert environment.get_template("page").render(x="q") == "<p>Q&lt;</p>"
    try:
        environment.from_string("{{ a b }}")
    except jinja2.TemplateSyntaxError:
        pass
    markup = system.modules["markupsafe"].Markup
    assert pickle.loads(pickle.dumps(markup("x"))) == markup("x")
    return jinja2.__version__, system.modules["markupsafe"].__file__


class _Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.headers["User-Agent"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _server() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def use_requests(system: System) -> Result:
    """Send a request to a local server."""
    requests = system.import_module("requests")
    with _server() as port, requests.Session() as session:
        answer = session.get(f"http://127.0.0.1:{port}/", params={"a": "b"})
        assert (answer.status_code, answer.text) == (200, f"python-requests/{requests.__version__}")
    kept = pickle.loads(pickle.dumps(answer))
    assert type(kept) is requests.Response
    assert kept.text == answer.text
    try:
        requests.get("http://127.0.0.1:1/", timeout=5)
    except requests.exceptions.ConnectionError:
        pass
    return requests.__version__, system.modules["urllib3"].__version__


def use_attrs(system: System) -> Result:
    """Define a class, convert, compare, copy, pickle by the system's own pickle."""
    attr = system.import_module("attr")

    @attr.s
    class Point:
        x = attr.ib(converter=int)
        y = attr.ib(factory=list)

    assert copy.deepcopy(Point("1")) == Point(1)
    assert repr(Point("3")).endswith("Point(x=3, y=[])")
    assert attr.asdict(Point("3")) == {"x": 3, "y": []}
    factory = attr.Factory(list)
    assert pickle.loads(pickle.dumps(type(factory))) is type(factory)
    return attr.__version__, hasattr(attr, "define")


def use_marshmallow(system: System) -> Result:
    """Load and check data by a schema."""
    marshmallow = system.import_module("marshmallow")

    class Schema(marshmallow.Schema):
        n = marshmallow.fields.Integer(required=True)

    loaded = Schema().load({"n": "3"})
    assert (loaded if isinstance(loaded, dict) else loaded.data) == {"n": 3}
    return (marshmallow.__version__,)


def use_sqlalchemy(system: System) -> Result:
    """Map a class, write a row, ask for it."""
    sqlalchemy = system.import_module("sqlalchemy")
    orm = system.import_module("sqlalchemy.orm")
    base: Any = orm.declarative_base()

    class User(base):
        __tablename__ = "users"
        id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
        name = sqlalchemy.Column(sqlalchemy.String)

    engine = sqlalchemy.create_engine("sqlite://")
    base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(User(name="bo"))
        session.commit()
        assert session.execute(sqlalchemy.select(User.name)).all() == [("bo",)]
    engine.dispose()
    assert pickle.loads(pickle.dumps(sqlalchemy.Integer)) is sqlalchemy.Integer
    return (sqlalchemy.__version__,)


def use_flask(system: System) -> Result:
    """Answer requests."""
    flask = system.import_module("flask")
    app = flask.Flask("app", static_folder=None)

    @app.route("/<name>")
    def page(name: str) -> Any:
        return flask.render_template_string("hi {{ name }}", name=name)

    @app.route("/json")
    def data() -> Any:
        return flask.jsonify(a=1)

    client = app.test_client()
    assert client.get("/<b>").data == b"hi &lt;b&gt;"
    assert client.get("/json").get_json() == {"a": 1}
    return system.modules["werkzeug"].__file__, system.modules["jinja2"].__version__


def use_markdown(system: System) -> Result:
    """Render a text with extensions, which are loaded by name."""
    markdown = system.import_module("markdown")
    text = "# hi\n\n|a|b|\n|-|-|\n|1|2|"
    html = markdown.markdown(text, extensions=["markdown.extensions.tables"])
    assert "<h1>hi</h1>" in html
    assert "<td>2</td>" in html
    return (getattr(markdown, "version", markdown.__version__),)


def use_packaging(system: System) -> Result:
    """Compare versions, parse a requirement."""
    version = system.import_module("packaging.version").Version
    requirement = system.import_module("packaging.requirements").Requirement("a[b]>=1; python_version>'3'")
    assert version("1.0a1") < version("1.0")
    assert "1.5" in requirement.specifier
    assert pickle.loads(pickle.dumps(version("1.0"))) == version("1.0")
    return (system.modules["packaging"].__version__,)


def use_rich(system: System) -> Result:
    """Draw a table, Markdown, highlighted source."""
    console = system.import_module("rich.console").Console(file=io.StringIO(), width=40)
    table = system.import_module("rich.table").Table("head")
    table.add_row("cell")
    console.print(table)
    console.print(system.import_module("rich.markdown").Markdown("# hi"))
    console.print(system.import_module("rich.syntax").Syntax("x = 1", "python"))
    drawn = console.file.getvalue()
    assert "head" in drawn
    assert "hi" in drawn
    assert "x = 1" in drawn
    return (system.modules["pygments"].__version__,)


def use_docutils(system: System) -> Result:
    """Publish a text as HTML; readers and writers are loaded by name."""
    core = system.import_module("docutils.core")
    html = core.publish_string("Title\n=====\n\n*hi*\n", writer_name="html").decode()
    assert "<em>hi</em>" in html
    return (system.modules["docutils"].__version__,)


def use_pydantic(system: System) -> Result:
    """Validate by annotations, which are texts in this file."""
    pydantic = system.import_module("pydantic")

    class Model(pydantic.BaseModel):
        a: int
        b: list[str] = []

    model = Model(a="1", b=["x"])
    as_dict = model.model_dump() if hasattr(model, "model_dump") else model.dict()
    assert as_dict == {"a": 1, "b": ["x"]}
    problems = []
    try:
        Model(a="z")
    except pydantic.ValidationError as error:
        problems = error.errors()
    assert [problem["loc"] for problem in problems] == [("a",)]
    return (pydantic.VERSION,)


# Library -> how it is used, and what pip installs for each of its two versions.
LIBRARIES: dict[str, tuple[Callable[[System], Result], list[list[str]]]] = {
    "click": (use_click, [["click==7.1.2"], ["click==8.1.7"]]),
    "jinja2": (
        use_jinja2,
        [["jinja2==2.11.3", "markupsafe==1.1.1"], ["jinja2==3.1.4", "markupsafe==2.1.5"]],
    ),
    "requests": (
        use_requests,
        [
            ["requests==2.27.1", "urllib3==1.26.18", "idna==3.4", "certifi", "charset-normalizer==2.0.12"],
            ["requests==2.32.3", "urllib3==2.2.3", "idna==3.10", "certifi", "charset-normalizer==3.4.0"],
        ],
    ),
    "attrs": (use_attrs, [["attrs==19.3.0"], ["attrs==25.1.0"]]),
    "marshmallow": (use_marshmallow, [["marshmallow==2.21.0"], ["marshmallow==3.26.0", "packaging==24.2"]]),
    "sqlalchemy": (
        use_sqlalchemy,
        [["sqlalchemy==1.4.54", "greenlet"], ["sqlalchemy==2.0.36", "typing-extensions", "greenlet"]],
    ),
    "flask": (
        use_flask,
        [
            [
                "flask==1.1.4",
                "werkzeug==1.0.1",
                "jinja2==2.11.3",
                "markupsafe==1.1.1",
                "itsdangerous==1.1.0",
                "click==7.1.2",
            ],
            [
                "flask==3.1.0",
                "werkzeug==3.1.3",
                "jinja2==3.1.4",
                "markupsafe==2.1.5",
                "itsdangerous==2.2.0",
                "click==8.1.7",
                "blinker==1.9.0",
            ],
        ],
    ),
    "markdown": (use_markdown, [["markdown==2.6.11"], ["markdown==3.7"]]),
    "packaging": (use_packaging, [["packaging==21.3", "pyparsing==3.0.9"], ["packaging==25.0"]]),
    "rich": (
        use_rich,
        [
            ["rich==10.16.2", "pygments==2.11.2", "commonmark", "colorama==0.4.4"],
            ["rich==14.0.0", "pygments==2.19.1", "markdown-it-py==3.0.0", "mdurl"],
        ],
    ),
    "docutils": (use_docutils, [["docutils==0.16"], ["docutils==0.21.2"]]),
    "pydantic": (
        use_pydantic,
        [
            # Version 1 pure, beside version 2, half of which is compiled.
            ["--no-binary=pydantic", "pydantic==1.10.19", "typing-extensions"],
            ["pydantic==2.10.6", "pydantic-core==2.27.2", "annotated-types", "typing-extensions"],
        ],
    ),
}


if sys.version_info >= (3, 12):
    # Version 2 stands on distutils, which Python no longer has.
    del LIBRARIES["marshmallow"]


def fetch(name: str, folder: str) -> list[str]:
    """Install both versions of a library, each in a folder of its own, unless they are there.

    Raises:
        CalledProcessError: pip could not get them.
    """
    folders = []
    for requirements in LIBRARIES[name][1]:
        key = next(part for part in requirements if part.startswith(f"{name}=="))
        target = os.path.join(folder, key)
        folders.append(target)
        if not os.path.isdir(target):
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
            command += ["--target", target, *requirements]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return folders


def look_at_host() -> list[object]:
    """Return the host's import state: what may not change, by identity and by content."""
    import builtins

    state: list[object] = [sys.modules, sys.path, sys.meta_path, sys.path_hooks, sys.path_importer_cache]
    state += [list(sys.path), list(sys.meta_path), list(sys.path_hooks)]
    state += [builtins.__import__, dict(vars(builtins))]
    return state


def use_both(name: str, folder: str) -> tuple[Result, Result]:
    """Use both versions of a library in turn, twice, and return what each said of itself."""
    use, _ = LIBRARIES[name]
    before, modules = look_at_host(), set(sys.modules)
    systems = [System(path=[path]) for path in fetch(name, folder)]
    # Their own noise: old libraries on a new Python.
    warnings.simplefilter("ignore")
    first = [use(system) for system in systems]
    again = [use(system) for system in reversed(systems)]
    assert first == again[::-1], "the second use went another way"
    assert first[0] != first[1], "one version served both"
    assert look_at_host() == before, "the host's import state has changed"
    for system, path in zip(systems, fetch(name, folder), strict=True):
        for module in list(system.modules.values()):
            file = getattr(module, "__file__", None) or ""
            assert not file.startswith(folder) or file.startswith(path + os.sep), f"{module} is the other's"
    brought = {new for new in set(sys.modules) - modules if not new.startswith("entrepot")}
    strange = {
        new for new in brought if (getattr(sys.modules[new], "__file__", None) or "").startswith(folder)
    }
    assert not strange, f"in the host's sys.modules: {strange}"
    return first[0], first[1]


def main() -> int:
    """Use the libraries that the command line names, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *LIBRARIES], help="libraries (default: all)")
    parser.add_argument("--folder", help="where both versions are kept (default: a throw-away folder)")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as throw_away:
        for name in options.names or LIBRARIES:
            try:
                one, two = use_both(name, os.path.realpath(options.folder or throw_away))
            except Exception:
                failed += 1
                print(f"FAILS {name}")
                traceback.print_exc()
            else:
                print(f"both  {name}: {one} {two}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
