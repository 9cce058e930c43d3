"""Scores of labels and numbers, against figures worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bertlab.metrics import (
    classification_scores,
    confidence_interval,
    multi_label_scores,
    regression_scores,
)


def test_labels_by_hand() -> None:
    true = ["good", "good", "good", "bad", "bad", "odd"]
    predicted = ["good", "good", "bad", "bad", "new", "good"]
    scores = classification_scores(true, predicted)
    assert scores["accuracy"] == 0.5
    assert list(scores["per_label"]) == ["bad", "good", "new", "odd"]
    third = pytest.approx(2 / 3)
    good = {"precision": third, "recall": third, "f1": third, "support": 3}
    assert scores["per_label"]["good"] == good
    assert scores["per_label"]["bad"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert scores["per_label"]["new"]["support"] == 0
    assert scores["per_label"]["odd"]["f1"] == 0
    assert scores["macro_f1"] == pytest.approx((1 / 2 + 2 / 3) / 4)


@pytest.mark.parametrize(
    ("true", "predicted", "words"),
    [
        (["a"], [], "1 true labels but 0 predicted"),
        ([], [], "there are no labels"),
        ([["O"]], [["O"]], "aren't all names: .* tags for entity_scores"),
        ([0, 1], [0, 1], "aren't all names: expected a string"),
    ],
)
def test_labels_that_do_not_fit_are_refused(true: Any, predicted: Any, words: str) -> None:
    """Mistake 21: lists of tags where one label a text is expected."""
    with pytest.raises(ValueError, match=words):
        classification_scores(true, predicted)


def test_several_labels_by_hand() -> None:
    true = [["sport", "law"], ["law"], [], ["art"]]
    predicted = [["law", "sport"], ["sport"], [], []]
    scores = multi_label_scores(true, predicted, ["art", "law", "sport", "war"])
    assert scores["exact_match"] == 0.5, "the order of labels doesn't count, and none is right too"
    assert scores["micro_f1"] == pytest.approx(2 * 2 / (3 + 4))
    assert [row["f1"] for row in scores["per_label"].values()] == [
        0,
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
        0,
    ]
    assert scores["macro_f1"] == pytest.approx(1 / 3)
    assert scores["per_label"]["law"]["support"] == 2


def test_one_label_and_no_label_are_several_labels_too() -> None:
    """Scikit-learn takes a single column for a plain two-way decision."""
    scores = multi_label_scores([["x"], []], [["x"], ["x"]], ["x"])
    assert scores["micro_f1"] == scores["macro_f1"] == pytest.approx(2 / 3)
    assert list(scores["per_label"]) == ["x"]
    nothing = multi_label_scores([[], []], [[], []], ["x", "y"])
    assert (nothing["micro_f1"], nothing["macro_f1"], nothing["exact_match"]) == (0, 0, 1)


@pytest.mark.parametrize("row", [["y"], "x"])
def test_a_label_that_is_not_known_is_refused(row: Any) -> None:
    with pytest.raises(ValueError, match=r"text 1 has .*: expected a list of labels among \['x'\]"):
        multi_label_scores([["x"], ["x"]], [["x"], row], ["x"])


def test_numbers_by_hand() -> None:
    scores = regression_scores([1, 2, 3, 4], [2, 4, 6, 80])
    assert scores["spearman"] == pytest.approx(1)
    assert scores["mae"] == (1 + 2 + 3 + 76) / 4
    assert scores["rmse"] == pytest.approx(math.sqrt((1 + 4 + 9 + 76**2) / 4))
    assert scores["r2"] == pytest.approx(1 - (14 + 76**2) / 5)
    assert scores["pearson"] == pytest.approx(118 / math.sqrt(5 * 4340))
    ties = regression_scores([1, 2, 2], [3, 1, 2])
    assert ties["spearman"] == pytest.approx(-math.sqrt(3) / 2)


def test_constant_numbers_correlate_with_nothing() -> None:
    flat = regression_scores([1, 2, 3], [0.1, 0.1, 0.1])
    assert (flat["pearson"], flat["spearman"]) == (0, 0)
    assert regression_scores([0.1] * 3, [0.1] * 3)["r2"] == 1
    assert regression_scores([0.1] * 3, [1, 2, 3])["r2"] == 0
    assert regression_scores([5], [5])["rmse"] == 0


@pytest.mark.parametrize(
    ("true", "predicted", "words"),
    [
        ([1.0], [math.nan], "expected a finite one"),
        ([[1.0]], [[1.0]], "some numbers are lists"),
        ([], [], "there are no numbers"),
        ([1, 2], [1], "2 true numbers but 1"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(true: Any, predicted: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        regression_scores(true, predicted)


def test_the_interval_is_about_as_wide_as_theory_says() -> None:
    """60 of 75 right: a standard error of 4.6 points."""
    values = [1] * 60 + [0] * 15
    low, high = confidence_interval(values)
    error = 1.96 * math.sqrt(0.8 * 0.2 / 75)
    assert low == pytest.approx(0.8 - error, abs=0.015)
    assert high == pytest.approx(0.8 + error, abs=0.015)
    assert confidence_interval(values) == (low, high)
    uneven = [value / 7 for value in range(20)]
    assert confidence_interval(uneven) != confidence_interval(uneven, seed=1)
    narrow = confidence_interval(values, level=0.5)
    assert low < narrow[0] < narrow[1] < high
    assert confidence_interval([0.3] * 5) == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize("values", [[], [[1, 2]]])
def test_an_interval_needs_values(values: Any) -> None:
    with pytest.raises(ValueError, match="expected at least one number"):
        confidence_interval(values)
