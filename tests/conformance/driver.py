"""Run some of CPython's test modules on core, in this process, and print what came of it as JSON.

    python driver.py source|installed|peer MODULE...      {"only": [ID, ...]} on standard input

`source` puts core in the place of importlib's pure-Python twin, and runs the tests that are made
for the twin (those with `Source` in the name of their class); `installed` runs the others with a
`System` as the interpreter's import system; `peer` runs the tests asked for on CPython alone, to
see which of them fail or are skipped here whoever imports.
"""

from __future__ import annotations

import contextlib
import gc
import importlib

# CPython's test runner has these loaded too; some tests need them where nothing can be found.
import importlib.metadata
import json
import sys
import unittest
import unittest.mock
from collections.abc import Iterator
from typing import Any

import adapter


class Record(unittest.TestResult):
    """What came of each test, and how many calls of core's functions it made."""

    def __init__(self, *, counts: bool) -> None:
        super().__init__()
        self.tests: dict[str, dict[str, Any]] = {}
        self._counts = counts
        self._counter = adapter.Counter()

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.tests[test.id()] = {"outcome": "passed", "calls": 0, "twin": 0}
        if self._counts:
            self._counter = adapter.Counter()
            self._counter.__enter__()

    def stopTest(self, test: unittest.TestCase) -> None:
        if self._counts:
            self._counter.__exit__()
            row = self.tests[test.id()]
            row["calls"], row["twin"] = self._counter.calls, self._counter.twin_calls
        super().stopTest(test)

    def _put(self, test: unittest.TestCase, outcome: str, text: str) -> None:
        row = self.tests.setdefault(test.id(), {"calls": 0, "twin": 0})
        if row.get("outcome") not in ("failed",):
            row["outcome"] = outcome
        row["text"] = row.get("text", "") + text

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._put(test, "failed", self._exc_info_to_string(err, test))  # type: ignore[attr-defined]

    addError = addFailure

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._put(test, "skipped", reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._put(test, "expected failure", "")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._put(test, "failed", "unexpected success")

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self._put(test, "failed", f"{subtest}: {self._exc_info_to_string(err, test)}")  # type: ignore[attr-defined]


def each_test(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each_test(test)
        else:
            yield test


def is_for(kind: str, test: unittest.TestCase) -> bool:
    """Whether a test is one of a kind: the suite names its classes `Frozen_X` and `Source_X`."""
    name = type(test).__name__
    is_source = name.startswith("Source_")
    if kind == "source":
        return is_source
    # The frozen twin of each is CPython's own importlib; its module failing to import is our affair.
    return kind == "peer" or not (is_source or name.startswith("Frozen_"))


def run(kind: str, module_names: list[str], only: set[str]) -> dict[str, Any]:
    """Run the tests of some modules and return the record of each."""
    from test import support

    # All that CPython's own test runner knows, but for files of gigabytes.
    support.use_resources = ["cpu", "decimal", "subprocess", "walltime"]
    if kind == "source":
        adapter.put_into_suite()
    record = Record(counts=kind != "peer")
    loader = unittest.TestLoader()
    for name in module_names:
        modules_before = set(sys.modules)
        try:
            module = importlib.import_module(name)
        except unittest.SkipTest as skip:
            record.tests[name] = {"outcome": "skipped", "text": str(skip), "calls": 0, "twin": 0}
            continue
        found = loader.loadTestsFromModule(module)
        chosen = [test for test in each_test(found) if is_for(kind, test) and (not only or test.id() in only)]
        unittest.TestSuite(chosen).run(record)
        # Or the next suite would tear the last class of this one down once more.
        record._previousTestClass = None  # type: ignore[attr-defined]
        forget_programs(modules_before)
        gc.collect()
    return record.tests


def forget_programs(modules_before: set[str]) -> None:
    """Take out of the module cache what a test has left there: CPython runs each suite by itself."""
    for name in set(sys.modules) - modules_before:
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "test", "entrepot"}:
            del sys.modules[name]


def main() -> None:
    kind, *module_names = sys.argv[1:]
    only = set(json.loads(sys.stdin.read() or "{}").get("only", ()))
    with contextlib.ExitStack() as stack:
        if kind == "installed":
            import entrepot

            stack.enter_context(entrepot.System().installed())
        tests = run(kind, module_names, only)
    # Tests print too: what counts is the last line.
    sys.stdout.write("\n" + json.dumps(tests) + "\n")


if __name__ == "__main__":
    main()
