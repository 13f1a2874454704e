"""`make notebook`: docs/mathematics.md as a Jupyter notebook, docs/mathematics.ipynb."""

import re
from collections.abc import Iterator
from typing import Any

from stages.pipeline.files import write_json
from tools.docs import ROOT
from tools.docs.mathematics import PAGE, lesson

NOTEBOOK = PAGE.with_suffix(".ipynb")
START = "import sys\n\nsys.path.insert(0, '..')  # the project"


def cells(text: str) -> Iterator[dict[str, Any]]:
    """Yield the cells of a page, as nbformat 4 has them.

    Jupyter writes formulas as $x$ and $$x$$, without backticks; an answer stays one cell.
    """
    text = re.sub(r"^```math\n(.*?)^```$", r"$$\n\1$$", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\$`(.+?)`\$", r"$\1$", text)
    yield code(START)
    for part in re.split(r"^(<details>.*?</details>|```pycon\n.*?^```)$", text, flags=re.MULTILINE | re.DOTALL):
        if not part.startswith("```pycon"):
            yield {"cell_type": "markdown", "metadata": {}, "source": part.strip()}
            continue
        source = ""
        for example in lesson(part):
            source += example.source
            if example.want:
                yield code(source, example.want)
                source = ""
        if source:
            yield code(source)


def code(source: str, printed: str = "") -> dict[str, Any]:
    """Return a cell with code and what it prints."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": printed}] if printed else []
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": outputs, "source": source.strip()}


if __name__ == "__main__":
    page = list(cells(PAGE.read_text(encoding="utf-8")))
    write_json(NOTEBOOK, {"cells": page, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
    print(f"{(path := NOTEBOOK.relative_to(ROOT))}: written; to open it, run `.venv/bin/jupyter lab {path}`")
