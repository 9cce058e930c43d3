"""Answers are scored as SQuAD's official evaluators do; figures were worked out by hand."""

from __future__ import annotations

import random
import re
import string
from typing import Any

import pytest

from bertlab.metrics import best_null_threshold, normalise_answer, squad_scores


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("The U.S. Army", "us army"),
        ("  a\tNew\u00a0York \n", "new york"),
        ("well-known", "wellknown"),
        ("the-cat", "thecat"),  # punctuation goes before articles do
        ("theatre, an anthem", "theatre anthem"),
        ("“quoted” — 5 €", "“quoted” — 5 €"),  # only ASCII's signs are punctuation
        ("1,000.50", "100050"),
        ("ÉCOLE", "école"),
        ("A. The?", ""),
    ],
)
def test_normalisation(text: str, bare: str) -> None:
    assert normalise_answer(text) == bare


@pytest.mark.parametrize(
    ("prediction", "texts", "exact", "f1"),
    [
        ("The Eiffel Tower!", ["eiffel tower"], 100, 100),
        ("Eiffel Tower in Paris", ["the Eiffel Tower"], 0, 200 * 0.5 / 1.5),
        ("new new york", ["york new"], 0, 200 * 2 / 5),  # words as bags: one "new" too many
        ("in May", ["June 1999", "May 1999", "in the May"], 100, 100),
        ("May 1999", ["1999 in May", "may"], 0, 200 * 2 / 5),  # the best reference for each score
        ("", ["May"], 0, 0),
        ("cat", ["dog"], 0, 0),
    ],
)
@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_one_answer(
    prediction: str, texts: list[str], exact: float, f1: float, version: Any
) -> None:
    scores = squad_scores({"q": prediction}, {"q": texts}, version=version)
    assert scores["exact_match"] == exact
    assert scores["f1"] == pytest.approx(f1)


@pytest.mark.parametrize(
    ("prediction", "texts", "old", "new"),
    [
        ("The", ["a"], (100, 0), (100, 100)),  # both are nothing
        ("", ["?", "seven"], (100, 0), (0, 0)),  # 2.0 leaves the first reference out
        ("seven", ["?", "seven"], (100, 100), (100, 100)),
        ("seven", ["the"], (0, 0), (0, 0)),
    ],
)
def test_the_two_evaluators_differ_over_texts_that_normalise_to_nothing(
    prediction: str, texts: list[str], old: tuple[float, float], new: tuple[float, float]
) -> None:
    def scores(version: Any) -> tuple[float, float]:
        found = squad_scores({"q": prediction}, {"q": texts}, version)
        return found["exact_match"], found["f1"]

    assert scores("1.1") == scores(None) == old
    assert scores("2.0") == new


def test_questions_without_an_answer_are_told_apart() -> None:
    references = {"a": ["red fox"], "b": [], "c": [], "d": ["blue"]}
    predictions = {"a": "fox", "b": "", "c": "a fox", "d": "Blue."}
    assert squad_scores(predictions, references) == {
        "exact_match": 50,
        "f1": pytest.approx(100 * (2 / 3 + 1 + 0 + 1) / 4),
        "total": 4,
        "HasAns_exact": 50,
        "HasAns_f1": pytest.approx(100 * (2 / 3 + 1) / 2),
        "HasAns_total": 2,
        "NoAns_exact": 50,
        "NoAns_f1": 50,
        "NoAns_total": 2,
    }
    assert squad_scores({"b": "The"}, {"b": []}) == {
        "exact_match": 100,
        "f1": 100,
        "total": 1,
        "NoAns_exact": 100,
        "NoAns_f1": 100,
        "NoAns_total": 1,
    }
    answerable = {"a": ["red fox"], "d": ["blue"]}
    with pytest.warns(UserWarning, match="2 predictions have no reference .* the first is 'b'"):
        assert squad_scores(predictions, answerable).keys() == {"exact_match", "f1", "total"}


def test_a_missing_prediction_counts_0_and_is_reported() -> None:
    with pytest.warns(UserWarning, match="1 of 2 questions have no prediction .* first is 'b'"):
        scores = squad_scores({"a": "x"}, {"a": ["x"], "b": []})
    assert (scores["exact_match"], scores["f1"], scores["missing"]) == (50, 50, 1)
    assert scores["NoAns_exact"] == 0, "saying nothing isn't saying that there is no answer"


