"""Figures: each function returns one whose title says what it shows.

The style is set here, on top of Matplotlib's own defaults, so that no user configuration changes a figure. The same
numbers give the same bytes.
"""

import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

P = ParamSpec("P")

# Colors that people with any color vision can tell apart (Okabe and Ito, 2008).
BLUE, ORANGE, RED, GRAY, INK = "#0072B2", "#E69F00", "#D55E00", "#8A8F98", "#22262B"
SIGNED = LinearSegmentedColormap.from_list("signed", [RED, "white", BLUE])  # negative, zero, positive
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "figure.constrained_layout.use": True,
}
# A confusion matrix has counts up to so many classes, names up to so many, and shows all classes up to so many.
COUNTED, NAMED, SHOWN = 26, 64, 256
PICTURES, PER_LINE = 40, 6  # limits of the figure of pictures: pictures, digits per line


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the style of this module, whatever the user's configuration."""

    @wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE)
            return draw(*args, **kwargs)

    return inner


def save(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure as PNG, without the version of Matplotlib in it."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure.savefig(path, format="png", dpi=dpi, metadata={"Software": None})


@styled
def learning_curves(history: Sequence[Mapping[str, str]]) -> Figure:
    """Loss and error rate per epoch, from the rows of history.csv."""
    epochs = np.array([int(row["epoch"]) for row in history])
    figure = Figure(figsize=(9, 3.8))
    loss, error = figure.subplots(1, 2)
    ends: dict[Axes, list[tuple[float, str, str]]] = {loss: [], error: []}
    last = ""
    for name, color, style in (("train", GRAY, "--"), ("validation", BLUE, "-")):
        if not history[0][f"{name}_loss"]:
            continue
        nats = np.array([float(row[f"{name}_loss"]) for row in history])
        errors = 100 * (1 - np.array([float(row[f"{name}_accuracy"]) for row in history]))
        last = f"{name} error rate {errors[-1]:.2f} %"
        for axes, values, form in ((loss, nats, "{:.3f}"), (error, errors, "{:.2f} %")):
            axes.plot(epochs, values, style, color=color, marker="o" if len(epochs) <= 30 else None, markersize=3.5)
            ends[axes].append((values[-1], f"{name} {form.format(values[-1])}", color))
    for axes, title in ((loss, "cross-entropy loss, nats"), (error, "error rate, %")):
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.set_ylim(bottom=0)
        axes.margins(x=0.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y", color=GRAY, alpha=0.25, linewidth=0.6)
        label_ends(axes, epochs[-1], ends[axes])
    figure.suptitle(f"{counted(len(history), 'epoch')} of training: {last}", x=0.01, ha="left")
    return figure


@cache
def letters() -> frozenset[int]:
    """Return the code points that the font of the figures can draw, both normal and bold."""
    fonts = (FontProperties(family=STYLE["font.family"], weight=weight) for weight in ("normal", "bold"))
    return frozenset.intersection(*(frozenset(get_font(findfont(font)).get_charmap()) for font in fonts))


def missing_letters(names: Iterable[str]) -> list[str]:
    """Return the letters of `names` that the font of the figures lacks; white space counts as drawable."""
    return sorted({letter for letter in "".join("".join(names).split()) if ord(letter) not in letters()})


def legible(classes: Sequence[str], width: int, lines: int) -> list[str]:
    """Return the class names in at most `lines` lines of about `width` letters each.

    A name with letters that the font lacks, or that is the same as another when it is shortened, becomes the number of
    the class.
    """
    texts = []
    for name in classes:
        wrapped = textwrap.wrap(name, width)
        cut = "\N{HORIZONTAL ELLIPSIS}" if len(wrapped) > lines else ""
        texts.append("\n".join(wrapped[:lines]) + cut)
    count = Counter(texts)
    bad = {text for text in count if count[text] > 1 or not text or missing_letters([text])}
    return [f"#{k}" if text in bad else text for k, text in enumerate(texts)]


def legend(names: Iterable[str]) -> str:
    """Return the line of a title that explains the class numbers among the names shown; empty if there are none."""
    if not any(re.fullmatch(r"#\d+", name) for name in names):
        return ""
    return "\n#N is class N, counted from 0: the font lacks letters of its name, or the name is too long"


def label_ends(axes: Axes, x: float, ends: list[tuple[float, str, str]]) -> None:
    """Write each (value, text, color) beside the end of its curve, from the lowest up, without overlap."""
    line = 0.075 * axes.get_ylim()[1]  # the height of a line of text, in the units of these axes, which start at 0
    free = -np.inf
    for value, text, color in sorted(ends):
        y = max(value, free)
        axes.annotate(
            text,
            (x, y),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=color,
            annotation_clip=False,  # visible even above the axes
        )
        free = y + line


@styled
def confusion_matrix(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Counts (K, K) of predicted classes (columns) for each actual class (row). Only the mistakes are colored.

    The figure has a bounded size: with more classes, first the counts are left out, then the names, and in the end
    all but the most confused classes.
    """
    K = len(classes)
    mistakes = counts.copy()
    np.fill_diagonal(mistakes, 0)
    accuracy = 100 * np.trace(counts) / max(counts.sum(), 1)
    shown = most_confused(mistakes, COUNTED) if K > SHOWN else list(range(K))
    n = len(shown)
    names = legible(classes, 20, 2 if n <= COUNTED else 1)
    title = f"Accuracy {accuracy:.2f} % on {counted(int(counts.sum()), 'test image')}"
    named = shown if n <= NAMED else []
    if mistakes.any():
        i, j = divmod(int(mistakes.argmax()), K)
        pair = f"{names[i]} predicted as {names[j]}".replace("\n", " ")
        title += f"\nmost frequent confusion: {pair}, {counted(int(mistakes[i, j]), 'time')}"
        named = [*named, i, j]
    if n < K:
        title += f"\nonly the {n} most confused of {K:,} classes are shown"
    title += legend(names[k] for k in named)
    images = np.maximum(counts.sum(axis=1, keepdims=True)[shown], 1)
    counts, mistakes = (matrix[np.ix_(shown, shown)] for matrix in (counts, mistakes))
    rates = 100 * mistakes / images

    size = 3.0 + 0.48 * min(n, 20)
    figure = Figure(figsize=(size + 0.8, size))
    axes = figure.subplots()
    darkest = max(float(rates.max()), 0.1) * 1.25
    image = axes.imshow(rates, cmap="Oranges", vmin=0, vmax=darkest)
    for i, j in np.argwhere(counts) if n <= COUNTED else ():
        weight = "bold" if i == j else "normal"
        color = "white" if rates[i, j] > 0.7 * darkest else INK  # the better contrast on this color map
        axes.text(j, i, f"{counts[i, j]}", ha="center", va="center", fontsize=8.5, weight=weight, color=color)
    if n <= NAMED:
        names = [names[k] for k in shown]
        wrapped = any("\n" in name for name in names)
        angle = 0 if max(map(len, names)) <= 3 else 90 if wrapped or n > 20 else 40  # as steep as the space requires
        ha = "right" if angle == 40 else "center"
        axes.set_xticks(range(n), names, rotation=angle, ha=ha, parse_math=False)
        axes.set_yticks(range(n), names, parse_math=False)
    axes.set_xlabel("predicted" if n <= NAMED else "predicted, as class numbers")
    axes.set_ylabel("actual" if n <= NAMED else "actual, as class numbers")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
    bar.set_label("mistakes, % of the actual class")
    bar.outline.set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", wrap=True, parse_math=False)
    return figure


def most_confused(mistakes: np.ndarray, n: int) -> list[int]:
    """Return the numbers of n classes, in ascending order: those of the most frequent mistakes (K, K)."""
    pairs = np.argwhere(mistakes)
    worst = pairs[np.argsort(-mistakes[tuple(pairs.T)], kind="stable")[: n * n]]  # n classes have fewer pairs
    ranked = dict.fromkeys([*worst.ravel().tolist(), *range(len(mistakes))])  # without repetition
    return sorted(list(ranked)[:n])


@styled
def predictions(
    images: np.ndarray,
    actual: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    classes: Sequence[str],
    total: int,
) -> Figure:
    """A grid of test images (n, rows, columns), of `total`, with the predicted class and confidence (n,) of each."""
    wrong = int((actual != predicted).sum())
    shown = f"Predicted class and confidence of {len(images)} of {counted(total, 'test image')}: "
    verdict = "no mistake" if not wrong else f"{counted(wrong, 'mistake')} (framed, \N{MULTIPLICATION X})"
    return image_grid(images, actual, predicted, confidence, classes, shown + verdict, columns=10)


@styled
def mistakes(
    images: np.ndarray,
    actual: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    classes: Sequence[str],
    total: int,
) -> Figure:
    """The misclassified test images (n, rows, columns) with the highest confidence (n,), of `total` mistakes."""
    if not total:
        figure = Figure(figsize=(6, 1.2))
        figure.suptitle("No mistakes on the test images", x=0.02, ha="left")
        return figure
    which = f"The {len(images)} most confident of {counted(total, 'mistake')}"
    title = f"{which}: actual \N{RIGHTWARDS ARROW} predicted class, and its confidence"
    return image_grid(images, actual, predicted, confidence, classes, title, columns=8)


def image_grid(
    images: np.ndarray,
    actual: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    classes: Sequence[str],
    title: str,
    columns: int,
) -> Figure:
    """Images (n, rows, columns), `columns` per line, each below its predicted class and its confidence (n,).

    A mistake has a frame, a cross and the name of its actual class, too. `actual` and `predicted` are numbers (n,).
    """
    names = legible(classes, 14, 2)
    shown = [names[k] for k in {*actual, *predicted}]
    long = max(map(len, shown)) > 3
    arrow = "\n\N{RIGHTWARDS ARROW} " if long else " \N{RIGHTWARDS ARROW} "
    above, beside = (0.75, 0.45) if long else (0.6, 0.2)
    rows, width = images.shape[1:]
    above += 0.34 * any("\n" in name for name in shown)  # two more lines of text
    above *= max(1, width / rows)
    canvas, cells = mosaic(255 - images, columns, gap=(above, beside), background=255)
    figure, axes = bare_figure(canvas, width=12 if long else 9)
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    for (top, left), truth, guess, sure in zip(cells, actual, predicted, confidence, strict=True):
        correct = truth == guess
        name = names[guess] if correct else f"\N{MULTIPLICATION X} {names[truth]}{arrow}{names[guess]}"
        axes.text(
            left + width / 2,
            top - 1.5,
            f"{name}\n{percent(sure)}",
            ha="center",
            va="bottom",
            fontsize=8.5,
            color=INK if correct else RED,
            parse_math=False,
        )
        if not correct:
            axes.add_patch(
                Rectangle((left - 0.5, top - 0.5), width, rows, fill=False, edgecolor=RED, linewidth=1.6, clip_on=False)
            )
    figure.suptitle(title + legend(shown), x=0.01, ha="left", wrap=True)
    return figure


def mosaic(
    images: np.ndarray, columns: int, gap: tuple[float, float], background: float
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Lay images (n, rows, columns) on one canvas; return it and the (top, left) of each. The gap is in image sizes."""
    n, height, width = images.shape
    above, beside = round(gap[0] * height), round(gap[1] * width)
    columns = min(columns, n)
    lines = -(-n // columns)
    canvas = np.full((lines * (height + above), columns * (width + beside) - beside), background, images.dtype)
    cells = [(above + i // columns * (height + above), i % columns * (width + beside)) for i in range(n)]
    for image, (top, left) in zip(images, cells, strict=True):
        canvas[top : top + height, left : left + width] = image
    return canvas, cells


def bare_figure(canvas: np.ndarray, width: float) -> tuple[Figure, Axes]:
    """A figure of `width` inches with axes that show only a canvas (rows, columns), and space for a title."""
    figure = Figure(figsize=(width, width * canvas.shape[0] / canvas.shape[1] + 0.5))
    axes = figure.subplots()
    axes.axis("off")
    return figure, axes


@styled
def first_layer(W: np.ndarray, image_shape: tuple[int, int], total: int) -> Figure:
    """The incoming weights of each hidden unit, a column of W (D, n), as an image: the pattern that it responds to."""
    limit = float(np.quantile(np.abs(W), 0.995)) or 1.0
    canvas, _ = mosaic(W.T.reshape(-1, *image_shape), 16, gap=(0.1, 0.1), background=np.nan)
    figure, axes = bare_figure(canvas, width=9)
    axes.imshow(canvas, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="nearest")
    shown = f"{W.shape[1]} of {total}" if W.shape[1] < total else f"all {total}"
    figure.suptitle(f"Weights of {shown} first-layer units: blue positive, orange negative", x=0.01, ha="left")
    return figure


@styled
def reliability(count: np.ndarray, confidence: np.ndarray, accuracy: np.ndarray, error: float) -> Figure:
    """Accuracy against mean confidence, and the number of images, per bin of confidence: (bins,) each."""
    figure = Figure(figsize=(5.6, 6.0))
    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    filled = count > 0
    edges = np.linspace(0, 1, len(count) + 1)
    above.plot([0, 1], [0, 1], "--", color=GRAY, linewidth=1)
    above.text(
        0.04,
        0.02,  # along the line, where points are rare: with ten classes no confidence is below 0.1
        "perfect calibration",
        rotation=45,
        rotation_mode="anchor",
        transform_rotates_text=True,
        va="top",
        color=GRAY,
        fontsize=9,
    )
    size = 20 + 130 * np.sqrt(count[filled] / count.max())
    above.scatter(confidence[filled], accuracy[filled], s=size, color=BLUE, alpha=0.85, linewidths=0, zorder=3)
    above.set_ylabel("accuracy")
    above.set_ylim(-0.03, 1.05)
    below.bar(edges[:-1], count, width=np.diff(edges) * 0.92, align="edge", color=BLUE, alpha=0.6)
    below.set_yscale("symlog", linthresh=1)
    below.set_ylabel("images")
    below.set_xlabel("confidence")
    below.set_xlim(0, 1.03)
    title = f"Expected calibration error: {100 * error:.2f} percentage points,"
    figure.suptitle(f"{title}\nthe mean gap between confidence and accuracy", x=0.02, ha="left")
    return figure


@styled
def pictures(shown: Sequence[Any], total: int) -> Figure:
    """The first of `total` pictures, one per line: the boxes of the digits, what the network saw of each, its answer.

    Each is a Picture of stages/photos/segment.py.
    """
    if not shown:
        figure = Figure(figsize=(6, 1.2))
        figure.suptitle("No pictures", x=0.02, ha="left")
        return figure
    lines = [max(1, -(-len(picture.digits) // PER_LINE)) for picture in shown]
    figure = Figure(figsize=(3.4 + 1.1 * PER_LINE, 1.9 * sum(lines) + 0.5))
    grid = figure.add_gridspec(sum(lines), 1 + PER_LINE, width_ratios=[3, *[1] * PER_LINE])
    top = 0
    for picture, name, count in zip(shown, legible([picture.name for picture in shown], 40, 1), lines, strict=True):
        whole = figure.add_subplot(grid[top : top + count, 0])
        whole.set_axis_off()
        whole.set_title(name, fontsize=9, parse_math=False)
        if picture.thumbnail is not None:
            height, width = picture.shape
            whole.imshow(picture.thumbnail, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
        for n, digit in enumerate(picture.digits):
            y0, x0, y1, x1 = digit.box
            whole.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=RED, linewidth=1.2))
            whole.text(x0, y0, str(n + 1), color=RED, fontsize=8, va="bottom", ha="right").set_in_layout(False)
            axes = figure.add_subplot(grid[top + n // PER_LINE, 1 + n % PER_LINE])
            axes.set_axis_off()
            axes.imshow(digit.image, cmap="gray_r")
            answer = f"{digit.answer}  {percent(digit.confidence)}" + ("" if digit.sure else "\nuncertain")
            axes.set_title(answer, fontsize=9, loc="center", parse_math=False)
        if not picture.digits:
            axes = figure.add_subplot(grid[top, 1:])
            axes.set_axis_off()
            axes.text(0, 0.5, textwrap.fill(picture.problem, 60), va="center", color=RED, parse_math=False)
        top += count
    which = f"The first {len(shown)} of {total} pictures" if len(shown) < total else counted(total, "picture")
    title = f"{which}: the boxes found, what the network saw, its answer and confidence"
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def percent(fraction: float) -> str:
    """A confidence as a whole percentage; only 1 gives 100 %."""
    return f"{min(int(100 * fraction + 0.5), 99) if fraction < 1 else 100} %"


def counted(n: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is 1."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
