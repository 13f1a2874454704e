"""`make docs`: what the code of docs/mathematics.md prints; `digits` and `show` are for that code.

The page is run like a doctest: what a line after >>> prints is below it. `refresh` runs the page and writes what its
lines print today.
"""

import ast
import doctest
import gzip
import inspect
import io
import re
import textwrap
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from stages.dataset import idx
from tools.docs import ROOT

PAGE = ROOT / "docs/mathematics.md"
FIXTURE = ROOT / "tests/fixture"


def digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 28, 28) uint8 and labels (N,) of the drawn digits: 400 in "train", 200 in "t10k"."""
    contents = [
        gzip.decompress((FIXTURE / f"{split}-{kind}-ubyte.gz").read_bytes()) for kind in ("images-idx3", "labels-idx1")
    ]
    images, labels = map(idx.parse, contents)
    return images, labels


def show(function: Callable[..., Any], *starts: str) -> None:
    """Print the file of a function, and its code without signature and docstring.

    With `starts`, print only the statements that start so; ValueError if there is none.
    """
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    (definition,) = ast.parse("\n".join(lines)).body
    assert isinstance(definition, ast.FunctionDef)
    shown = definition.body[1:] if ast.get_docstring(definition) else definition.body
    if starts:
        statements = [node for node in ast.walk(definition) if isinstance(node, ast.stmt)]
        shown = [statement for statement in statements if lines[statement.lineno - 1].strip().startswith(starts)]
    if not shown:
        raise ValueError(f"{function.__qualname__} has no statement that starts with {' or '.join(starts)}")
    print(f"# {Path(inspect.getfile(function)).relative_to(ROOT).as_posix()}, {function.__qualname__}")
    for statement in shown:
        print(textwrap.dedent("\n".join(lines[statement.lineno - 1 : statement.end_lineno])))


def lesson(text: str) -> list[doctest.Example]:
    """Return the code of a page and what it is said to print; the fences around it are not output."""
    return doctest.DocTestParser().get_examples(re.sub(r"^```.*$", "", text, flags=re.MULTILINE))


def refresh(text: str) -> str:
    """Return a page with what its code prints now."""
    scope: dict[str, Any] = {}
    lines, printed = text.splitlines(keepends=True), []
    with np.printoptions():  # the page sets its own
        for example in lesson(text):
            with redirect_stdout(io.StringIO()) as out:
                exec(compile(example.source, PAGE.name, "single"), scope)
            printed.append((example, out.getvalue()))
    for example, output in reversed(printed):
        start = example.lineno + example.source.count("\n")
        lines[start : start + example.want.count("\n")] = [output]
    return "".join(lines)
