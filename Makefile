# `make` alone lists the targets, with the text after ##.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help repro verify predict test everywhere doctor faults fuzz docs notebook lint bench recipes sweep scheduler worker lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: .venv/installed  ## run the pipeline: download, preprocess, train, evaluate, plot, page, predict
	dvc repro
	dvc metrics show

verify: .venv/installed  ## after make repro: show which results differ from the recorded ones
	python -m tools.verify

predict: .venv/installed  ## after make repro: read the digits in your own pictures, IMAGES="photo.jpg scan.png folder/"
	@python -m tools.predict

test: .venv/installed  ## run the tests
	python -m pytest -rs -n logical --dist loadgroup

everywhere: .venv/installed  ## train on emulated processors and with other versions of NumPy (15 minutes)
	@python -m tools.everywhere

doctor: .venv/installed  ## find what a crash or a failing disk broke, and show how to repair it
	@python -m tools.doctor

faults: .venv/installed  ## inject faults at every point of the pipeline and report what survives (35 minutes)
	python tests/faults/run.py --report tests/faults/report.md

fuzz: .venv/installed  ## fuzz the readers with millions of files, guided by coverage (15 minutes)
	pip install --quiet "$$(python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["fuzz"])')"
	python tests/faults/fuzz.py idx -runs=10000000
	python tests/faults/fuzz.py npy -runs=250000
	python tests/faults/fuzz.py npz -runs=250000

lint: .venv/installed  ## check style (ruff) and types (mypy)
	ruff check .
	ruff format --check .
	mypy

bench: .venv/installed  ## compare speed with PyTorch, scikit-learn and JAX (about an hour)
	.venv/bin/python -m pip install --quiet --constraint requirements.txt '.[bench]'
	dvc repro preprocess
	python -m benchmarks.speed

recipes: .venv/installed  ## train the recipes and ablations that experiments/results.csv lacks, write the tables (all: five hours)
	.venv/bin/python -m pip install --quiet --constraint requirements.txt '.[bench]'
	dvc repro fetch
	python -m experiments.run
	python -m experiments.other_writers
	python -m experiments.tables

sweep: .venv/installed  ## train combinations of parameters: SWEEP=NAME of experiments/sweeps; SCHEDULER=tcp://HOST:8786 for a cluster
	dvc repro fetch
	python -m experiments.sweep $(SWEEP)

scheduler: .venv/installed  ## start a scheduler for sweeps on several machines; `make worker` on each of them (docs/sweeps.md)
	DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION=1.0 python -m distributed.cli.dask_scheduler $(or $(OPTIONS),--host 127.0.0.1)

worker: .venv/installed  ## start a worker per processor core for SCHEDULER=tcp://HOST:8786
	python -m experiments.worker $(SCHEDULER) --nthreads 1 --nworkers $$(python -c 'from experiments.engine import cores; print(cores())') $(OPTIONS)

docs: .venv/installed  ## write the derived files: docs/rerun.md, params.schema.json, what docs/mathematics.md shows
	python -m tools.docs
	python -m tools.mathematics
	python -m tools.mathematics_figures

notebook: .venv/installed  ## write docs/mathematics.md as a Jupyter notebook, docs/mathematics.ipynb, to run and change
	.venv/bin/python -m pip install --quiet --constraint requirements.txt '.[notebook]'
	python -m tools.notebook

lock: .venv/installed  ## resolve the dependencies of pyproject.toml to requirements.txt
	pip install --quiet uv==0.13.9
	uv pip compile --quiet --universal --python-version 3.11 --extra dev --extra sweep \
	    --custom-compile-command "make lock" pyproject.toml --output-file requirements.txt

clean:  ## remove the environment (data, models and reports stay)
	rm -rf .venv

# DVC refuses to run without Git unless it is configured.
repro bench recipes sweep: git
.PHONY: git
git: .venv/installed
	@python -m tools.git

# With it, DVC's plots need no network. After git, because both write DVC's local configuration.
repro: .dvc/plots.html
.dvc/plots.html: .venv/installed tools/plots.py | git
	@python -m tools.plots

# The environment, made again when the pinned dependencies change. The stamp is written last, so that an installation
# that failed is repeated. The scripts of an environment contain its path, and pyvenv.cfg the command that made it: one
# that was moved or copied is made anew, and so is one whose Python is gone.
MOVED := $(shell sed -n 's/^command = .* -m venv \(--[a-z-]* \)*//p' .venv/pyvenv.cfg 2>/dev/null | \
    grep -vxF -e '$(CURDIR)/.venv' -e '$(realpath .venv)')
ifneq ($(or $(MOVED),$(if $(realpath .venv/bin/python),,gone)),)
.PHONY: .venv/installed
CLEAR := --clear
endif
.venv/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; choose one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(CLEAR) .venv
	.venv/bin/python -m pip install --quiet --requirement requirements.txt
	@touch $@
