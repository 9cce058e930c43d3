"""Exact match and F1 of one answer. A question of the assignment ``finetuning``."""

from __future__ import annotations

import numbers
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec


def _match_scores(
    prediction: list[str],
    references: list[list[str]],
    *,
    exact: str = "equal",
    bags: str = "counted",
    measure: str = "f1",
    over: str = "best",
    pick: str = "apart",
    nothing: str = "empty is right",
) -> tuple[Any, Any]:
    """Exact match and F1, right by default; each keyword makes one step wrong."""
    import torch

    if not references:
        right = {"0": 0.0, "1": 1.0}.get(nothing, float(not prediction))
        return torch.tensor(right), torch.tensor(right)

    def one(reference: list[str]) -> tuple[float, float]:
        x, y = Counter(prediction), Counter(reference)
        if bags == "sets":
            x, y = Counter(set(prediction)), Counter(set(reference))
        shared, total = (x & y).total(), x.total() + y.total()
        if bags == "shared as set":
            shared = len(x & y)
        elif bags == "overcounted":
            shared = sum(word in y for word in prediction)
        same = {
            "contained": all(word in prediction for word in reference),
            "any order": Counter(prediction) == Counter(reference),
            "equal sets": set(prediction) == set(reference),
        }.get(exact, prediction == reference)
        precision, recall = (shared / z.total() if z else 0.0 for z in (x, y))
        f1 = {
            "precision": precision,
            "recall": recall,
            "mean": (precision + recall) / 2,
            "no factor": shared / total if total else 0.0,
        }.get(measure, 2 * shared / total if total else 0.0)
        return float(same), f1

    scores = [one(reference) for reference in references]
    columns = list(zip(*scores, strict=True))
    if over == "first":
        em, f1 = scores[0]
    elif over == "first for F1":
        em, f1 = max(columns[0]), scores[0][1]
    elif over == "mean":
        em, f1 = (sum(column) / len(column) for column in columns)
    elif over == "joined":
        em, f1 = one([word for reference in references for word in reference])
    else:
        em, f1 = (max(column) for column in columns)
    if pick == "f1 from em":
        f1 = max(f1, em) if em else 0.0
    return torch.tensor(em), torch.tensor(f1)


def _observe(arguments: Mapping[str, Any], value: Any) -> Any:
    """Take numbers and truth values as well as tensors of one."""
    import torch

    if not isinstance(value, (list, tuple)):
        return value
    return [
        torch.tensor(float(item)) if isinstance(item, (numbers.Real, bool)) else item
        for item in value
    ]


def _cases(seed: int) -> list[Case]:
    rng = random.Random(seed)
    letters = rng.sample(
        ["red", "sea", "north", "andes", "peak", "river", "1912", "old", "town", "hall"], 6
    )

    def case(stage: int, label: str, prediction: str, *references: str) -> Case:
        """Each sign stands for a word."""

        def words(signs: str) -> list[str]:
            return [letters["abcdef".index(sign)] for sign in signs]

        arguments = {"prediction": words(prediction), "references": [words(r) for r in references]}
        return Case(stage, label, arguments)

    return [
        case(1, "equal", "ab", "ab"),
        case(1, "nothing shared", "ab", "cd"),
        case(2, "a word too many", "abc", "ab"),
        case(2, "two words missing", "a", "abc"),
        case(3, "the same words in another order", "ba", "ab"),
        case(3, "a word twice in one of them", "aab", "abb"),
        case(3, "a word twice in both", "aabc", "aabd"),
        case(4, "the second reference fits better", "abc", "a", "abd", "e"),
        case(4, "equal to the last reference", "ab", "abc", "ab"),
        case(5, "no answer, and none given", ""),
        case(5, "no answer, but one given", "ab"),
        case(5, "an answer, but none given", "", "ab"),
    ]


