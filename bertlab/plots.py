"""The figures of the book: one style, and the plots that chapters share.

Every function returns the matplotlib figure, so that a reader can change it or save it.
Dimensions: ``Tq`` query places, ``Tk`` key places, ``H`` heads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    import torch

# Six colours that colour-blind readers can tell apart (after Okabe and Ito, 2008), in the order
# in which the book uses them.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK = "#22262A"
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


def attention_heatmap(
    weights: torch.Tensor | np.ndarray[Any, Any],
    query_tokens: Iterable[str],
    key_tokens: Iterable[str] | None = None,
    title: str = "",
    annotate: bool | None = None,
) -> Figure:
    """Draw attention weights: a row for each query place, a column for each key place.

    Args:
        weights: ``(Tq, Tk)`` for one head, or ``(H, Tq, Tk)`` for several side by side.
        query_tokens: the ``Tq`` tokens that attend (rows).
        key_tokens: the ``Tk`` tokens attended to (columns); the query tokens if not given.
        title: the title above the figure.
        annotate: write each weight into its field; by default up to 8 key tokens.

    Returns:
        The figure; all heads share one colour scale from 0 to 1.

    Raises:
        ValueError: when the number of tokens and the shape of the weights disagree, or there is
            nothing to draw.
    """
    if hasattr(weights, "detach"):
        weights = weights.detach().cpu()
        if weights.element_size() < 4:  # numpy has no bfloat16, which autocast computes in
            weights = weights.float()
    array = np.asarray(weights)
    heads = array[None] if array.ndim == 2 else array  # (H, Tq, Tk)
    queries = list(query_tokens)
    keys = queries if key_tokens is None else list(key_tokens)
    expected = (len(queries), len(keys))
    if heads.ndim != 3 or heads.shape[1:] != expected:
        raise ValueError(
            f"weights have shape {array.shape}, but there are {expected[0]} query tokens and "
            f"{expected[1]} key tokens: expected {expected} or (heads, *{expected})"
        )
    if not heads.size:
        raise ValueError(
            f"weights have shape {array.shape}, which holds no weight: expected at least one head "
            "and one token"
        )
    if annotate is None:
        annotate = len(keys) <= 8

    size = 1.4 + 0.48 * len(keys)
    figure, axes = plt.subplots(
        1,
        len(heads),
        figsize=(max(3.2, size) * len(heads), max(2.8, 1.0 + 0.42 * len(queries))),
        squeeze=False,
        layout="constrained",
    )
    for h, axis in enumerate(axes[0]):
        image = axis.imshow(heads[h], vmin=0, vmax=1, cmap="Blues", aspect="auto")
        axis.set_xticks(range(len(keys)), keys, rotation=45, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(queries)), queries if h == 0 else [])
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        if len(heads) > 1:
            axis.set_title(f"head {h}")
        if annotate:
            for (q, k), weight in np.ndenumerate(heads[h]):
                ink = "white" if weight > 0.6 else INK
                axis.text(k, q, f"{weight:.2f}", ha="center", va="center", color=ink, fontsize=8)
    axes[0, 0].set_ylabel("attends (query)")
    axes[0, 0].set_xlabel("attended to (key)")
    figure.colorbar(image, ax=axes[0].tolist(), shrink=0.8, label="weight")
    if title:
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
    return figure
