"""docs/mathematics.md as a page for a browser, docs/mathematics.html, with its formulas in MathML; it works offline."""

import re
from itertools import pairwise
from pathlib import Path

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML

from tools.docs import ROOT

STYLE = """
main > pre, details > pre { overflow-x: auto; padding: 0.75rem 1rem; border-radius: 8px; background: var(--paper); }
img { max-width: 100%; height: auto; border-radius: 8px; background: #fff; }
math[display=block] { margin: 1rem 0; font-size: 1.15rem; }
main { max-width: 52rem; }
table { border-collapse: collapse; } th, td { padding: 0.2rem 0.75rem; border-bottom: 1px solid var(--line); }
h2 { margin-top: 3rem; } details { margin: 1rem 0; } summary { cursor: pointer; color: var(--accent); }
"""


def render(text: str, title: str, css: str) -> str:
    """Return the HTML of a Markdown text, its headings with the anchors that GitHub gives them."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    fence = RendererHTML.fence

    def fence_or_formula(self, tokens, index, options, env):  # type: ignore[no-untyped-def]
        if tokens[index].info == "math":
            return convert(tokens[index].content, display="block") + "\n"
        return fence(self, tokens, index, options, env).replace("<pre>", '<pre tabindex="0">')  # it may scroll

    markdown.add_render_rule("fence", fence_or_formula)
    tokens = markdown.parse(re.sub(r"\$`(.+?)`\$", lambda formula: convert(formula[1]), text))
    for heading, content in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor(content.content))
    body = markdown.renderer.render(tokens, markdown.options, {})
    head = '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">'
    page = f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n<title>{title}</title>\n<style>\n{css}{STYLE}</style>'
    return f"{page}\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"


def anchor(heading: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def mathematics(root: Path = ROOT) -> str:
    """Return the text of docs/mathematics.html."""
    css = (root / "stages/report/web/page.css").read_text(encoding="utf-8").partition("/* Draw */")[0]
    return render((root / "docs/mathematics.md").read_text(encoding="utf-8"), "The mathematics, on one image", css)
