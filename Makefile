# make setup   a virtual environment with everything, kernels compiled
# make demo    four methods on Old Faithful, one page to read: report.html
# make test    every check there is: style, types, documentation, tests and examples
# make slow    the tests that take minutes
# make bench   side by side with other libraries; prints ratios
# make clean   remove what these made, compiled kernels too; make distclean also removes .venv

SHELL := bash
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
PACKAGES := .venv/.packages
TOOLS := .venv/.tools
KERNELS := .venv/.kernels
# the examples first: each is long, and at the end one core would wait for them
PYTEST ?= -n auto --dist loadfile --no-loadscope-reorder -m "not slow" tests/test_examples.py tests

# One thread of BLAS for each process: the tests already run one process per core.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
# Many processes read the same modules: Python keeps what it compiled of them, also where a shell has it told not to.
export PYTHONDONTWRITEBYTECODE :=

# What one core does (pip, mypy, the pages) runs beside something else; the commands of a target stay in order.
MAKEFLAGS += --jobs=2

.PHONY: setup demo test style types rooms slow bench docs clean distclean
.DELETE_ON_ERROR:

setup: $(TOOLS) $(KERNELS)

$(PACKAGES): pyproject.toml constraints.txt
	@if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then \
		python=$$(bash scripts/find-python) && echo "Using $$python" && "$$python" -m venv --clear .venv; \
	fi
	$(PIP) editables hatchling
	$(PIP) --no-build-isolation -e .
	@touch $@

# Versions are pinned: this replaces nothing that the kernels, which are compiled meanwhile, are compiled with.
$(TOOLS): $(PACKAGES)
	$(PIP) --no-build-isolation -e '.[dev,docs]'
	@touch $@

$(KERNELS): $(PACKAGES)
	$(BIN)/python -m em_vs_bayes.program.warm
	@touch $@

demo: setup
	$(BIN)/em-vs-bayes compare faithful --report report.html
	@echo "The report is $(CURDIR)/report.html"

# The tests come last, so that the run closes on their summary line.
test: style types rooms docs
	$(BIN)/python -m pytest $(PYTEST)

style: $(TOOLS)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(TOOLS)
	$(BIN)/mypy

# Who imports whom: the contracts are in pyproject.toml, their picture in docs/contributing.md.
rooms: $(TOOLS)
	$(BIN)/lint-imports --no-cache

slow: setup
	$(BIN)/python -m pytest -m slow

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: setup
	$(PIP) --no-build-isolation -e '.[bench]'
	$(BIN)/python -m benchmarks

clean:
	rm -rf site report.html em_vs_bayes/kernels/compiled .pytest_cache .mypy_cache .ruff_cache $(KERNELS)
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv
