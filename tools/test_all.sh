#!/bin/sh
# Run the tests on each Python from 3.11 on that pyenv has, or else on python3.11, python3.12, ... of PATH.
set -eu
found=
for minor in 11 12 13; do
    python=
    if command -v pyenv >/dev/null 2>&1; then
        root=$(pyenv root)
        for dir in "$root"/versions/3.$minor*; do
            [ -x "$dir/bin/python" ] && python="$dir/bin/python"
        done
    fi
    [ -n "$python" ] || python=$(command -v python3.$minor || true)
    if [ -z "$python" ]; then
        echo "== Python 3.$minor: not on this machine, skipped"
        continue
    fi
    echo "== Python 3.$minor: $python"
    make test PYTHON="$python" VENV=".venv-3.$minor" PYTEST_ADDOPTS="--run-slow ${PYTEST_ADDOPTS:-}"
    found="$found 3.$minor"
done
[ -n "$found" ] || { echo "no Python 3.11, 3.12 or 3.13 found" >&2; exit 1; }
echo "== passed on:$found"
