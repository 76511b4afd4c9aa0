# Each target makes what it needs: a fresh clone runs `make demo` or `make test` at once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# torch compiles and computes with every core by default; the suite runs two workers instead
TEST_JOBS ?= 2

.PHONY: demo test check format clean

demo: $(VENV)/.installed
	$(BIN)/smiletrack quickstart

test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_JOBS)

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
