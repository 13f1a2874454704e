"""The speed that the README states is the measured one."""

import json
import re

import numpy as np
import pytest

from benchmarks import speed
from tests.helpers import project

README = (project.ROOT / "README.md").read_text()
THREADS = [("one thread", 1), ("two threads", 2)]


@pytest.fixture
def data():
    """The measurements whose figure the README shows."""
    (name,) = re.findall(r"\(benchmarks/speed/(.*)\.png\)", README)
    return json.loads((speed.RECORDS / f"{name}.json").read_text())["measurements"]


@pytest.mark.parametrize(("words", "threads"), THREADS)
def test_the_readme_quotes_the_measured_ratios(data, words, threads):
    seconds = {name: speed.epoch_seconds(data, name, 128, threads) for name in speed.CONTENDERS}
    own = seconds[speed.OURS]
    share = 100 * np.median(np.divide(seconds[speed.FLOOR], own))
    cells = [words, *(speed.ratios(seconds[name], own) for name in speed.PEERS), f"{share:.0f} %"]
    assert f"| {' | '.join(cells)} |" in README


@pytest.mark.parametrize(("words", "threads"), THREADS)
def test_the_readme_quotes_the_measured_seconds_to_an_accuracy(data, words, threads):
    racers = [name + kind for kind in (speed.FEW, "") for name in (speed.OURS, "JAX jit", "PyTorch eager")]
    runs = [speed.goal_runs(data, 0.985, name, threads) for name in racers]
    assert all(run["accuracy"][-1] >= 0.985 for of_racer in runs for run in of_racer)
    assert {len(of_racer) for of_racer in runs} == {10}
    cells = [words, *(f"{speed.goal_seconds(of_racer):.2f} s" for of_racer in runs)]
    assert f"| {' | '.join(cells)} |" in README


def test_the_page_is_made_from_the_records(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "PAGE", tmp_path / "speed.md")
    monkeypatch.setattr(speed.figures, "save", lambda *arguments: None)
    speed.report()
    assert (tmp_path / "speed.md").read_bytes() == (project.ROOT / "benchmarks/speed.md").read_bytes()
