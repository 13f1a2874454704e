"""A small project with a few recipes for the fixture's digits, after a run of its pipeline, to work in."""

import os
import shutil
import signal
from contextlib import chdir

import pytest
from distributed import LocalCluster

from experiments.cluster import connect, execute
from experiments.cluster.execute import IDENTITY
from experiments.recipes import resolve
from stages.evaluate import evaluate
from stages.fetch import fetch
from stages.pipeline import params
from stages.preprocess import preprocess
from stages.train import train
from tests.helpers import project

RECIPES = """
default:
  about: as it is
  goal: 12.5
  seeds: 2
wide:
  about: wide, on all images
  change: {preprocess: {validation_size: 0}, train: {hidden: [32]}}
  seeds: 1
no-decay:
  about: no weight decay
  base: default
  change: {train: {weight_decay: 0.0}}
  seeds: 2
"""


@pytest.fixture(scope="session")
def finished_lab(tmp_path_factory):
    root = tmp_path_factory.mktemp("experiments") / "lab"
    project.make(root)
    results = shutil.ignore_patterns("cache", "models", "*.csv", "*.md", "*.png", "*.yaml", "*.json", "__pycache__")
    shutil.copytree(project.ROOT / "experiments", root / "experiments", ignore=results)
    (root / "docs/figures").mkdir(parents=True)
    with chdir(root):
        for function in (fetch, preprocess, train, evaluate):
            function(**params.read(function))
        (root / "experiments/recipes/recipes.yaml").write_text(RECIPES)
        for trial in resolve.load()[1]:
            execute.prepare(trial)
    return root


@pytest.fixture
def lab(finished_lab, tmp_path, monkeypatch):
    """The working directory of a test: a project whose pipeline has run, with recipes that have not."""
    if not hasattr(os, "fork"):
        pytest.skip("a local cluster blocks signals: only on Unix")
    root = tmp_path / "lab"
    shutil.copytree(finished_lab, root)
    monkeypatch.chdir(root)
    handler = signal.getsignal(signal.SIGTERM)
    yield root
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def in_process(monkeypatch):
    """A cluster of two threads in this process instead of processes: it starts in no time."""

    def local(workers):
        return LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            dashboard_address="127.0.0.1:0",
            resources={IDENTITY: 1},
        )

    monkeypatch.setattr(connect, "local", local)
