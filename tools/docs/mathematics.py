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
    images, labels = (idx.parse(io.BytesIO(content), len(content))[0] for content in contents)
    return images, labels


def show(function: Callable[..., Any], *starts: str) -> None:
    """Print the file of a function, and its code without signature and docstring.

    With `starts`, print only the statements that start so; ValueError if there is none.
    """
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    (definition,) = ast.parse("\n".join(lines)).body
    assert isinstance(definition, ast.FunctionDef)
    body = definition.body[1:] if ast.get_docstring(definition) else definition.body
    spans = [(statement.lineno - 1, statement.end_lineno) for statement in body]
    if starts:
        spans = [(first, last) for first, last in spans if lines[first].strip().startswith(starts)]
    else:
        spans = [(spans[0][0], spans[-1][1])]
    if not spans:
        raise ValueError(f"{function.__qualname__} has no statement that starts with {' or '.join(starts)}")
    print(f"# {Path(inspect.getfile(inspect.unwrap(function))).relative_to(ROOT).as_posix()}, {function.__qualname__}")
    print(textwrap.dedent("\n".join(line for first, last in spans for line in lines[first:last] if line.strip())))


class Recorder(doctest.DocTestRunner):
    """Runs the code of a page and records what each line prints."""

    def __init__(self) -> None:
        super().__init__(verbose=False)
        self.printed: list[tuple[doctest.Example, str]] = []

    def report_success(self, out: Any, test: doctest.DocTest, example: doctest.Example, got: str) -> None:
        self.printed.append((example, got))

    report_failure = report_success

    def report_unexpected_exception(
        self, out: Any, test: doctest.DocTest, example: doctest.Example, error: Any
    ) -> None:
        raise error[1]


def lesson(text: str) -> doctest.DocTest:
    """Return the code of a page; the fences around it are no output."""
    unfenced = re.sub(r"^```.*$", "", text, flags=re.MULTILINE)
    return doctest.DocTestParser().get_doctest(unfenced, {}, PAGE.name, str(PAGE), 0)


def refresh(text: str) -> str:
    """Return a page with what its code prints now."""
    recorder = Recorder()
    with np.printoptions():  # the page sets its own
        recorder.run(lesson(text), clear_globs=False)
    lines = text.splitlines(keepends=True)
    for example, printed in reversed(recorder.printed):
        start = example.lineno + example.source.count("\n")
        lines[start : start + example.want.count("\n")] = [printed]
    return "".join(lines)
