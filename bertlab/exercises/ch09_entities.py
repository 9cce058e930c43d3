"""Chapter 9's exercises on words and names: labels for pieces, and the F1 of whole entities.

Dimensions: ``W`` words of a sentence, ``T`` tokens of a row.
"""

from __future__ import annotations

import random
from typing import Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

Span = tuple[str, int, int]
Sentences = list[list[Span]]
_IGNORED = -100


def _align_labels(
    word_labels: list[int],
    word_ids: list[int | None],
    *,
    pieces: str = "first",
    specials: int = _IGNORED,
    others: int = _IGNORED,
    place: str = "word id",
) -> list[int]:
    """Labels for pieces, right by default; each keyword makes one step wrong."""
    labels: list[int] = []
    count = 0  # words begun so far
    for at, word in enumerate(word_ids):
        before = word_ids[at - 1] if at else None
        after = word_ids[at + 1] if at + 1 < len(word_ids) else None
        chosen = {"last": word != after, "all": True}.get(pieces, word != before)
        if word is None:
            labels.append(specials)
            continue
        count += word != before
        number = {"counted": count - 1, "token": at}.get(place, word)
        inside = number < len(word_labels)
        labels.append(word_labels[number] if chosen and inside else others)
    return labels


def _align_labels_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def case(stage: int, label: str, sizes: list[int], first: int = 0, padding: int = 0) -> Case:
        word_labels = [rng.randrange(1, 9) for _ in range(first + len(sizes) + (first > 0))]
        word_ids: list[int | None] = [None]
        for word, size in enumerate(sizes, start=first):
            word_ids += [word] * size
        word_ids += [None] * (1 + padding)
        return Case(stage, label, {"word_labels": word_labels, "word_ids": word_ids})

    return [
        case(1, "each word is one piece", [1, 1, 1]),
        case(1, "one word", [1]),
        case(2, "a word of three pieces", [1, 3, 1]),
        case(2, "the first word is split", [2, 1, 2, 1]),
        case(3, "padding at the end", [1, 2], padding=3),
        case(4, "a window that begins with the third word", [2, 1, 3], first=2),
        case(4, "a window that begins with the second word, padded", [1, 2], first=1, padding=2),
    ]


def _labelled(failure: Failure) -> str:
    many = sum(label != _IGNORED for label in failure.found[0])
    return f"You gave a label to {many} of {len(failure['word_ids'])} places"


ALIGN_LABELS = Spec(
    Exercise("align_labels", 9, "easy", 10),
    question=(
        "Give a label to each token. `word_labels` holds a class number for each word. `word_ids`\n"
        "names the word of each token: a number, or None for special tokens and padding. The\n"
        "first piece of a word gets the word's label, everything else -100. A window may begin\n"
        "with any word."
    ),
    formula="labels[t] = word_labels[word_ids[t]] at first pieces, else -100",
    stub=(
        "def align_labels(word_labels, word_ids):\n    raise NotImplementedError\n    return labels"
    ),
    hints=(
        "Go through `word_ids`, and remember the one before.",
        "A piece is the first of its word if its word id isn't None and differs from the one "
        "before.",
    ),
    verified="split words, special tokens, padding, and windows that begin within a sentence.",
    outputs={"labels": "ids"},
    compute=_align_labels,
    cases=_align_labels_cases,
    mistakes=(
        Mistake(
            "all-pieces-labelled",
            {"pieces": "all"},
            "every piece of a word carries its label. Only the first one does, so that each word "
            "counts once in the loss and has one answer.",
            _labelled,
        ),
        Mistake(
            "last-piece-labelled",
            {"pieces": "last"},
            "the last piece of a word carries its label. It stands at the first.",
        ),
        Mistake(
            "continuation-labelled-o",
            {"others": 0},
            "the other pieces of a word have the label 0. That is a class, usually O, which the "
            "model would learn to give them; -100 says that there is no loss here.",
            _labelled,
        ),
        Mistake(
            "special-tokens-labelled-o",
            {"specials": 0},
            "special tokens and padding have the label 0. That is a class, usually O, and the loss "
            "would change with the padding; -100 says that there is no loss here.",
            _labelled,
        ),
        Mistake(
            "labels-by-token",
            {"place": "token"},
            "the labels were laid out token by token, so they are misaligned: even [CLS] takes a "
            "place. The label of token t is `word_labels[word_ids[t]]`.",
        ),
        Mistake(
            "words-counted-from-zero",
            {"place": "counted"},
            "the words of the row were counted from 0. A window may begin with a later word: "
            "`word_ids` says which.",
        ),
    ),
)


