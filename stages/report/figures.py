"""Figures: each function returns one whose title says what it shows."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from stages.report.style import BLUE, GRAY, INK, RED, SIGNED, count, legible, percent, plain, styled

CLASSES = 26  # shown in a confusion matrix, at most
PICTURES, PER_LINE = 40, 6  # limits of the figure of pictures: pictures, digits per line
Answers = tuple[np.ndarray, np.ndarray, np.ndarray]  # (n,) each: actual class number, predicted one, confidence


@styled
def learning_curves(history: Sequence[Mapping[str, str]]) -> Figure:
    """Loss and error rate per epoch, from the rows of history.csv."""
    epochs = np.array([int(row["epoch"]) for row in history])
    figure = Figure(figsize=(9, 3.8))
    loss, error = figure.subplots(1, 2)
    ends: dict[Axes, list[tuple[float, str, str]]] = {loss: [], error: []}
    last = ""
    for name, color, line in (("train", GRAY, "--"), ("validation", BLUE, "-")):
        if not history[0][f"{name}_loss"]:
            continue
        nats = np.array([float(row[f"{name}_loss"]) for row in history])
        errors = 100 * (1 - np.array([float(row[f"{name}_accuracy"]) for row in history]))
        last = f"{name} error rate {errors[-1]:.2f}%"
        for axes, values, form in ((loss, nats, "{:.3f}"), (error, errors, "{:.2f}%")):
            axes.plot(epochs, values, line, color=color, marker="o" if len(epochs) <= 30 else None, markersize=3.5)
            ends[axes].append((values[-1], f"{name} {form.format(values[-1])}", color))
    for axes, title in ((loss, "cross-entropy loss, nats"), (error, "error rate, %")):
        axes.set(title=title, xlabel="epoch")
        axes.set_ylim(bottom=0)
        axes.margins(x=0.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y", color=GRAY, alpha=0.25, linewidth=0.6)
        label_ends(axes, epochs[-1], ends[axes])
    figure.suptitle(f"{count(len(history), 'epoch')} of training: {last}", x=0.01, ha="left")
    return figure


def label_ends(axes: Axes, x: float, ends: list[tuple[float, str, str]]) -> None:
    """Write each (value, text, color) next to the end of its curve, from the lowest up, without overlap."""
    line = 0.075 * axes.get_ylim()[1]  # the height of a line of text, in the units of these axes, which start at 0
    place: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center"}
    free = -np.inf
    for value, text, color in sorted(ends):
        y = max(value, free)
        axes.annotate(text, (x, y), color=color, annotation_clip=False, **place)  # visible even above the axes
        free = y + line


@styled
def confusion_matrix(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Counts (K, K) of predicted classes (columns) for each actual class (row). Only the mistakes are colored.

    Of more than CLASSES classes, those with the most frequent mistakes are shown.
    """
    K = len(classes)
    n = min(K, CLASSES)
    names = legible(classes, 20, 2)
    mistakes = counts.copy()
    np.fill_diagonal(mistakes, 0)
    accuracy = 100 * np.trace(counts) / max(counts.sum(), 1)
    title = f"Accuracy {accuracy:.2f}% on {count(int(counts.sum()), 'test image')}"
    if mistakes.any():
        i, j = divmod(int(mistakes.argmax()), K)
        pair = f"{names[i]} predicted as {names[j]}".replace("\n", " ")
        title += f"\nmost frequent confusion: {pair}, {count(int(mistakes[i, j]), 'time')}"
    if n < K:
        title += f"\nonly the {n} most confused of {K:,} classes are shown"
    shown = most_confused(mistakes, n)
    names = [names[k] for k in shown]
    rates = 100 * mistakes[np.ix_(shown, shown)] / np.maximum(counts.sum(axis=1, keepdims=True)[shown], 1)
    counts = counts[np.ix_(shown, shown)]

    size = 3.0 + 0.48 * min(n, 20)
    figure = Figure(figsize=(size + 0.8, size))
    axes = figure.subplots()
    darkest = max(float(rates.max()), 0.1) * 1.25
    image = axes.imshow(rates, cmap="Oranges", vmin=0, vmax=darkest)
    for i, j in np.argwhere(counts):
        weight = "bold" if i == j else "normal"
        color = "white" if rates[i, j] > 0.7 * darkest else INK  # the better contrast on this color map
        axes.text(j, i, f"{counts[i, j]}", ha="center", va="center", fontsize=8.5, weight=weight, color=color)
    wrapped = any("\n" in name for name in names)
    angle = 0 if max(map(len, names)) <= 3 else 90 if wrapped or n > 20 else 40  # as steep as the space requires
    axes.set_xticks(range(n), names, rotation=angle, ha="right" if angle == 40 else "center")
    axes.set_yticks(range(n), names)
    axes.set(xlabel="predicted", ylabel="actual")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
    bar.set_label("mistakes, % of the actual class")
    bar.outline.set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", wrap=True)
    return figure


