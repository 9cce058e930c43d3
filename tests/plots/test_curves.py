"""Learning curves show the records that runs wrote."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from board import drawing_board  # noqa: F401

from bertlab import plots
from bertlab.hub import find_folder
from bertlab.training import History


def run(f1s: list[float], epochs: bool = True) -> History:
    """Two steps and an evaluation for each epoch."""
    records: list[dict[str, Any]] = []
    for number, f1 in enumerate(f1s):
        records += [{"step": 10 * number + k, "loss": 2.0 - number, "rate": 0.1} for k in (5, 10)]
        held_out = {"rows": 75, "loss": 1.5 - number, "f1": f1, "recall": f1 / 2, "per_type": {}}
        records.append({"step": 10 * number + 10, "held_out": held_out})
    if epochs:
        records = [record | {"epoch": record["step"] / 10} for record in records]
    return History(records)


def points(axis: Any) -> list[tuple[list[float], list[float]]]:
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axis.lines]


def labels(axis: Any) -> list[str]:
    return [line.get_label() for line in axis.lines]


def test_losses_stand_on_one_side_and_the_score_on_the_other() -> None:
    figure = plots.learning_curves(run([0.5, 0.75]), title="My run")
    left, right = figure.axes
    assert points(left) == [
        ([0.5, 1.0, 1.5, 2.0], [2.0, 2.0, 1.0, 1.0]),
        ([1.0, 2.0], [1.5, 0.5]),
    ]
    assert labels(left) == ["training", "loss on dev"]
    assert points(right) == [([1.0, 2.0], [0.5, 0.75])]
    assert (left.get_xlabel(), left.get_ylabel(), right.get_ylabel()) == ("epoch", "loss", "f1")
    assert figure.get_suptitle() == "My run"
    assert len({line.get_color() for line in left.lines}) == 2


def test_without_epochs_the_axis_counts_steps() -> None:
    left, right = plots.learning_curves(run([0.5], epochs=False)).axes
    assert left.get_xlabel() == right.get_xlabel() == "step"
    assert points(right) == [([10], [0.5])]


def test_several_runs_have_a_colour_each_and_their_names() -> None:
    silent = History([{"step": 3, "epoch": 0.3, "loss": 1.0}])
    figure = plots.learning_curves({"a": run([0.5]), "$b": run([0.6]), "c": silent}, metric="f1")
    left, right = figure.axes
    assert labels(left) == ["a, training", r"\$b, training", "c, training"]
    assert labels(right) == ["a, f1", r"\$b, f1"]
    assert [line.get_color() for line in right.lines] == list(plots.COLOURS[:2])
    assert [text.get_text() for text in right.get_legend().get_texts()] == labels(right)


def test_figures_can_be_chosen() -> None:
    left, right = plots.learning_curves(run([0.5]), metric=["recall", "f1"]).axes
    assert labels(left) == ["training"], "the dev loss wasn't asked for"
    assert labels(right) == ["recall", "f1"]
    assert right.get_ylabel() == "dev"


def test_a_run_without_evaluations_has_one_panel() -> None:
    history = [record for record in run([0.5]) if "loss" in record]
    assert len(plots.learning_curves(history).axes) == 1


def test_the_curve_of_the_bundled_pretraining_can_be_drawn() -> None:
    history = History.read(find_folder("bertlab-mini"))
    (axis,) = plots.learning_curves(history, "masked_lm_loss", loss="masked_lm").axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("step", "masked lm")
    training, held_out = axis.lines
    assert len(training.get_xdata()) == len(history.steps)
    assert np.allclose(
        held_out.get_ydata(), [r["held_out"]["masked_lm_loss"] for r in history.evaluations]
    )


@pytest.mark.parametrize(
    ("history", "settings", "words"),
    [
        ({}, {}, "no runs to draw"),
        ([], {}, "run '' has no record with 'loss' among 0: expected a History"),
        ({"a": run([0.1])}, {"loss": "masked_lm"}, r"run 'a' .*'masked_lm'.*'epoch', 'held_out'"),
        (run([0.1]), {"metric": "accuracy"}, r"no .* 'accuracy': expected one of \['rows', 'loss'"),
        (run([0.1]), {"metric": "per_type"}, "no evaluation has the figure 'per_type'"),
        ([{"step": 1, "loss": 1}], {"metric": "f1"}, "expected one of none at all"),
    ],
)
def test_what_cannot_be_drawn_is_said(history: Any, settings: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plots.learning_curves(history, **settings)
