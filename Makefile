# `make` says what there is. Everything happens in .venv and .kizuna, both below this directory.

PYTHON ?= python3
DEMO ?= cdnow
PYTEST_ARGS ?=
PYTEST_WORKERS ?= 3
UPGRADE ?=

BIN := .venv/bin
INSTALLED := .venv/.installed
PROJECTS := $(sort $(wildcard libs/*/pyproject.toml services/*/pyproject.toml gateway/pyproject.toml deploy/*/pyproject.toml))
PACKAGES := $(patsubst %/pyproject.toml,%,$(PROJECTS))
# In this order, so that what takes long in one piece comes first, and nobody waits for it at the end.
TESTS := $(wildcard tests/e2e tests/resilience services deploy tests/contract gateway libs)
# Names that the repository itself answers for: they never come from a registry.
OWN_NAMES = $(shell sed -n 's/^name = "\(kizuna-[a-z]*\)"/\1/p' $(PROJECTS))
PYTEST = $(BIN)/python -m pytest --numprocesses $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock"

# Bytecode is kept, whatever the environment says: each process of a test run would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run install test test-all check lint types imports dependencies bench bench-large contracts lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1 \t\2/' | expand -t 24

run: install ## start the whole platform and tell the story (DEMO=none: without it); Ctrl-C stops it
	@$(BIN)/kizuna up --demo $(DEMO)

install: $(INSTALLED) ## make .venv and install everything into it, by hash

$(INSTALLED): requirements.lock requirements-data.lock $(PROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Kizuna needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 run"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing packages into .venv (once; about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-data.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
		$(addprefix --editable ,$(PACKAGES))
	@touch $@

test: check ## all checks and every test that is not slow (under 8 minutes on 2 cores)
	@$(PYTEST) -m "not slow" $(PYTEST_ARGS) $(TESTS)

test-all: check ## all checks and every test
	@$(PYTEST) $(PYTEST_ARGS) $(TESTS)

check: lint types imports dependencies

lint: install ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: install ## mypy, strict
	@$(BIN)/mypy --num-workers 2 libs services gateway deploy tests

imports: install ## who may import whom
	@$(BIN)/lint-imports --no-logo

dependencies: install ## every package declares what it imports, no more and no less
	@set -e; for package in $(PACKAGES); do \
		(cd $$package && $(CURDIR)/$(BIN)/deptry src $$(test ! -d migrations || echo migrations) --no-ansi \
			--optional-dependencies-dev-groups testing \
			--package-module-name-map "kizuna-contracts=contracts,kizuna-servicekit=servicekit,kizuna-local=kizuna_local" \
			> .deptry.log 2>&1) || { echo "deptry: $$package"; grep DEP $$package/.deptry.log; exit 1; }; \
		rm -f $$package/.deptry.log; \
	done

bench: install ## measure P1, P2, P5 to P12 (the first time, making a million customers takes ten minutes more)
	@$(BIN)/python -m tests.bench

bench-large: install ## measure P10 at ten million customers: hours, and 170 GB of disk (EVENTS_PER_CUSTOMER=2 SEGMENTS=10: 15 minutes, and 25)
	@$(BIN)/python -m tests.bench P10-large

contracts: install ## write the facts' schema snapshots and docs/events.md
	@$(BIN)/python libs/contracts/generate.py

lock: $(BIN)/uv ## resolve requirements.lock anew (UPGRADE=--upgrade: to the newest)
	@{ cat requirements-dev.in; printf './%s\n' $(PACKAGES); } \
		| $(UV_COMPILE) $(UPGRADE) $(addprefix --no-emit-package ,$(OWN_NAMES)) --output-file requirements.lock -
	@$(UV_COMPILE) $(UPGRADE) --no-deps --output-file requirements-data.lock requirements-data.in

$(BIN)/uv:
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

clean: ## stop the platform and remove .venv, .kizuna and caches
	@if [ -x $(BIN)/kizuna ]; then $(BIN)/kizuna reset --yes; fi
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
