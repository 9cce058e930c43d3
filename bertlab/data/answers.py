"""Answers and their places: offsets that don't fit their text are repaired, or counted out.

An answer is a piece of its context: ``context[start : start + len(text)] == text``, counted in code
points, as Python counts. Files whose offsets were counted otherwise, or before some clean-up of the
text, break that; training on them would teach the wrong words.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from bertlab.data.errors import DataError
from bertlab.data.report import Notes

NEAR = 100
"""How many characters from its given place an answer is looked for."""

REPAIRED = "offset{s} repaired"


class Answers(NamedTuple):
    """A question's answers: texts and where each begins, of one length; none: unanswerable."""

    texts: list[str]
    starts: list[int]


def find_answer(context: str, text: str, start: int) -> tuple[str, int] | None:
    """Return an answer's text and where it begins, or None where that can't be known.

    An answer whose text stands at ``start`` is returned as it is. Else it loses the blanks around
    it, and stands at ``start`` if what is left does, with or without those before it. Else these
    places are considered:

    - where the text, or what is left, occurs within ``NEAR`` characters, if it does so once;
    - where ``start`` leads when it counts UTF-16 units (as JavaScript and Java do) or UTF-8 bytes.

    The answer is repaired if they are one and the same place.
    """
    bare, blanks = text.strip(), len(text) - len(text.lstrip())
    if not bare:
        return None
    if _stands(context, text, start):
        return text, start
    for place in (start + blanks, start):
        if bare != text and _stands(context, bare, place):
            return bare, place
    for candidate, skipped in ((text, blanks), (bare, 0)):
        places = _near(context, candidate, start) | _recounted(context, candidate, start)
        if len(places) == 1:
            return bare, places.pop() + skipped
    return None


def _stands(context: str, text: str, start: int) -> bool:
    return start >= 0 and context.startswith(text, start)


def _near(context: str, text: str, start: int) -> set[int]:
    """Return where the text occurs near ``start``, if it does so once."""
    end = start + NEAR + len(text)
    if end < 0:
        return set()
    first = context.find(text, max(0, start - NEAR), end)
    if first < 0 or context.find(text, first + 1, end) >= 0:
        return set()
    return {first}


def _recounted(context: str, text: str, start: int) -> set[int]:
    """Return where ``start`` leads as a count of UTF-16 units or of bytes, if the text is there."""
    places = set()
    if start >= 0 and not context.isascii():
        for encoding, size in (("utf-16-le", 2), ("utf-8", 1)):
            before = context.encode(encoding)[: start * size].decode(encoding, errors="ignore")
            if context.startswith(text, len(before)):
                places.add(len(before))
    return places


def check_answers(
    context: str, answers: Answers, impossible: bool | None, place: int | str, notes: Notes
) -> Answers | None:
    """Return a question's answers with true offsets, or None where the question is excluded.

    - A question with ``is_impossible`` has no answers; any that stand there are counted.
    - An answer that can't be placed is excluded and counted. A question that loses all of its
      answers so is excluded too: made unanswerable, it would teach what isn't true.

    Args:
        context: where they stand.
        answers: as the file has them.
        impossible: the file's ``is_impossible``; None where it has none.
        place: the question's line or id, for the report.
        notes: the report.
    """
    texts, starts = answers
    if impossible:
        notes.add("answer{s} of impossible questions ignored", place, len(texts))
        return Answers([], [])
    if not texts:
        notes.add("without answers, though not impossible", place, count=impossible is False)
        return answers
    found = [find_answer(context, text, start) for text, start in zip(texts, starts, strict=True)]
    kept = [answer for answer in found if answer is not None]
    if not kept:
        return None
    notes.add("answer{s} excluded", place, len(found) - len(kept))
    moved = [
        answer
        for answer, given in zip(found, zip(texts, starts, strict=True), strict=True)
        if answer is not None and answer != given
    ]
    notes.add(REPAIRED, place, len(moved))
    return Answers([text for text, _ in kept], [start for _, start in kept])


def parse_answers(value: Any, wrong: partial[DataError]) -> Answers:
    """Return answers as texts and starts, from either of the two forms that JSON files have.

    Args:
        value: ``{"text": [...], "answer_start": [...]}``, or a list of
            ``{"text": ..., "answer_start": ...}`` as SQuAD's own files have.
        wrong: makes the error, given ``found`` and ``expected``.
    """
    if isinstance(value, dict):
        texts, starts = value.get("text"), value.get("answer_start")
        if not (isinstance(texts, list) and isinstance(starts, list)):
            raise wrong(
                found=f"answers with the fields {', '.join(value) or 'none'}, not all lists",
                expected='{"text": ["..."], "answer_start": [0]}, with empty lists where the '
                "question has no answer",
            )
        if len(texts) != len(starts):
            raise wrong(
                found=f"{len(texts)} answers' texts and {len(starts)} starts",
                expected="a start for each text",
            )
    elif isinstance(value, list) and all(isinstance(answer, dict) for answer in value):
        texts = [answer.get("text") for answer in value]
        starts = [answer.get("answer_start") for answer in value]
    else:
        raise wrong(
            found=f"answers that are {value!r:.60}",
            expected='{"text": ["..."], "answer_start": [0]}, or SQuAD\'s list of answers',
        )
    for text, start in zip(texts, starts, strict=True):
        if not isinstance(text, str):
            raise wrong(found=f"an answer's text that is {text!r:.60}", expected="a string")
        if not isinstance(start, int) or isinstance(start, bool):
            raise wrong(
                found=f"the answer_start {start!r:.60}",
                expected="a whole number: the answer's first character, counted from 0",
            )
    return Answers(texts, starts)
