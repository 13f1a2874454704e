"""What the shorter pages show is what happens, on the fixture's digits."""

import csv
import re

import numpy as np
import project
import pytest

from stages.dataset import idx


def block(name, language):
    """The first code block of a language on a page."""
    text = (project.ROOT / name).read_text(encoding="utf-8")
    return re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]


def test_the_code_in_the_models_readme_predicts_what_evaluate_predicts(finished):
    result = project.run(finished, "python", "-W", "error", "-c", block("models/README.md", "python"))
    assert result.returncode == 0, result.stderr
    name, confidence = result.stdout.split(", ")
    with (finished / "reports/predictions.csv").open(encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    assert name == first["predicted"]
    assert float(confidence) == pytest.approx(float(first["confidence"]), abs=1e-3)


def test_the_models_readme_lists_every_array_with_its_type(finished):
    text = (project.ROOT / "models/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?`(?:, `.+?`)*(?:, \.\.\.)?) \| (\S+) \|", text, re.MULTILINE)
    listed = {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names)}
    with np.load(finished / "models/network.npz") as model:
        assert listed == {
            name: "text" if array.dtype.kind == "U" else str(array.dtype) for name, array in model.items()
        }


def test_the_code_in_the_data_sets_page_writes_idx_files(tmp_path):
    scope = {}
    exec(block("docs/datasets.md", "python"), scope)
    for array in (np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.arange(5, dtype=np.uint8)):
        scope["write_idx"](tmp_path / "file", array)
        np.testing.assert_array_equal(idx.read(tmp_path / "file"), array)


def test_the_doctor_prints_what_the_reliability_page_shows(finished):
    _, shown = block("docs/reliability.md", "console").splitlines()
    result = project.run(finished, "python", "-m", "tools.doctor")
    assert result.stdout == shown + "\n"
