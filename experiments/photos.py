"""How well the network reads photographs of paper, and what each step of the preparation is worth.

    python -m experiments.photos

The photographs are synthetic: test images of MNIST drawn by code on paper, in a shadow, on rules, with a thin pen. The
scans are the 8 x 8 digits of 43 people that come with scikit-learn, each enlarged to a picture. No choice was made on
these photographs. Takes the results of `dvc repro`; writes the tables of docs/photos.md.
"""

import dataclasses
import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image, ImageFilter

from experiments.run import command
from experiments.tables import between_marks, table
from stages import predict
from stages.dataset import idx, photos
from stages.pipeline import files
from stages.predict import Reader

PAGE = Path("docs/photos.md")
START, END = "<!-- tables: made by `python -m experiments.photos` -->\n", "<!-- end of tables -->\n"
LABELS = Path("data/raw/t10k-labels-idx1-ubyte")
FIRST, COUNT, SEED = 5000, 150, 1  # the test images: other ones than those that the preparation was tried on
CONDITIONS = {
    "plain": {},
    "dark paper": {"paper": 70, "pen": 225},
    "shadow": {"shadow": True},
    "thin pen": {"thin": True},
    "ruled": {"ruled": True},
    "turned, by EXIF": {"turned": True},
    "shadow and ruled": {"shadow": True, "ruled": True},
}


