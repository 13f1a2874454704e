# `make` alone lists the targets, with the text after ##.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONSAFEPATH  # with it, python -m does not find the modules of this directory
# uv, if it is there, installs the same packages faster.
INSTALL = $$(command -v uv > /dev/null && echo uv pip install --python .venv || echo .venv/bin/python -m pip install) --quiet

.DEFAULT_GOAL := help
.PHONY: help repro verify compare predict test test-all everywhere faults fuzz docs lint bench recipes sweep scheduler worker lock clean

help:  # list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: .venv/installed  ## run the pipeline: download, preprocess, train, evaluate, plot, page, predict
	@python -m tools.unlock
	dvc repro
	dvc metrics show

verify: .venv/installed  ## after make repro: show which results differ from the recorded ones
	python -m tools.verify

# With the columns that matter and differ: accuracies, not the rest of the metrics.
compare: .venv/installed  ## list the experiments, best validation accuracy first
	@dvc exp show --only-changed --drop '.*/|params.yaml|Created|Executor|.*loss|errors|conf|calib' \
		--sort-by validation_accuracy --sort-order desc $(OPTIONS)

predict: .venv/installed  ## after make repro: read the digits in your own pictures, IMAGES="photo.jpg scan.png folder/"
	@python -m tools.predict

sweep: .venv/dev  ## train combinations of parameters: SWEEP=NAME of experiments/sweeps; SCHEDULER=tls://HOST:8786 for a cluster
	dvc repro fetch
	python -m experiments.sweeps.sweep $(SWEEP)

recipes: .venv/dev .venv/bench  ## train the recipes and ablations that have no row yet, write the tables (all: five hours)
	dvc repro fetch
	python -m experiments.recipes.run
	python -m experiments.recipes.other_writers
	python -m experiments.recipes.tables

bench: .venv/bench  ## compare speed with PyTorch and JAX (20 minutes)
	dvc repro preprocess
	python -m benchmarks.speed

test: .venv/dev  ## run the fast tests (two minutes); `make test-all` also runs those in tests/slow (seven minutes)
	python -m pytest -n logical

test-all: .venv/dev  # they need a browser: apt-get install chromium chromium-driver
	python -m pytest -m "slow or not slow" -rs -n logical --dist loadgroup

lint: .venv/dev  ## check style (ruff) and types (mypy)
	ruff check .
	ruff format --check .
	mypy

docs: .venv/dev  ## write the derived files: docs/rerun.md, params.schema.json, what docs/mathematics.md shows
	python -m tools.docs

clean:  ## remove the environment (data, models and reports stay)
	rm -rf .venv

scheduler: .venv/dev  # start a scheduler for sweeps on several machines; `make worker` on each of them (docs/sweeps.md)
	python -m experiments.cluster.scheduler $(OPTIONS)

worker: .venv/dev  # start a worker per processor core for SCHEDULER=tls://HOST:8786, again whenever it is lost
	@while python -m experiments.cluster.worker $(SCHEDULER) --nthreads 1 --nworkers -1 $(OPTIONS); [ $$? -lt 2 ]; do sleep 10; done; exit 2

everywhere: .venv/dev  # train on emulated processors and with other versions of NumPy (15 minutes)
	@python -m tests.exact.everywhere

faults: .venv/dev  # inject faults at every point of the pipeline and report what survives (half an hour)
	python -m tests.faults.run

fuzz: .venv/fuzz  # fuzz the readers with millions of files, guided by coverage (15 minutes)
	python -m tests.faults.fuzz idx -runs=10000000
	python -m tests.faults.fuzz npy -runs=250000
	python -m tests.faults.fuzz npz -runs=250000

# Resolve the dependencies of pyproject.toml: what the pipeline needs, and on top of it what groups of targets need. With
# the digest of each file, but for the benchmark's: PyTorch has one for every kind of processor.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command "make lock" pyproject.toml
HASHED = $(COMPILE) --generate-hashes
lock: .venv/installed
	command -v uv > /dev/null || $(INSTALL) uv==0.13.9
	$(HASHED) --output-file requirements.txt
	$(HASHED) --constraint requirements.txt --extra dev --extra s3 --extra sweep --output-file requirements-dev.txt
	$(HASHED) --constraint requirements.txt --extra s3 --output-file requirements-s3.txt
	$(HASHED) --constraint requirements.txt --extra fuzz --output-file requirements-fuzz.txt
	$(COMPILE) --constraint requirements.txt --extra bench --output-file requirements-bench.txt

# DVC refuses to run without Git unless it is configured.
repro bench recipes sweep: git
.PHONY: git
git: .venv/installed
	@if git rev-parse --git-dir > /dev/null 2>&1; then ! grep -qs no_scm .dvc/config.local || dvc config --local --unset core.no_scm; \
	elif LC_ALL=C git rev-parse 2>&1 | grep -A 4 dubious >&2; then exit 1; \
	else dvc config --local core.no_scm true; echo "Without a Git repository, dvc exp, dvc ... diff, make verify and make test refuse to run"; fi

# With it, DVC's plots need no network. After git, because both write DVC's local configuration.
repro: .dvc/plots.html
.dvc/plots.html: .venv/installed tools/plots.py | git
	@python -m tools.plots

# The environment, made again when the pinned dependencies change, its Python is gone, or it was moved: its scripts
# contain its path. The stamp, which has the path, is written last, so that an installation that failed is repeated.
ifneq ($(shell [ -x .venv/bin/python ] && cat .venv/installed),$(realpath .venv))
.PHONY: .venv/installed
endif
.venv/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; choose one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear .venv
	$(INSTALL) --requirement requirements.txt
	@cd .venv && pwd -P > installed

.venv/%: requirements-%.txt .venv/installed
	$(INSTALL) --requirement $<
	@touch $@
