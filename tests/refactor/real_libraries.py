"""Real single-file libraries, how each is split, and how its own tests are run.

    python tests/refactor/real_libraries.py [NAME ...]     fetch, split, run the libraries' own tests

The sources come from the package index by pip; nothing of theirs is kept in the repository.
A library passes when its own test suite, unchanged, ends as it did before: same status, same
number passed, failed and skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from entrepot.refactor.project import Project
from entrepot.refactor.split import plan_split

PYTEST = "pytest==8.3.5"


@dataclass(frozen=True)
class Library:
    name: str
    version: str
    file: str
    request: dict[str, list[str]]
    tests: tuple[str, ...]  # arguments of pytest, run in the source distribution's folder
    path: str = "."  # what PYTHONPATH gets
    needs: tuple[str, ...] = ()
    style: str = "names"
    environment: dict[str, str] = field(default_factory=dict)


def names(text: str) -> list[str]:
    return text.split()


LIBRARIES = [
    Library(
        "bottle", "0.13.2", "bottle.py",
        {
            "bottle_errors": names("BottleException RouteError RouteReset RouterUnknownModeError RouteSyntaxError RouteBuildError"),
            "bottle_routing": names("_re_flatten Router"),
            "bottle_servers": names(
                "ServerAdapter CGIServer FlupFCGIServer WSGIRefServer CherryPyServer CherootServer WaitressServer PasteServer "
                "MeinheldServer FapwsServer TornadoServer AppEngineServer TwistedServer DieselServer GeventServer GunicornServer "
                "EventletServer BjoernServer AsyncioServerAdapter AiohttpServer AiohttpUVLoopServer AutoServer server_names"
            ),
            "bottle_data": names("MultiDict FormsDict HeaderDict WSGIHeaderDict ConfigDict _hkey _hval"),
        },
        ("test",),
    ),
    Library(
        "pyparsing", "2.4.7", "pyparsing.py",
        {
            "pyparsing_results": names("_ParseResultsWithOffset ParseResults PY_3 system_version"),
            "pyparsing_errors": names(
                "ParseBaseException ParseException ParseFatalException ParseSyntaxException RecursiveGrammarException"
            ),
            "pyparsing_text": names("_xml_escape _flatten"),
        },
        ("python", "unitTests.py"),
    ),
    Library(
        "markdown2", "2.5.3", "lib/markdown2.py",
        {
            "markdown2_text": names(
                "_slugify _curry _regex_from_encoded_pattern _dedentlines _dedent _memoized _xml_escape_attr "
                "_xml_encode_email_char_at_random _html_escape_url _safe_mode"
            ),
            "markdown2_toc": names("calculate_toc_html UnicodeWithAttrs"),
        },
        ("test/test_markdown2.py",), path="lib", needs=("pygments",),
    ),
    Library(
        "six", "1.17.0", "six.py",
        {"six_text": names("ensure_binary ensure_str ensure_text python_2_unicode_compatible"), "six_classes": names("with_metaclass add_metaclass")},
        ("test_six.py",), needs=("setuptools",),
    ),
    Library(
        "schema", "0.7.7", "schema.py",
        {
            "schema_errors": names(
                "SchemaError SchemaWrongKeyError SchemaMissingKeyError SchemaOnlyOneAllowedError SchemaForbiddenKeyError "
                "SchemaUnexpectedTypeError"
            ),
            "schema_text": names("_callable_str _plural_s"),
        },
        ("test_schema.py",), needs=("mock",),
    ),
    Library(
        "parse", "1.20.2", "parse.py",
        {
            "parse_convert": names(
                "with_pattern int_convert convert_first percentage FixedTzOffset date_convert strf_date_convert "
                "get_regex_for_datetime_format dt_format_to_regex MONTHS_MAP"
            ),
            "parse_result": names("Result Match ResultIterator"),
        },
        ("tests",),
    ),
    Library(
        "simpleeval", "1.0.3", "simpleeval.py",
        {
            "simpleeval_errors": names(
                "InvalidExpression FunctionNotDefined NameNotDefined AttributeDoesNotExist OperatorNotDefined "
                "FeatureNotAvailable NumberTooHigh IterableTooLong AssignmentAttempted MultipleExpressions"
            ),
            "simpleeval_operators": names("random_int safe_rshift safe_lshift"),
        },
        ("test_simpleeval.py",),
    ),
    Library(
        "mistune", "0.8.4", "mistune.py",
        {
            "mistune_block": names("BlockGrammar BlockLexer _pure_pattern _keyify _key_pattern"),
            "mistune_render": names("Renderer escape escape_link _escape_pattern _scheme_blacklist"),
        },
        ("tests", "-k", "not yield"),
    ),
    Library("xmltodict", "0.14.2", "xmltodict.py", {"xml_parse": names("ParsingInterrupted _DictSAXHandler")}, ("tests",)),
    Library(
        "texttable", "1.7.0", "texttable.py",
        {"texttable_text": names("obj2unicode len"), "texttable_errors": names("ArraySizeError FallbackToText")},
        ("tests.py",),
    ),
    Library(
        "decorator", "5.2.1", "src/decorator.py",
        {"function_maker": names("FunctionMaker"), "decorator_context": names("ContextManager contextmanager")},
        ("tests/test.py",), path="src",
    ),
    Library(
        "jsonpatch", "1.33", "jsonpatch.py",
        {
            "jsonpatch_errors": names("JsonPatchException InvalidJsonPatch JsonPatchConflict JsonPatchTestFailed"),
            "jsonpatch_operations": names(
                "PatchOperation RemoveOperation AddOperation ReplaceOperation MoveOperation TestOperation CopyOperation"
            ),
        },
        ("tests.py",), needs=("jsonpointer",),
    ),
    Library(
        "jsonpointer", "3.0.0", "jsonpointer.py",
        {"jsonpointer_errors": names("JsonPointerException EndOfList"), "jsonpointer_text": names("escape unescape pairwise")},
        ("tests.py",),
    ),
    Library(
        "ConfigArgParse", "1.7", "configargparse.py",
        {
            "configargparse_files": names(
                "ConfigFileParser ConfigFileParserException DefaultConfigFileParser ConfigparserConfigFileParser "
                "YAMLConfigFileParser is_quoted unquote_str parse_toml_section_name get_toml_section TomlConfigParser "
                "IniConfigParser CompositeConfigParser _QUOTED_STR_REGEX _TRIPLE_QUOTED_STR_REGEX"
            ),
        },
        ("tests",), needs=("pyyaml", "toml", "mock"),
    ),
    Library(
        "cachetools", "5.5.2", "src/cachetools/__init__.py",
        {"plain": names("_DefaultSize Cache FIFOCache LFUCache LRUCache MRUCache RRCache"), "timed": names("_TimedCache TTLCache TLRUCache")},
        ("tests",), path="src",
    ),
    Library(
        "pyflakes", "3.2.0", "pyflakes/checker.py",
        {
            "bindings": names(
                "Binding Definition Builtin UnhandledKeyType VariableKey Importation SubmoduleImportation ImportationFrom "
                "StarImportation FutureImportation Argument Assignment NamedExprAssignment Annotation FunctionDefinition "
                "ClassDefinition ExportBinding"
            ),
            "scopes": names(
                "Scope ClassScope FunctionScope TypeScope GeneratorScope ModuleScope DoctestScope DetectClassScopedMagic "
                "_MAGIC_GLOBALS"
            ),
            "formats": names("parse_percent_format _must_match MAPPING_KEY_RE CONVERSION_FLAG_RE WIDTH_RE PRECISION_RE LENGTH_RE"),
        },
        ("pyflakes",),
    ),
    Library(
        "semver", "2.13.0", "semver.py",
        {
            "semver_commands": names("cmd_bump cmd_check cmd_compare cmd_nextver"),
            "semver_text": names("ensure_str comparator"),
        },
        ("test_semver.py",), style="names",
    ),
    Library(
        "isodate", "0.7.2", "src/isodate/isostrf.py", {"isostrf_tables": names("STRF_DT_MAP STRF_D_MAP")}, ("tests",), path="src",
    ),
]  # fmt: skip


def fetch(library: Library, folder: Path) -> Path:
    """Return the unpacked source distribution, fetched by pip when it is not there yet."""
    archives = folder / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    pattern = f"{library.name.lower()}-{library.version}"
    found = [p for p in archives.iterdir() if p.name.lower().startswith(pattern)]
    if not found:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", library.name,
             f"{library.name}=={library.version}", "-d", str(archives)],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        found = [p for p in archives.iterdir() if p.name.lower().startswith(pattern)]
    target = folder / "sources" / library.name
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    with tarfile.open(found[0]) as archive:
        archive.extractall(target, filter="data")
    return next(target.iterdir())


def make_environment(folder: Path, needs: tuple[str, ...]) -> Path:
    """Return the Python of a throw-away environment with pytest and what the tests need."""
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=120)
    wanted = [PYTEST, *needs]
    marker = folder / "venv" / "installed"
    have = marker.read_text().split() if marker.exists() else []
    missing = [name for name in wanted if name not in have]
    if missing:
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", *missing],
            check=True,
            capture_output=True,
            timeout=300,
        )
        marker.write_text(" ".join([*have, *missing]))
    return python


def run_tests(library: Library, root: Path, python: Path) -> str:
    """Run a library's own tests; returns pytest's last line without the time."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        "PYTHONPATH": str(root / library.path),
        "PYTHONDONTWRITEBYTECODE": "1",
        **library.environment,
    }
    command = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore",
        "-o",
        "addopts=",
        *library.tests,
    ]
    if library.tests[0] == "python":
        command = list(library.tests[1:])
    done = subprocess.run(
        [str(python), *command],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    found = [
        line
        for line in lines
        if re.search(r"^=*.*\d (passed|failed|error)|^Ran \d+ tests|^(OK|FAILED)\b", line)
    ]
    last = ", ".join(found) if found else "\n".join(lines[-5:])
    without_time = re.sub(r" in [0-9.]+s( \([0-9:]+\))?", "", last).strip("= ")
    return f"{without_time} (status {done.returncode})"


def split(library: Library, root: Path) -> list[str]:
    """Split the library in place, old names kept; returns the notes."""
    path = str(root / library.file)
    edit = plan_split(Project(str(root)), path, library.request, style=library.style, reexport=True)
    for change in edit.changes:
        assert change.after is not None
        Path(change.path).write_bytes(change.after)
    return [str(note) for note in edit.notes]


def check(library: Library, folder: Path) -> tuple[str, str, list[str]]:
    """Return the tests' result before and after the split, and the notes."""
    root = fetch(library, folder)
    python = make_environment(folder, library.needs)
    before = run_tests(library, root, python)
    notes = split(library, root)
    return before, run_tests(library, root, python), notes


def main(wanted: list[str]) -> int:
    folder = Path(os.environ.get("ENTREPOT_REAL_LIBRARIES", "/tmp/entrepot-real-libraries"))
    passed = 0
    chosen = [library for library in LIBRARIES if not wanted or library.name in wanted]
    for library in chosen:
        try:
            before, after, notes = check(library, folder)
        except Exception as error:
            print(f"{library.name:16} not split: {error}")
            continue
        good = before == after and bool(re.search(r"passed|Ran", after))
        passed += good
        print(
            f"{library.name:16} {'same' if good else 'DIFFERENT'}: {before} -> {after} ({len(notes)} notes)",
            flush=True,
        )
    print(f"{passed} of {len(chosen)}")
    return 0 if passed == len(chosen) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