def photograph(
    digit: np.ndarray,
    rng: np.random.Generator,
    paper: int = 215,
    pen: int = 55,
    shadow: bool = False,
    thin: bool = False,
    ruled: bool = False,
    turned: bool = False,
) -> bytes:
    """Return a JPEG of 480 x 360 pixels of paper with a digit, uint8 (28, 28), somewhere on it."""
    height, width = 480, 360
    y, x = np.mgrid[:height, :width]
    size = int(rng.integers(150, 230))
    ink = np.zeros((height, width))
    top, left = int(rng.integers(20, height - size - 20)), int(rng.integers(20, width - size - 20))
    drawn = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
    if thin:  # the pen leaves only the middle of a stroke
        drawn = drawn.filter(ImageFilter.MinFilter(size // 50 * 2 + 1))
    ink[top : top + size, left : left + size] = np.asarray(drawn) / 255
    light = np.full((height, width), float(paper))
    if ruled:
        rule = (y + int(rng.integers(40))) % 40 < 2
        light[rule] *= 0.75
    light += (pen - light) * np.minimum(ink * 1.5, 1)
    if shadow:  # a soft edge across the paper at any angle
        angle = rng.uniform(0, 2 * np.pi)
        across, down = x - width * rng.uniform(0.3, 0.7), y - height * rng.uniform(0.3, 0.7)
        distance = across * np.cos(angle) + down * np.sin(angle)
        light *= 1 - 0.7 / (1 + np.exp(-distance / 25))
    light += rng.normal(0, 4, light.shape)
    image = Image.fromarray(np.clip(np.rint(light), 0, 255).astype(np.uint8))
    exif = Image.Exif()
    if turned:
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = 6  # "turn it to the right to see it upright"
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85, exif=exif)
    return file.getvalue()


def one_piece(mask: np.ndarray, components: Callable[..., Any] = photos.components) -> list[photos.Piece]:
    """Return all that is inked as one piece."""
    return [photos.Piece(np.concatenate([piece.runs for piece in components(mask)]))]


def whole_picture(ink: np.ndarray, separated: Callable[..., Any] = photos.separated) -> list[Any]:
    """Return the digits where they are in the whole picture."""
    result = np.zeros_like(ink)
    for (top, left, bottom, right), soft in separated(ink):
        result[top:bottom, left:right] = np.maximum(result[top:bottom, left:right], soft)
    return [((0, 0, *ink.shape), result)]


def stretched(soft: np.ndarray, side: int) -> np.ndarray:
    """Return ink scaled to fill the box."""
    return np.asarray(Image.fromarray(soft).resize((side, side), Image.Resampling.BILINEAR))


def middle_of_box(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a box in the middle of an image."""
    return np.pad(picture, [((n - len(picture)) // 2, -(-(n - len(picture)) // 2)) for n in shape])


def plain_resize(picture: np.ndarray, shape: tuple[int, int]) -> photos.Digits:
    """Return the picture, ink bright, as it is."""
    polarity = photos.by_border(picture)
    bright = 255 - picture if polarity.dark_on_light else picture
    small = Image.fromarray(bright).resize(shape[::-1], Image.Resampling.BILINEAR)
    return photos.Digits(polarity, [(0, 0, *picture.shape)], np.asarray(small)[None])


# What replaces functions of stages/dataset/photos.py to leave out a step.
ABLATIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "polarity by the border": {"by_border": lambda picture: photos.Polarity(255, 0, 255)},
    "division by the background": {"background": lambda light: np.full(light.shape, 255)},
    "threshold": {"separated": lambda ink: [((0, 0, *ink.shape), ink)]},
    "second threshold for rules": {"is_rule": lambda box, shape: False},
    "components": {"is_rule": lambda box, shape: False, "components": one_piece},
    "box": {"separated": whole_picture},
    "proportions": {"fitted": stretched},
    "center of mass": {"centered": middle_of_box},
    "deskewing": {},
    "all of it: the picture resized": {"find": plain_resize},
}


def right(reader: Reader, pictures: Sequence[np.ndarray], labels: Sequence[int]) -> tuple[float, float, float]:
    """Return the fraction of gray pictures whose only digit is read, that of sure answers, and how many are right."""
    correct, sure = [], []
    for picture, label in zip(pictures, labels, strict=True):
        try:
            digits = list(reader.answers(photos.find(picture, reader.model.image_shape)))
        except ValueError:
            digits = []
        correct.append([digit.answer for digit in digits] == [reader.model.classes[label]])
        sure.append(len(digits) == 1 and digits[0].sure)
    among = np.mean(np.array(correct)[sure]) if any(sure) else float("nan")
    return float(np.mean(correct)), float(np.mean(sure)), float(among)


def scans() -> tuple[list[np.ndarray], list[int]]:
    """Return scikit-learn's digits as gray pictures of 160 x 160 pixels, bright ink, and their labels."""
    try:
        from sklearn.datasets import load_digits  # of the extra `bench`
    except ImportError:
        raise ValueError("scikit-learn is needed: pip install --constraint requirements.txt '.[bench]'") from None
    digits = load_digits()
    framed = [np.pad(np.rint(image * (255 / 16)).astype(np.uint8), 4) for image in digits.images]
    large = [np.asarray(Image.fromarray(image).resize((160, 160), Image.Resampling.BICUBIC)) for image in framed]
    return large, digits.target.tolist()


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"


def main() -> None:
    """Measure all of it, write the tables."""
    with command():
        reader = predict.load()
        some = slice(FIRST, FIRST + COUNT)
        images, labels = idx.read(predict.TEST_IMAGES)[some], idx.read(LABELS)[some].tolist()
        pictures: dict[str, list[np.ndarray]] = {}
        turned = []
        for name, options in CONDITIONS.items():
            rng = np.random.default_rng(SEED)
            data = [photograph(image, rng, **options) for image in images]
            pictures[name] = [photos.read(io.BytesIO(jpeg)) for jpeg in data]
            if "turned" in options:
                with patch.object(photos.ImageOps, "exif_transpose", lambda image: image):
                    turned = [photos.read(io.BytesIO(jpeg)) for jpeg in data]
        scanned, targets = scans()
        rows = [[name, *map(percent, right(reader, of, labels))] for name, of in pictures.items()]
        rows.append(["scikit-learn's 1,797 digits", *map(percent, right(reader, scanned, targets))])
        measured = table(["pictures", "right", "sure", "right, of the sure"], rows)

        lines = []
        for name, replaced in ABLATIONS.items():
            with ExitStack() as patches:
                for function, other in replaced.items():
                    patches.enter_context(patch.object(photos, function, other))
                own = dataclasses.replace(reader, deskew=False) if name == "deskewing" else reader
                lines.append([name, *(percent(right(own, of, labels)[0]) for of in pictures.values())])
        unturned = [
            percent(right(reader, turned, labels)[0]) if "turned" in CONDITIONS[name] else "" for name in pictures
        ]
        lines.insert(1, ["turning by EXIF", *unturned])
        without = table(["without", *pictures], lines)

        files.write_text(PAGE, between_marks(PAGE, START, END, f"{measured}\n{without}"))
        print(measured, without, sep="\n")


if __name__ == "__main__":
    main()
