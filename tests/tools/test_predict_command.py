"""`make predict`: a line per digit, and one per picture that is none."""

import csv
import io
import subprocess

import pytest
from PIL import Image

from tests.helpers import project
from tools.predict import main


@pytest.fixture
def root(finished, tmp_path, monkeypatch):
    """A directory from which the results of the finished run are found, with pictures."""
    for name in ("data", "models", "reports"):
        (tmp_path / name).symlink_to(finished / name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    project.add_photo(tmp_path / "one.png", 1)
    project.add_photo(tmp_path / "folder/row.png", 3)
    Image.new("L", (90, 90), 200).save(tmp_path / "blank.png")
    return tmp_path


def test_a_line_for_each_digit_and_a_figure(root, capsys):
    assert main(["one.png", "folder"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert printed.err == ""
    assert [line.split(":")[0] for line in lines] == ["one.png", *["folder/row.png"] * 3, "predict.png"]
    assert "digit 2 of 3: " in lines[2]
    assert all("confidence 0." in line and "dark on light: the border" in line for line in lines[:-1])
    with Image.open(root / "predict.png") as figure:
        assert figure.width > 500


def test_bad_pictures_are_lines_of_their_own_and_the_others_are_answered(root, capsys):
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "empty").mkdir()
    assert main(["blank.png", "broken.png", "missing.jpg", "empty", "one.png"]) == 1
    printed = capsys.readouterr()
    assert [line.split(":")[0] for line in printed.err.splitlines()] == [
        "blank.png",
        "broken.png",
        "missing.jpg",
        "empty",
    ]
    assert printed.out.startswith("one.png: ")


def test_a_table_for_programs(root, capsys):
    assert main(["--csv", "blank.png", "folder", "--figure", "other.png"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["file"] for row in rows] == ["blank.png", *["folder/row.png"] * 3]
    assert [row["number"] for row in rows] == ["", "1", "2", "3"]
    assert rows[0]["note"].startswith("blank")
    assert (root / "other.png").exists()


def test_without_a_model_or_a_picture_it_says_what_to_do(root, tmp_path, monkeypatch, capsys):
    assert main([]) == 2
    assert "make predict IMAGES=" in capsys.readouterr().err
    (root / "reports").unlink()
    assert main(["one.png"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("predict: reports/thresholds.json: not found; `dvc repro` makes it")
    assert len(error.splitlines()) == 1


def test_make_hands_the_pictures_over():
    command = ["make", "--dry-run", "predict", "IMAGES=a.png folder/"]
    done = subprocess.run(command, cwd=project.ROOT, capture_output=True, text=True, check=True)
    assert "python -m tools.predict a.png folder/\n" in done.stdout
