# make night   set everything up and run the main job
# make test    what CI runs: lint, types, tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export REASSAY_HOME ?= var

.PHONY: help night test check bench clean

help:
	@sed -n 's/^# make/make/p' Makefile

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("reassay needs Python 3.11 or newer: make PYTHON=python3.12 night" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# Exit code 3 of the night means: incomplete, and its report says what was not checked.
night: $(VENV)/.installed
	@$(BIN)/reassay night run || test $$? -eq 3
	@echo "morning page: $(REASSAY_HOME)/reports/latest/morning.md (and .html)"

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/pytest -n 2 --dist loadfile

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/lab_throughput.py
	$(BIN)/python benchmarks/lab_decoding.py
	$(BIN)/python benchmarks/lab_many_seeds.py --seeds 4
	$(BIN)/python benchmarks/import_lines.py
	$(BIN)/python benchmarks/papers_load.py $(REASSAY_SNAPSHOT)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