@pytest.mark.parametrize(
    ("predictions", "references", "words"),
    [
        ({"a": "x"}, {"b": ["x"]}, "none of 1 references has a prediction"),
        ({}, {}, "there are no references"),
        ({"a": "x"}, {"a": "x"}, "reference of 'a' is 'x': expected a list of texts"),
        ({"a": "x"}, {"a": {"text": ["x"], "answer_start": [0]}}, r"answers\['text'\]"),
        ({"a": ["x"]}, {"a": ["x"]}, r"prediction for 'a' is \['x'\]: expected a text"),
    ],
)
def test_what_would_be_scored_wrongly_is_refused(
    predictions: Any, references: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        squad_scores(predictions, references)


# ---------------------------------------------------------------------------------------------
# The threshold


def plain_scores(prediction: str, texts: list[str]) -> tuple[float, float]:
    """Score one answer by SQuAD 2.0's rules, told once more: sorted lists, not bags."""

    def words(text: str) -> list[str]:
        kept = "".join(sign for sign in text.lower() if sign not in string.punctuation)
        return sorted(re.sub(r"\b(a|an|the)\b", " ", kept).split())

    best = 0.0
    said = words(prediction)
    for text in texts or [""]:
        left = words(text)
        if not said or not left:
            best = max(best, float(said == left))
            continue
        total, shared = len(said) + len(left), 0
        for word in said:
            if word in left:
                left.remove(word)
                shared += 1
        best = max(best, 2 * shared / total)
    exact = any(normalise_answer(prediction) == normalise_answer(text) for text in texts or [""])
    return float(exact), best


def random_questions(
    seed: int,
) -> tuple[dict[str, str], dict[str, float], dict[str, list[str]]]:
    draw = random.Random(seed)

    def text() -> str:
        return " ".join(draw.choices(["red", "fox", "Dog.", "the", "U.S."], k=3)) + " end"

    references, predictions, null_scores = {}, {}, {}
    for key in map(str, range(draw.randint(1, 9))):
        references[key] = [text() for _ in range(draw.choice([0, 1, 1, 3]))]
        predictions[key] = draw.choice([*references[key], text(), "fox end"])
        null_scores[key] = draw.uniform(-1, 3)
    return predictions, null_scores, references


def silenced(
    predictions: dict[str, str], null_scores: dict[str, float], threshold: float
) -> dict[str, str]:
    return {key: "" if null_scores[key] > threshold else predictions[key] for key in predictions}


@pytest.mark.parametrize("seed", range(40))
def test_random_answers_score_as_by_a_plain_rewrite(seed: int) -> None:
    predictions, _, references = random_questions(seed)
    rows = [plain_scores(predictions[key], texts) for key, texts in references.items()]
    scores = squad_scores(predictions, references, version="2.0")
    exact, f1 = (100 * sum(column) / len(rows) for column in zip(*rows, strict=True))
    assert (scores["exact_match"], scores["f1"]) == pytest.approx((exact, f1))


@pytest.mark.parametrize("seed", range(40))
def test_no_other_threshold_scores_better(seed: int) -> None:
    """Try them all, with the evaluator itself; some scores are equal."""
    predictions, null_scores, references = random_questions(seed)
    if seed % 2:
        null_scores = {key: round(score) for key, score in null_scores.items()}
    found = best_null_threshold(predictions, null_scores, references)
    for name, figure in (("exact", "exact_match"), ("f1", "f1")):

        def at(threshold: float, figure: str = figure) -> float:
            said = silenced(predictions, null_scores, threshold)
            return squad_scores(said, references, version="2.0")[figure]

        assert found[f"best_{name}"] == pytest.approx(at(found[f"best_{name}_thresh"]))
        assert found[f"best_{name}"] == pytest.approx(max(map(at, [-2, *null_scores.values()])))


def test_the_threshold_by_hand() -> None:
    """Silent, 2 of 4 are right. Answering a and c gains 1 each; b, between them, costs 1."""
    references = {"a": ["x"], "b": [], "c": ["y z"], "d": []}
    predictions = {"a": "x", "b": "x", "c": "y", "d": "y"}
    null_scores = {"a": 0.1, "b": 0.8, "c": 0.2, "d": 0.9}
    assert best_null_threshold(predictions, null_scores, references) == {
        "best_exact": 75,
        "best_exact_thresh": 0.1,
        "best_f1": pytest.approx(100 * (3 + 2 / 3) / 4),
        "best_f1_thresh": 0.2,
    }


@pytest.mark.parametrize(("lowest", "threshold"), [(0.4, 0.0), (-3.0, -3.0)])
def test_never_answering_can_be_best(lowest: float, threshold: float) -> None:
    """The evaluator always gives 0 here, which with negative scores means the opposite."""
    found = best_null_threshold({"a": "x", "b": "y"}, {"a": lowest, "b": 7}, {"a": [], "b": []})
    assert found["best_exact"] == 100
    assert found["best_exact_thresh"] == pytest.approx(threshold)
    assert found["best_exact_thresh"] < lowest


def test_each_question_needs_a_prediction_and_a_null_score() -> None:
    with pytest.raises(ValueError, match=r"1 of 2 questions lack .* the first is 'b'"):
        best_null_threshold({"a": "x", "b": "y"}, {"a": 1.0}, {"a": [], "b": []})
    with pytest.raises(ValueError, match="null score of 'a' is nan: expected a finite number"):
        best_null_threshold({"a": "x"}, {"a": float("nan")}, {"a": []})
