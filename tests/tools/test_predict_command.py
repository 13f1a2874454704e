"""`make predict`: a line per digit, and one per picture that is none."""

import csv
import io
import os
import re
import shutil

import pytest
from PIL import Image

from stages.photos import decode
from tests.helpers import project
from tests.helpers.unix import unix
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


def run(*arguments):
    """The exit code."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code)


def test_a_line_for_each_digit_and_a_figure(root, capsys):
    assert run("one.png", "folder") == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert printed.err == ""
    assert [line.split(":")[0] for line in lines] == ["one.png", *["folder/row.png"] * 3, "predict.png"]
    assert "digit 2 of 3: " in lines[2]
    assert all("confidence 0." in line and "dark on light (border" in line for line in lines[:-1])
    with Image.open(root / "predict.png") as figure:
        assert figure.width > 500


def test_a_table_for_programs(root, capsys):
    assert run("--csv", "blank.png", "folder", "--figure", "other.png") == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["file"] for row in rows] == ["blank.png", *["folder/row.png"] * 3]
    assert [row["number"] for row in rows] == ["", "1", "2", "3"]
    assert rows[0]["note"].startswith("blank")
    assert (root / "other.png").exists()


def test_the_name_of_a_file_is_no_formula_in_a_table(root, capsys):
    shutil.copy("blank.png", "=1+1.png")
    run("--csv", "=1+1.png")
    assert "\n'=1+1.png," in capsys.readouterr().out


def test_without_a_model_or_a_picture_it_says_what_to_do(root, capsys):
    assert run() == 2
    assert "make predict IMAGES=" in capsys.readouterr().err
    (root / "models").unlink()
    assert run("one.png") == 1
    assert capsys.readouterr().err.startswith("predict: models/network.npz: not found; `dvc repro` makes it")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not there")
def test_make_hands_over_names_with_spaces_parentheses_and_quotes(root):
    names = ["my photo (1).png", "Anna's 7.png", 'a "1".png', "two  spaces.png"]
    for name in names:
        shutil.copy("one.png", name)
    makefile = (project.ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^predict:.*\n\t(.*)$", makefile, re.MULTILINE)
    code = "import os; from tools.predict import split; print(*split(os.environ['IMAGES']), sep='|')"
    (root / "Makefile").write_text(
        "predict:\n\t" + recipe.replace("-m tools.predict", f'-c "{code}"'), encoding="utf-8"
    )
    text = f"{' '.join(names)}  'one.png' bl*.png folder/ missing.png"
    command = ["make", "predict", f"IMAGES={text}"]
    done = project.run(root, *command, PYTHONPATH=str(project.ROOT))
    assert done.stdout == "|".join([*names, "one.png", "blank.png", "folder", "missing.png\n"]), done.stderr


def test_answers_are_printed_as_they_come_and_a_figure_that_cannot_be_written_costs_none(root, capsys, monkeypatch):
    read, before = decode.read, []
    monkeypatch.setattr(decode, "read", lambda path: before.append(capsys.readouterr().out) or read(path))
    assert run("one.png", "one.png", "--figure", "one.png/figure.png") == 1
    assert before[1].startswith("one.png: ")
    printed = capsys.readouterr()
    assert printed.out == before[1]
    assert printed.err.startswith("predict: one.png/figure.png: cannot be written")


@unix
def test_bad_pictures_are_lines_of_their_own_and_the_others_are_answered(root, capsys):
    shutil.copy("one.png", os.fsdecode(b"folder/\xff\n.png"))
    os.mkfifo("folder/fifo.png")
    (root / "folder/scan.pdf").write_bytes(b"%PDF-1.7")
    (root / "empty").mkdir()
    assert run("blank.png", "missing.jpg", "empty", "folder") == 1
    printed = capsys.readouterr()
    names = ["blank.png", "missing.jpg", "empty", "folder/fifo.png", "folder/scan.pdf"]
    assert [line.split(":")[0] for line in printed.err.splitlines()] == names
    assert printed.out.splitlines()[-2].startswith(r"folder/\udcff\n.png: ")
