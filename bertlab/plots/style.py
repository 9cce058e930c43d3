"""The look of the book's figures: colours, ink and quiet axes."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

# Six colours that colour-blind readers can tell apart (after Okabe and Ito, 2008), in the order
# in which the book uses them.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# The colour of text and of what a figure is about.
INK = "#22262A"
# The colour of what stands back: axes, ticks, lines to compare with.
QUIET = "#7A828A"


def use_style() -> None:
    """Set matplotlib to the book's look: quiet axes, readable sizes, colours safe to tell apart."""
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.family": "DejaVu Sans",  # ships with matplotlib: the same figure everywhere
            "font.size": 10,
            "text.color": INK,
            "axes.edgecolor": QUIET,
            "axes.labelcolor": INK,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "xtick.color": QUIET,
            "ytick.color": QUIET,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "legend.frameon": False,
            "lines.linewidth": 2,
            "image.cmap": "Blues",
        }
    )


def set_title(figure: Figure, title: str) -> None:
    """Write a title above the whole figure, at its left edge, unless it is empty."""
    if title:
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")


def plain(texts: Iterable[str]) -> list[str]:
    """Return texts that matplotlib draws as they are: a ``$`` doesn't begin a formula."""
    return [text.replace("$", r"\$") for text in texts]