def _found(failure: Failure) -> str:
    (em, f1), (true_em, true_f1) = failure.found, failure.expected
    return (
        f"You have exact match {em.item():.3f} and F1 {f1.item():.3f}, and should have "
        f"{true_em.item():.3f} and {true_f1.item():.3f}"
    )


def _mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _found)


MATCH_SCORES = Spec(
    Exercise("match_scores", 10, "medium", 8, "finetuning"),
    question=(
        "Exact match and F1 of one answer, each from 0 to 1. `prediction` is a list of words,\n"
        "already normalised; `references` is a list of such lists. Exact match is 1 if the\n"
        "prediction equals a reference, else 0. F1 compares bags of words, in which a word that\n"
        "occurs twice counts twice; the best reference counts. An empty list of references says\n"
        "that there is no answer: both scores are then 1 for an empty prediction, else 0."
    ),
    formula="F1 = 2 shared / (words of prediction + words of reference)    (10.6)",
    stub=(
        "def match_scores(prediction, references):\n"
        "    raise NotImplementedError\n"
        "    return exact_match, f1"
    ),
    hints=(
        "`Counter(x) & Counter(y)` is what two bags share; `.total()` counts it.",
        "Take the maximum over the references for each of the two scores.",
    ),
    verified="words too many, missing, in another order and twice, several references, no answer.",
    outputs={"exact_match": "tensor", "f1": "tensor"},
    compute=_match_scores,
    cases=_cases,
    observe=_observe,
    mistakes=(
        _mistake(
            "contained-counts-as-exact",
            "exact match is 1 where the prediction contains the reference. It must be equal.",
            exact="contained",
        ),
        _mistake(
            "order-ignored",
            "exact match is 1 for the same words in another order. The lists must be equal.",
            exact="any order",
        ),
        _mistake(
            "order-ignored",
            "exact match is 1 for the same set of words. The lists must be equal.",
            exact="equal sets",
        ),
        _mistake(
            "sets-instead-of-bags",
            "a word that occurs twice was counted once. Use `Counter`.",
            bags="sets",
        ),
        _mistake(
            "sets-instead-of-bags",
            "a word that both have twice was counted once among the shared. Use `Counter`.",
            bags="shared as set",
        ),
        _mistake(
            "repeated-words-overcounted",
            "a word that the prediction has twice and the reference once was shared twice. A bag "
            "shares the smaller of the two counts: `Counter(x) & Counter(y)`.",
            bags="overcounted",
        ),
        _mistake(
            "precision-only",
            "this is the precision: missing words don't count.",
            measure="precision",
        ),
        _mistake(
            "recall-only",
            "this is the recall: needless words don't count.",
            measure="recall",
        ),
        _mistake(
            "arithmetic-mean",
            "this is the arithmetic mean of precision and recall. F1 is the harmonic one.",
            measure="mean",
        ),
        _mistake(
            "factor-two-missing",
            "the factor 2 is missing: an equal answer has an F1 of 1.",
            measure="no factor",
        ),
        _mistake(
            "first-reference-only",
            "only the first reference was compared. The best one counts.",
            over="first",
        ),
        _mistake(
            "first-reference-only",
            "the F1 was taken from the first reference only. The best one counts.",
            over="first for F1",
        ),
        _mistake(
            "mean-over-references",
            "the mean over the references was taken. The best one counts.",
            over="mean",
        ),
        _mistake(
            "references-joined",
            "all references were put into one. Compare with each alone.",
            over="joined",
        ),
        _mistake(
            "f1-only-of-exact-matches",
            "the F1 is 0 wherever there is no exact match. Half-right answers count in F1.",
            pick="f1 from em",
        ),
        _mistake(
            "no-answer-scores-zero",
            "without references everything scores 0. Saying nothing is right then: 1.",
            nothing="0",
        ),
        _mistake(
            "no-answer-scores-one",
            "without references everything scores 1. Only the empty prediction is right then.",
            nothing="1",
        ),
    ),
)

EXERCISES = (MATCH_SCORES,)
