"""Labels and numbers predicted for whole texts against true ones; chapter 8.

Dimensions: ``N`` texts, ``L`` labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertlab.metrics.counting import check_items, mean, precision_recall


def classification_scores(true: Sequence[str], predicted: Sequence[str]) -> dict[str, Any]:
    """Score one label for each text.

    Args:
        true, predicted: ``(N,)`` label names.

    Returns:
        ``accuracy``; ``macro_f1``, the mean over labels, in which rare ones weigh as much as
        frequent ones; and ``precision``, ``recall``, ``f1``, ``support`` for each label that
        occurs, in ``per_label``.

    Raises:
        ValueError: when lengths differ, nothing is given, or labels aren't names.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    check_items(true, predicted, "labels")
    if not all(isinstance(label, str) for label in (*true, *predicted)):
        raise ValueError(
            "labels aren't all names: expected a string for each text. Several labels a text are "
            "for multi_label_scores, numbers for regression_scores, tags for entity_scores"
        )
    labels = sorted({*true, *predicted})
    columns = precision_recall_fscore_support(true, predicted, labels=labels, zero_division=0)
    per_label = {
        label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for label, p, r, f, n in zip(labels, *columns, strict=True)
    }
    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "macro_f1": mean(scores["f1"] for scores in per_label.values()),
        "per_label": per_label,
    }


def multi_label_scores(
    true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], labels: Sequence[str]
) -> dict[str, Any]:
    """Score any number of labels for each text, none included.

    Args:
        true, predicted: ``(N,)`` lists of label names.
        labels: all labels there are; ``macro_f1`` is the mean over these.

    Returns:
        ``micro_f1``, over all decisions; ``macro_f1``; ``exact_match``, the share of texts with
        exactly the right labels; and ``per_label`` as in ``classification_scores``.

    Raises:
        ValueError: when lengths differ, nothing is given, or a label isn't among ``labels``.
    """
    check_items(true, predicted, "lists of labels")
    y_true, y_predicted = _indicators(true, labels), _indicators(predicted, labels)  # (N, L)
    # Not scikit-learn: it takes a single column for a decision between two labels.
    counts = np.array([y_true & y_predicted, y_predicted, y_true]).sum(axis=1)  # (3, L)
    per_label = {
        label: precision_recall(*column)
        for label, column in zip(labels, counts.T.tolist(), strict=True)
    }
    return {
        "micro_f1": precision_recall(*counts.sum(axis=1).tolist())["f1"],
        "macro_f1": mean(scores["f1"] for scores in per_label.values()),
        "exact_match": float((y_true == y_predicted).all(axis=1).mean()),
        "per_label": per_label,
    }


def _indicators(rows: Sequence[Sequence[str]], labels: Sequence[str]) -> NDArray[np.int64]:
    """Return 1 where a text has a label ``(N, L)``."""
    column = {label: place for place, label in enumerate(labels)}
    result = np.zeros((len(rows), len(labels)), dtype=np.int64)
    for number, row in enumerate(rows):
        for label in [row] if isinstance(row, str) else row:
            if label not in column or isinstance(row, str):
                raise ValueError(
                    f"text {number} has {row!r}: expected a list of labels among {list(labels)}"
                )
            result[number, column[label]] = 1
    return result


def regression_scores(true: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """Score one number for each text.

    Args:
        true, predicted: ``(N,)``.

    Returns:
        ``pearson`` and ``spearman`` (0 where one side is constant), ``r2`` (1 − squared error over
        variance; 0 where the truth is constant and not hit), ``rmse`` and ``mae``.

    Raises:
        ValueError: when lengths differ, nothing is given, or a number isn't finite.
    """
    from scipy.stats import rankdata

    check_items(true, predicted, "numbers")
    x, y = np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)
    if x.ndim != 1 or y.ndim != 1 or not np.isfinite([x, y]).all():
        raise ValueError("some numbers are lists, NaN or infinite: expected a finite one a text")
    error, spread = y - x, x - x.mean()
    constant = np.ptp(x) == 0
    r2 = float(not error.any()) if constant else 1 - float(error @ error / (spread @ spread))
    return {
        "pearson": _correlation(x, y),
        "spearman": _correlation(rankdata(x), rankdata(y)),
        "r2": r2,
        "rmse": math.sqrt(error @ error / len(x)),
        "mae": float(np.abs(error).mean()),
    }


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