def most_confused(mistakes: np.ndarray, n: int) -> list[int]:
    """Return the numbers of n classes, in ascending order: those of the most frequent mistakes (K, K)."""
    pairs = np.argwhere(mistakes)
    worst = pairs[np.argsort(-mistakes[tuple(pairs.T)], kind="stable")[: n * n]]  # n classes have fewer pairs
    ranked = dict.fromkeys([*worst.ravel().tolist(), *range(len(mistakes))])  # without repetition
    return sorted(list(ranked)[:n])


@styled
def predictions(images: np.ndarray, answers: Answers, classes: Sequence[str], total: int) -> Figure:
    """A grid of test images (n, rows, columns), of `total`, with the predicted class and confidence of each."""
    wrong = int((answers[0] != answers[1]).sum())
    shown = f"Predicted class and confidence of {len(images)} of {count(total, 'test image')}: "
    verdict = "no mistake" if not wrong else f"{count(wrong, 'mistake')} (framed, \N{MULTIPLICATION X})"
    return image_grid(images, answers, classes, shown + verdict, columns=10)


@styled
def mistakes(images: np.ndarray, answers: Answers, classes: Sequence[str], total: int) -> Figure:
    """The misclassified test images (n, rows, columns) with the highest confidence, of `total` mistakes."""
    if not total:
        return only_title("No mistakes on the test images")
    which = f"The {len(images)} most confident of {count(total, 'mistake')}"
    title = f"{which}: actual \N{RIGHTWARDS ARROW} predicted class, and its confidence"
    return image_grid(images, answers, classes, title, columns=8)


def only_title(title: str) -> Figure:
    """A figure that has nothing to show."""
    figure = Figure(figsize=(6, 1.2))
    figure.suptitle(title, x=0.02, ha="left")
    return figure


def image_grid(images: np.ndarray, answers: Answers, classes: Sequence[str], title: str, columns: int) -> Figure:
    """Images (n, rows, columns), `columns` per line, each below its predicted class and its confidence.

    A mistake also has a frame, a cross and the name of its actual class.
    """
    names = legible(classes, 14, 2)
    long = max(map(len, names)) > 3
    arrow = "\n\N{RIGHTWARDS ARROW} " if long else " \N{RIGHTWARDS ARROW} "
    above, beside = (0.75, 0.45) if long else (0.6, 0.2)
    rows, width = images.shape[1:]
    above += 0.34 * any("\n" in name for name in names)  # two more lines of text
    above *= max(1, width / rows)
    canvas, cells = mosaic(255 - images, columns, gap=(above, beside), background=255)
    figure, axes = bare_figure(canvas, width=12 if long else 9)
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    for (top, left), actual, predicted, confidence in zip(cells, *answers, strict=True):
        name, color = names[predicted], INK
        if actual != predicted:
            name, color = f"\N{MULTIPLICATION X} {names[actual]}{arrow}{name}", RED
            axes.add_patch(frame(left - 0.5, top - 0.5, width, rows, linewidth=1.6, clip_on=False))
        text = f"{name}\n{percent(confidence)}"
        axes.text(left + width / 2, top - 1.5, text, ha="center", va="bottom", fontsize=8.5, color=color)
    figure.suptitle(title, x=0.01, ha="left", wrap=True)
    return figure


