"""Near-identical answers: compared by what the code does, not by how things are called."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations

ALIKE = 0.95  # share of tokens in the same order
SHORTEST = 25  # tokens; shorter answers are alike by nature
_COMMON = 0.34  # share of the class with the very same answer: then it is the usual one
_SKIPPED = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}


@dataclass(frozen=True)
class Pair:
    """Two students, and the questions whose answers are alike."""

    students: tuple[str, str]
    questions: tuple[str, ...]


def tokens(source: str) -> tuple[str, ...]:
    """Return a program's tokens without comments and layout, names numbered as they first appear.

    What Python can't read is taken by words.
    """
    found: list[str] = []
    names: dict[str, str] = {}
    try:
        for one in tokenize.generate_tokens(io.StringIO(source).readline):
            if one.type in _SKIPPED:
                continue
            if one.type == tokenize.NAME and not keyword.iskeyword(one.string):
                found.append(names.setdefault(one.string, f"n{len(names)}"))
            else:
                found.append(one.string)
    except (tokenize.TokenError, SyntaxError):
        return tuple(source.split())
    return tuple(found)


def alike(answers: Mapping[str, Mapping[str, str]]) -> list[Pair]:
    """Find pairs of students with near-identical answers; ``answers`` by student and question."""
    by_question: dict[str, dict[str, tuple[str, ...]]] = {}
    for student, given in answers.items():
        for question, source in given.items():
            words = tokens(source)
            if len(words) >= SHORTEST:
                by_question.setdefault(question, {})[student] = words
    found: dict[tuple[str, str], list[str]] = {}
    for question, written in by_question.items():
        usual = _usual(written)
        for one, other in combinations(sorted(written), 2):
            if written[one] not in usual and _same(written[one], written[other]):
                found.setdefault((one, other), []).append(question)
    pairs = [Pair(students, tuple(questions)) for students, questions in found.items()]
    return sorted(pairs, key=lambda pair: (-len(pair.questions), pair.students))


def _usual(written: Mapping[str, tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Return answers that so many gave that they say nothing of copying."""
    given = list(written.values())
    return {words for words in given if given.count(words) > max(3, _COMMON * len(given))}


def _same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if one == other:
        return True
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    bounds = matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio
    return all(bound() >= ALIKE for bound in bounds)
