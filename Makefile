# `make` or `make help` lists what there is. Everything installed goes to .venv/, everything computed to build/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help env study book live serve slides lab test test-slow lint bench train hooks clean

PROFILE ?= quick
MODEL ?=
SOURCE ?=
SHARD ?=
ENGINE ?=
PORT ?= 8000
# A name that runs: a version manager's python3.11 may exist and still refuse.
PYTHON ?= $(shell for p in python3.11 python3; do $$p -c '' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/installed

help: ## Show this list
	@echo "Usage: make TARGET [PROFILE=quick|smoke|paper] [MODEL=name] [SOURCE=place] [SHARD=i/n] [ENGINE=dask] [PORT=8000]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## Make .venv and install the locked requirements (the other targets do it when needed)

$(BIN)/python:
	@$(if $(PYTHON),,echo "No Python found: install Python 3.11." >&2; exit 1)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is too old: install Python 3.11, or name one by make PYTHON=..." >&2; exit 1; }
	@echo "[1/3] making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "Cannot make .venv: install Python's venv module (on Debian: python3-venv)." >&2; exit 1; }

# The stamp is the last thing written: an installation that was cut short is taken up again.
# Order-only: the interpreter's own date says nothing.
$(STAMP): requirements.lock pyproject.toml | $(BIN)/python
	@echo "[2/3] installing requirements.lock (minutes and gigabytes the first time: PyTorch is large)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock
	@echo "[3/3] installing locolib"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

study: $(STAMP) ## Run the notebooks and render the site (PROFILE, MODEL, SOURCE, SHARD, ENGINE); what is stored is not computed again
	@$(BIN)/locolib study --profile $(PROFILE) $(if $(MODEL),--model $(MODEL)) $(if $(SOURCE),--source "$(SOURCE)") \
		$(if $(SHARD),--shard $(SHARD)) $(if $(ENGINE),--engine $(ENGINE))

book: $(STAMP) ## Render the site again from the notebooks that were already run
	@$(BIN)/locolib study --book-only

live: $(STAMP) ## Export the models of the live page again, and renew it in the site
	@$(BIN)/locolib live --force

serve: $(STAMP) ## Show the site at http://localhost:8000 (PORT)
	@test -f build/site/index.html || { echo "There is no site yet: run make study." >&2; exit 1; }
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site $(PORT)

slides: $(STAMP) ## Make build/slides.html of the figures of the pages that were run: slides for a class, without network
	@$(BIN)/python -m locolib.study.slides

# Kernels start in notebooks/: the variable makes them share the store of `make study`.
lab: $(STAMP) ## Open the notebooks in JupyterLab
	@LOCOLIB_STORE="$(CURDIR)/build/store" $(BIN)/jupyter lab notebooks

# A process for each processor, each with one thread unless OMP_NUM_THREADS says otherwise; a file's tests stay together,
# as they share what they load.
test: $(STAMP) ## Run the tests that take seconds, side by side
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest -q -m "not slow" -n logical --maxprocesses 8 --dist loadfile

test-slow: $(STAMP) ## Run the tests that take minutes
	@$(BIN)/python -m pytest -q -m slow

lint: $(STAMP) ## Check style, imports, docstrings (ruff) and types (mypy)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet locolib tests benchmarks || { echo "Run .venv/bin/ruff format locolib tests benchmarks." >&2; exit 1; }
	@$(BIN)/mypy locolib

bench: $(STAMP) ## Time our sweep beside a plain loop and beside diffusers' own pipeline
	@$(BIN)/python benchmarks/sweep.py

train: $(STAMP) ## Train a bundled model again (MODEL, by default planted-sd-v1-5), in minutes to hours: overwrites data/organisms/MODEL, keeps checkpoints/
	@$(BIN)/locolib train locolib/organisms/configs/$(or $(MODEL),planted-sd-v1-5).toml

hooks: $(STAMP) ## Let git strip the outputs of notebooks when they are added
	@$(BIN)/nbstripout --install

clean: ## Remove build/: stored images and results, executed notebooks, the site
	@rm -rf build
