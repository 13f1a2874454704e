"""The speed that the README states is the measured one."""

import json

import numpy as np
import project

from benchmarks import speed


def test_the_readme_quotes_the_measured_ratios():
    data = json.loads(speed.RECORD.read_text())["measurements"]
    readme = (project.ROOT / "README.md").read_text()
    for words, threads in (("one thread", 1), ("two threads", 2)):
        seconds = {name: speed.epoch_seconds(data, name, 128, threads) for name in speed.CONTENDERS}
        own = seconds[speed.OURS]
        share = 100 * np.median(np.divide(seconds[speed.FLOOR], own))
        cells = [words, *(speed.ratios(seconds[name], own) for name in speed.PEERS), f"{share:.0f} %"]
        assert f"| {' | '.join(cells)} |" in readme


def test_the_page_is_made_from_the_record(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "PAGE", tmp_path / "speed.md")
    monkeypatch.setattr(speed, "PICTURE", tmp_path / "speed.png")
    speed.report()
    assert (tmp_path / "speed.md").read_bytes() == (project.ROOT / "benchmarks/speed.md").read_bytes()
