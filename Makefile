# Everything happens inside this folder: packages in .venv, Airflow's state in .airflow.
PYTHON ?= python3

TESTS ?= tests/integration

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
INSTALL := $(PIP) --quiet install --constraint constraints.txt
STAMP := $(VENV)/.installed

# pytest keeps the folders of its last runs: here, and not in the system's temporary folder.
IN_TMP := mkdir -p .airflow/tmp && TMPDIR="$$PWD/.airflow/tmp" $(PY) -m
PYTEST := $(IN_TMP) pytest

# Settings of another project's Python must not leak into this one.
unexport PYTHONHOME
unexport PYTHONPATH
# What Python has compiled is kept: the tests and Airflow start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP) ## from a prompt to images, a video and an export, through real Airflow tasks on the sandbox
	@$(PY) -m scripts demo

test: $(STAMP) ## run the tests
	@$(IN_TMP) scripts suite

airflow: $(STAMP) ## start Airflow's UI with the sandbox and the example DAGs (PORT=8080)
	@$(PY) -m scripts airflow_ui

lint: $(STAMP) ## check style, format, types and the direction of imports
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --quiet --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-logo --no-cache

bench: $(STAMP) ## measure the provider against simpler code, and write BENCHMARKS.md (PART=export shows one part)
	@$(INSTALL) --no-build-isolation --editable '.[amazon]' --group bench --group s3
	@AIRFLOW_HOME="$$PWD/.airflow/bench" $(PY) -m bench $(PART)

docs: $(STAMP) ## build the documentation site, and check its links
	@$(INSTALL) --group docs
	@$(PY) -m scripts docs

package: $(STAMP) ## build wheel and sdist into dist, check them, and list what the wheel brings in sbom
	@$(INSTALL) --group matrix --group release
	@$(PY) -m scripts package

wheel: $(STAMP) ## use the wheel in an empty Airflow of each supported release (ROWS=lowest,newest for some)
	@$(INSTALL) --group matrix
	@ROWS='$(ROWS)' $(PY) -m scripts wheel

kit: $(STAMP) ## follow the guide about testing with nothing but the wheel, and check a user's DAG with mypy and pyright
	@$(INSTALL) --group types
	@$(PYTEST) tests/wheel tests/typing

browser: $(STAMP) ## look at the pages through Chromium or Chrome (CHROMIUM=/path/to/it)
	@$(PYTEST) tests/browser

integration: $(STAMP) ## run only the tests that go through a running Airflow, sandbox or S3 server (TESTS=... for some)
	@$(INSTALL) --no-build-isolation --editable '.[amazon]' --group s3
	@$(PYTEST) $(TESTS)

matrix: $(STAMP) ## run the tests on each supported Airflow and Python (ROWS=lowest,newest for some)
	@$(INSTALL) --group matrix
	@ROWS='$(ROWS)' $(PY) -m scripts matrix

constraints: $(STAMP) ## renew the versions in constraints.txt
	@$(INSTALL) --group matrix
	@$(PY) -m scripts constraints

clean: ## remove everything that the other targets made
	rm -rf $(VENV) .airflow dist sbom docs/_build docs/reference .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help demo test airflow lint docs package wheel kit browser integration bench matrix constraints clean moved

$(STAMP): pyproject.toml constraints.txt
	@sh scripts/venv.sh '$(PYTHON)' $@

# A virtual environment holds its own path; after a move it is built again.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(shell pwd -P))
$(STAMP): moved
endif
