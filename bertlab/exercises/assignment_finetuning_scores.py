"""Scores of names, beside that of tokens. A question of the assignment ``finetuning``."""

from __future__ import annotations

import random
from typing import Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

Span = tuple[str, int, int]
Scores = tuple[Any, ...]


def _ratio(above: float, below: float, empty: str) -> float:
    if not below and empty == "1":
        return 1.0
    return above / below if below or empty == "error" else 0.0


def _ner_scores(
    true_tags: list[list[str]],
    predicted_tags: list[list[str]],
    true_spans: list[list[Span]],
    predicted_spans: list[list[Span]],
    *,
    order: str = "right",
    f1: str = "harmonic",
    accuracy: str = "all words",
    over: str = "all sentences",
    match: str = "whole",
    empty: str = "0",
) -> Scores:
    """Precision, recall, F1 and token accuracy; each keyword makes one step wrong."""

    def kept(span: Span) -> tuple[Any, ...]:
        return {"types": span[1:], "starts": span[:2]}.get(match, span)

    def counts(chosen: list[int]) -> tuple[int, int, int]:
        sets = []
        for spans in (true_spans, predicted_spans):
            at = dict.fromkeys(chosen, 0) if over == "thrown together" else {i: i for i in chosen}
            sets.append({(at[i], *kept(span)) for i in chosen for span in spans[i]})
        true, predicted = sets
        return len(true & predicted), len(true), len(predicted)

    def scores(chosen: list[int]) -> tuple[float, float, float]:
        right, true, predicted = counts(chosen)
        precision, recall = _ratio(right, predicted, empty), _ratio(right, true, empty)
        joined = _ratio(2 * right, true + predicted, empty)
        if f1 == "arithmetic":
            joined = (precision + recall) / 2
        return precision, recall, joined

    sentences = list(range(len(true_spans)))
    if over == "mean of sentences":
        each = [scores([i]) for i in sentences]
        precision, recall, joined = (sum(column) / len(each) for column in zip(*each, strict=True))
    else:
        precision, recall, joined = scores(sentences)
    if order == "swapped":
        precision, recall = recall, precision

    hits = [
        [(t, t == p) for t, p in zip(*pair, strict=True)]
        for pair in zip(true_tags, predicted_tags, strict=True)
    ]
    words = [item for sentence in hits for item in sentence]
    if accuracy == "names only":
        words = [(t, hit) for t, hit in words if t != "O"]
    share = _ratio(sum(hit for _, hit in words), len(words), "0")
    if accuracy == "mean of sentences":
        share = sum(sum(h for _, h in s) / len(s) for s in hits) / len(hits)
    return precision, recall, joined, share


def _tags(spans: list[Span], length: int) -> list[str]:
    tags = ["O"] * length
    for kind, start, end in spans:
        tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    return tags


def _cases(seed: int) -> list[Case]:
    rng = random.Random(seed)
    types = rng.sample(["LOC", "PER", "ORG", "MISC"], 4)

    def case(stage: int, label: str, sentences: list[tuple[int, str, str]]) -> Case:
        """Each sentence: its length, its true names and the predicted ones, as "type start end"."""

        def read(text: str) -> list[Span]:
            parts = [name.split() for name in text.split(",") if name.strip()]
            return [(types[int(kind)], int(start), int(end)) for kind, start, end in parts]

        spans = [
            [read(true) for _, true, _ in sentences],
            [read(predicted) for _, _, predicted in sentences],
        ]
        lengths = [length for length, _, _ in sentences]
        tags = [
            [_tags(names, length) for names, length in zip(part, lengths, strict=True)]
            for part in spans
        ]
        values = (*tags, *spans)
        names = ("true_tags", "predicted_tags", "true_spans", "predicted_spans")
        return Case(stage, label, dict(zip(names, values, strict=True)))

    n = 6 + seed % 3
    return [
        case(1, "one of two names found", [(n, "0 0 2, 1 4 5", "0 0 2")]),
        case(1, "three names predicted, one right", [(n, "0 1 2", "0 1 2, 1 3 4, 2 4 6")]),
        case(2, "a wrong type", [(n, "0 0 2, 1 3 4", "0 0 2, 2 3 4")]),
        case(2, "a wrong end", [(n, "0 0 3, 1 4 5", "0 0 2, 1 4 5")]),
        case(3, "sentences of unequal length", [(n, "0 0 1, 1 2 4", "0 0 1"), (2, "", "1 0 2")]),
        case(
            3, "the same span in another sentence", [(n, "0 1 2, 1 3 4", "1 3 4"), (5, "", "0 1 2")]
        ),
        case(4, "no name predicted", [(n, "0 1 2", "")]),
        case(4, "no name there, and none predicted", [(n, "", "")]),
    ]


