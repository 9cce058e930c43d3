"""Chapter 9's exercise on what seqeval wants. Dimensions: ``B`` sentences, ``T`` tokens."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec
from bertlab.exercises.values import Unusable, kind_of

if TYPE_CHECKING:
    from torch import Tensor

_IGNORED = -100


def _tag_lists(
    predicted: Tensor,
    labels: Tensor,
    names: list[str],
    *,
    keep: str = "labelled",
    form: str = "lists",
    order: str = "true first",
    written: str = "names",
) -> tuple[list[Any], list[Any]]:
    """True and predicted tags by sentence; each keyword makes one step wrong."""
    sides: tuple[list[Any], list[Any]] = ([], [])
    for ids, row in zip(predicted.tolist(), labels.tolist(), strict=True):
        chosen = [
            (label, guess)
            for label, guess in zip(row, ids, strict=True)
            if {
                "everything": True,
                "no O": label > 0,
                "no predicted O": label != _IGNORED and guess > 0,
            }.get(keep, label != _IGNORED)
        ]
        for side, kept in zip(
            sides, zip(*chosen, strict=True) if chosen else ((), ()), strict=True
        ):
            tags = [names[max(i, 0)] if written == "names" else i for i in kept]
            if form == "flat":
                side.extend(tags)
            else:
                side.append(tags)
    return sides if order == "true first" else (sides[1], sides[0])


def _observe(arguments: Mapping[str, Any], value: Any) -> Any:
    """Write each sentence's tags as one string, so that lists of lists can be compared."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return value
    sides = []
    for side, name in zip(value, ("true", "predicted"), strict=True):
        if not isinstance(side, (list, tuple)):
            raise Unusable("wrong-type", f"`{name}` is {kind_of(side)}: expected a list of lists")
        lines = []
        for sentence in side:
            if isinstance(sentence, (list, tuple)):
                lines.append(" ".join(str(tag) for tag in sentence) or "(no tag)")
            else:
                lines.append(f"not in a list: {sentence}")
        sides.append(lines)
    return tuple(sides)


def _cases(seed: int) -> list[Case]:
    import torch

    rng = random.Random(seed)
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]

    def case(stage: int, label: str, rows: list[str]) -> Case:
        """In a row, "x" has a label, "." has none."""
        T = max(map(len, rows))
        table = [[_IGNORED] * T for _ in rows]
        for line, row in zip(table, rows, strict=True):
            for place, sign in enumerate(row):
                if sign == "x":
                    line[place] = rng.randrange(5)
            line[row.index("x")], line[row.rindex("x")] = rng.randrange(1, 5), 0
        predicted = [[rng.randrange(5) for _ in line] for line in table]
        for line, row in zip(predicted, rows, strict=True):
            line[row.index("x")] = 0
        arguments = {
            "predicted": torch.tensor(predicted),
            "labels": torch.tensor(table),
            "names": names,
        }
        return Case(stage, label, arguments)

    return [
        case(1, "one sentence", [".xx."]),
        case(1, "a sentence with a word of three pieces", [".xx..x."]),
        case(2, "two sentences, one of them padded", [".xxxx.", ".xx."]),
        case(2, "three sentences", [".xx.", ".xxxxx.", ".x.xx."]),
    ]


TAG_LISTS = Spec(
    Exercise("tag_lists", 9, "easy", 8, extra=True),
    question=(
        "Prepare a batch for seqeval. `predicted` and `labels` are (B, T), class numbers; labels\n"
        "are -100 where there is nothing to answer (special tokens, padding, pieces that go on\n"
        "with a word). `names[c]` is the tag of class c. Return two lists of lists of tags, one\n"
        "list a sentence: the true tags, and the predicted ones at the same places."
    ),
    formula="[['B-PER', 'O'], …], [['B-PER', 'B-LOC'], …]",
    stub=(
        "def tag_lists(predicted, labels, names):\n"
        "    raise NotImplementedError\n"
        "    return true, predicted"
    ),
    hints=(
        "Two loops: over the sentences, and over the places of one.",
        "Which places count is said by `labels != -100`, for both lists alike.",
    ),
    verified="single sentences, batches, padding, and words of several pieces.",
    outputs={"true": "pieces", "predicted": "pieces"},
    compute=_tag_lists,
    cases=_cases,
    observe=_observe,
    equation="9.4",
    mistakes=(
        Mistake(
            "flattened",
            {"form": "flat"},
            "all sentences came in one flat list, as scikit-learn's report would take it. seqeval "
            "takes a list for each sentence; without them names run across sentences.",
        ),
        Mistake(
            "unlabelled-places-kept",
            {"keep": "everything"},
            "places with the label -100 were kept. They are special tokens, padding and later "
            "pieces of words: nobody asked there.",
        ),
        Mistake(
            "true-o-left-out",
            {"keep": "no O"},
            "places whose true tag is O were left out, and with them every name invented there.",
        ),
        Mistake(
            "predicted-o-left-out",
            {"keep": "no predicted O"},
            "places whose predicted tag is O were left out, and with them every name missed.",
        ),
        Mistake(
            "numbers-not-names",
            {"written": "numbers"},
            "these are class numbers. seqeval reads tags: `names[c]`.",
        ),
        Mistake(
            "outputs-swapped",
            {"order": "predicted first"},
            "the predicted tags came first. Precision and recall would change places.",
        ),
    ),
)

EXERCISES = (TAG_LISTS,)
