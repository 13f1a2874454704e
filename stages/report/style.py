"""The look of the figures, on top of Matplotlib's own defaults, so that no user configuration changes a figure.

The same numbers give the same bytes.
"""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

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


@cache
def glyphs() -> frozenset[int]:
    """Return the code points that the font of the figures can draw, both normal and bold."""
    fonts = (FontProperties(family=STYLE["font.family"], weight=weight) for weight in ("normal", "bold"))
    return frozenset.intersection(*(frozenset(get_font(findfont(font)).get_charmap()) for font in fonts))


def missing_glyphs(names: Iterable[str]) -> list[str]:
    """Return the characters of `names` that the font of the figures lacks; white space counts as drawable."""
    return sorted({character for character in "".join("".join(names).split()) if ord(character) not in glyphs()})


def legible(names: Sequence[str], width: int, lines: int) -> list[str]:
    """Return the names in at most `lines` lines of about `width` characters each.

    A name that the font cannot draw, or that is the same as another when it is shortened, becomes its number, #N.
    """
    texts = []
    for name in names:
        wrapped = textwrap.wrap(name, width)
        texts.append("\n".join(wrapped[:lines]) + "\N{HORIZONTAL ELLIPSIS}" * (len(wrapped) > lines))
    repeated = Counter(texts)
    return [
        f"#{k}" if not text or repeated[text] > 1 or missing_glyphs([text]) else plain(text)
        for k, text in enumerate(texts)
    ]


def plain(text: str) -> str:
    """Escape dollar signs, so that Matplotlib does not take the text for a formula."""
    return text.replace("$", r"\$")


def percent(fraction: float) -> str:
    """A confidence as a whole percentage; only 1 gives 100%."""
    return f"{min(int(100 * fraction + 0.5), 99) if fraction < 1 else 100}%"


def count(n: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is 1."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
