"""Where the ink is in a photograph, and which of it are digits.

The steps: a sheet of paper on a darker table is cut out and made a rectangle; the gray level or the color with the most
contrast; dark on light or light on dark, by the border; divided by the background, so that shadows vanish; ink by
Otsu's threshold (1979); straight lines and boxes removed; connected pieces grouped to digits, and digits to lines.

Every number is an integer, or a sum of integers that float64 holds exactly, so the result is the same on every machine.
"""

from dataclasses import dataclass, field

import numpy as np
import scipy

from stages.photos.center import like_mnist
from stages.photos.ink import find_ink, luminance
from stages.photos.lines import EIGHT, MOST_PIECES, remove_lines
from stages.photos.sheet import find_sheet, flatten

CONTRAST = 40  # least difference of ink and paper, of 255
SMALLEST = 10  # pixels; a digit has a longer side of at least this
MOST_DIGITS, MOST_SHAPES = 60, 400  # in a picture
THUMBNAIL = 400  # pixels a side at most
MARGIN = 24  # pixels of paper that are added around the picture
NO_DIGIT = "no digit found: only specks and ruled lines"

Box = tuple[int, int, int, int]  # top, left, bottom, right, of which the last two are just outside


@dataclass(frozen=True)
class Digit:
    """A digit in a picture, and what the network answers: at first nothing."""

    box: Box
    image: np.ndarray  # uint8, as MNIST's images, 255 is ink
    cut_off: bool  # whether it touches the edge of the picture
    answer: str = ""
    confidence: float = 0.0
    similarity: float = 0.0  # to the digits that the network knows
    sure: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture, its digits line by line and how they were found, or what is wrong.

    `shape`, in pixels, and the boxes of the digits are those of the picture, or of the sheet of paper in it.
    """

    name: str = ""
    thumbnail: np.ndarray | None = None  # uint8, gray
    shape: tuple[int, ...] = (0, 0)
    digits: list[Digit] = field(default_factory=list)
    note: str = ""
    problem: str = ""


def find(picture: np.ndarray, shape: tuple[int, int]) -> Picture:
    """Return the digits in a picture, uint8 (rows, columns, 3), as images of `shape`.

    ValueError, in one line, if there are none.
    """
    corners = find_sheet(luminance(picture))
    if corners is not None:
        try:
            found = find_on_paper(flatten(picture, corners), shape, ", on a sheet")
            if not any(digit.cut_off for digit in found.digits):
                return found
        except ValueError:
            pass  # blank: not a sheet, but a bright shape
    return find_on_paper(picture, shape, "")


def find_on_paper(picture: np.ndarray, shape: tuple[int, int], where: str) -> Picture:
    """Return the digits in a picture that is paper up to its edges; ValueError, in one line, if there are none."""
    gray = luminance(picture)
    inks = [find_ink(gray)]
    if inks[0].contrast < 3 * CONTRAST and np.ptp(picture, axis=2).max() > CONTRAST:
        inks += [find_ink(color) for color in np.moveaxis(picture, 2, 0)]
    best = max(inks, key=lambda ink: ink.contrast * (3 if ink is inks[0] else 2))  # a color must be clearly better
    if best.contrast < CONTRAST:
        raise ValueError("blank: nothing is darker or lighter than what is around it")
    labels, pieces = scipy.ndimage.label(np.pad(remove_lines(best.amount > best.threshold), MARGIN), EIGHT)
    if pieces > MOST_PIECES:
        raise ValueError(f"no digit found: noise, {pieces} specks; take the picture in better light")
    groups, boxes, left_out = group(labels)
    full = np.pad((best.amount.astype(np.int64) - best.paper) * 255 // best.contrast, MARGIN).clip(0, 255)
    cut_off = np.logical_or(*at_edges(boxes, labels.shape)).any(axis=1)
    digits = []
    for n in reading_order(boxes):
        top, left, bottom, right = boxes[n].tolist()
        place = slice(top, bottom), slice(left, right)
        soft = np.where(np.isin(labels[place], groups[n]), full[place], 0)
        box = top - MARGIN, left - MARGIN, bottom - MARGIN, right - MARGIN
        digits.append(Digit(box, like_mnist(soft, shape), bool(cut_off[n])))
    step = -(-max(gray.shape) // THUMBNAIL)
    others = f"; {left_out} other shape{'s'[: left_out > 1]} left out" if left_out else ""
    return Picture("", gray[::step, ::step].copy(), gray.shape, digits, f"{best.polarity}{where}{others}")


def at_edges(boxes: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each box (N, 4) touches the top and left edges of the picture, (N, 2), and the opposite ones."""
    return boxes[:, :2] <= MARGIN, boxes[:, 2:] >= np.array(shape) - MARGIN


