# Everything that CI does has a target here; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
WORKERS ?= 3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate --quiet
export OMP_NUM_THREADS ?= 1

.PHONY: help install servers demo test test-slow lint format bench mutation schemas docs screenshots lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

install: .venv/dev ## Make .venv with everything that developers need, `amana` included

servers: ## Install Java, Maven, Redis and PostgreSQL where we may, or say how
	@deploy/install-servers

demo: .venv/runtime ## A store's day, screened on this machine with Python alone
	$(BIN)/amana demo

test: .venv/dev servers ## Run the tests (minutes); one room: make test ARGS=tests/vault
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile $(ARGS)

test-slow: .venv/dev servers ## Run the long fault tests
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: .venv/dev ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev servers ## Measure speed and memory; results in benchmarks/results/
	$(BIN)/python -m benchmarks $(ARGS)

mutation: .venv/dev ## Change operators, compiler and guard a little, again and again: do the tests notice? (hours)
	$(BIN)/python -m benchmarks mutation --rounds 10 $(ARGS)

schemas: .venv/dev ## Write the events' JSON Schemas
	$(BIN)/amana schemas

docs: .venv/dev ## Write docs/cli.md from the commands' own help, docs/partners/ from the contracts
	$(BIN)/python docs/cli_reference.py
	$(BIN)/python -m sharing.docs

screenshots: .venv/dev ## Take pictures of the console's pages with Debian's Chromium, into var/screenshots
	$(BIN)/python -m tests.review.screenshots $(ARGS)

lock: .venv/dev ## Lock the dependencies of pyproject.toml in requirements/
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev -o requirements/dev.txt
	$(COMPILE) --group build -o requirements/build.txt

clean: ## Remove what the targets made
	rm -rf .venv var build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/dev: requirements/dev.txt .venv/runtime
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

.venv/runtime: requirements/runtime.txt requirements/build.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Amana needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
