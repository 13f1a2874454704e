"""How well the network reads photographs of paper, and what each step of the preparation is worth.

    python -m experiments.photos          synthetic photographs, scans and ablations
    python -m experiments.photos FONTS    digits in the handwriting fonts below this directory

The photographs are synthetic: test images of MNIST drawn by code on paper, in a shadow, on rules, with a thin pen. The
scans are the 8 x 8 digits of 43 people that come with scikit-learn, each enlarged to a picture. The fonts are those of
the npm scope @fontsource, as npm installs them. No choice was made on these photographs. Takes the results of
`dvc repro`; writes the tables of docs/photos.md.
"""

import dataclasses
import io
import itertools
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from experiments.command import command
from experiments.pages import between_marks, table
from experiments.recipes.other_writers import load_digits
from stages import predict
from stages.dataset import idx, photos
from stages.pipeline import files
from stages.predict import Reader

PAGE = Path("docs/photos.md")
START, END = "<!-- tables: made by `python -m experiments.photos` -->\n", "<!-- end of tables -->\n"
FONTS_START, FONTS_END = "<!-- fonts: made by `python -m experiments.photos FONTS` -->\n", "<!-- end of fonts -->\n"
FONT_FILES = "*-latin-400-normal.woff"  # one for each font, of the usual weight
LABELS = Path("data/raw/t10k-labels-idx1-ubyte")
FIRST, COUNT, SEED = 5000, 150, 1  # the test images: other ones than those that the preparation was tried on
HEAD = ["pictures", "right", "sure", "right, of the sure"]
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
    digits = load_digits()
    framed = [np.pad(np.rint(image * (255 / 16)).astype(np.uint8), 4) for image in digits.images]
    large = [np.asarray(Image.fromarray(image).resize((160, 160), Image.Resampling.BICUBIC)) for image in framed]
    return large, digits.target.tolist()


def handwriting(directory: Path) -> dict[str, list[np.ndarray]]:
    """Return, by font, gray photographs of its digits 0 to 9; ValueError when there is no font."""
    fonts = [ImageFont.truetype(path, 200) for path in sorted(directory.rglob(FONT_FILES))]
    if not fonts:
        raise ValueError(f"{directory}: there is no {FONT_FILES}; docs/photos.md says where to get handwriting fonts")
    rng = np.random.default_rng(SEED)
    return {
        str(font.getname()[0]).strip(): [
            photos.read(io.BytesIO(photograph(written(digit, font), rng))) for digit in range(10)
        ]
        for font in fonts
    }


def written(digit: int, font: ImageFont.FreeTypeFont) -> np.ndarray:
    """Return a digit in the middle of a square, uint8, bright ink, with the margin that MNIST's digits have."""
    x0, y0, x1, y1 = font.getbbox(str(digit))
    side = round(max(x1 - x0, y1 - y0) * 28 / 20)
    image = Image.new("L", (side, side))
    ImageDraw.Draw(image).text(((side - x0 - x1) / 2, (side - y0 - y1) / 2), str(digit), fill=255, font=font)
    return np.asarray(image)


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"


def write(start: str, end: str, measured: str) -> None:
    """Write and print what was measured, and of which model."""
    content = f"Of the model with SHA-256 `{files.digest(predict.MODEL)[:12]}...`:\n\n{measured}"
    files.write_text(PAGE, between_marks(PAGE, start, end, content))
    print(content)


def main() -> None:
    """Measure what the command line asks for, write the tables."""
    with command():
        reader = predict.load()
        if len(sys.argv) > 1:
            measure_fonts(reader, Path(sys.argv[1]))
        else:
            measure_photographs(reader)


def measure_fonts(reader: Reader, directory: Path) -> None:
    """Measure the digits in handwriting fonts; write their table and how many of each font are read."""
    pictures, labels = handwriting(directory), list(range(10))
    every = right(reader, list(itertools.chain(*pictures.values())), labels * len(pictures))
    row = [f"{len(pictures)} handwriting fonts, {len(pictures) * len(labels)} digits", *map(percent, every)]
    read = (f"{name} {round(right(reader, ten, labels)[0] * len(labels))}" for name, ten in pictures.items())
    each = textwrap.fill(f"Right of the ten digits of each font: {', '.join(read)}.", 120)
    write(FONTS_START, FONTS_END, f"{table(HEAD, [row])}\n{each}\n")


def measure_photographs(reader: Reader) -> None:
    """Measure synthetic photographs and scans, and each step of the preparation; write their tables."""
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
    measured = table(HEAD, rows)

    lines = []
    for name, replaced in ABLATIONS.items():
        with ExitStack() as patches:
            for function, other in replaced.items():
                patches.enter_context(patch.object(photos, function, other))
            own = dataclasses.replace(reader, deskew=False) if name == "deskewing" else reader
            lines.append([name, *(percent(right(own, of, labels)[0]) for of in pictures.values())])
    unturned = [percent(right(reader, turned, labels)[0]) if "turned" in CONDITIONS[name] else "" for name in pictures]
    lines.insert(1, ["turning by EXIF", *unturned])
    without = table(["without", *pictures], lines)

    write(START, END, f"{measured}\n{without}")


if __name__ == "__main__":
    main()
