"""docs/mathematics.md shows what its code prints and the lines that run; its figures and the notebook follow it."""

import contextlib
import io
import json
import re
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from docs import reference
from stages.nn import layers, losses
from stages.nn.training import train_step
from tools.docs import figures, mathematics, notebook

TEXT = mathematics.PAGE.read_text(encoding="utf-8")


def test_the_page_shows_what_its_code_prints():
    assert TEXT.count(">>> show(") > 10
    assert mathematics.refresh(TEXT) == TEXT, "run `make docs` and read the page again"


def page(code):
    return f"# A page\n\n```pycon\n{code}```\n\nMore.\n"


def test_what_is_out_of_date_is_replaced():
    before = page(">>> x = 2\n>>> for i in range(x):\n...     print(i)\n0\n>>> x + 2\n5\n6\n>>> x\n>>> None\n7\n")
    after = page(">>> x = 2\n>>> for i in range(x):\n...     print(i)\n0\n1\n>>> x + 2\n4\n>>> x\n2\n>>> None\n")
    assert mathematics.refresh(before) == after
    assert mathematics.refresh(after) == after


def test_code_that_fails_is_no_output():
    with pytest.raises(ZeroDivisionError):
        mathematics.refresh(page(">>> 1 / 0\n"))


def test_a_page_leaves_the_print_options_as_they_were():
    before = np.get_printoptions()
    mathematics.refresh(page(">>> import numpy as np\n>>> np.set_printoptions(precision=1)\n"))
    assert np.get_printoptions() == before


def test_the_code_on_the_page_is_all_run():
    assert set(re.findall(r"^```(.*)$", TEXT, re.MULTILINE)) == {"pycon", "math", ""}
    for block in re.findall(r"^```pycon\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        assert block.startswith(">>> ")


def test_every_link_on_the_page_leads_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(links) > 20
    assert [link for link in links if not (mathematics.PAGE.parent / link).exists()] == []


def test_the_training_on_the_page_is_as_long_as_it_says():
    lines = printed(reference.step).splitlines()[1:]
    assert sum(not line.startswith("#") for line in lines) == 14
    assert "fourteen lines of NumPy" in TEXT


def printed(*args):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        mathematics.show(*args)
    return out.getvalue()


def test_a_function_is_shown_without_signature_and_docstring():
    assert printed(layers.ReLU.backward) == "# stages/nn/layers.py, ReLU.backward\nreturn dy * (self.y > 0)\n"
    assert '"""' not in printed(losses.softmax)


def test_chosen_statements_are_shown_as_a_whole():
    assert printed(losses.softmax_cross_entropy, "N =", "loss =").splitlines()[:3] == [
        "# stages/nn/losses.py, softmax_cross_entropy",
        "N = len(logits)",
        "loss = (",
    ]
    assert printed(train_step, "theta -=").startswith("# stages/nn/training.py, train_step\n")  # it has a decorator


def test_a_statement_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match=r"^Dense\.forward has no statement that starts with y = or z =$"):
        mathematics.show(layers.Dense.forward, "y =", "z =")


def test_every_figure_is_on_the_page():
    names = re.findall(r"\(figures/(math-.*?\.png)\)", TEXT)
    assert names == [f"math-{figure.__name__}.png" for figure in figures.ALL]
    assert {path.name for path in figures.FIGURES.glob("math-*")} == set(names)


def test_the_committed_figures_are_the_ones_of_the_code(tmp_path):
    figures.draw(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        drawn, committed = imread(path), imread(figures.FIGURES / path.name)
        assert drawn.shape == committed.shape, path.name
        other = np.abs(drawn - committed).max(axis=2) > 0.1  # another last bit of a number may change a shade
        assert other.mean() < 0.001, f"{path.name}: run `make docs`"


def test_the_notebook_prints_what_the_page_shows(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    cells = list(notebook.cells(TEXT))
    scope = {}
    with np.printoptions():
        for cell in cells:
            if cell.kind == "code":
                out = run(cell.source, scope)
                assert out == cell.output
    assert sum(cell.output.count("\n") for cell in cells) > 50


def run(source, scope):
    """What Jupyter shows for a cell: what it prints, and the value of an expression at its end."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        *statements, last = source.splitlines()
        try:
            value = compile(last, "cell", "eval")
        except SyntaxError:
            exec(source, scope)
        else:
            exec("\n".join(statements), scope)
            if (result := eval(value, scope)) is not None:
                print(repr(result))
    return out.getvalue()


def test_text_and_formulas_of_the_notebook_are_as_jupyter_writes_them():
    text = "Let $`x_1`$ be\n\n```math\ny = x^2\n```\n\n```pycon\n>>> x = 2\n>>> x\n2\n>>> y = x\n```\n\nThe end.\n"
    assert list(notebook.cells(text))[1:] == [
        ("markdown", "Let $x_1$ be\n\n$$\ny = x^2\n$$", ""),
        ("code", "x = 2\nx", "2\n"),
        ("code", "y = x", ""),
        ("markdown", "The end.", ""),
    ]
    assert not re.search(r"^```|\$`", "\n".join(cell.source for cell in notebook.cells(TEXT)), re.MULTILINE)


def test_the_notebook_is_one(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="`make notebook` installs nbformat")
    monkeypatch.setattr(notebook, "NOTEBOOK", tmp_path / "page.ipynb")
    monkeypatch.setattr(notebook, "ROOT", tmp_path)
    notebook.main()
    nbformat.validate(nbformat.read(tmp_path / "page.ipynb", as_version=4))
    assert len(json.loads((tmp_path / "page.ipynb").read_text())["cells"]) == len(list(notebook.cells(TEXT)))
