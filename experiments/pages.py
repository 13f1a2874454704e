"""Pieces of pages in Markdown."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stages.pipeline import files
from tools import docs


def table(head: Sequence[Any], rows: Iterable[Iterable[Any]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def mean_and_sd(values: Sequence[float], factor: float = 100, digits: int = 2) -> str:
    """Return the mean and the standard deviation, in percent unless another factor is given; nothing for no values."""
    deviation = f" ± {factor * statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{factor * statistics.fmean(values):.{digits}f}{deviation}" if values else ""


def fill(page: Path, name: str, content: str) -> None:
    """Write `content` between the comments `<!-- NAME: ... -->` and `<!-- end of NAME -->` of a page."""
    files.write_text(page, docs.fill(page.read_text(encoding="utf-8"), name, content.strip()))
