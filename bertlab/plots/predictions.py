"""What a model predicted: labels against the true ones, and an answer's start and end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from bertlab.plots.style import COLOURS, INK, plain, set_title

MOST_LABELS = 20  # more can't be read in the column of a page


def confusion(
    true: Sequence[str],
    predicted: Sequence[str],
    labels: Sequence[str] | None = None,
    normalise: bool = True,
    title: str = "",
) -> Figure:
    """Draw how often which label was taken for which: true labels as rows, predicted as columns.

    Counts are written into the fields. Of more than 20 labels, the 20 that take part in the most
    mistakes are drawn, and the title says so.

    Args:
        true, predicted: a label for each text.
        labels: their order; by default alphabetical.
        normalise: colour each field by its share of the row, so that rare labels show as well as
            frequent ones; otherwise by its count.
        title: the title above the figure.

    Returns:
        The figure.

    Raises:
        ValueError: when lengths differ, nothing is given, or a label isn't among ``labels``.
    """
    counts, names = _count(true, predicted, labels)  # (L, L)
    wrong = counts - np.diag(counts.diagonal())
    totals = counts.sum(axis=1, keepdims=True)  # (L, 1), before any label is left out
    if len(names) > MOST_LABELS:
        part = wrong.sum(axis=0) + wrong.sum(axis=1)
        kept = np.sort(np.argsort(-part, kind="stable")[:MOST_LABELS])
        note = (
            f"the {MOST_LABELS} most confused of {len(names)} labels "
            f"({wrong[np.ix_(kept, kept)].sum():,} of {wrong.sum():,} mistakes)"
        )
        title = f"{title}: {note}" if title else note[0].upper() + note[1:]
        counts, totals, names = counts[np.ix_(kept, kept)], totals[kept], [names[k] for k in kept]

    shade = counts / np.maximum(totals, 1) if normalise else counts
    top = 1.0 if normalise else max(1, int(counts.max()))
    size = 1.8 + 0.34 * max(len(names), 4)
    figure, axis = plt.subplots(figsize=(size + 1, size), layout="constrained")
    image = axis.imshow(shade, vmin=0, vmax=top, cmap="Blues")
    shown = plain(names)
    axis.set_xticks(range(len(names)), shown, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(names)), shown)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set(xlabel="predicted", ylabel="true")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            ink = "white" if shade[row, column] > 0.6 * top else INK
            axis.text(column, row, f"{count}", ha="center", va="center", color=ink, fontsize=8)
    figure.colorbar(image, shrink=0.8, label="share of the row" if normalise else "texts")
    set_title(figure, title)
    return figure


def _count(
    true: Sequence[str], predicted: Sequence[str], labels: Sequence[str] | None
) -> tuple[NDArray[np.int64], list[str]]:
    """Return how often row was taken for column ``(L, L)``, and the labels."""
    if len(true) != len(predicted) or len(true) == 0:
        raise ValueError(
            f"there are {len(true)} true labels and {len(predicted)} predicted ones: expected as "
            "many of each, at least one"
        )
    names = sorted({*true, *predicted}) if labels is None else list(labels)
    place = {name: k for k, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    for pair in zip(true, predicted, strict=True):
        for label in pair:
            if label not in place:
                raise ValueError(f"label {label!r} isn't expected: labels are {names}")
        counts[place[pair[0]], place[pair[1]]] += 1
    return counts, names


def span_probabilities(
    tokens: Iterable[str],
    start_probabilities: ArrayLike,
    end_probabilities: ArrayLike,
    span: tuple[int, int] | None = None,
    title: str = "",
) -> Figure:
    """Draw where an answer may start and where it may end, as bars over the tokens.

    Args:
        tokens: ``T`` tokens; a stretch of the context reads better than all of it.
        start_probabilities, end_probabilities: ``(T,)`` each, after the softmax.
        span: first and last token of the chosen answer, both included; it is shaded.
        title: the title above the figure.

    Returns:
        The figure; both rows share one scale.

    Raises:
        ValueError: when lengths differ, there are no tokens, numbers aren't probabilities, or the
            span doesn't lie within the tokens.
    """
    names = list(tokens)
    rows = [_probabilities(start_probabilities), _probabilities(end_probabilities)]
    for which, row in zip(("start", "end"), rows, strict=True):
        if row.shape != (len(names),) or not names:
            raise ValueError(
                f"{which} probabilities have shape {row.shape}, but there are {len(names)} tokens: "
                "expected one for each, at least one"
            )
        if not ((row >= 0) & (row <= 1.0001)).all():
            raise ValueError(
                f"{which} probabilities run from {row.min():.3g} to {row.max():.3g}: expected 0 to "
                "1. Take the softmax over the tokens first"
            )
    if span is not None and not 0 <= span[0] <= span[1] < len(names):
        raise ValueError(
            f"span is {span}: expected first and last of {len(names)} tokens, counted from 0, the "
            "last not before the first"
        )

    figure, axes = plt.subplots(
        2,
        1,
        sharex=True,
        sharey=True,
        figsize=(min(14, max(4.2, 1.2 + 0.26 * len(names))), 3.2),
        layout="constrained",
    )
    for axis, row, which, colour in zip(axes, rows, ("start", "end"), COLOURS[:2], strict=True):
        axis.bar(range(len(names)), row, color=colour, width=0.8)
        axis.set(ylabel=which, ylim=(0, None))
        if span is not None:
            axis.axvspan(span[0] - 0.5, span[1] + 0.5, color=COLOURS[4], alpha=0.25, lw=0, zorder=0)
    axes[1].set_xticks(range(len(names)), plain(names), rotation=90, fontsize=8)
    axes[1].set_xlim(-0.6, len(names) - 0.4)
    for axis in axes:
        axis.tick_params(axis="x", length=0)
    set_title(figure, title)
    return figure


def _probabilities(values: Any) -> NDArray[np.float64]:
    if hasattr(values, "detach"):
        values = values.detach().cpu().float()  # numpy has no bfloat16, and none of gradients
    return np.asarray(values, dtype=np.float64)
