"""The stage that reads your own pictures."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from stages import predict
from stages.dataset import idx
from stages.learning.model import load
from stages.photos import decode
from stages.pipeline import files
from tests.helpers import project


@pytest.fixture
def root(finished, tmp_path, monkeypatch):
    """A directory with the results of the finished run that the stage needs, and no picture."""
    for name in ("data/raw", "models"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(finished / name)
    (tmp_path / "reports").mkdir()
    (tmp_path / "data/photos").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(root):
    return files.read_rows(root / "reports/photos.csv", predict.COLUMNS)


def test_the_pipeline_reads_the_picture(finished):
    read = rows(finished)
    labels = idx.read(finished / "data/raw/t10k-labels-idx1-ubyte")[:3]
    assert sum(row["digit"] == str(label) for row, label in zip(read, labels, strict=True)) >= 2  # the network is small
    assert {row["file"] for row in read} == {"a row.png"}
    assert [row["number"] for row in read] == ["1", "2", "3"]
    lefts = [int(row["left"]) for row in read]
    assert lefts == sorted(lefts)
    assert all(row["note"].startswith("dark on light (border") for row in read)


def test_without_pictures_the_results_are_empty_and_valid(root, capsys):
    (root / "data/photos/README.md").write_text("no picture")
    predict.predict(dpi=50)
    assert (root / "reports/photos.csv").read_text() == ",".join(predict.COLUMNS) + "\n"
    with Image.open(root / "reports/photos.png") as figure:
        assert figure.width > 200
    assert capsys.readouterr().out == "0 pictures in data/photos, 0 digits\n"


def test_a_bad_picture_has_a_row_and_the_others_are_answered(root, capsys):
    project.add_photo(root / "data/photos/z.png")
    (root / "data/photos/more").mkdir()
    Image.new("L", (90, 90), 200).save(root / "data/photos/more/blank.png")
    (root / "data/photos/broken.jpg").write_bytes(b"\xff\xd8\xff")
    predict.predict(dpi=50)
    read = rows(root)
    assert [row["file"] for row in read] == ["broken.jpg", "more/blank.png", *["z.png"] * 3]
    assert [row["digit"] != "" for row in read] == [False, False, True, True, True]
    assert read[1]["note"].startswith("blank")
    errors = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in errors] == ["broken.jpg", "more/blank.png"]


def test_an_answer_is_sure_from_the_thresholds_of_the_model_on(root):
    project.add_photo(root / "data/photos/a.png")
    model = replace(load("models/network.npz"), confidence=0.0, similarity=0.0)
    first = predict.read(model, root / "data/photos/a.png", "a.png").digits[0]
    for name in ("confidence", "similarity"):
        for change, sure in ((-1e-5, True), (1e-5, False)):
            other = replace(model, **{name: getattr(first, name) + change})
            assert predict.read(other, root / "data/photos/a.png", "a.png").digits[0].sure == sure
    picture = predict.read(replace(model, similarity=1.1), root / "data/photos/a.png", "a.png")
    assert len(picture.digits) == 3
    assert picture.problem.startswith("no digit found: ")


def test_a_name_that_is_not_text_is_printable(root):
    assert decode.printable("a\nb\udcff 7.png") == r"a\nb\udcff 7.png"
    assert predict.read(load("models/network.npz"), root / "data/photos", "x\r").name == r"x\r"


def test_many_pictures_and_many_digits_fit_the_figure(root):
    for n in range(45):
        Image.fromarray(np.full((20, 20), n, np.uint8)).save(root / f"data/photos/{n:02}.png")
    project.add_photo(root / "data/photos/00.png", 8)
    predict.predict(dpi=50)
    assert len(rows(root)) == 8 + 44
