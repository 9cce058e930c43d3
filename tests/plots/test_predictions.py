"""Confusion matrices and answers' probabilities show what they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from board import drawing_board  # noqa: F401

from bertlab import plots


def ticks(labels: Any) -> list[str]:
    return [label.get_text() for label in labels]


def test_confusion_has_true_labels_as_rows() -> None:
    """A transposed matrix would look right and say the opposite of what it should."""
    true = ["cat", "cat", "cat", "dog"]
    predicted = ["cat", "dog", "dog", "dog"]
    axis = plots.confusion(true, predicted, title="Pets").axes[0]
    assert np.allclose(axis.images[0].get_array(), [[1 / 3, 2 / 3], [0, 1]])
    assert ticks(axis.get_yticklabels()) == ticks(axis.get_xticklabels()) == ["cat", "dog"]
    assert (axis.get_ylabel(), axis.get_xlabel()) == ("true", "predicted")
    written = {text.get_position(): text.get_text() for text in axis.texts}
    assert written == {(0, 0): "1", (1, 0): "2", (1, 1): "1"}, "x is the predicted label"
    assert axis.figure.get_suptitle() == "Pets"


def test_confusion_by_count_in_a_given_order() -> None:
    """A label may be expected and never occur."""
    labels = ["$5", "dog", "cat"]
    axis = plots.confusion(["cat", "cat"], ["cat", "dog"], labels, normalise=False).axes[0]
    assert np.array_equal(axis.images[0].get_array(), [[0, 0, 0], [0, 0, 0], [0, 1, 1]])
    assert axis.images[0].get_clim() == (0, 1)
    assert ticks(axis.get_yticklabels()) == [r"\$5", "dog", "cat"]
    assert axis.figure.get_suptitle() == ""


@pytest.mark.parametrize(
    ("title", "start"), [("", "The 20 most confused"), ("Intents", "Intents: the 20 most confused")]
)
def test_of_many_labels_the_most_confused_are_drawn_and_said(title: str, start: str) -> None:
    """Labels 5 to 29 are confused, each with the next of a pair, the later the more often."""
    names = [f"{k:02}" for k in range(30)]
    true, predicted = list(names), list(names)
    for k in range(6, 30, 2):
        true += [names[k]] * k
        predicted += [names[k + 1]] * k
    figure = plots.confusion(true, predicted, title=title)
    axis = figure.axes[0]
    assert ticks(axis.get_yticklabels()) == names[10:]
    assert axis.images[0].get_array()[0, 1] == pytest.approx(10 / 11)
    shown, every = sum(range(10, 30, 2)), sum(range(6, 30, 2))
    assert figure.get_suptitle() == f"{start} of 30 labels ({shown} of {every} mistakes)"


@pytest.mark.parametrize(
    ("true", "predicted", "labels", "words"),
    [
        (["a"], [], None, "1 true labels and 0 predicted"),
        ([], [], None, "at least one"),
        (["a"], ["b"], ["a"], r"label 'b' isn't expected: labels are \['a'\]"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    true: list[str], predicted: list[str], labels: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        plots.confusion(true, predicted, labels)


def heights(axis: Any) -> list[float]:
    return [bar.get_height() for bar in axis.patches[:3]]


def test_bars_stand_over_their_tokens_and_the_span_is_shaded() -> None:
    start = torch.tensor([0.5, 0.25, 0.25], dtype=torch.bfloat16, requires_grad=True)
    figure = plots.span_probabilities(iter(["in", "May", "$1"]), start, [0, 0.5, 0.5], (1, 2), "A")
    top, bottom = figure.axes
    assert (heights(top), heights(bottom)) == ([0.5, 0.25, 0.25], [0, 0.5, 0.5])
    assert (top.get_ylabel(), bottom.get_ylabel()) == ("start", "end")
    assert ticks(bottom.get_xticklabels()) == ["in", "May", r"\$1"]
    assert top.get_ylim() == bottom.get_ylim(), "one scale, or bars can't be compared"
    for axis in (top, bottom):
        shade = axis.patches[3]
        assert (shade.get_x(), shade.get_x() + shade.get_width()) == (0.5, 2.5)
    assert figure.get_suptitle() == "A"
    assert len(plots.span_probabilities(["a"], [1], [1]).axes[0].patches) == 1


@pytest.mark.parametrize(
    ("start", "end", "span", "words"),
    [
        ([1.0], [0.5, 0.5], None, r"start probabilities have shape \(1,\), but there are 2 tokens"),
        ([0.5, 0.5], [[0.5, 0.5]], None, r"end probabilities have shape \(1, 2\)"),
        ([-3.0, 7.5], [0.5, 0.5], None, r"run from -3 to 7\.5: .* Take the softmax"),
        ([0.5, float("nan")], [0.5, 0.5], None, "run from nan"),
        ([0.5, 0.5], [0.5, 0.5], (1, 0), r"span is \(1, 0\): expected first and last of 2 tokens"),
        ([0.5, 0.5], [0.5, 0.5], (0, 2), r"span is \(0, 2\)"),
    ],
)
def test_probabilities_that_do_not_fit_are_refused(
    start: Any, end: Any, span: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        plots.span_probabilities(["a", "b"], start, end, span)
    with pytest.raises(ValueError, match="there are 0 tokens"):
        plots.span_probabilities([], [], [])
