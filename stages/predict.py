"""Read the digits in your own pictures: the photographs and scans in data/photos."""

import csv
import dataclasses
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.dataset import idx
from stages.dataset.arrays import prepare
from stages.dataset.records import ModelInputs, RawDataset, Thresholds, check_model
from stages.dataset.similarity import best_similarity, unit_vectors
from stages.nn.losses import softmax
from stages.nn.network import Network, from_arrays
from stages.photos import decode, segment
from stages.pipeline import files, stage
from stages.report import figures

PHOTOS = Path("data/photos")
RAW = Path("data/raw/dataset.json")
TEST_IMAGES = Path("data/raw/t10k-images-idx3-ubyte")
MODEL = Path("models/network.npz")
THRESHOLDS = Path("reports/thresholds.json")
TABLE = Path("reports/photos.csv")
FIGURE = Path("reports/photos.png")
COLUMNS = ["file", "number", "digit", "confidence", "similarity", "sure", "left", "top", "right", "bottom", "note"]


@dataclass(frozen=True)
class Reader:
    """The trained network, and what tells a sure answer from another."""

    network: Network
    model: ModelInputs
    background: float  # of a prepared image
    known: np.ndarray  # unit vectors of the images to compare with
    thresholds: Thresholds

    def read(self, path: Path, name: str) -> segment.Picture:
        """Return the picture at `path`, called `name`, with the answers of the network or with a problem."""
        try:
            found = segment.find(decode.read(path), self.model.image_shape)
        except ValueError as error:
            return segment.Picture(decode.printable(name), problem=str(error))
        digits = self.answer(found.digits)
        like = max(digit.similarity for digit in digits) >= self.thresholds.likeness
        problem = "" if like else "no digit found: nothing looks like the digits that the network knows"
        return dataclasses.replace(found, name=decode.printable(name), digits=digits, problem=problem)

    def answer(self, digits: list[segment.Digit]) -> list[segment.Digit]:
        """Return digits with the answers of the network. One that may be cut off is never sure."""
        model = self.model
        x = prepare(np.stack([digit.image for digit in digits]), model.deskew, model.mean, model.std)
        with threadpool_limits(1, user_api="blas"):
            probabilities = softmax(self.network.predict(x), self.network.arithmetic)
            similarity = best_similarity(unit_vectors(x, model.image_shape, self.background), self.known)
        confidence = probabilities.max(axis=1)
        sure = (confidence >= self.thresholds.confidence) & (similarity >= self.thresholds.likeness)
        answers = (model.classes[k] for k in probabilities.argmax(axis=1))
        scores = zip(digits, answers, confidence.tolist(), similarity.tolist(), sure.tolist(), strict=True)
        return [segment.Digit(d.box, d.image, d.cut_off, a, c, s, y and not d.cut_off) for d, a, c, s, y in scores]


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
        raise ValueError(f"{THRESHOLDS}: belongs to a different model or dataset; run `dvc repro`")
    background = (int(images.min()) - model.mean) / model.std
    prepared = prepare(images[thresholds.known], model.deskew, model.mean, model.std)
    return Reader(network, model, background, unit_vectors(prepared, model.image_shape, background), thresholds)


def predict(*, dpi: Annotated[int, Field(ge=50, le=600)]) -> None:
    """Write reports/photos.csv, a row per digit, and reports/photos.png from the pictures in data/photos.

    A picture without a digit, or one that cannot be read, has a row that says so; the others are answered all the same.
    """
    reader, paths = load(), decode.files_in(PHOTOS)
    shown: list[segment.Picture] = []
    with files.replacing(TABLE) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        for path in tqdm(paths, "pictures", disable=None):
            picture = reader.read(path, path.relative_to(PHOTOS).as_posix())
            table.writerows(rows(picture))
            report(picture)
            shown += [picture] if len(shown) < figures.PICTURES else []
    with files.replacing(FIGURE) as temporary:
        figures.save(figures.pictures(shown, len(paths)), temporary, dpi)
    print(f"{len(paths)} pictures in {PHOTOS}")


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
