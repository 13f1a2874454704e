"""`make notebook`: docs/mathematics.md as a Jupyter notebook, docs/mathematics.ipynb."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tools.docs import ROOT
from tools.docs.mathematics import PAGE, lesson

NOTEBOOK = PAGE.with_suffix(".ipynb")
START = "import sys\n\nsys.path.insert(0, '..')  # the project"


class Cell(NamedTuple):
    """A cell of a notebook: Markdown, or Python and what it prints."""

    kind: str  # markdown or code
    source: str
    output: str = ""


def cells(text: str) -> Iterator[Cell]:
    """Yield a page as cells. Jupyter writes formulas as $x$ and $$x$$, without backticks; an answer stays one cell."""
    text = re.sub(r"^```math\n(.*?)^```$", r"$$\n\1$$", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\$`(.+?)`\$", r"$\1$", text)
    yield Cell("code", START)
    for part in re.split(r"^(<details>.*?</details>|```pycon\n.*?^```)$", text, flags=re.MULTILINE | re.DOTALL):
        if not part.startswith("```pycon"):
            yield Cell("markdown", part.strip())
            continue
        source = ""
        for example in lesson(part):
            source += example.source
            if example.want:
                yield Cell("code", source.strip(), example.want)
                source = ""
        if source:
            yield Cell("code", source.strip())


def main() -> None:
    """Write the notebook."""
    from nbformat import v4, write  # an extra of its own, see pyproject.toml

    notebook = v4.new_notebook()
    for cell in cells(PAGE.read_text(encoding="utf-8")):
        if cell.kind == "markdown":
            notebook.cells.append(v4.new_markdown_cell(cell.source))
        else:
            outputs = [v4.new_output("stream", text=cell.output)] if cell.output else []
            notebook.cells.append(v4.new_code_cell(cell.source, outputs=outputs))
    write(notebook, NOTEBOOK)
    print(f"{(path := NOTEBOOK.relative_to(ROOT))}: written; to open it, run `.venv/bin/jupyter lab {path}`")


if __name__ == "__main__":
    main()
