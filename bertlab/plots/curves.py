"""How runs went: loss and development figures against epochs or steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bertlab.plots.style import COLOURS, plain, set_title

Records = Iterable[Mapping[str, Any]]


def learning_curves(
    history: Records | Mapping[str, Records],
    metric: str | Sequence[str] | None = None,
    title: str = "",
    loss: str = "loss",
) -> Figure:
    """Draw the training loss and, beside it, the figures of the development set.

    Figures with "loss" in their name are drawn with the training loss, as dots; if there are no
    others, there is one panel. The x axis counts epochs if every record has them, else steps.

    Args:
        history: what ``bertlab.training.train`` returned (or ``History.read(folder)``); or several
            by name, to be compared: a colour for each.
        metric: which figures of the development set to draw; by default the loss, if it was
            measured, and the first figure that is neither a loss nor a count.
        title: the title above the figure.
        loss: which figure of the training steps to draw, such as ``"masked_lm"`` for pretraining.

    Returns:
        The figure.

    Raises:
        ValueError: when a run has no such loss, or no run has such a figure; says which there are.
    """
    runs = {
        name: list(records)
        for name, records in (history if isinstance(history, Mapping) else {"": history}).items()
    }
    if not runs:
        raise ValueError("there are no runs to draw: expected a history, or several by name")
    for name, records in runs.items():
        if not any(loss in record for record in records):
            raise ValueError(
                f"run {name!r} has no record with {loss!r} among {len(records)}: expected a "
                f"History; its records have {sorted({key for r in records for key in r})}"
            )
    losses, scores = _figures(runs, metric, loss)
    epochs = all("epoch" in record for records in runs.values() for record in records)
    unit = "epoch" if epochs else "step"

    size = (8.2 if scores else 5.6, 3.1)
    figure, axes = plt.subplots(
        1, 1 + bool(scores), figsize=size, squeeze=False, layout="constrained"
    )
    for number, (name, records) in enumerate(runs.items()):
        colours = [COLOURS[number % len(COLOURS)]] if name else COLOURS
        steps = [record for record in records if loss in record]
        x = [record[unit] for record in steps]
        y = [record[loss] for record in steps]
        axes[0, 0].plot(x, y, color=colours[0], lw=1.2, label=_label(name, "training"))
        _draw_dev(axes[0, 0], records, losses, unit, [*colours[1:], colours[0]], name, " on dev")
        if scores:
            _draw_dev(axes[0, 1], records, scores, unit, colours, name)
    axes[0, 0].set(xlabel=unit, ylabel=_label("", loss))
    if scores:
        axes[0, 1].set(xlabel=unit, ylabel=_label("", scores[0] if len(scores) == 1 else "dev"))
    for axis in axes[0]:
        if len(axis.lines) > 1:
            axis.legend(fontsize=8.5)
    set_title(figure, title)
    return figure


def _draw_dev(
    axis: Axes,
    records: list[Mapping[str, Any]],
    names: list[str],
    unit: str,
    colours: Sequence[str],
    run: str,
    where: str = "",
) -> None:
    """Draw figures of a run's evaluations; one that it never measured is left out."""
    for k, name in enumerate(names):
        measured = [record for record in records if name in record.get("held_out", {})]
        if measured:
            axis.plot(
                [record[unit] for record in measured],
                [record["held_out"][name] for record in measured],
                "os^Dv"[k % 5] + "-",
                ms=4,
                lw=1.2,
                color=colours[k % len(colours)],
                label=_label(run, name + where),
            )


def _figures(
    runs: Mapping[str, list[Mapping[str, Any]]], metric: str | Sequence[str] | None, loss: str
) -> tuple[list[str], list[str]]:
    """Return the names of the losses and of the other figures to draw."""
    measured = [r["held_out"] for records in runs.values() for r in records if "held_out" in r]
    kinds = {name: type(value) for held_out in measured for name, value in held_out.items()}
    there = [name for name, kind in kinds.items() if issubclass(kind, int | float)]
    if metric is None:  # floats are measured, whole numbers counted
        scores = [name for name in there if "loss" not in name and kinds[name] is float]
        return [name for name in there if name == loss], scores[:1]
    names = [metric] if isinstance(metric, str) else list(metric)
    for name in names:
        if name not in there:
            raise ValueError(
                f"no evaluation has the figure {name!r}: expected one of {there or 'none at all'}"
            )
    return [n for n in names if "loss" in n], [n for n in names if "loss" not in n]


def _label(run: str, what: str) -> str:
    what = what.replace("_", " ")
    return plain([f"{run}, {what}" if run else what])[0]
