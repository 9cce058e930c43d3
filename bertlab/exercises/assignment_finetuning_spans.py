"""Names that tags spell out. A question of the assignment ``finetuning``."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec
from bertlab.exercises.values import Unusable, kind_of

Span = tuple[str, int, int]


def _tags_to_spans(
    tags: list[str],
    *,
    end: int = 0,
    start: int = 0,
    begin: str = "splits",
    stray: str = "no name",
    other: str = "ends",
    last: str = "kept",
    kind: str = "bare",
    inside: str = "read",
) -> list[Span]:
    """Strict IOB2, right by default; each keyword makes one step wrong."""
    spans: list[list[Any]] = []
    current = ""  # the type of the name that the word before belongs to
    for place, tag in enumerate(tags):
        sign, name = tag[:1], tag[2:]
        goes_on = bool(current) and sign == "I" and (name == current or other == "ignored")
        if begin == "merges" and sign == "B" and name == current:
            goes_on = True
        if inside == "skipped" and sign == "I":
            goes_on = False
        if goes_on:
            spans[-1][2] = place + 1
        elif sign == "B" or (sign == "I" and stray == "begins" and inside == "read"):
            spans.append([name if kind == "bare" else tag, place, place + 1])
            current = name
        else:
            current = ""
    if last == "lost" and spans and spans[-1][2] == len(tags):
        spans.pop()
    return [(k, s + start, e + end) for k, s, e in spans]


def _observe(arguments: Mapping[str, Any], value: Any) -> Any:
    """Return the names as words, such as "LOC 0 2", which the engine compares."""
    if value is None or not isinstance(value, (list, tuple)):
        return value
    words = []
    for place, item in enumerate(value):
        if not isinstance(item, (list, tuple)) or len(item) != 3:
            raise Unusable(
                "wrong-type", f"`spans[{place}]` is {kind_of(item)}: expected (type, start, end)"
            )
        words.append(" ".join(str(part) for part in item))
    return words


def _cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def case(stage: int, label: str, form: str) -> Case:
        """A tag each: O, or B or I with the number of a type."""
        types = rng.sample(["LOC", "PER", "ORG", "MISC"], 4)
        tags = ["O" if t == "O" else f"{t[0]}-{types[int(t[1])]}" for t in form.split()]
        return Case(stage, label, {"tags": tags})

    return [
        case(1, "one name of one word", "O B0 O O"),
        case(1, "a name of three words", "O O B0 I0 I0 O"),
        case(2, "two names", "B0 I0 O O B1 O"),
        case(2, "a name at the end", "O B0 O B1 I1"),
        case(3, "two names side by side, of one type", "O B0 I0 B0 O"),
        case(3, "two names side by side, of two types", "B0 B1 I1 O"),
        case(4, "I without a name before it", "O I0 I0 O B1 I1 O"),
        case(4, "I of another type", "B0 I1 O B2 I2 I3"),
        case(5, "no name at all", "O O O"),
    ]


TAGS_TO_SPANS = Spec(
    Exercise("tags_to_spans", 9, "medium", 8, "finetuning"),
    question=(
        "Read the names off IOB2 tags, strictly as in (9.1). Return a list of (type, start, end),\n"
        "in the order of the words; `end` is the word after the last. A name begins at B- and\n"
        "goes on over I- of the same type. An I- that doesn't continue a name of its type ends\n"
        "what was there and belongs to no name."
    ),
    formula="B-LOC I-LOC O B-PER  ->  [('LOC', 0, 2), ('PER', 3, 4)]",
    stub="def tags_to_spans(tags):\n    raise NotImplementedError\n    return spans",
    hints=(
        "Remember the type of the name that you are in, or None; a tag is O, or its first letter "
        "and, from place 2 on, its type.",
        "A name may reach the sentence's end: nothing comes after it that could close it.",
    ),
    verified="names of one word and several, side by side, at the end, and I- in odd places.",
    outputs={"spans": "pieces"},
    compute=_tags_to_spans,
    cases=_cases,
    observe=_observe,
    mistakes=(
        Mistake(
            "end-included",
            {"end": -1},
            "the end is the last word of the name. It is the word after it.",
        ),
        Mistake("counted-from-1", {"start": 1}, "words are counted from 0."),
        Mistake(
            "neighbours-merged",
            {"begin": "merges"},
            "two names of one type, side by side, were read as one. A B- always begins a new name.",
        ),
        Mistake(
            "stray-inside-begins-a-name",
            {"stray": "begins"},
            "an I- without a name of its type before it began a name. So reads conlleval; strictly "
            "it belongs to no name.",
        ),
        Mistake(
            "type-change-overlooked",
            {"other": "ignored"},
            "an I- of another type continued the name. It must be of the name's own type.",
        ),
        Mistake(
            "last-name-lost",
            {"last": "lost"},
            "a name that reaches the end of the sentence is missing. After the loop, add the name "
            "that is still open.",
        ),
        Mistake(
            "prefix-kept",
            {"kind": "whole tag"},
            'the type has its prefix, such as "B-LOC". Take the part after the hyphen.',
        ),
        Mistake(
            "only-first-words",
            {"inside": "skipped"},
            "only the first word of each name was taken. It goes on over the I- of its type.",
        ),
    ),
)

EXERCISES = (TAGS_TO_SPANS,)
