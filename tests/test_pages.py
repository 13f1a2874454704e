"""What the shorter pages show is what happens, on the fixture's digits."""

import csv
import gzip
import re

import numpy as np
import pytest

from stages.dataset import idx
from stages.download.sources import File, verify
from stages.learning.model import load
from stages.pipeline import yaml_reader
from tests.helpers import project
from tools.docs import rerun


def blocks(name, language):
    """The code blocks of a language on a page."""
    text = (project.ROOT / name).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block(name, language):
    """The first code block of a language on a page."""
    return blocks(name, language)[0]


def test_the_code_in_the_models_readme_predicts_what_evaluate_predicts(finished):
    printed = project.must(finished, "python", "-W", "error", "-c", block("models/README.md", "python"))
    name, confidence, _ = printed.split(", ")
    with (finished / "reports/predictions.csv").open(encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    assert name == first["predicted"]
    assert float(confidence) == pytest.approx(float(first["confidence"]), abs=1e-3)


def test_the_code_for_other_places_needs_numpy_alone_and_gives_the_same_answers(finished):
    code = blocks("models/README.md", "python")[1]
    assert re.findall(r"^(?:import|from) .*", code, re.MULTILINE) == ["import numpy as np"]
    scope = {}
    exec(code, scope)
    images = np.concatenate([idx.read(finished / f"data/raw/{part}-images-idx3-ubyte") for part in ("t10k", "train")])
    images = np.concatenate([images, images[:9] // 32, images[:1] * 0])  # few shades; nothing
    names, confidence = scope["classify"](images, np.load(finished / "models/network.npz"))
    answers = load(finished / "models/network.npz").classify(images)
    assert names.tolist() == [answer.name for answer in answers]
    np.testing.assert_allclose(confidence, [answer.confidence for answer in answers], atol=1e-4)


def test_the_models_readme_lists_every_array_with_its_type(finished):
    text = (project.ROOT / "models/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?`(?:, `.+?`)*(?:, \.\.\.)?) \| (\S+) \|", text, re.MULTILINE)
    listed = {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names)}
    with np.load(finished / "models/network.npz") as model:
        arrays = {**model}
    assert listed == {name: "text" if array.dtype.kind == "U" else str(array.dtype) for name, array in arrays.items()}


def test_the_code_in_the_datasets_page_writes_idx_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(block("docs/datasets.md", "python"), {"labels": np.array([0, 7, 255])})
    assert idx.read("train-labels").tolist() == [0, 7, 255]
    for array in (
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.array([0, 3831], "int16"),
        np.array([-1], "int32"),
    ):
        read = idx.parse(project.idx_file(array))
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype


def test_the_entry_that_the_data_sets_page_prints_is_accepted(capsys):
    _, definition, call = blocks("docs/datasets.md", "python")
    roles = {}
    exec(call, {"print_files": lambda **paths: roles.update(paths)})
    assert list(roles) == list(project.ROLES)
    scope = {}
    exec(definition, scope)
    scope["print_files"](**{role: project.FIXTURE / f"{name}.gz" for role, name in project.ROLES.items()})
    printed, _ = yaml_reader.parse(capsys.readouterr().out, "printed")
    assert {role: file["name"] for role, file in printed.items()} == project.ROLES
    for file in printed.values():
        data = gzip.decompress((project.FIXTURE / f"{file['name']}.gz").read_bytes())
        assert verify(data, File(**file)) == data


def test_the_diagram_of_the_stages_is_what_dvc_prints(finished):
    printed = project.must(finished, "dvc", "dag", "--md").expandtabs(4)
    assert printed.strip() == f"```mermaid\n{block('docs/rerun.md', 'mermaid')}```"


def test_the_tables_of_reruns_are_fresh():
    text = (project.ROOT / "docs/rerun.md").read_text(encoding="utf-8")
    assert rerun.rerun_page(text, project.ROOT) == text, "run `make docs`"
