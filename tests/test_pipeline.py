"""The whole pipeline, run once by real `dvc` on the fixture's digits; tests/slow runs it again after every change."""

import csv
import json

import numpy as np
import pytest

from tests.helpers import project


def test_a_second_repro_runs_no_stage(finished):
    assert project.repro(finished) == []


def test_the_trained_network_recognizes_digits_and_the_reports_agree(finished):
    metrics = json.loads((finished / "reports/metrics.json").read_text())
    assert metrics["accuracy"] > 0.8
    assert set(metrics) == {"accuracy", "loss", "errors", "confidence", "calibration_error"}
    with (finished / "reports/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 200
    assert sum(row["actual"] != row["predicted"] for row in rows) == metrics["errors"]
    with (finished / "reports/history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == [str(n) for n in range(1, 9)]


def test_arrays_have_the_documented_form(finished):
    for name, n in (("train", 300), ("validation", 100), ("test", 200)):
        images, targets = (np.load(finished / f"data/processed/{name}_{part}.npy") for part in ("images", "targets"))
        assert (images.shape, targets.shape) == ((n, 784), (n, 10))
        assert images.dtype == targets.dtype == np.float32
        assert (targets.sum(axis=1) == 1).all()
        if name == "train":
            assert images.mean(dtype=float) == pytest.approx(0, abs=1e-5)
            assert images.std(dtype=float) == pytest.approx(1, abs=1e-5)
