"""`make docs`: the figures of docs/mathematics.md, docs/figures/math-*.png, with the numbers of that page."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from stages.nn.initializers import he_normal
from stages.nn.losses import softmax, softmax_cross_entropy
from stages.nn.network import Network, multilayer_perceptron
from stages.report.figures import BLUE, GRAY, INK, ORANGE, RED, save, styled
from tools.docs import ROOT
from tools.docs.mathematics import digits

FIGURES = ROOT / "docs/figures"
SEED = 7  # as on the page
BAR = np.zeros((28, 28))  # the weights of the neuron made by hand
BAR[4:7], BAR[9:21] = 1, -1 / 4

images, labels = digits("train")
mean, std = images.mean(), images.std()
train_x, train_targets = (images.reshape(-1, 784) - mean) / std, np.eye(10)[labels]
x, targets = train_x[:20], train_targets[:20]


def untrained() -> Network:
    """Return the network of the page before its first step."""
    network = multilayer_perceptron([784, 16, 10], dtype=np.float64)
    network.initialize(he_normal, np.random.default_rng(SEED))
    return network


def step(network: Network, x: np.ndarray, targets: np.ndarray, learning_rate: float) -> float:
    """Take one step of gradient descent; return the loss before it."""
    loss, dlogits = softmax_cross_entropy(network.forward(x), targets)
    network.backward(dlogits)
    network.theta -= learning_rate * network.grad
    return loss


def trained() -> tuple[Network, np.ndarray]:
    """Return the network after the training of the page, and the W1 (784, 16) that it started from."""
    rng, network = np.random.default_rng(SEED), multilayer_perceptron([784, 16, 10], dtype=np.float64)
    network.initialize(he_normal, rng)
    start = network.dense[0].W.copy()
    for _ in range(5):
        for batch in rng.permutation(400).reshape(20, 20):
            step(network, train_x[batch], train_targets[batch], 0.02)
    return network, start


def picture(axes: Axes, image: np.ndarray, title: str = "", limit: float | None = None) -> None:
    """Show pixels, dark ink on white; with `limit`, numbers from -limit, blue, to limit, red."""
    if limit is None:
        axes.imshow(255 - image, cmap="gray", vmin=0, vmax=255)
    else:
        axes.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes.set_title(title, loc="center")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, color=GRAY)


@styled
def image() -> Figure:
    """An image, some of its pixels as numbers, and the row that they become."""
    figure = Figure(figsize=(9, 4.1))
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 2.1], height_ratios=[9, 1])
    whole, part, row = (figure.add_subplot(grid[place]) for place in (np.s_[0, 0], np.s_[0, 1], np.s_[1, :]))
    picture(whole, images[0], "28 x 28 pixels")
    top, left, height, width = 4, 12, 7, 11
    whole.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor=ORANGE, linewidth=2))
    patch = images[0, top : top + height, left : left + width]
    picture(part, patch, "each pixel is a number from 0, paper, to 255, ink")
    part.spines[:].set(color=ORANGE, linewidth=2)
    for (i, j), value in np.ndenumerate(patch):
        part.text(j, i, str(value), ha="center", va="center", fontsize=9, color="white" if value > 128 else INK)
    row.imshow(-x[:1], cmap="gray", aspect="auto", interpolation="nearest")
    row.set_title("its 28 rows in one row, normalized: x, 784 numbers", loc="center")
    row.set_yticks([])
    row.set_xticks([0, 783], ["1", "784"])
    return figure


@styled
def neuron() -> Figure:
    """A neuron made by hand looks at two digits."""
    figure = Figure(figsize=(9, 4.2))
    grid = figure.subplots(2, 4)
    for axes, n in zip(grid, (0, 1), strict=True):
        product = x[n].reshape(28, 28) * BAR
        picture(axes[0], x[n].reshape(28, 28), f"x, a {labels[n]}", limit=3)
        picture(axes[1], BAR, "times w", limit=1.5)
        picture(axes[2], product, "each x times its w", limit=3)
        axes[3].axis("off")
        axes[3].text(
            0.5,
            0.5,
            f"{product.sum():.1f}".replace("-", "\N{MINUS SIGN}"),
            ha="center",
            va="center",
            fontsize=26,
            weight="bold",
        )
        axes[3].text(0.5, 0.28, "the sum of all 784", ha="center", va="center")
    figure.suptitle("A neuron that looks for a bar at the top (red positive, blue negative)", x=0.01, ha="left")
    return figure


@styled
def relu() -> Figure:
    """What three neurons can draw together, without and with ReLU."""
    figure = Figure(figsize=(9, 3.2))
    left, right = figure.subplots(1, 2, sharey=True)
    t = np.linspace(-3, 3, 601)
    lines = np.stack([t + 2, -2.5 * t, 2 * (t - 1.2)])
    bends = np.stack([np.maximum(t + 2, 0), -2.5 * np.maximum(t, 0), 2 * np.maximum(t - 1.2, 0)])
    for axes, curves, title in (
        (left, lines, "without ReLU: three lines add up to a line"),
        (right, bends, "with ReLU: three bent lines add up to a shape"),
    ):
        axes.plot(t, curves.T, color=GRAY, linewidth=1)
        axes.plot(t, curves.sum(axis=0), color=BLUE, linewidth=3)
        axes.set_title(title)
        axes.set_xlabel("x")
        axes.set_ylim(-5, 5)
        axes.grid(color=GRAY, alpha=0.2, linewidth=0.6)
    return figure


@styled
def probabilities() -> Figure:
    """From the logits of the image to its probabilities and its loss."""
    (z,) = untrained().forward(x[:1])
    p = softmax(z[None])[0]
    figure = Figure(figsize=(9, 3.0))
    *bars, curve = figure.subplots(1, 4)
    for axes, heights, title in zip(bars, (z, np.exp(z), p), ("logits z", "$e^z$", "p = $e^z$ / sum"), strict=True):
        axes.bar(range(10), heights, color=[ORANGE if k == 7 else BLUE for k in range(10)])
        axes.axhline(0, color=GRAY, linewidth=0.8)
        axes.set_xticks(range(10))
        axes.tick_params(length=0)
        axes.set_title(title)
    t = np.linspace(0.01, 1, 400)
    curve.plot(t, -np.log(t), color=INK)
    curve.plot(p[7], -np.log(p[7]), "o", color=ORANGE)
    curve.annotate(
        f"p = {p[7]:.2f}: loss {-np.log(p[7]):.2f}",
        (p[7], -np.log(p[7])),
        xytext=(6, 4),
        color=INK,
        textcoords="offset points",
    )
    curve.set_title("loss = -log p")
    curve.set_xlabel("p of the right answer")
    figure.suptitle("The image is a 7 (orange); the untrained network says 0", x=0.01, ha="left")
    return figure


@styled
def flow() -> Figure:
    """The network as a chain: values forward, gradients backward."""
    figure = Figure(figsize=(9, 2.3))
    axes = figure.subplots()
    axes.axis("off")
    axes.set_xlim(-0.6, 13.6)
    axes.set_ylim(-1.9, 1.7)
    arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4}
    boxes = ("Dense\n$W_1$, $b_1$", "ReLU", "Dense\n$W_2$, $b_2$", "softmax,\nloss")
    values = (("x", "(20, 784)"), ("h", "(20, 16)"), ("a", "(20, 16)"), ("z", "(20, 10)"), ("L", "a number"))
    for number, text in enumerate(boxes):
        at = 2.0 + 3 * number
        axes.add_patch(FancyBboxPatch((at - 0.75, -0.5), 1.5, 1, boxstyle="round,pad=0.06", fc="white", ec=INK))
        axes.text(at, 0, text, ha="center", va="center")
        if "Dense" in text:
            axes.annotate("", (at, -1.4), (at, -0.58), arrowprops=arrow | {"color": RED})
            layer = number // 2 + 1
            axes.text(at, -1.5, f"$dW_{layer}$, $db_{layer}$", ha="center", va="top", color=RED)
    for number, (value, shape) in enumerate(values):
        at = 0.5 + 3 * number
        axes.annotate("", (at + 0.66, 0.22), (at - 0.66, 0.22), arrowprops=arrow | {"color": BLUE})
        axes.text(at, 0.32, value, ha="center", va="bottom", color=BLUE, weight="bold")
        axes.text(at, 0.85, shape, ha="center", va="bottom", color=GRAY, fontsize=8.5)
        if value in "haz":
            axes.annotate("", (at - 0.66, -0.22), (at + 0.66, -0.22), arrowprops=arrow | {"color": RED})
            axes.text(at, -0.32, f"d{value}", ha="center", va="top", color=RED, weight="bold")
    axes.text(-0.2, 1.7, "forward: values, and their shapes", color=BLUE, va="top")
    axes.text(13.2, -1.5, "backward: slopes of the loss", color=RED, ha="right", va="top")
    return figure


@styled
def shapes() -> Figure:
    """The three matrix products of a dense layer, as rectangles."""
    N, D, M = ("N", 3.0), ("D", 7.0), ("M", 2.4)
    products = (
        ("forward", ("x", N, D), ("W", D, M), ("y", N, M)),
        ("gradient of W", ("$x^T$", D, N), ("dy", N, M), ("dW", D, M)),
        ("gradient of x", ("dy", N, M), ("$W^T$", M, D), ("dx", N, D)),
    )
    figure = Figure(figsize=(9, 2.0))
    axes = figure.subplots()
    left = 0.0
    for title, *matrices in products:
        axes.text(left - 0.6, 5.6, title, va="bottom", weight="bold")
        for (name, (height, rows), (width, columns)), sign in zip(matrices, ("@", "=", ""), strict=True):
            color = RED if name.startswith("d") else BLUE
            axes.add_patch(Rectangle((left, -rows / 2), columns, rows, fc=color, alpha=0.15))
            axes.add_patch(Rectangle((left, -rows / 2), columns, rows, fill=False, ec=color, linewidth=1.4))
            axes.text(left + columns / 2, 0, name, ha="center", va="center", weight="bold", color=color)
            axes.text(left + columns / 2, rows / 2 + 0.2, width, ha="center", va="bottom", fontsize=9)
            axes.text(left - 0.2, 0, height, ha="right", va="center", fontsize=9)
            axes.text(left + columns + 0.9, 0, sign, ha="center", va="center")
            left += columns + 2.7
        left += 1.5
    axes.set_xlim(-1, left - 3.5)
    axes.set_ylim(-3.9, 6.9)
    axes.set_aspect("equal")
    axes.axis("off")
    return figure


@styled
def descent() -> Figure:
    """The loss as a function of one weight, and over ten steps of three lengths."""
    network = untrained()
    loss, dlogits = softmax_cross_entropy(network.forward(x), targets)
    network.backward(dlogits)
    W, i, j = network.dense[0].W, 14 * 28 + 14, 7  # the weight that the page nudges
    weight, slope, start = W[i, j], network.dense[0].dW[i, j], network.theta.copy()
    figure = Figure(figsize=(9, 3.4))
    left, right = figure.subplots(1, 2)
    nudges, losses = np.linspace(-1.5, 1.5, 121), []
    for nudge in nudges:
        network.theta[:] = start
        W[i, j] += nudge
        losses.append(softmax_cross_entropy(network.forward(x), targets)[0])
    left.plot(weight + nudges, losses, color=BLUE)
    left.plot(weight + nudges[35:86], loss + slope * nudges[35:86], "--", color=RED)
    left.plot(weight, loss, "o", color=RED)
    left.set_title("loss against one weight; dashed: its slope")
    left.set_xlabel(f"$W_1$[{i}, {j}]")
    for rate, color in ((0.002, GRAY), (0.02, BLUE), (0.2, ORANGE)):
        network.theta[:] = start
        losses = [step(network, x, targets, rate) for _ in range(11)]
        right.plot(losses, color=color, marker="o", markersize=3.5)
        peak = int(np.argmax(losses)) or 10  # the label is there, or at the end
        right.annotate(f"{rate:g}", (peak, losses[peak]), (7, 0), textcoords="offset points", color=color, va="center")
    right.set_title("loss over ten steps, for three learning rates")
    right.set_xlabel("step")
    right.set_ylim(bottom=0)
    return figure


@styled
def neurons() -> Figure:
    """The weights of hidden neurons before and after training, and the difference."""
    network, start = trained()
    W1 = network.dense[0].W
    strongest = np.argsort(-np.square(W1 - start).sum(axis=0), kind="stable")[:8]
    figure = Figure(figsize=(9, 3.9))
    for axes, (name, weights) in zip(
        figure.subplots(3, 8), (("start", start), ("trained", W1), ("learned", W1 - start)), strict=True
    ):
        for column, j in enumerate(strongest):
            picture(axes[column], weights[:, j].reshape(28, 28), limit=0.12)
        axes[0].set_ylabel(name)
    figure.suptitle("What eight hidden neurons learned: trained minus start", x=0.01, ha="left")
    return figure


@styled
def shift() -> Figure:
    """A digit of the test images moved to the right, pixel by pixel, and the answers of the network."""
    network, _ = trained()
    test_images, test_labels = digits("t10k")
    figure = Figure(figsize=(9, 2.5))
    for pixels, axes in enumerate(figure.subplots(1, 6)):
        moved = np.roll(test_images, pixels, axis=2)
        p = softmax(network.forward((moved.reshape(-1, 784) - mean) / std))
        picture(axes, moved[0], f"{pixels} pixels" if pixels != 1 else "1 pixel")
        right = 100 * np.mean(p.argmax(axis=1) == test_labels)
        axes.set_xlabel(f"a {p[0].argmax()}: {100 * p[0].max():.0f} %\n\n{right:.0f} % right")
    figure.suptitle("A digit moved to the right; below, how many of all 200 are still right", x=0.01, ha="left")
    return figure


ALL: tuple[Callable[[], Figure], ...] = (image, neuron, relu, probabilities, flow, shapes, descent, neurons, shift)


def draw(directory: Path) -> None:
    """Write all figures."""
    for figure in ALL:
        save(figure(), directory / f"math-{figure.__name__}.png", 130)
