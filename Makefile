# make demo | make test: everything from a bare machine with python3 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM = false

.PHONY: help install demo test lint clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/'

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

install: $(VENV)/.installed  ## make .venv and install mmvideo into it

demo: install    ## caption, classify and question the bundled clip; writes a picture into out/
	$(BIN)/mmvideo demo --out out

test: install    ## the whole test suite
	$(BIN)/python -m pytest

lint: install    ## ruff
	$(BIN)/ruff check .

clean:           ## remove everything that was made
	rm -rf $(VENV) out dist build .pytest_cache .ruff_cache