def frame(x: float, y: float, width: float, height: float, **look: Any) -> Rectangle:
    """A red frame around something that is drawn."""
    return Rectangle((x, y), width, height, fill=False, edgecolor=RED, **look)


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
    along: dict[str, Any] = {"rotation": 45, "rotation_mode": "anchor", "transform_rotates_text": True, "va": "top"}
    # Where points are rare: with ten classes no confidence is below 0.1.
    above.text(0.04, 0.02, "perfect calibration", color=GRAY, fontsize=9, **along)
    size = 20 + 130 * np.sqrt(count[filled] / count.max())
    above.scatter(confidence[filled], accuracy[filled], s=size, color=BLUE, alpha=0.85, linewidths=0, zorder=3)
    above.set(ylabel="accuracy", ylim=(-0.03, 1.05))
    below.bar(edges[:-1], count, width=np.diff(edges) * 0.92, align="edge", color=BLUE, alpha=0.6)
    below.set_yscale("symlog", linthresh=1)
    below.set(xlabel="confidence", ylabel="images", xlim=(0, 1.03))
    title = f"Expected calibration error: {100 * error:.2f} percentage points,"
    figure.suptitle(f"{title}\nthe mean gap between confidence and accuracy", x=0.02, ha="left")
    return figure


@styled
def pictures(shown: Sequence[Any], total: int) -> Figure:
    """The first of `total` pictures, one per line: the boxes of the digits, what the network saw of each, its answer.

    Each is a Picture of stages/photos/segment.py.
    """
    if not shown:
        return only_title("No pictures")
    lines = [max(1, -(-len(picture.digits) // PER_LINE)) for picture in shown]
    figure = Figure(figsize=(3.4 + 1.1 * PER_LINE, 1.9 * sum(lines) + 0.5))
    grid = figure.add_gridspec(sum(lines), 1 + PER_LINE, width_ratios=[3, *[1] * PER_LINE])
    top = 0

    def cell(rows: slice | int, columns: slice | int, title: str, loc: Any = "center") -> Axes:
        axes = figure.add_subplot(grid[rows, columns])
        axes.set_axis_off()
        axes.set_title(title, fontsize=9, loc=loc)
        return axes

    for picture, name, height in zip(shown, legible([picture.name for picture in shown], 40, 1), lines, strict=True):
        whole = cell(slice(top, top + height), 0, name, "left")
        if picture.thumbnail is not None:
            extent = (0, picture.shape[1], picture.shape[0], 0)
            whole.imshow(picture.thumbnail, cmap="gray", vmin=0, vmax=255, extent=extent)
        for n, digit in enumerate(picture.digits):
            y0, x0, y1, x1 = digit.box
            whole.add_patch(frame(x0, y0, x1 - x0, y1 - y0, linewidth=1.2))
            whole.text(x0, y0, str(n + 1), color=RED, fontsize=8, va="bottom", ha="right").set_in_layout(False)
            answer = f"{plain(digit.answer)}  {percent(digit.confidence)}" + ("" if digit.sure else "\nuncertain")
            cell(top + n // PER_LINE, 1 + n % PER_LINE, answer).imshow(digit.image, cmap="gray_r")
        if not picture.digits:
            problem = textwrap.fill(plain(picture.problem), 60)
            cell(top, slice(1, None), "").text(0, 0.5, problem, va="center", color=RED)
        top += height
    which = f"The first {len(shown)} of {total} pictures" if len(shown) < total else count(total, "picture")
    figure.suptitle(f"{which}: the boxes found, what the network saw, its answer and confidence", x=0.01, ha="left")
    return figure
