"""Say at the end of the run how many of CPython's tests ran through core."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [
        text
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for key, text in getattr(report, "user_properties", [])
        if key == "conformance" and getattr(report, "when", "") == "call"
    ]
    if lines:
        terminalreporter.section("CPython's own tests on core")
        for line in sorted(lines):
            terminalreporter.write_line(line)
