"""How well the network reads photographs of paper, by the condition that the photograph is in.

    python -m experiments.photos

The photographs are synthetic: test images of MNIST, drawn by code on paper. Uses the results of `dvc repro`; writes the
table in docs/photos.md.
"""

import io
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from experiments.command import command
from experiments.pages import fill, table
from stages.dataset import idx
from stages.learning.model import Model, load
from stages.pipeline import files, paths
from stages.predict import read

PAGE = Path("docs/photos.md")
LABELS = Path("data/raw/t10k-labels-idx1-ubyte")
FIRST, COUNT, SEED = 5000, 40, 1  # the test images, and the photographs in each condition
HEAD = ["condition", "pictures", "right", "digits", "sure", "sure and wrong"]
Labeled = tuple[bytes, list[int]]  # a photograph, the labels of the digits in it
LINE = 3  # pixels; how thick a box is drawn
# The digits in each line, and how they are written and photographed: keywords of `write` and `photograph`.
CONDITIONS: dict[str, tuple[Sequence[int], dict[str, Any], dict[str, Any]]] = {
    "plain": ([1], {}, {}),
    "a row of five": ([5], {}, {}),
    "dark paper": ([1], {}, {"paper": (70, 70, 70), "pen": (225, 225, 225)}),
    "shadow": ([1], {}, {"shadow": True}),
    "thin pen": ([1], {"thin": True}, {}),
    "faint ruled lines": ([1], {}, {"ruled": 0.35}),
    "shadow and faint ruled lines": ([1], {}, {"shadow": True, "ruled": 0.35}),
    "turned, by EXIF": ([1], {}, {"turned": True}),
    **{f"margin of {m} pixels": ([1], {"height": 140, "margin": m}, {}) for m in (0, 2, 4, 6)},
    "row of six, no margin": ([6], {"height": 140, "margin": 0}, {}),
    "two rows": ([3, 3], {"height": 140}, {}),
    "three rows": ([3, 2, 4], {"height": 100}, {}),
    "box around each digit": ([3], {"height": 120, "box": 0.25, "gap": 0.3}, {}),
    "one box": ([1], {"box": 0.25}, {}),
    "row of cells": ([5], {"height": 100, "box": 0.25, "gap": 0}, {}),
    "ruled lines as dark as the pen": ([1], {}, {"ruled": 1.0}),
    "squared paper as dark as the pen": ([3], {"height": 140}, {"ruled": 1.0, "squared": True}),
    "yellow highlighter": ([1], {}, {"paper": (235, 235, 230), "pen": (250, 240, 60)}),
    "white on transparent": ([3], {"height": 140}, {"clear": True, "pen": (255, 255, 255)}),
    "black on transparent": ([3], {"height": 140}, {"clear": True, "pen": (0, 0, 0)}),
    **{f"gap of {gap} heights": ([4], {"height": 140, "gap": gap}, {}) for gap in (0.04, 0.06, 0.12)},
    "sheet on a table, rotated": ([3], {"height": 140}, {"desk": "rotated"}),
    "sheet on a table, in perspective": ([3], {"height": 140}, {"desk": "perspective"}),
    "12 megapixels": ([4], {"height": 100, "margin": 150}, {"paper": (215, 210, 200), "scale": 5}),
}


def write(
    rows: Sequence[Sequence[np.ndarray]],
    rng: np.random.Generator,
    height: int = 0,
    gap: float = 0.45,
    margin: int | None = None,
    thin: bool = False,
    box: float = 0,
) -> np.ndarray:
    """Return ink from 0 to 1 (rows, columns): lines of digits, uint8 (28, 28) each.

    `height` is that of a digit in pixels; `gap`, between digits, and `box`, from a digit to the lines of its box, are
    fractions of it; `margin`, in pixels, is around all of it. Where they are not given they are drawn from `rng`.
    """
    height = height or int(rng.integers(110, 170))
    top, placed = 0, []
    for row in rows:
        left = 0
        for digit in row:
            image = enlarge(digit, height, thin)
            if box:
                image = np.pad(np.pad(image, round(box * height)), LINE, constant_values=1.0)
            placed.append((top, left, image))
            left += image.shape[1] + (round(gap * height) or -LINE)  # without a gap, boxes share a line
        top += round(1.4 * height)
    ink = np.zeros([max(place[axis] + place[2].shape[axis] for place in placed) for axis in (0, 1)])
    for top, left, image in placed:
        ink[top : top + image.shape[0], left : left + image.shape[1]] += image
    return np.pad(ink.clip(0, 1), rng.integers(50, 130, (2, 2)).tolist() if margin is None else margin)


