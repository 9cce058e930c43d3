"""What all scores share: precision and recall from counts, means, an interval, and checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def precision_recall(correct: int, predicted: int, true: int) -> dict[str, Any]:
    """Return ``precision``, ``recall``, ``f1`` and ``support`` from three counts."""
    precision = correct / predicted if predicted else 0.0
    recall = correct / true if true else 0.0
    f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "support": true}


def mean(values: Iterable[float]) -> float:
    """Return the mean; 0 of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0


def confidence_interval(
    values: Sequence[float], seed: int = 0, level: float = 0.95, draws: int = 2000
) -> tuple[float, float]:
    """Say how far a mean over few items can be trusted: the bootstrap's percentile interval.

    The items are drawn anew with replacement, as many as there are, again and again; the interval
    holds the middle 95 % of the means. With 75 items, an accuracy of 80 % may well be 71 or 88.

    Args:
        values: ``(N,)`` scores of single items, such as 1 for right and 0 for wrong.
        seed: the same seed gives the same interval.
        level: the share of means inside.
        draws: how many times.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: when there are no values.

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    items = np.asarray(values, dtype=float)
    if items.ndim != 1 or len(items) == 0:
        raise ValueError(f"values have shape {items.shape}: expected at least one number")
    generator = np.random.default_rng(seed)
    means = [generator.choice(items, len(items)).mean() for _ in range(draws)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def check_lengths(true: Sequence[Any], predicted: Sequence[Any], what: str) -> None:
    """Refuse predictions that aren't one for each truth."""
    if len(true) != len(predicted):
        raise ValueError(
            f"there are {len(true)} true {what} but {len(predicted)} predicted ones: expected one "
            "for each, in the same order"
        )


def check_items(true: Sequence[Any], predicted: Sequence[Any], what: str) -> None:
    """Refuse predictions that aren't one for each truth, and a mean over nothing."""
    check_lengths(true, predicted, what)
    if len(true) == 0:
        raise ValueError(f"there are no {what}: expected at least one")
