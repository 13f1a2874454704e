"""What models/README.md and docs/reliability.md show is what happens, on the fixture's digits."""

import csv
import re

import numpy as np
import project
import pytest


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


def test_the_doctor_prints_what_the_reliability_page_shows(finished):
    _, shown = block("docs/reliability.md", "console").splitlines()
    result = project.run(finished, "python", "-m", "tools.doctor")
    assert result.stdout == shown + "\n"
