# Set-up is the first step of every target; nothing but Python 3.11+, make and git is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
# One thread each: a run's results are promised per thread count, and two workers share two cores.
JOBS ?= 2
MINUTES ?= 10
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile
INPUTS := setup.cfg pyproject.toml constraints.txt

.PHONY: help install demo test test-all fuzz check bench docs screens clean

help:
	@echo "make install   install Tempo and its pinned dependencies into $(VENV)"
	@echo "make demo      train the demonstration study and write its report (about 6 minutes)"
	@echo "make test      run the tests (under 12 minutes on 2 cores)"
	@echo "make test-all  the slow tests too (under 40 minutes)"
	@echo "make fuzz      damage records at random for MINUTES=10; stops at the first find"
	@echo "make check     ruff, mypy --strict, import-linter"
	@echo "make bench     print the benchmarks' ratios"
	@echo "make docs      build the documentation as a site in build/site"
	@echo "make screens   record the first hour again: docs/first_hour.md and its pictures"
	@echo "make clean     remove what was generated here, but never records/"

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "Tempo needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 demo"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.python $(INPUTS)
	@echo "Installing Tempo and its pinned dependencies into $(VENV) ..."
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Installing what the tests need ..."
	$(PIP) --editable '.[test]'
	@# For the trained weights inside them alone, so without torchvision, which they import.
	$(PIP) --no-deps lpips dists-pytorch
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	@echo "Installing what the documentation needs ..."
	$(PIP) --editable '.[docs]'
	@touch $@

install: $(VENV)/.installed
	@echo "Tempo is installed. Activate it: source $(VENV)/bin/activate   then: tempo --help"

demo: $(VENV)/.installed
	$(BIN)/python run_experiment.py ablations/se_dilation.yaml --profile demo

test: $(VENV)/.installed-test
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.installed-test
	$(PYTEST)

# New examples on every round; those that failed are kept in .hypothesis and tried first.
fuzz: $(VENV)/.installed-test
	@HYPOTHESIS_PROFILE=explore OMP_NUM_THREADS=1 timeout $(MINUTES)m sh -c 'while \
	  $(BIN)/python -m pytest tests/hostile -m hypothesis --timeout 0 --exitfirst --quiet; \
	  do :; done; exit 1'; \
	code=$$?; [ $$code -eq 124 ] || exit $$code; echo "$(MINUTES) minutes ended without a report of a find." \
	  "One that was being made smaller is tried first next time."

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict tempo
	$(BIN)/lint-imports

# Not gpu_half_hour.py: it runs some of the others on a GPU, and needs videos.
bench: $(VENV)/.installed-test
	@for script in $(filter-out benchmarks/gpu_half_hour.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

# Not --quiet: it would hide warnings from --strict, and broken links would pass.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The site: build/site/index.html (with its search: $(BIN)/python -m http.server -d build/site)"

# Records that are there are used; what is missing is trained first, as make demo would.
screens: $(VENV)/.installed-test
	PYTHONPATH=docs $(BIN)/python -m screens

clean:
	rm -rf $(VENV) cache build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