def group(labels: np.ndarray) -> tuple[list[list[int]], np.ndarray, int]:
    """Return the labels of the pieces of each digit, its box (N, 4), and how many other shapes were left out.

    Left out are shapes that are small or flat, and shapes at the edge that differ in size from the others.
    ValueError, in one line, if there is no digit or too much that could be one.
    """
    found = scipy.ndimage.find_objects(labels)
    boxes = np.array([(y.start, x.start, y.stop, x.stop) for y, x in found]).reshape(-1, 4)
    first, last = at_edges(boxes, labels.shape)
    alien = (first != last).any(axis=1) & ~(first & last).any(axis=1)  # such as a thumb; it may be large
    sizes = longest(boxes)
    large = sizes >= 2 * SMALLEST
    tallest = int(sizes[~alien | ((large & ~alien).sum() <= (large & alien).sum())].max(initial=0))
    chosen = np.flatnonzero((10 * sizes >= tallest) & (2 * sizes >= SMALLEST))
    if len(chosen) > MOST_SHAPES:
        raise ValueError(f"no digit found: {len(chosen)} shapes; crop the picture to the digits")
    if not len(chosen):
        raise ValueError(NO_DIGIT)
    owner = join(boxes[chosen], tallest)
    groups = [chosen[owner == n] for n in np.unique(owner)]
    boxes = np.array([[*boxes[g, :2].min(axis=0), *boxes[g, 2:].max(axis=0)] for g in groups]).reshape(-1, 4)
    sizes = longest(boxes)
    height, width = (boxes[:, 2:] - boxes[:, :2]).T
    good = (sizes >= SMALLEST) & (3 * sizes >= tallest) & (width <= 4 * height)
    edge = np.logical_or(*at_edges(boxes, labels.shape)).any(axis=1)
    if not good.any():
        raise ValueError(NO_DIGIT)
    usual = np.median(sizes[good])
    good &= ~edge | ((2 * sizes >= usual) & (2 * sizes <= 3 * usual))
    if good.sum() > MOST_DIGITS:
        raise ValueError(f"no digit found: {good.sum()} shapes; crop the picture to the digits")
    left_out = int(((sizes >= SMALLEST) & ~good).sum())
    return [(groups[n] + 1).tolist() for n in np.flatnonzero(good)], boxes[good], left_out


def longest(boxes: np.ndarray) -> np.ndarray:
    """Return the longer side of each box (N, 4)."""
    result: np.ndarray = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return result


def join(boxes: np.ndarray, tallest: int) -> np.ndarray:
    """Return the number (N,) of the digit that each of the pieces, with boxes (N, 4), belongs to.

    A fragment, less than half as high as the tallest, joins the nearest whole piece if it nearly touches it, or is
    above or below it. Whole pieces are one digit only if one is within, or just above, half of the other's width.
    """
    n = len(boxes)
    gaps = np.maximum(boxes[:, None, :2], boxes[None, :, :2]) - np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    extent = boxes[:, 2:] - boxes[:, :2]
    overlaps = 2 * -gaps >= np.minimum(extent[:, None], extent)
    whole = 2 * extent[:, 0] >= tallest
    gap = gaps.max(axis=2)
    fits = (12 * gap <= tallest) | (overlaps[..., 1] & (2 * gap <= tallest))
    distance = np.where(fits & whole, gap, np.iinfo(np.int64).max)
    owner = np.where(whole | ~(fits & whole).any(axis=1), np.arange(n), distance.argmin(axis=1))
    same = overlaps[..., 1] & (overlaps[..., 0] | (12 * gap <= tallest)) & whole & whole[:, None]
    for i, j in np.argwhere(np.triu(same, 1)):
        owner[owner == owner[j]] = owner[i]
    return owner


def reading_order(boxes: np.ndarray) -> list[int]:
    """Return the numbers of boxes (N, 4), top, left, bottom, right, line by line, each from left to right.

    From the left, each box goes on with the line whose last box is beside it for half of the lower one's height.
    """
    lines: list[list[int]] = []
    for n in np.argsort(boxes[:, 1], kind="stable").tolist():
        top, _, bottom, _ = boxes[n].tolist()
        for line in lines:
            above, _, below, _ = boxes[line[-1]].tolist()
            if 2 * (min(bottom, below) - max(top, above)) >= min(bottom - top, below - above):
                line.append(n)
                break
        else:
            lines.append([n])
    return [n for line in sorted(lines, key=lambda line: boxes[line, 0].mean()) for n in line]
