"""Photographs and scans of digits: where the ink is, and each digit as MNIST's were made.

The steps: upright (EXIF) and gray; dark on light or light on dark, by the border; divided by the background, so that
shadows and paper vanish; ink by Otsu's threshold (1979); connected components, without specks and rules; each digit
scaled into a box with its proportions kept, its center of mass moved by whole pixels to the middle.

Every number is an integer, or a sum of integers that float64 holds exactly, so the result is the same on every machine.
"""

import warnings
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 100_000_000  # of a file
SIDE = 1600  # a larger picture is reduced until its longest side is at most so many pixels
CELLS = 30  # the background is estimated at so many cells across and down
REACH = 7  # cells; ink that is wider is taken for paper
CONTRAST = 40  # least difference of ink and paper, of 255
SMALLEST = 10  # pixels; a smaller longest side is no digit
MOST = 40  # digits in a picture
BOX = Fraction(20, 28)  # of the side of MNIST's images, the box around a digit

Box = tuple[int, int, int, int]  # top, left, bottom, right, of which the last two are just outside


@dataclass(frozen=True)
class Polarity:
    """Whether ink is dark, and why: gray levels of the border and of the darkest and lightest near it."""

    border: int
    darkest: int
    lightest: int

    @property
    def dark_on_light(self) -> bool:
        return 2 * self.border >= self.darkest + self.lightest

    def __str__(self) -> str:
        name, nearer = ("dark on light", "lightest") if self.dark_on_light else ("light on dark", "darkest")
        return f"{name}: the border ({self.border}) is nearer to the {nearer} of {self.darkest} to {self.lightest}"


@dataclass(frozen=True)
class Digits:
    """The digits of a picture, from left to right: uint8 images (N, rows, columns), 255 is ink, and their boxes."""

    polarity: Polarity
    boxes: list[Box]
    images: np.ndarray


def files_in(directory: Path) -> list[Path]:
    """Return the files below a directory whose names end like those of pictures, in the order of their names."""
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    paths = [path for path in directory.rglob("[!.]*") if path.suffix.lower() in endings and path.is_file()]
    return sorted(paths, key=lambda path: path.as_posix())


