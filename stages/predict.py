"""Read the digits in your own pictures: the photographs and scans in data/photos."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from stages.dataset.likeness import closest, directions
from threadpoolctl import threadpool_limits

from stages.dataset import idx, photos
from stages.dataset.arrays import prepare
from stages.dataset.records import ModelInputs, RawDataset, Thresholds, check_model
from stages.nn.losses import softmax
from stages.nn.network import Network, from_arrays
from stages.pipeline import files, stage
from stages.report import figures

PHOTOS = Path("data/photos")
RAW = Path("data/raw/dataset.json")
TEST_IMAGES = Path("data/raw/t10k-images-idx3-ubyte")
MODEL = Path("models/network.npz")
THRESHOLDS = Path("reports/thresholds.json")
TABLE = Path("reports/photos.csv")
FIGURE = Path("reports/photos.png")
COLUMNS = ["file", "number", "digit", "confidence", "likeness", "sure", "left", "top", "right", "bottom", "note"]
NO_LIKENESS = "no digit: nothing in it is like the digits that the network knows"


@dataclass(frozen=True)
class Digit:
    """A digit of a picture: its box, the image that the network saw, the answer, and whether it is sure."""

    box: photos.Box
    image: np.ndarray
    answer: str
    confidence: float
    likeness: float
    sure: bool


@dataclass(frozen=True)
class Picture:
    """A picture in gray, its digits from left to right, how dark on light was decided, and what is wrong with it."""

    name: str
    gray: np.ndarray | None = None
    digits: tuple[Digit, ...] = ()
    polarity: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Reader:
    """The trained network, and what tells a sure answer from another: as on the page to draw digits on."""

    network: Network
    model: ModelInputs
    background: float  # of a prepared image
    known: np.ndarray  # directions of the test images in the page
    thresholds: Thresholds

    def read(self, path: Path, name: str) -> Picture:
        """Return the picture at `path`, called `name`, with the answers of the network or with a problem."""
        gray = None
        try:
            gray = photos.read(path)
            found = photos.find(gray, self.model.image_shape)
        except ValueError as error:
            return Picture(name, gray, problem=str(error))
        digits = tuple(self.answers(found))
        like = any(digit.likeness >= self.thresholds.likeness for digit in digits)
        return Picture(name, gray, digits, str(found.polarity), "" if like else NO_LIKENESS)

    def answers(self, found: photos.Digits) -> Iterator[Digit]:
        """Yield each digit with the answer of the network."""
        model = self.model
        x = prepare(found.images, model.deskew, model.mean, model.std)
        with threadpool_limits(1, user_api="blas"):
            probabilities = softmax(self.network.predict(x), self.network.arithmetic)
            likeness = closest(directions(x, model.image_shape, self.background), self.known)
        for box, image, row, like in zip(found.boxes, x, probabilities, likeness.tolist(), strict=True):
            confidence = float(row.max())
            sure = confidence >= self.thresholds.confidence and like >= self.thresholds.likeness
            yield Digit(box, image.reshape(model.image_shape), model.classes[row.argmax()], confidence, like, sure)


def load() -> Reader:
    """Return the trained network with the thresholds of the page."""
    raw: RawDataset = files.read_json(RAW, RawDataset)
    images = raw.upright(idx.read(TEST_IMAGES, raw.sha256[TEST_IMAGES.name]))
    thresholds: Thresholds = files.read_json(THRESHOLDS, Thresholds)
    arrays = files.read_arrays(MODEL)
    with files.explained(MODEL):
        network = from_arrays(arrays)
        model = check_model(arrays, network.dense[0].inputs, network.dense[-1].outputs)
    if images.shape[1:] != model.image_shape or max(thresholds.known) >= len(images):
        raise ValueError(f"{THRESHOLDS}: is of another model or data set; run `dvc repro`")
    background = (int(images.min()) - model.mean) / model.std
    prepared = prepare(images[thresholds.known], model.deskew, model.mean, model.std)
    return Reader(network, model, background, directions(prepared, model.image_shape, background), thresholds)


def predict(*, dpi: Annotated[int, Field(ge=50, le=600)]) -> None:
    """Write reports/photos.csv, a row per digit, and reports/photos.png from the pictures in data/photos.

    A picture without a digit, or one that cannot be read, has a row that says so; the others are answered all the same.
    """
    reader = load()
    pictures = [reader.read(path, path.relative_to(PHOTOS).as_posix()) for path in photos.files_in(PHOTOS)]
    files.write_text(TABLE, table(pictures))
    with files.replacing(FIGURE) as temporary:
        figures.save(figures.pictures(shown(pictures)), temporary, dpi)
    report(pictures)
    print(f"{len(pictures)} pictures in {PHOTOS}, {sum(len(picture.digits) for picture in pictures)} digits")


def table(pictures: Iterable[Picture]) -> str:
    """Return CSV with a row for each digit, and for each picture with a problem."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for picture in pictures:
        for number, digit in enumerate(picture.digits, 1):
            top, left, bottom, right = digit.box
            values = {
                "number": number,
                "digit": digit.answer,
                "confidence": f"{digit.confidence:.6f}",
                "likeness": f"{digit.likeness:.6f}",
                "sure": "yes" if digit.sure else "no",
            }
            place = {"left": left, "top": top, "right": right, "bottom": bottom}
            writer.writerow({"file": picture.name, **values, **place, "note": picture.problem or picture.polarity})
        if not picture.digits:
            writer.writerow({"file": picture.name, "note": picture.problem})
    return text.getvalue()


def report(pictures: Iterable[Picture]) -> int:
    """Print a line for each digit, on standard error one for each picture with a problem; return how many have one."""
    problems = 0
    for picture in pictures:
        for number, digit in enumerate(picture.digits, 1):
            which = f"digit {number} of {len(picture.digits)}: " if len(picture.digits) > 1 else ""
            doubt = "" if digit.sure else ", uncertain"
            answer = f"{digit.answer}, confidence {digit.confidence:.4f}{doubt}"
            print(f"{picture.name}: {which}{answer} ({picture.polarity})")
        if picture.problem:
            print(f"{picture.name}: {picture.problem}", file=sys.stderr, flush=True)
            problems += 1
    return problems


def shown(pictures: Iterable[Picture]) -> list[figures.Shown]:
    """Return the pictures as the figure shows them."""
    return [
        figures.Shown(
            picture.name,
            picture.gray,
            [digit.box for digit in picture.digits],
            [digit.image for digit in picture.digits],
            [
                f"{d.answer}  {figures.percent(d.confidence)}" + ("" if d.sure else "\nuncertain")
                for d in picture.digits
            ],
            picture.problem,
        )
        for picture in pictures
    ]


if __name__ == "__main__":
    stage.run(predict)
