# make demo | make test: everything from a bare machine with python3 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM = false

.PHONY: help install demo test test-fast notebooks lowest lint types docs tree clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/'

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; sys.exit(0 if sys.version_info >= (3, 11) else \
		"mmvideo needs Python 3.11 or newer, and $(PYTHON) is " + v + ". Name another: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

install: $(VENV)/.installed  ## make .venv and install mmvideo into it (torch: about 3 minutes, 7 GB)

demo: install    ## caption, classify and question the bundled clip; writes a picture into out/
	$(BIN)/mmvideo demo --out out

test: install    ## the whole test suite, in two processes of one thread each
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal --durations=10

test-fast: install  ## the tests that take less than ten seconds each
	$(BIN)/python -m pytest -m "not slow"

notebooks: install  ## run the notebooks of docs/notebooks from first to last cell (about a minute of one core)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[notebook]"
	$(BIN)/python docs/notebooks/run.py

lowest:          ## core tests against the lowest supported versions of the dependencies, in .venv-lowest
	test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-lowest/bin/uv pip install --python .venv-lowest/bin/python --resolution lowest-direct -e ".[dev]"
	.venv-lowest/bin/python -m pytest -m "not slow" tests/media tests/sampling tests/vlm tests/hub tests/nn tests/test_*.py

lint: install types  ## ruff and mypy
	$(BIN)/ruff check .

types: install   ## mypy; fails where a part has more errors than tests/typecheck/ratchet.json allows
	$(BIN)/python tests/typecheck/ratchet.py

docs:            ## build the documentation site into site/, in an environment of its own
	test -x .venv-docs/bin/python || $(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check "mkdocs-material>=9.5" "mkdocstrings[python]>=0.26"
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict

tree: install    ## write the tree of files in docs/files.md anew
	$(BIN)/python docs/tree.py

clean:           ## remove everything that was made
	rm -rf $(VENV) out dist build .pytest_cache .ruff_cache .cache/mypy
