"""`make docs`: the figures of docs/mathematics.md, docs/figures/math-*.png, with the numbers of that page.

Blue is positive, orange negative, as in the pipeline's page; purple is a gradient, black what the text is about.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from docs import reference
from stages.dataset.batches import Batches
from stages.nn.initializers import he_normal
from stages.nn.network import Network, multilayer_perceptron
from stages.nn.optimizers import chain
from stages.nn.training import fit
from stages.report.style import GRAY, INK, SIGNED, save, styled
from tools.docs import ROOT
from tools.docs.mathematics import digits

FIGURES = ROOT / "docs/figures"
PURPLE = "#9A3D8F"
BAR = np.zeros((28, 28))  # the weights of the neuron made by hand
BAR[4:7], BAR[9:21] = 1, -1 / 4

images, labels = digits("train")
mean, std = images.mean(), images.std()
train_x, train_t = (images.reshape(-1, 784) - mean) / std, np.eye(10)[labels]
x, t = train_x[:20], train_t[:20]


def untrained() -> Network:
    """Return the network of the page before its first step."""
    network = multilayer_perceptron([784, 16, 10], dtype=np.float64)
    network.initialize(he_normal, np.random.default_rng(7))
    return network


def trained() -> list[np.ndarray]:
    """Return W1, b1, W2, b2 after the training of the page."""
    network, direction = untrained(), chain("gradient_descent", weights=0)
    batches = Batches(400, 20, np.random.default_rng, lambda rows, epoch, block: (train_x[rows], train_t[rows]))
    list(fit(network, batches, direction, lambda progress: 0.02, epochs=5, rng=np.random.default_rng))
    return list(network.parameters().values())


def picture(axes: Axes, image: np.ndarray, title: str = "", limit: float = 0) -> None:
    """Show pixels, dark ink on white; with `limit`, numbers from -limit to limit in color."""
    axes.imshow(image, cmap=SIGNED if limit else "gray_r", vmin=-limit, vmax=limit or 255)
    axes.set_title(title, loc="center")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=GRAY)


@styled
def image() -> Figure:
    """An image, some of its pixels as numbers, and the row that they become."""
    figure = Figure(figsize=(9, 4.1))
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 2.1], height_ratios=[9, 1])
    whole, part, row = (figure.add_subplot(grid[place]) for place in (np.s_[0, 0], np.s_[0, 1], np.s_[1, :]))
    picture(whole, images[0], "28 x 28 pixels")
    patch = images[0, 4:11, 12:23]
    whole.add_patch(Rectangle((11.5, 3.5), *patch.shape[::-1], fill=False, edgecolor=INK, linewidth=2))
    picture(part, patch, "each pixel is a number from 0, paper, to 255, ink")
    part.spines[:].set(color=INK, linewidth=2)
    for (i, j), value in np.ndenumerate(patch):
        part.text(j, i, str(value), ha="center", va="center", fontsize=9, color="white" if value > 128 else INK)
    row.imshow(-x[:1], cmap="gray", aspect="auto", interpolation="nearest")
    row.set_title("its 28 rows in one row, normalized: x, 784 numbers", loc="center")
    row.set(yticks=[])
    row.set_xticks([0, 783], ["1", "784"])
    return figure


@styled
def neuron() -> Figure:
    """A neuron made by hand looks at two digits."""
    figure = Figure(figsize=(9, 4.2))
    for n, axes in enumerate(figure.subplots(2, 4)):
        pixels = x[n].reshape(28, 28)
        picture(axes[0], pixels, f"x, a {labels[n]}", limit=3)
        picture(axes[1], BAR, "times w", limit=1.5)
        picture(axes[2], pixels * BAR, "each x times its w", limit=3)
        axes[3].axis("off")
        total = f"{np.sum(pixels * BAR):.1f}".replace("-", "\N{MINUS SIGN}")
        axes[3].text(0.5, 0.5, total, ha="center", va="center", fontsize=26, weight="bold")
        axes[3].text(0.5, 0.28, "the sum of all 784", ha="center", va="center")
    figure.suptitle("A neuron that looks for a bar at the top (blue positive, orange negative)", x=0.01, ha="left")
    return figure


@styled
def relu() -> Figure:
    """What three neurons can draw together, without and with ReLU."""
    figure = Figure(figsize=(9, 3.2))
    s = np.linspace(-3, 3, 601)
    lines = np.stack([s + 2, -2.5 * s, 2 * (s - 1.2)])
    bends = np.stack([np.maximum(s + 2, 0), -2.5 * np.maximum(s, 0), 2 * np.maximum(s - 1.2, 0)])
    titles = "without ReLU: three lines add up to a line", "with ReLU: three bent lines add up to a shape"
    for axes, curves, title in zip(figure.subplots(1, 2, sharey=True), (lines, bends), titles, strict=True):
        axes.plot(s, curves.T, color=GRAY, linewidth=1)
        axes.plot(s, curves.sum(axis=0), color=INK, linewidth=3)
        axes.set(xlabel="x", ylim=(-5, 5), title=title)
        axes.grid(color=GRAY, alpha=0.2, linewidth=0.6)
    return figure


@styled
def flow() -> Figure:
    """The network as a chain: values forward, gradients backward."""
    axes = (figure := Figure(figsize=(9, 2.3))).subplots()
    axes.axis("off")
    axes.set(xlim=(-0.6, 13.6), ylim=(-1.9, 1.7))
    arrow = {"arrowstyle": "<|-", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4}
    boxes = "Dense\n$W_1$, $b_1$", "ReLU", "Dense\n$W_2$, $b_2$", "softmax,\nloss"
    for at, text, gradients in zip(
        (2.0, 5.0, 8.0, 11.0), boxes, ("$dW_1$, $db_1$", "", "$dW_2$, $db_2$", ""), strict=True
    ):
        axes.add_patch(FancyBboxPatch((at - 0.75, -0.5), 1.5, 1, boxstyle="round,pad=0.06", fc="white", ec=INK))
        axes.text(at, 0, text, ha="center", va="center")
        axes.text(at, -1.5, gradients, ha="center", va="top", color=PURPLE)
        if gradients:
            axes.annotate("", (at, -0.58), (at, -1.4), arrowprops=arrow | {"color": PURPLE})
    values = ("x", "20 x 784"), ("h", "20 x 16"), ("a", "20 x 16"), ("z", "20 x 10"), ("L", "a number")
    for at, (value, shape) in zip(np.arange(0.5, 13, 3), values, strict=True):
        axes.annotate("", (at - 0.66, 0.22), (at + 0.66, 0.22), arrowprops=arrow | {"color": INK})
        axes.text(at, 0.32, value, ha="center", va="bottom", weight="bold")
        axes.text(at, 0.85, shape, ha="center", va="bottom", color=GRAY, fontsize=8.5)
        if value in "haz":
            axes.annotate("", (at + 0.66, -0.22), (at - 0.66, -0.22), arrowprops=arrow | {"color": PURPLE})
            axes.text(at, -0.32, f"d{value}", ha="center", va="top", color=PURPLE, weight="bold")
    axes.text(-0.2, 1.7, "forward: values, and their shapes", va="top")
    axes.text(13.2, -1.5, "backward: slopes of the loss", color=PURPLE, ha="right", va="top")
    return figure


@styled
def shapes() -> Figure:
    """The three matrix products of a dense layer, as rectangles."""
    N, M, K = ("N", 3.0), ("M", 7.0), ("K", 2.4)
    products = (
        ("forward", ("a", N, M), ("W", M, K), ("z", N, K)),
        ("gradient of W", ("$a^T$", M, N), ("dz", N, K), ("dW", M, K)),
        ("gradient of a", ("dz", N, K), ("$W^T$", K, M), ("da", N, M)),
    )
    axes = (figure := Figure(figsize=(9, 2.0))).subplots()
    left = 0.0
    for title, *matrices in products:
        axes.text(left - 0.6, 5.6, title, va="bottom", weight="bold")
        for (name, (height, rows), (width, columns)), sign in zip(matrices, "@= ", strict=True):
            color = PURPLE if name.startswith("d") else INK
            axes.add_patch(Rectangle((left, -rows / 2), columns, rows, fc=color, alpha=0.12))
            axes.add_patch(Rectangle((left, -rows / 2), columns, rows, fill=False, ec=color, linewidth=1.4))
            axes.text(left + columns / 2, 0, name, ha="center", va="center", weight="bold", color=color)
            axes.text(left + columns / 2, rows / 2 + 0.2, width, ha="center", va="bottom", fontsize=9)
            axes.text(left - 0.2, 0, height, ha="right", va="center", fontsize=9)
            axes.text(left + columns + 0.9, 0, sign, ha="center", va="center")
            left += columns + 2.7
        left += 1.5
    axes.set(xlim=(-1, left - 3.5), ylim=(-3.9, 6.9), aspect="equal")
    axes.axis("off")
    return figure


@styled
def descent() -> Figure:
    """The loss as a function of one weight, and over ten steps of three lengths."""
    start = list(untrained().parameters().values())
    (loss, (dW1, *_)), at = reference.backward(x, t, start), (14 * 28 + 14, 7)  # the weight that the page nudges
    figure = Figure(figsize=(9, 3.4))
    left, right = figure.subplots(1, 2)
    weights, losses = start[0][at] + np.linspace(-1.5, 1.5, 121), []
    for weight in weights:
        W1 = start[0].copy()
        W1[at] = weight
        losses.append(reference.backward(x, t, [W1, *start[1:]])[0])
    left.plot(weights, losses, color=INK)
    left.plot(weights[35:86], loss + dW1[at] * (weights - start[0][at])[35:86], "--", color=PURPLE)
    left.plot(start[0][at], loss, "o", color=PURPLE)
    left.set(xlabel=f"$W_1$[{at[0]}, {at[1]}]", title="loss against one weight; dashed: its slope")
    for rate, style in ((0.002, ":"), (0.02, "-"), (0.2, "--")):
        parameters, losses = start, []
        for _ in range(11):
            loss, gradients = reference.backward(x, t, parameters)
            parameters = [array - rate * dA for array, dA in zip(parameters, gradients, strict=True)]
            losses.append(loss)
        right.plot(losses, style, color=INK, marker="o", markersize=3.5)
        step = int(np.argmax(losses)) or 10  # the label is at the peak, or at the end
        right.annotate(f"{rate:g}", (step, losses[step]), (7, 0), textcoords="offset points", va="center")
    right.set(xlabel="step", ylim=(0, None), title="loss over ten steps, for three learning rates")
    return figure


@styled
def neurons() -> Figure:
    """The weights of hidden neurons before and after training, and the difference."""
    start, W1 = untrained().dense[0].W, trained()[0]
    strongest = np.argsort(-np.square(W1 - start).sum(axis=0), kind="stable")[:8]
    figure = Figure(figsize=(9, 3.9))
    rows = {"start": start, "trained": W1, "learned": W1 - start}
    for axes, (name, weights) in zip(figure.subplots(3, 8), rows.items(), strict=True):
        for own, j in zip(axes, strongest, strict=True):
            picture(own, weights[:, j].reshape(28, 28), limit=0.12)
        axes[0].set_ylabel(name)
    figure.suptitle("What eight hidden neurons learned (blue positive, orange negative)", x=0.01, ha="left")
    return figure


ALL: tuple[Callable[[], Figure], ...] = (image, neuron, relu, flow, shapes, descent, neurons)


def draw(directory: Path) -> None:
    """Write all figures."""
    for figure in ALL:
        save(figure(), directory / f"math-{figure.__name__}.png", 130)
