# Each target makes what it needs: a fresh clone runs `make demo` or `make test` at once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# torch compiles and computes with every core by default; the suite runs two workers instead
TEST_JOBS ?= 2

.PHONY: demo test check fuzz faults soak gpu docs format lock clean

demo: $(VENV)/.installed
	$(BIN)/smiletrack quickstart

test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_JOBS)

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) docs

# broken files into every reader, or the one that READER names, for SECONDS each
fuzz: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.run READER=$(READER) SECONDS=$(SECONDS) COUNT=$(COUNT) SEED=$(SEED)

# commands are killed at random moments and go on, disks fill
faults: $(VENV)/.installed
	OMP_NUM_THREADS=1 SMILETRACK_FULL=1 $(BIN)/python -m pytest tests/faults

# FRAMES frames through each preset
soak: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak.py FRAMES=$(FRAMES) PRESET=$(PRESET)

# whatever only a GPU tells; MINUTES of training for each network
gpu: $(VENV)/.installed
	$(BIN)/python -m tests.gpu DEVICE=$(DEVICE) MINUTES=$(MINUTES) OUTPUT=$(OUTPUT)

docs: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file .mkdocs/mkdocs.yml

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python -c 'from smiletrack.engine.warm_up import warm_up; warm_up()'
	touch $@

# the newest versions that fit together, for every Python and system at once
lock: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 --no-annotate --upgrade --quiet \
	    --no-emit-index-url --custom-compile-command "make lock" --output-file .github/requirements-dev.lock

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache
