# Each target makes what it needs: a fresh clone runs `make demo` or `make test` at once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# torch compiles and computes with every core by default; the suite runs two workers instead
TEST_JOBS ?= 2

.PHONY: demo test check docs format lock clean

demo: $(VENV)/.installed
	$(BIN)/smiletrack quickstart

test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_JOBS)

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) docs

docs: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file .mkdocs/mkdocs.yml

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# the newest versions that fit together, for every Python and system at once
lock: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 --no-annotate --upgrade --quiet \
	    --no-emit-index-url --custom-compile-command "make lock" --output-file .github/requirements-dev.lock

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache
