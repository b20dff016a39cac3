# Everything is made in .venv; `make demo` and `make test` need nothing but Python, pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
# One worker a core: `make test WORKERS=0` runs the tests in one process.
WORKERS ?= 2
# Who tries the demo has not come for news of pip.
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-all coverage check format lint types arrows docs bench bench-quick soak clean

$(VENV)/.run: pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("entrepot needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(PY) tools/install_group.py test
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	$(PY) tools/install_group.py lint docs
	@touch $@

demo: $(VENV)/.run
	@$(PY) examples/demo.py

test: $(VENV)/.test
	$(PY) -m pytest -n $(WORKERS) -p randomly

# The same tests on every version that pyenv has (3.11, 3.12, 3.13), with the slow ones.
test-all:
	sh tools/test_all.sh

# Which lines and branches they run (40 minutes); writes docs/tests.md.
coverage: $(VENV)/.lint
	$(PY) tools/measure_coverage.py --run-slow

format: $(VENV)/.lint
	$(BIN)/ruff format --check .
lint: $(VENV)/.lint
	$(BIN)/ruff check .
types: $(VENV)/.lint
	$(BIN)/mypy
arrows: $(VENV)/.lint
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.lint
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Tests that act on a screen (a browser, a terminal) as a person does run by themselves. What fails beside others on a small,
# busy machine is run once more alone, and that counts: both runs are printed, and what is wrong fails twice.
check: format lint types arrows docs
	$(PY) -m pytest -n $(WORKERS) -p randomly --run-slow -ra -m screen || \
	    $(PY) -m pytest -p no:randomly --run-slow -ra -m screen --last-failed --last-failed-no-failures none
	$(PY) -m pytest -n $(WORKERS) -p randomly --run-slow -ra -m "not screen" || \
	    $(PY) -m pytest -p no:randomly --run-slow -ra -m "not screen" --last-failed --last-failed-no-failures none

bench: $(VENV)/.test
	$(PY) bench/run.py
# Fewer repetitions, and the page is not written.
bench-quick: $(VENV)/.test
	$(PY) bench/run.py --quick

# Half an hour of hard use of a warm store, with faults; writes docs/reliability.md.
soak: $(VENV)/.test
	env -u PYTHONDONTWRITEBYTECODE $(PY) tools/soak_store.py --seconds 1800 --output docs/reliability.md

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
