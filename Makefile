# What each target does stands behind its ##; `make` alone lists them.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help repro verify test doctor faults fuzz docs lint bench recipes lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: .venv/installed  ## run the pipeline: real digits in; a trained, measured and pictured network out
	dvc repro
	dvc metrics show

verify: .venv/installed  ## after make repro: say which results differ here from the recorded ones
	python tools/verify.py

test: .venv/installed  ## run the tests
	python -m pytest -n logical --dist loadgroup

doctor: .venv/installed  ## find what a crash or a failing disk broke, and say how to repair it
	@python -m tools.doctor

faults: .venv/installed  ## break the pipeline on purpose, at every point, and count what survives (35 minutes)
	python tests/faults/run.py --report tests/faults/report.md

fuzz: .venv/installed  ## throw millions of made-up files at the readers, guided by coverage (a quarter of an hour)
	pip install --quiet "$$(python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["fuzz"])')"
	python tests/faults/fuzz.py idx -runs=10000000
	python tests/faults/fuzz.py npy -runs=250000
	python tests/faults/fuzz.py npz -runs=250000

lint: .venv/installed  ## check style (ruff) and types (mypy)
	ruff check .
	ruff format --check .
	mypy

bench: .venv/installed  ## measure speed beside PyTorch, scikit-learn and JAX (about an hour)
	.venv/bin/python -m pip install --quiet --constraint requirements.txt '.[bench]'
	dvc repro preprocess
	python -m benchmarks.speed

recipes: .venv/installed  ## train the recipes and ablations that experiments/results.csv lacks, write the tables (all: five hours)
	.venv/bin/python -m pip install --quiet --constraint requirements.txt '.[bench]'
	dvc repro fetch
	python -m experiments.run
	python -m experiments.other_writers
	python -m experiments.tables

docs: .venv/installed  ## write what is derived: docs/rerun.md and params.schema.json
	python -m tools.docs

lock: .venv/installed  ## resolve the pinned dependencies of pyproject.toml to requirements.txt
	pip install --quiet uv==0.13.9
	uv pip compile --quiet --universal --python-version 3.11 --extra dev \
	    --custom-compile-command "make lock" pyproject.toml --output-file requirements.txt

clean:  ## remove the environment (data, models and reports stay)
	rm -rf .venv

# The environment, made anew when the pinned dependencies change. The stamp is written last: a broken
# installation is never taken for a whole one.
.venv/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --requirement requirements.txt
	@touch $@
