"""Pieces of pages in Markdown."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def table(head: Sequence[Any], rows: Iterable[Iterable[Any]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def mean_and_sd(values: Sequence[float], factor: float = 100, digits: int = 2) -> str:
    """Return the mean and the standard deviation, in percent unless another factor is given; nothing for no values."""
    deviation = f" ± {factor * statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{factor * statistics.fmean(values):.{digits}f}{deviation}" if values else ""


def between_marks(page: Path, first: str, last: str, content: str) -> str:
    """Return the text of a page with new content between two marks; ValueError if they are not there."""
    before, start, rest = page.read_text(encoding="utf-8").partition(first)
    _, end, after = rest.partition(last)
    if not (start and end):
        raise ValueError(f"{page}: lacks the lines {first.strip()} and {last.strip()}")
    return f"{before}{start}\n{content}\n{end}{after}"
