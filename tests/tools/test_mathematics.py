"""docs/mathematics.md shows what its code prints and the lines that run; its figures follow it."""

import re

import numpy as np
import pytest
from matplotlib.image import imread

from stages.nn import layers, losses
from tools.docs import figures as mathematics_figures
from tools.docs import mathematics

TEXT = mathematics.PAGE.read_text(encoding="utf-8")


def test_the_page_shows_what_its_code_prints():
    before = np.get_printoptions()
    assert mathematics.refresh(TEXT) == TEXT, "run `make docs` and read the page again"
    assert np.get_printoptions() == before
    for block in re.findall(r"^```(?:pycon|python)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        assert block.startswith(">>> ")


def test_what_is_out_of_date_is_replaced():
    page = "# A page\n\n```pycon\n{}```\n\nMore.\n"
    before = page.format(">>> for i in range(2):\n...     print(i)\n0\n>>> 2 + 2\n5\n6\n>>> 2\n>>> None\n7\n")
    after = page.format(">>> for i in range(2):\n...     print(i)\n0\n1\n>>> 2 + 2\n4\n>>> 2\n2\n>>> None\n")
    assert mathematics.refresh(before) == mathematics.refresh(after) == after
    with pytest.raises(ZeroDivisionError):
        mathematics.refresh(page.format(">>> 1 / 0\n"))


def test_every_section_has_an_exercise_and_every_link_leads_somewhere():
    assert TEXT.count("\n## ") - 1 == TEXT.count("<details><summary>Exercise: ") == TEXT.count("</details>\n")
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert [link for link in links if not (mathematics.PAGE.parent / link).exists()] == []
    figures = [link.removeprefix("figures/") for link in links if link.startswith("figures/math-")]
    assert figures == [f"math-{figure.__name__}.png" for figure in mathematics_figures.ALL]
    assert {path.name for path in mathematics_figures.FIGURES.glob("math-*")} == set(figures)


def test_a_function_is_shown_without_signature_and_docstring(capsys):
    mathematics.show(layers.ReLU.backward)
    mathematics.show(losses.softmax_cross_entropy, "N =", "dlogits -")
    assert capsys.readouterr().out == (
        "# stages/nn/layers.py, ReLU.backward\nreturn dy * (self.y > 0)\n"
        "# stages/nn/losses.py, softmax_cross_entropy\nN = len(logits)\ndlogits -= targets\n"
    )
    with pytest.raises(ValueError, match=r"^Dense\.forward has no statement that starts with z = or p =$"):
        mathematics.show(layers.Dense.forward, "z =", "p =")


def test_the_committed_figures_are_the_ones_of_the_code(tmp_path):
    mathematics_figures.draw(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        drawn, committed = imread(path), imread(mathematics_figures.FIGURES / path.name)
        assert drawn.shape == committed.shape, path.name
        other = np.abs(drawn - committed).max(axis=2) > 0.1  # another last bit of a number may change a shade
        assert other.mean() < 0.001, f"{path.name}: run `make docs`"