def read(path: Path | BinaryIO) -> np.ndarray:
    """Return a picture as uint8 gray (rows, columns), upright, reduced to at most SIDE pixels a side.

    ValueError, in one line, when it is no picture, broken or too large. Transparent pixels are white.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about sizes and damaged metadata
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                image.load()
                return np.asarray(gray(ImageOps.exif_transpose(image)))
    except Image.DecompressionBombError:
        raise ValueError(f"more than {MAX_PIXELS // 10**6} million pixels; make the picture smaller") from None
    except UnidentifiedImageError:
        raise ValueError("no picture that Pillow can read; save it as JPEG or PNG") from None
    except MemoryError:
        raise
    except Exception as error:  # of the file system; decoders raise errors of any type on bytes that are not theirs
        if isinstance(error, OSError) and error.strerror:
            raise ValueError(error.strerror) from None
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"broken, {reason}; save it again as JPEG or PNG") from None


def gray(image: Image.Image) -> Image.Image:
    """Return an image of any mode in 8-bit gray, reduced by a whole factor."""
    if image.mode.startswith(("I", "F")):  # more than 8 bits: spread from the darkest to the lightest
        values = np.nan_to_num(np.asarray(image).astype(np.float64))
        low, high = values.min(), values.max()
        image = Image.fromarray(((values - low) * (255 / max(high - low, 1))).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L")
    return image.reduce(-(-max(image.size) // SIDE))


def find(picture: np.ndarray, shape: tuple[int, int]) -> Digits:
    """Return the digits in a gray picture as images of `shape`; ValueError, in one line, when there are none."""
    polarity = by_border(picture)
    light = picture if polarity.dark_on_light else 255 - picture
    ink = divided(light, background(light))
    boxes, digits = [], []
    side = round(BOX * min(shape))
    for box, soft in separated(ink):
        boxes.append(box)
        digits.append(centered(fitted(soft, side), shape))
    return Digits(polarity, boxes, np.stack(digits))


def by_border(picture: np.ndarray) -> Polarity:
    """Compare the border, which is paper, with the darkest and the lightest within half a picture of each piece of it.

    Each piece of the border counts as much as its surroundings have contrast, so that a shadow matters little.
    """
    low, mean, high = (cells(picture, how) for how in (np.minimum, np.add, np.maximum))
    reach = CELLS // 2
    low, high = windows(low, reach, np.minimum), windows(high, reach, np.maximum)
    ring = np.ones(mean.shape, bool)
    ring[1:-1, 1:-1] = False
    return Polarity(*(int(np.rint(level[ring].mean())) for level in (mean, low, high)))


def cells(picture: np.ndarray, how: np.ufunc) -> np.ndarray:
    """Return the mean (np.add), minimum or maximum of each cell of a grid of about CELLS x CELLS, as integers."""
    rows, columns = (np.arange(min(CELLS, n)) * n // min(CELLS, n) for n in picture.shape)
    result = how.reduceat(how.reduceat(picture.astype(np.int64), rows, axis=0), columns, axis=1)
    if how is np.add:
        heights, widths = (np.diff(starts, append=n) for starts, n in zip((rows, columns), picture.shape, strict=True))
        result //= heights[:, None] * widths
    return result


def windows(grid: np.ndarray, reach: int, how: np.ufunc) -> np.ndarray:
    """Return the minimum or maximum of `grid` within `reach` of each place, down and across."""
    for axis in (0, 1):
        padded = np.pad(grid, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        grid = how.reduce(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=axis), axis=-1)
    return grid


def background(light: np.ndarray) -> np.ndarray:
    """Return the brightness of the paper (rows, columns), at least 1: cells closed over dark ink, then interpolated."""
    reach = REACH // 2
    grid = cells(light, np.add)
    closed = windows(windows(np.pad(grid, reach, mode="edge"), reach, np.maximum), reach, np.minimum)
    grid = closed[reach:-reach, reach:-reach]
    down, across = (tents(n, size) for n, size in zip(grid.shape, light.shape, strict=True))
    scale = down.sum(axis=1)[:, None] * across.sum(axis=1)
    return np.maximum(down @ grid @ across.T // scale, 1)


def tents(old: int, new: int) -> np.ndarray:
    """Return weights (new, old) that scale `old` samples smoothly to `new`, as whole numbers in float64.

    Each new sample is a mean of the old ones near it, weighted by a triangle as wide as two samples of the coarser.
    """
    centers, samples = (2 * np.arange(new) + 1) * old, (2 * np.arange(old) + 1) * new
    distance = np.abs(np.clip(centers, samples[0], samples[-1])[:, None] - samples)
    return np.maximum(2 * max(old, new) - distance, 0).astype(np.float64)


def divided(light: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """Return the ink, from 0 as light as the paper to 255 black."""
    return np.maximum(255 - light * 255.0 // paper, 0).astype(np.uint8)


def separated(ink: np.ndarray) -> list[tuple[Box, np.ndarray]]:
    """Return the box of each digit, from left to right, and the ink in it, uint8 (rows, columns), 255 is full.

    Otsu's threshold tells pen from paper. Where it finds rules, too, it is applied once more to what is above it: rules
    are fainter than the pen. ValueError, in one line, when there is no digit.
    """
    counts = np.bincount(ink.reshape(-1), minlength=256)
    chosen = None
    low = 0
    while split := otsu(counts, low):
        threshold, paper, pen = split
        low = threshold + 1
        if pen - paper >= CONTRAST:
            pieces = components(ink > threshold)
            ruled = any(is_rule(piece.box, ink.shape) for piece in pieces)
            if chosen is None or not ruled:
                chosen = pieces, paper, pen
            if not ruled:
                break
        elif chosen:
            break
    if chosen is None:
        raise ValueError("blank: nothing is darker or lighter than what is around it")
    pieces, paper, pen = chosen
    found = merged([piece for piece in pieces if not is_rule(piece.box, ink.shape)])
    found = [piece for piece in found if not is_cut_off(piece.box, ink.shape)] or found
    if not found:
        raise ValueError("no digit: only specks and rules")
    if len(found) > MOST:
        raise ValueError(f"no digit: {len(found)} shapes; crop the picture to a row of digits")
    full = np.clip((ink.astype(np.int64) - paper) * 255 // (pen - paper), 0, 255).astype(np.uint8)
    return [(piece.box, piece.cut(full)) for piece in found]


def otsu(counts: np.ndarray, low: int) -> tuple[int, int, int] | None:
    """Return the gray level >= low that splits the pixels above `low` best into two classes, and the mean of each.

    `counts` (256,) are the pixels of each level. Best: the variance between the classes is largest (Otsu, 1979).
    """
    best, result = Fraction(0), None
    level = np.arange(256)
    n, total = int(counts[low:].sum()), int((counts * level)[low:].sum())
    n0 = total0 = 0
    for threshold in range(low, 255):
        n0 += int(counts[threshold])
        total0 += threshold * int(counts[threshold])
        n1 = n - n0
        if n0 and n1 and (between := Fraction((total0 * n - total * n0) ** 2, n0 * n1)) > best:
            best, result = between, (threshold, total0 // n0, (total - total0) // n1)
    return result


@dataclass(frozen=True, eq=False)
class Piece:
    """Connected pixels as runs: (row, first column, column after the last)."""

    runs: np.ndarray

    @property
    def box(self) -> Box:
        """Return top, left, bottom, right."""
        (row, left, _), (last, _, right) = self.runs.min(axis=0), self.runs.max(axis=0)
        return int(row), int(left), int(last) + 1, int(right)

    @property
    def size(self) -> int:
        """Return the longest side."""
        top, left, bottom, right = self.box
        return max(bottom - top, right - left)

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """Return the box of a picture, zero but for this piece."""
        top, left, bottom, right = self.box
        result = np.zeros((bottom - top, right - left), picture.dtype)
        for row, start, end in self.runs:
            result[row - top, start - left : end - left] = picture[row, start:end]
        return result


def components(mask: np.ndarray) -> list[Piece]:
    """Return the connected pieces of a mask (rows, columns), of which corners connect, too."""
    width = mask.shape[1] + 2
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (rows, starts), (_, ends) = np.nonzero(edges == 1), np.nonzero(edges == -1)
    first, last = rows * width + starts, rows * width + ends
    above = np.searchsorted(last, first - width), np.searchsorted(first, last - width, side="right")
    parent = list(range(len(rows)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for i, (begin, end) in enumerate(zip(*(a.tolist() for a in above), strict=True)):
        for j in range(begin, end):
            parent[root(j)] = root(i)
    roots = np.array([root(i) for i in range(len(rows))], np.intp)
    order = np.argsort(roots, kind="stable")
    runs = np.stack([rows, starts, ends], axis=1)[order]
    return [Piece(part) for part in np.split(runs, np.flatnonzero(np.diff(roots[order])) + 1) if len(part)]


def is_rule(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether a box reaches across or down nearly the whole picture, or is much wider than it is high."""
    top, left, bottom, right = box
    height, width = bottom - top, right - left
    return 10 * width > 9 * shape[1] or 10 * height > 9 * shape[0] or (width > 8 * height and 3 * width > shape[1])