def enlarge(digit: np.ndarray, height: int, thin: bool) -> np.ndarray:
    """Return the ink of a digit from 0 to 1, cropped to it and `height` pixels high."""
    rows, columns = (np.flatnonzero((digit > 80).any(axis=axis)) for axis in (1, 0))
    cropped = Image.fromarray(digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    image = cropped.resize((-(-height * cropped.width // cropped.height), height), Image.Resampling.BICUBIC)
    if thin:  # the pen leaves only the middle of a stroke
        image = image.filter(ImageFilter.MinFilter(height // 36 * 2 + 1))
    return np.minimum(np.asarray(image) / 170, 1)


def photograph(
    ink: np.ndarray,
    rng: np.random.Generator,
    paper: tuple[int, int, int] = (215, 215, 215),
    pen: tuple[int, int, int] = (55, 55, 60),
    shadow: bool = False,
    ruled: float = 0,
    squared: bool = False,
    turned: bool = False,
    clear: bool = False,
    desk: str = "",
    scale: int = 1,
) -> bytes:
    """Return a JPEG of paper with ink (rows, columns) on it; PNG if all but the ink is `clear`.

    `ruled` is how dark lines on the paper are, of the pen: down, too, where it is `squared`.
    """
    y, x = np.ogrid[: ink.shape[0], : ink.shape[1]]
    if ruled:
        lines = (y + int(rng.integers(40))) % 40 < 2
        if squared:
            lines = lines | ((x + int(rng.integers(40))) % 40 < 2)
        ink = np.maximum(ink, ruled * lines)
    light = np.array(paper) + np.subtract(pen, paper) * ink[..., None]
    if shadow:  # a soft edge across the paper at any angle
        angle = rng.uniform(0, 2 * np.pi)
        height, width = ink.shape
        across, down = x - width * rng.uniform(0.3, 0.7), y - height * rng.uniform(0.3, 0.7)
        distance = across * np.cos(angle) + down * np.sin(angle)
        light *= (1 - 0.7 / (1 + np.exp(-distance / 25)))[..., None]
    image = to_image(light + rng.normal(0, 4, ink.shape)[..., None])
    if desk:
        image = on_desk(image, rng, desk == "perspective")
    image = image.resize((image.width * scale, image.height * scale))
    exif = Image.Exif()
    if turned:
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = 6  # "turn it to the right to see it upright"
    if clear:
        image = Image.new("RGB", image.size, pen)
        image.putalpha(Image.fromarray(np.rint(ink * 255).astype(np.uint8)))
    file = io.BytesIO()
    image.save(file, "PNG" if clear else "JPEG", quality=85, exif=exif)
    return file.getvalue()


def to_image(light: np.ndarray) -> Image.Image:
    """Return an image of brightness from 0 to 255 (rows, columns, 3)."""
    return Image.fromarray(np.clip(np.rint(light), 0, 255).astype(np.uint8))


def on_desk(sheet: Image.Image, rng: np.random.Generator, perspective: bool) -> Image.Image:
    """Return a picture of a wooden table with a sheet of paper on it, turned by up to 20 degrees or in perspective."""
    width, height = sheet.size
    side = round(1.5 * max(sheet.size))
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    if perspective:
        to = corners + rng.uniform(-0.12, 0.12, (4, 2)) * (width, height)
    else:
        turn = np.radians(rng.uniform(5, 20) * rng.choice([-1, 1]))
        to = (corners - corners.mean(axis=0)) @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    to += side / 2 - to.mean(axis=0)
    lines = [[u, v, 1, 0, 0, 0, -x * u, -x * v] for (x, y), (u, v) in zip(corners, to, strict=True)]
    lines += [[0, 0, 0, u, v, 1, -y * u, -y * v] for (x, y), (u, v) in zip(corners, to, strict=True)]
    back = np.linalg.solve(lines, corners.T.ravel())  # from the picture to the sheet (Heckbert, 1989)
    y, x = np.indices((side, side), sparse=True)
    grain = np.sin(y / rng.uniform(4, 9) + 3 * np.sin(x / 90)) * 14 + rng.normal(0, 8, (side, side))
    wood = to_image(np.array([120, 85, 55]) * rng.uniform(0.7, 1.2) + grain[..., None])
    shape = Image.new("L", sheet.size, 255)
    how = Image.Transform.PERSPECTIVE, tuple(back), Image.Resampling.BILINEAR
    wood.paste(sheet.transform(wood.size, *how), mask=shape.transform(wood.size, *how))
    return wood


def count(model: Model, pictures: Iterable[Labeled]) -> np.ndarray:
    """Return how many pictures there are, how many are read right, the digits in them, sure answers, sure but wrong."""
    counts = np.zeros(5, int)
    with TemporaryDirectory() as directory:
        path = Path(directory, "picture")
        for picture, labels in pictures:
            path.write_bytes(picture)
            digits = read(model, path, "").digits
            right, answers = [model.classes[label] for label in labels], [digit.answer for digit in digits]
            blocks = SequenceMatcher(None, answers, right, autojunk=False).get_matching_blocks()
            matched = {n for block in blocks for n in range(block.a, block.a + block.size)}
            sure = {n for n, digit in enumerate(digits) if digit.sure}
            counts += [1, answers == right, len(right), len(sure), len(sure - matched)]
    return counts


def photographs(condition: str, images: np.ndarray, labels: np.ndarray, number: int) -> list[Labeled]:
    """Return photographs in a condition of images, uint8 (N, 28, 28), with the labels of the digits in each."""
    rows, how, look = CONDITIONS[condition]
    rng = np.random.default_rng(SEED)
    made = []
    for _ in range(number):
        lines = [rng.integers(len(images), size=digits) for digits in rows]
        picture = photograph(write([list(images[line]) for line in lines], rng, **how), rng, **look)
        made.append((picture, labels[np.concatenate(lines)].tolist()))
    return made


def main() -> None:
    """Measure all conditions, write the table."""
    with command():
        model = load(paths.MODEL)
        images, labels = idx.read(paths.RAW / "t10k-images-idx3-ubyte")[FIRST:], idx.read(LABELS)[FIRST:]
        counts = {name: count(model, photographs(name, images, labels, COUNT)) for name in CONDITIONS}
        counts["all"] = sum(counts.values(), np.zeros(5, int))
        measured = table(HEAD, ([name, *map(str, row)] for name, row in counts.items()))
        content = f"Of the model with SHA-256 `{files.digest(paths.MODEL)[:12]}...`:\n\n{measured}"
        fill(PAGE, "tables", content)
        print(content)


if __name__ == "__main__":
    main()