def _entity_f1(
    true_spans: Sentences,
    predicted_spans: Sentences,
    *,
    average: str = "micro",
    match: str = "all",
    empty: str = "zero",
    measure: str = "f1",
) -> float:
    """F1 over all names, right by default; each keyword makes one step wrong.

    Raises:
        ZeroDivisionError: where a wrong answer divides by zero.
    """
    if average == "sentences":
        pairs = zip(true_spans, predicted_spans, strict=True)
        scores = [_entity_f1([a], [b], match=match, empty=empty, measure=measure) for a, b in pairs]
        return sum(scores) / len(scores)
    kinds = sorted({span[0] for spans in (*true_spans, *predicted_spans) for span in spans})
    if average == "types" and kinds:
        scores = []
        for kind in kinds:
            only = [
                [[span for span in spans if span[0] == kind] for spans in side]
                for side in (true_spans, predicted_spans)
            ]
            scores.append(_entity_f1(*only, match=match, empty=empty, measure=measure))
        return sum(scores) / len(scores)

    right = true = predicted = 0
    everything: list[set[Any]] = [set(), set()]
    for here, there in zip(true_spans, predicted_spans, strict=True):
        keys = [{_key(span, match) for span in spans} for spans in (here, there)]
        everything = [a | b for a, b in zip(everything, keys, strict=True)]
        if match == "by place":
            right += sum(a == b for a, b in zip(here, there, strict=False))
        else:
            right += len(keys[0] & keys[1])
        true, predicted = true + len(keys[0]), predicted + len(keys[1])
    if average == "joined":
        right = len(everything[0] & everything[1])
        true, predicted = len(everything[0]), len(everything[1])
    if not right:
        nothing = {
            "precision or recall divides": not (true and predicted),
            "f1 divides": True,
            "sum divides": not (true or predicted),
        }.get(empty, False)
        if nothing:
            raise ZeroDivisionError("division by zero")
        return float(empty == "one" and not (true or predicted))
    return {
        "precision": right / predicted,
        "recall": right / true,
        "mean": (right / predicted + right / true) / 2,
        "jaccard": right / (true + predicted - right),
        "half": right / (true + predicted),
    }.get(measure, 2 * right / (true + predicted))


def _key(span: Span, match: str) -> tuple[Any, ...]:
    kind, start, end = span
    return {"bounds": (start, end), "start": (kind, start), "end": (kind, end)}.get(match, span)


def _entity_f1_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def sentence(*bounds: tuple[int, int], kinds: str = "LP") -> list[Span]:
        names = {"L": "LOC", "P": "PER", "O": "ORG"}
        return [(names[rng.choice(kinds)], start, end) for start, end in bounds]

    def other(span: Span) -> Span:
        return ("MISC", span[1], span[2])

    def case(stage: int, label: str, true: Sentences, predicted: Sentences) -> Case:
        return Case(stage, label, {"true_spans": true, "predicted_spans": predicted})

    one = sentence((0, 2), (3, 4))
    two = sentence((1, 3), (4, 5), (7, 9))
    three = sentence((0, 1), (2, 4), (5, 6), (8, 9), kinds="PO")
    loc, per = [("LOC", 2, 4)], [("PER", 1, 2), ("PER", 3, 5), ("PER", 6, 7)]
    return [
        case(1, "one sentence, one name too many", [one], [[*one, ("ORG", 6, 7)]]),
        case(1, "one sentence, two names missed", [two], [two[:1]]),
        case(2, "the first name missed", [two], [two[1:]]),
        case(2, "a wrong type", [two], [[other(two[0]), *two[1:]]]),
        case(2, "names too long or too short", [two], [[(two[0][0], 1, 2), *two[1:]]]),
        case(2, "a name that begins too early", [two], [[(two[0][0], 0, 3), *two[1:]]]),
        case(3, "sentences of different size", [one, three], [one[:1], [*three, ("LOC", 10, 11)]]),
        case(3, "types of different frequency", [loc, per], [[("LOC", 1, 4)], per]),
        case(3, "the same places in another sentence", [one, loc], [loc, one]),
        case(4, "nothing predicted", [one, two], [[], []]),
        case(4, "nothing there", [[], []], [one, []]),
        case(4, "predicted, and all of it wrong", [one], [[other(one[0])]]),
        case(4, "nothing there and nothing predicted", [[]], [[]]),
    ]


