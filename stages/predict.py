"""Read the digits in your own pictures: the photographs and scans in data/photos."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.learning.model import Model, load
from stages.photos import decode, segment
from stages.pipeline import files, paths, stage
from stages.pipeline.params import Dpi

COLUMNS = ["file", "number", "digit", "confidence", "similarity", "sure", "left", "top", "right", "bottom", "note"]


def read(model: Model, path: Path, name: str) -> segment.Picture:
    """Return the picture at `path`, called `name`, with the answers of the model or with a problem."""
    try:
        found = segment.find(decode.read(path), model.image_shape)
    except ValueError as error:
        return segment.Picture(decode.printable(name), problem=str(error))
    with threadpool_limits(1, user_api="blas"):
        answers = model.answers(model.prepare(np.stack([digit.image for digit in found.digits])))
    digits = [  # one that may be cut off is never sure
        dataclasses.replace(digit, answer=name, confidence=confidence, similarity=s, sure=sure and not digit.cut_off)
        for digit, (name, confidence, s, sure) in zip(found.digits, answers, strict=True)
    ]
    similar = any(digit.similarity >= model.similarity for digit in digits)
    problem = "" if similar else "no digit found: nothing looks like the digits that the network knows"
    return dataclasses.replace(found, name=decode.printable(name), digits=digits, problem=problem)


def predict(*, dpi: Dpi) -> None:
    """Write reports/photos.csv, a row per digit, and reports/photos.png from the pictures in data/photos.

    A picture without a digit, or one that cannot be read, has a row with the reason; the others are still answered.
    """
    from stages.report import figures, style  # matplotlib takes half a second, which validate need not spend

    model, pictures = load(paths.MODEL), decode.files_in(paths.PHOTOS)
    shown: list[segment.Picture] = []
    table: list[dict[str, Any]] = []
    digits = 0
    for path in tqdm(pictures, "pictures", disable=None):
        picture = read(model, path, path.relative_to(paths.PHOTOS).as_posix())
        table += rows(picture)
        report(picture)
        shown += [picture] if len(shown) < figures.PICTURES else []
        digits += len(picture.digits)
    files.write_rows(paths.PHOTO_ANSWERS, table, COLUMNS)
    with files.atomic_write(paths.PHOTO_FIGURE) as temporary:
        style.save(figures.pictures(shown, len(pictures)), temporary, dpi)
    print(f"{len(pictures)} pictures in {paths.PHOTOS}, {digits} digits")


def rows(picture: segment.Picture) -> Iterator[dict[str, Any]]:
    """Yield a row of CSV for each digit of a picture; one with the problem if there is no digit."""
    for number, digit in enumerate(picture.digits, 1):
        values = {"number": number, "digit": digit.answer, "sure": "yes" if digit.sure else "no"}
        scores = {"confidence": f"{digit.confidence:.6f}", "similarity": f"{digit.similarity:.6f}"}
        place = dict(zip(("top", "left", "bottom", "right"), digit.box, strict=True))
        yield {"file": picture.name, **values, **scores, **place, "note": picture.problem or picture.note}
    if not picture.digits:
        yield {"file": picture.name, "note": picture.problem}


def report(picture: segment.Picture) -> None:
    """Print a line for each digit, and on standard error one for a problem."""
    for number, digit in enumerate(picture.digits, 1):
        which = f"digit {number} of {len(picture.digits)}: " if len(picture.digits) > 1 else ""
        doubt = "" if digit.sure else ", uncertain" + " (it touches the edge)" * digit.cut_off
        tqdm.write(f"{picture.name}: {which}{digit.answer}, confidence {digit.confidence:.4f}{doubt}, {picture.note}")
    if picture.problem:
        tqdm.write(f"{picture.name}: {picture.problem}", file=sys.stderr)
    sys.stdout.flush()


if __name__ == "__main__":
    stage.run(predict)
