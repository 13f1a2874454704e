"""The mathematics as HTML are those of docs/mathematics.md."""

import pytest

from tests.helpers.project import ROOT

pytest.importorskip("latex2mathml")
from tools.docs import html


def test_the_page_is_up_to_date_and_has_every_formula():
    text, page = (ROOT / "docs/mathematics.md").read_text(encoding="utf-8"), html.mathematics()
    assert page == (ROOT / "docs/mathematics.html").read_text(encoding="utf-8"), "run `make docs`"
    assert page.count("<math ") == text.count("```math") + text.count("$`")
    assert "$`" not in page
    assert page.count("<details>") == text.count("<details>") > 0


def test_tables_code_anchors_and_inline_formulas():
    page = html.render("## A: b - c\n\n|a|\n|-|\n|$`x_1`$|\n\n```pycon\n>>> 1 < 2\n```\n", "T", "p {}\n")
    for part in ('<h2 id="a-b---c">', "<td><math", "&gt;&gt;&gt; 1 &lt; 2", "<title>T</title>", "p {}"):
        assert part in page