def _value(failure: Failure) -> str:
    found, expected = failure.found[0].item(), failure.expected[0].item()
    return f"Your value is {found:.4g}, and should be {expected:.4g}"


def _f1_mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _value)


ENTITY_F1 = Spec(
    Exercise("entity_f1", 9, "medium", 15),
    question=(
        "The F1 of whole entities, over all sentences together. `true_spans` and\n"
        "`predicted_spans` hold a list for each sentence, with a triple (type, start, end) for\n"
        "each name. A name is right if the same triple is there in the same sentence. Return a\n"
        "number; 0 where nothing is right."
    ),
    formula="F1 = 2 right / (true + predicted)",
    stub="def entity_f1(true_spans, predicted_spans):\n    raise NotImplementedError",
    hints=(
        "Three counts, added up over all sentences: right, true, predicted. Divide once, at the "
        "end.",
        "`len(set(here) & set(there))` names of a sentence are right.",
        "If nothing is right, return 0 before you divide.",
    ),
    verified="names missed and invented, wrong types and bounds, sentences and types of different "
    "size, and nothing to divide by.",
    outputs={"f1": "number"},
    compute=_entity_f1,
    cases=_entity_f1_cases,
    equation="9.4",
    mistakes=(
        _f1_mistake(
            "precision-only",
            "this is the precision: names that were missed don't count. F1 has the true names in "
            "its denominator as well.",
            measure="precision",
        ),
        _f1_mistake(
            "recall-only",
            "this is the recall: names that were invented don't count. F1 has the predicted names "
            "in its denominator as well.",
            measure="recall",
        ),
        _f1_mistake(
            "arithmetic-mean",
            "this is the arithmetic mean of precision and recall. F1 is the harmonic one, which "
            "the smaller of the two pulls down.",
            measure="mean",
        ),
        _f1_mistake(
            "jaccard",
            "right names were divided by all different names (the Jaccard index). F1 divides twice "
            "the right ones by the sum of true and predicted ones.",
            measure="jaccard",
        ),
        _f1_mistake(
            "factor-two-missing",
            "the factor 2 is missing: if everything is right, F1 must be 1.",
            measure="half",
        ),
        _f1_mistake(
            "types-ignored",
            "only start and end were compared. A place taken for a person is wrong: the type "
            "counts.",
            match="bounds",
        ),
        _f1_mistake(
            "only-starts-compared",
            "only type and start were compared. A name with a wrong last token is wrong.",
            match="start",
        ),
        _f1_mistake(
            "only-ends-compared",
            "only type and end were compared. A name with a wrong first token is wrong.",
            match="end",
        ),
        _f1_mistake(
            "compared-by-place",
            "the first name was compared with the first, the second with the second. After one "
            "missed name nothing fits any more: compare sets.",
            match="by place",
        ),
        _f1_mistake(
            "mean-of-sentences",
            "the F1 of each sentence was computed, and then the mean. Add up the counts of all "
            "sentences, and divide once.",
            average="sentences",
        ),
        _f1_mistake(
            "mean-of-types",
            "the F1 of each type was computed, and then the mean (the macro average). Here all "
            "names count together (the micro average).",
            average="types",
        ),
        _f1_mistake(
            "sentences-thrown-together",
            "the triples of all sentences were thrown into one set, so a name counts as right if "
            "it stands in another sentence at the same place. Compare sentence by sentence.",
            average="joined",
        ),
        _f1_mistake(
            "one-where-nothing-is",
            "where nothing is there and nothing predicted, 1 was returned. Here it is 0, as with "
            "seqeval and conlleval.",
            empty="one",
        ),
        *(
            Mistake(
                "division-by-zero",
                {"empty": where},
                "where nothing was predicted, nothing is there or nothing is right, something is "
                "divided by zero. Return 0 where nothing is right, before you divide.",
            )
            for where in ("precision or recall divides", "f1 divides", "sum divides")
        ),
    ),
)

EXERCISES = (ALIGN_LABELS, ENTITY_F1)
