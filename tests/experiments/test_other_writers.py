"""Digits by other writers, as MNIST's are."""

import numpy as np
import pytest

from experiments import other_writers, recipes, results
from experiments.other_writers import centered, enlarged
from experiments.tables import spread


def test_a_digit_is_enlarged_and_centered_by_mass():
    image = np.zeros((1, 8, 8))
    image[0, 1:3, 5:7] = 100
    larger = enlarged(image)
    assert larger.shape == (1, 20, 20)
    assert larger.sum() == pytest.approx(image.sum() * 2.5**2)  # as much ink per area
    framed = centered(larger)
    assert framed.shape == (1, 28, 28)
    rows, columns = np.indices((28, 28))
    center = [(axis * framed[0]).sum(dtype=float) / framed.sum(dtype=float) for axis in (rows, columns)]
    assert center == pytest.approx([13.5, 13.5], abs=0.5)


def test_the_page_compares_the_recipes(lab, in_process, monkeypatch):
    images = np.zeros((4, 28, 28), np.uint8)
    monkeypatch.setattr(other_writers, "read_digits", lambda: (images, np.array([1, 1, 1, 1])))
    monkeypatch.setattr(other_writers, "COMPARED", {"default": "deskewed"})
    other_writers.main()
    rows = [row for row in results.read() if row.recipe == "default"]
    page = (lab / "experiments/other_writers.md").read_text()
    assert f"| deskewed | {spread(row.validation_accuracy for row in rows)} | " in page
    assert "All rows are of code " in page
    before = results.RESULTS.read_bytes()

    # A clone has no models: they are trained again, to the same bytes, and the results stay as they are.
    models = {path.name: path.read_bytes() for path in results.MODELS.iterdir()}
    for path in results.MODELS.iterdir():
        path.unlink()
    other_writers.main()
    assert {path.name: path.read_bytes() for path in results.MODELS.iterdir()} == models
    assert results.RESULTS.read_bytes() == before
    assert len(models) == sum(trial.recipe == "default" for trial in recipes.load()[1])
