"""Answers given against true ones, as SQuAD scores them.

Dimensions: ``N`` questions.
Source: Rajpurkar et al. 2016, section 6.1; 2018, section 4; chapter 10.
"""

from __future__ import annotations

import math
import re
import string
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from bertlab.metrics.counting import precision_recall

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)  # the 32 signs of ASCII


def normalise_answer(text: str) -> str:
    """Put an answer in lower case, without punctuation, articles and spare white space.

    Punctuation goes first, so that "U.S." is "us" and "well-known" one word; curly quotation
    marks and dashes beyond ASCII stay.
    """
    bare = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def squad_scores(
    predictions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    version: Literal["1.1", "2.0"] | None = None,
) -> dict[str, float]:
    """Score answers as SQuAD's official evaluators do, in per cent.

    Exact match: the normalised texts are equal. F1: of their words, as bags. For each question,
    the best over its references counts.

    The two evaluators differ over texts that normalise to nothing ("The", "?"). In 1.1, F1 is 0
    where one is empty, even where both are. In 2.0, empty references are left out; if none
    remain, the question has no answer; and an empty prediction scores 1 there, and else 0.

    Args:
        predictions: the answer to each question, by id; ``""`` where the model says there is none.
        references: the accepted answers to each question, by id; ``[]`` where there is none.
        version: the evaluator; by default 2.0 if any question has no answer, else 1.1.

    Returns:
        ``exact_match``, ``f1``, ``total`` (questions); with 2.0 also the scores over questions
        with an answer and over those without, where there are any: ``HasAns_exact``,
        ``HasAns_f1``, ``HasAns_total``, ``NoAns_exact`` and so on, as the evaluator calls them.
        Questions without a prediction count 0 and give a warning, and ``missing`` says how many.
        (The evaluator 1.1 does the same; 2.0 leaves them out.)

    Raises:
        ValueError: when there are no references, none of them has a prediction, or a reference
            isn't a list of texts.

    Source: Rajpurkar et al. 2016, section 6.1; 2018, section 4; chapter 10.
    """
    missing = _check_answers(predictions, references)
    version = version or ("1.1" if all(references.values()) else "2.0")
    scores = {
        key: (0.0, 0.0) if key in missing else _answer(predictions[key], texts, version)
        for key, texts in references.items()
    }
    exact, f1 = np.mean(list(scores.values()), axis=0) * 100
    result = {"exact_match": float(exact), "f1": float(f1), "total": len(scores)}
    if version == "2.0":
        for name, answerable in (("HasAns", True), ("NoAns", False)):
            group = [scores[key] for key, texts in references.items() if bool(texts) == answerable]
            if group:
                exact, f1 = np.mean(group, axis=0) * 100
                result[f"{name}_exact"], result[f"{name}_f1"] = float(exact), float(f1)
                result[f"{name}_total"] = len(group)
    return result | ({"missing": len(missing)} if missing else {})


def _answer(prediction: str, texts: Sequence[str], version: str) -> tuple[float, float]:
    """Return exact match and F1 of one question, the best of each over its references."""
    said = normalise_answer(prediction)
    accepted = [normalise_answer(text) for text in texts]
    if version == "2.0":
        accepted = [text for text in accepted if text]
    if not accepted:
        accepted = [""]
    both_empty = float(version == "2.0")
    exact = max(float(said == text) for text in accepted)
    return exact, max(_word_f1(said.split(), text.split(), both_empty) for text in accepted)


def _word_f1(said: list[str], true: list[str], both_empty: float) -> float:
    if not said and not true:
        return both_empty
    shared = (Counter(said) & Counter(true)).total()
    return float(precision_recall(shared, len(said), len(true))["f1"])


def best_null_threshold(
    predictions: Mapping[str, str],
    null_scores: Mapping[str, float],
    references: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """Find the score of "no answer" above which saying so pays; on the dev set, never on test.

    Args:
        predictions: the best answer other than ``""`` to each question, by id.
        null_scores: how much the model favours that there is no answer, by id.
        references: as in ``squad_scores``.

    Returns:
        ``best_exact`` and ``best_f1`` in per cent, and the thresholds that give them,
        ``best_exact_thresh`` and ``best_f1_thresh``: answer ``""`` where the score is *greater*.
        They are those of the official evaluator 2.0, but always scores that the threshold does
        reach: the evaluator may part questions with equal scores, and returns 0 for "never answer"
        even where scores are negative.

    Raises:
        ValueError: as in ``squad_scores``; also when a question has no prediction or null score.
    """
    missing = [key for key in references if key not in predictions or key not in null_scores]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(references)} questions lack a prediction or a null score, "
            f"the first is {missing[0]!r}: expected both for each"
        )
    _check_answers(predictions, references)
    order = sorted(references, key=null_scores.__getitem__)
    for key in order:
        if not math.isfinite(null_scores[key]):
            raise ValueError(
                f"the null score of {key!r} is {null_scores[key]}: expected a finite number"
            )
    ranked = np.array([null_scores[key] for key in order], dtype=float)  # (N,)
    answered = np.array([_answer(predictions[key], references[key], "2.0") for key in order])
    silent = np.array([_answer("", references[key], "2.0") for key in order])  # (N, 2)

    # Row k: the first k questions are answered, the others are not. (N + 1, 2)
    totals = silent.sum(0) + np.vstack([np.zeros(2), np.cumsum(answered - silent, axis=0)])
    possible = np.append(0, np.flatnonzero(np.append(ranked[1:] > ranked[:-1], True)) + 1)
    never = min(0.0, math.nextafter(ranked[0], -math.inf))
    result = {}
    for column, name in enumerate(("exact", "f1")):
        k = possible[totals[possible, column].argmax()]
        result[f"best_{name}"] = float(100 * totals[k, column] / len(order))
        result[f"best_{name}_thresh"] = float(ranked[k - 1]) if k else never
    return result


def _check_answers(
    predictions: Mapping[str, str], references: Mapping[str, Sequence[str]]
) -> set[str]:
    """Check ids and kinds; return the questions without a prediction, after a warning."""
    if not references:
        raise ValueError("there are no references: expected at least one question")
    for key, texts in references.items():
        if isinstance(texts, str | Mapping):
            raise ValueError(
                f"the reference of {key!r} is {texts!r}: expected a list of texts, which in SQuAD "
                "is answers['text']"
            )
        if not isinstance(predictions.get(key, ""), str):
            raise ValueError(
                f"the prediction for {key!r} is {predictions[key]!r}: expected a text, which is "
                '"" where the model says that there is no answer'
            )
    missing = references.keys() - predictions.keys()
    if len(missing) == len(references):
        raise ValueError(
            f"none of {len(references)} references has a prediction: do both belong to the same "
            "questions?"
        )
    if missing:
        warnings.warn(
            f"{len(missing)} of {len(references)} questions have no prediction and count 0, the "
            f"first is {min(missing)!r}",
            stacklevel=3,
        )
    extra = predictions.keys() - references.keys()
    if extra:
        warnings.warn(
            f"{len(extra)} predictions have no reference and don't count, the first is "
            f"{min(extra)!r}",
            stacklevel=3,
        )
    return missing
