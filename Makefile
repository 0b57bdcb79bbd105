# make run    start the proxy on config.toml, setting up .venv before if need be
# make test   everything that has to pass before a change goes in
# make help   the rest

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
CONFIG ?= config.toml
# The Python to make the environment with; empty: the first that is new enough.
PYTHON ?=
# How often `make kills` kills the proxy; each takes about 1.6 s.
KILLS ?= 300
export PYTHON VENV

BIN := $(VENV)/bin
# Written when the environment has been filled: nothing is installed again until one of the files
# that say what belongs in it is younger.
RUN_READY := $(VENV)/.ready-run
DEV_READY := $(VENV)/.ready-dev

# The parts of `make test` follow one another: the first installs what the others need.
.NOTPARALLEL:
.PHONY: help run test tools lint format typecheck pytest kills soak fuzz bench lock upgrade wheel clean

help: ## list these
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

run: $(RUN_READY) ## start the proxy (make run CONFIG=other.toml ARGS="--log-level debug")
	@exec $(BIN)/exporter-proxy --config $(CONFIG) $(ARGS)

test: tools lint typecheck pytest ## set up what the tests need, check style and types, run all tests

tools: ## install the Debian packages that the tests need, where missing and as root
	@scripts/install-test-tools

lint: $(DEV_READY) ## check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(DEV_READY) ## bring the code into its format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

typecheck: $(DEV_READY) ## check types
	$(BIN)/mypy

# Much of a test's time is waiting for processes, so that there may be more tests than processors.
pytest: $(DEV_READY) ## run the tests alone (make pytest ARGS="tests/e2e -k nc")
	$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n 3)

kills: $(DEV_READY) ## kill the proxy at random moments and look what survives (make kills KILLS=500)
	@KILLS=$(KILLS) $(BIN)/python -m pytest -q -s tests/e2e/test_kills.py

soak: $(DEV_READY) ## everything at once, for 120 s or as long as is asked (make soak SECONDS=3600)
	@$(BIN)/python -m tests.soak $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

fuzz: $(DEV_READY) ## try each surface with hostile input for a minute (make fuzz SECONDS=600 ARGS="json_wire")
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(ARGS)

bench: $(DEV_READY) ## measure the proxy beside others (make bench ARGS="pushes scrapes --quick")
	@$(BIN)/python benchmarks/run.py $(ARGS)

lock: $(DEV_READY) ## write requirements/*.txt after a change in pyproject.toml
	@$(BIN)/pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@UV=$(BIN)/uv scripts/lock

upgrade: $(DEV_READY) ## lock the newest versions of everything
	@$(BIN)/pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@UV=$(BIN)/uv scripts/lock --upgrade

wheel: $(DEV_READY) ## build dist/*.whl
	$(BIN)/python -m build --wheel --no-isolation

clean: ## remove what these commands made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage

$(RUN_READY): pyproject.toml requirements/run.txt requirements/build.txt scripts/make-venv
	@scripts/make-venv run $(VENV)
	@touch $@

$(DEV_READY): pyproject.toml requirements/dev.txt scripts/make-venv
	@scripts/make-venv dev $(VENV)
	@touch $@ $(RUN_READY)
