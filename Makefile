# `make book` and `make test` are all that most people need; `make help` lists the rest.

BIN := .venv/bin
CORES ?= all
PROFILE ?= quick
PAPERS ?=
# Options for Snakemake and pytest, as in `make book SNAKEMAKE="--dry-run"` and `make test PYTEST="-k kernels"`.
SNAKEMAKE ?=
PYTEST ?=
UV ?= uv
# Cells use a name again for the next thing; what counts here is that every name and signature exists.
NOTEBOOK_TYPES = --disable-error-code assignment --disable-error-code arg-type \
	--disable-error-code operator --disable-error-code union-attr --disable-error-code misc \
	--disable-error-code var-annotated
export PYTHON EXTRA

.DEFAULT_GOAL := help
.PHONY: help venv book papers test lint bench lock clean

help:
	@echo "make book    run every notebook at profile quick and build the book (_build/html/index.html)"
	@echo "make test    lint, types, unit tests, every notebook, and the built book in a browser"
	@echo "make papers  run notebooks at another profile: make papers PROFILE=standard PAPERS=slug,slug"
	@echo "make lint    ruff and mypy alone"
	@echo "make bench   benchmarks, each beside what one would use instead"
	@echo "make venv    the environment alone (.venv, from requirements.lock)"
	@echo "make lock    resolve the locks and environment.yml again (needs uv)"
	@echo "make clean   remove what was built: _build, runs, caches (keeps .venv)"
	@echo
	@echo "Variables: EXTRA=cuda12|cuda13|none  PYTHON=python3.12  CORES=4"

venv:
	@sh workflow/setup.sh

book: venv
	@$(BIN)/snakemake book --cores $(CORES) $(SNAKEMAKE)
	@if [ -f _build/html/index.html ]; then echo "The book: $(CURDIR)/_build/html/index.html"; fi

papers: venv
	@$(BIN)/snakemake papers --cores $(CORES) $(SNAKEMAKE) --config profile=$(PROFILE) papers=$(PAPERS)

lint: venv
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/nbqa mypy notebooks $(NOTEBOOK_TYPES)

# The book comes first: what it has run is not run again by the tests of the notebooks. The tests of one file stay in
# one process, since they share what is expensive to set up.
test: lint book
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile $(PYTEST)

bench: venv
	$(BIN)/python -m pytest benchmarks --benchmark-only $(PYTEST)

lock:
	UV="$(UV)" python3 workflow/lock.py

clean:
	rm -rf _build runs book/papers book/generated dist .snakemake .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
