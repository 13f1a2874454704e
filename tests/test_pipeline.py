"""The whole pipeline, run once by real `dvc` on the fixture's digits; tests/slow runs it again after every change."""

import csv
import json

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