def _found(failure: Failure) -> str:
    names = ("precision", "recall", "F1", "token accuracy")
    both = zip(names, failure.found, failure.expected, strict=True)
    off = [f"{name} {f.item():.3f} instead of {e.item():.3f}" for name, f, e in both if f != e]
    return f"You have {', '.join(off[:2])}" if off else ""


def _mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _found)


NER_SCORES = Spec(
    Exercise("ner_scores", 9, "medium", 9, "finetuning"),
    question=(
        "Four scores of the same predictions. For each sentence you have the true and the\n"
        "predicted tags, lists of words' tags, and the names in them, lists of (type, start,\n"
        "end). Return precision, recall and F1 of whole names over all sentences together, and\n"
        "the token accuracy: the share of all words whose tag is right, O included. A name is\n"
        "right if the same triple is there in the same sentence. What would divide by zero is 0."
    ),
    formula=(
        "precision = right / predicted    recall = right / true\nF1 = 2 right / (true + predicted)"
    ),
    stub=(
        "def ner_scores(true_tags, predicted_tags, true_spans, predicted_spans):\n"
        "    raise NotImplementedError\n"
        "    return precision, recall, f1, accuracy"
    ),
    hints=(
        "Make two sets of (sentence number, type, start, end). `len(a & b)` counts the right ones.",
        "Count over all sentences first, divide once.",
    ),
    verified="half-right names, wrong types, several sentences, and no name at all.",
    outputs=dict.fromkeys(("precision", "recall", "f1", "accuracy"), "number"),
    compute=_ner_scores,
    cases=_cases,
    mistakes=(
        _mistake(
            "precision-and-recall-swapped",
            "precision and recall are swapped. Precision is the share of the *predicted* names "
            "that are right.",
            order="swapped",
        ),
        _mistake(
            "arithmetic-mean",
            "the F1 is the arithmetic mean of the two here. It is the harmonic one.",
            f1="arithmetic",
        ),
        _mistake(
            "outside-left-out",
            "words whose true tag is O were left out of the token accuracy. It counts them, and "
            "that is just why it flatters.",
            accuracy="names only",
        ),
        _mistake(
            "accuracy-by-sentence",
            "each sentence's accuracy was averaged. A word of a short sentence then counts more: "
            "count over all words.",
            accuracy="mean of sentences",
        ),
        _mistake(
            "mean-of-sentences",
            "each sentence was scored alone, and the scores averaged. Count over all sentences "
            "first.",
            over="mean of sentences",
        ),
        _mistake(
            "sentences-thrown-together",
            "the names of all sentences went into one set without the sentence's number, so that "
            "equal triples of different sentences meet.",
            over="thrown together",
        ),
        _mistake(
            "types-ignored",
            "a name counts as right with another type. Type, start and end must all be right.",
            match="types",
        ),
        _mistake(
            "ends-ignored",
            "a name counts as right with another end. Half a name is wrong.",
            match="starts",
        ),
        _mistake(
            "one-where-nothing-is",
            "where nothing is there or nothing was predicted, the score is 1. Take 0.",
            empty="1",
        ),
        _mistake(
            "division-by-zero",
            "without names the denominator is 0. Return 0 then.",
            empty="error",
        ),
    ),
)

EXERCISES = (NER_SCORES,)
