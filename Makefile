# `make demo` and `make test` need nothing but Python 3.11+ and a package index; each makes .venv when it is missing.

PYTHON ?= python3
BIN := .venv/bin
DEMO := samples/kdconv-utterance-zh
# Through the environment, so that it also holds for what pip installs to build the wheel.
export PIP_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test soak kills lint bench invariants clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    tune a real model on real text; runs/demo holds the result"
	@echo "make test    all quick tests"
	@echo "make soak    the long ones: kills, full trainings"
	@echo "make kills   200 kills over four tasks, by one process and two; benchmarks/results/kills.md"
	@echo "make lint    ruff, mypy, import-linter"
	@echo "make bench WHAT=classify DATA=folder...   weitiao and its peers in turns; also predict, generate, sft"
	@echo "make invariants    what must be equal, measured on both: gradients, kills, flipped bits"

demo: .venv/.weitiao
	rm -rf runs/demo
	$(BIN)/weitiao tune $(DEMO)/train-300.jsonl --test $(DEMO)/test.jsonl --model e5-small --out runs/demo

test: .venv/.dev
	$(BIN)/pytest -m "not slow"

soak: .venv/.dev
	$(BIN)/pytest -m slow

kills: .venv/.dev
	$(BIN)/python benchmarks/kills.py .kills
	$(BIN)/python benchmarks/kills.py .kills --page benchmarks/results/kills.md

lint: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Runs for as long as the data needs: three turns of each side. WHAT: a script of benchmarks/, which says what DATA is.
WHAT ?= classify
bench: .venv/.weitiao .peers/.done
	$(BIN)/python benchmarks/$(WHAT).py $(if $(DATA),$(DATA),$(error name the folders: make bench DATA="folder..."))

invariants: .venv/.weitiao .peers/.done
	$(BIN)/python benchmarks/invariants

clean:
	rm -rf .venv .peers .kills

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.weitiao: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/pip install -q torch -e .
	touch $@

.venv/.dev: .venv/.weitiao
	$(BIN)/pip install -q torch -e ".[all,dev]"
	touch $@

# The peers' own environment: the same torch and transformers, and nothing of ours.
.peers/.done: benchmarks/peers.txt
	test -x .peers/bin/python || $(PYTHON) -m venv .peers
	.peers/bin/pip install -q -r benchmarks/peers.txt
	touch $@