def is_cut_off(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether a box touches the edge of the picture: what is there is cut off, or is no ink."""
    return min(box[:2]) == 0 or box[2] == shape[0] or box[3] == shape[1]


def merged(pieces: list[Piece]) -> list[Piece]:
    """Return the digits, from left to right: pieces that nearly touch or are above each other are one; no specks."""
    tallest = max((piece.size for piece in pieces), default=0)
    waiting = [piece for piece in pieces if 10 * piece.size >= tallest]
    done: list[Piece] = []
    while waiting:
        piece = waiting.pop()
        near = next((other for other in waiting + done if belong(piece.box, other.box, tallest)), None)
        if near is None:
            done.append(piece)
        else:
            (waiting if near in waiting else done).remove(near)
            waiting.append(Piece(np.concatenate([piece.runs, near.runs])))
    return sorted((piece for piece in done if may_be_digit(piece, tallest)), key=lambda piece: piece.box[1])


def may_be_digit(piece: Piece, tallest: int) -> bool:
    """Whether a piece is no speck beside the tallest, and no dash."""
    top, left, bottom, right = piece.box
    return piece.size >= SMALLEST and 3 * piece.size >= tallest and right - left <= 4 * (bottom - top)


def belong(a: Box, b: Box, tallest: int) -> bool:
    """Whether two boxes are of one digit: nearly touching, or mostly above each other."""
    gaps = [max(a[axis], b[axis]) - min(a[axis + 2], b[axis + 2]) for axis in (0, 1)]
    narrower = min(a[3] - a[1], b[3] - b[1])
    return 12 * max(gaps) <= tallest or (2 * -gaps[1] >= narrower and 2 * gaps[0] <= tallest)


def fitted(soft: np.ndarray, side: int) -> np.ndarray:
    """Return ink scaled smoothly, its proportions kept, into the middle of a box side x side, its most full at 255."""
    height, width = soft.shape
    longest = max(height, width)
    size = [max(1, (2 * n * side + longest) // (2 * longest)) for n in soft.shape]
    down, across = (tents(old, new) for old, new in zip(soft.shape, size, strict=True))
    scale = down.sum(axis=1)[:, None] * across.sum(axis=1)
    small = down @ soft.astype(np.float64) @ across.T // scale  # exact: whole numbers below 2^53
    small = small * 255 // max(small.max(), 1)
    box = np.zeros((side, side), np.uint8)
    top, left = ((side - n) // 2 for n in size)
    box[top : top + size[0], left : left + size[1]] = small
    return box


def centered(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a picture uint8 (side, side) in an image of `shape`, its center of mass moved to the middle.

    It moves by whole pixels; the middle is index 14 of 28: center() of stages/report/web/prepare.js.
    """
    side = len(picture)
    ink = picture.astype(np.int64)
    mass = max(int(ink.sum()), 1)
    image = np.zeros(shape, np.uint8)
    corner = []
    for size, weights in zip(shape, (ink.sum(axis=1), ink.sum(axis=0)), strict=True):
        moment = int(weights @ np.arange(side))
        start = (size * mass - 2 * moment + mass) // (2 * mass)  # rounded, halves up
        corner.append(min(max(start, 0), size - side))
    top, left = corner
    image[top : top + side, left : left + side] = picture
    return image
