"""Tag schemes: how the tags of tokens spell out entities.

A tag is ``O``, or a letter, a hyphen and a type. The letter says where in its entity a token is:

========  =======================  =====================================================
scheme    New York and Rome, Oslo  rule
========  =======================  =====================================================
IOB1      I-L I-L O I-L B-L        B only where the token before ends another entity of its type
IOB2      B-L I-L O B-L B-L        B begins every entity
BIOES     B-L E-L O S-L S-L        E ends it, S is one of a single token
BILOU     B-L L-L O U-L U-L        the same with L (last) and U (unit)
========  =======================  =====================================================

bertlab works with IOB2 alone: readers convert. What no scheme would write (an ``I-`` after ``O`` in
IOB2, an ``E-`` without a beginning) is read as the CoNLL scorer reads it: a token that can't go on
with the entity before it begins a new one.

Source: Ramshaw and Marcus 1995 (IOB1); ``startOfChunk`` of CoNLL-2003's ``conlleval``; chapter 9.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

Scheme = Literal["IOB1", "IOB2", "BIOES", "BILOU"]
Span = tuple[str, int, int]

_LETTERS: dict[str, str] = {"IOB1": "BI", "IOB2": "BI", "BIOES": "BIES", "BILOU": "BILU"}
_TAG = re.compile(r"[BIESLU]-.+", re.DOTALL)
_FIRST = frozenset("BSU")  # always begin an entity
_LAST = frozenset("ESLU")  # always end one


def is_tag(tag: str) -> bool:
    """Tell whether it is a tag in some scheme: ``O``, or such as ``B-LOC``."""
    return tag == "O" or _TAG.fullmatch(tag) is not None


def check_tag(tag: object, scheme: Scheme | None = None) -> str | None:
    """Return what is wrong with a tag, as the end of a sentence; None if nothing is."""
    if not isinstance(tag, str) or not is_tag(tag):
        return "O, or a letter, a hyphen and a type, such as B-LOC or I-LOC"
    if scheme is not None and tag != "O" and tag[0] not in _LETTERS[scheme]:
        return f"a tag of {scheme}: O, {', '.join(f'{letter}-…' for letter in _LETTERS[scheme])}"
    return None


def check_scheme(scheme: str | None) -> None:
    """Raise a ValueError unless it is a scheme, or None for one to be detected."""
    if scheme is not None and scheme not in get_args(Scheme):
        raise ValueError(
            f"scheme is {scheme!r}; expected one of {', '.join(get_args(Scheme))}, or None to "
            "detect it"
        )


def detect_scheme(sequences: Iterable[Sequence[str]]) -> Scheme:
    """Return the scheme in which these sequences of tags are written.

    Letters settle it where ``E-``, ``S-``, ``L-`` or ``U-`` occur. Else IOB1 and IOB2 differ in
    two things: an entity that begins with ``I-`` is IOB1's, and a ``B-`` with no entity of its type
    before it is IOB2's. A file that has both is damaged; what is more frequent decides. Without
    either (no entity at all) it is IOB2.
    """
    letters: set[str] = set()
    begun_by_i = begun_by_b = 0
    for tags in sequences:
        before = "O"
        for tag in tags:
            if tag != "O":
                letters.add(tag[0])
                fresh = before[2:] != tag[2:]  # "O"[2:] is no type
                begun_by_i += fresh and tag[0] == "I"
                begun_by_b += fresh and tag[0] == "B"
            before = tag
    if letters & set("LU"):
        return "BILOU"
    if letters & set("ES"):
        return "BIOES"
    return "IOB1" if begun_by_i > begun_by_b else "IOB2"


def to_iob2(tags: Sequence[str], scheme: Scheme | None = None) -> list[str]:
    """Return a sentence's tags in IOB2.

    The same rule reads all schemes, since their letters agree: ``B-``, ``S-`` and ``U-`` begin an
    entity; so does any other tag after ``O``, after another type, or after ``E-``, ``S-``, ``L-``
    or ``U-``. All other tokens go on with the entity before them.

    Args:
        tags: of one sentence.
        scheme: the scheme in which they are; with None, any.

    Raises:
        ValueError: when one is no tag of the scheme.
    """
    check_scheme(scheme)
    for place, tag in enumerate(tags):
        expected = check_tag(tag, scheme)
        if expected is not None:
            raise ValueError(f"tag {place} is {tag!r}; expected {expected}")
    result, before = [], "O"
    for tag in tags:
        result.append("O" if tag == "O" else ("B" if _begins(before, tag) else "I") + tag[1:])
        before = tag
    return result


def invalid_places(tags: Sequence[str], scheme: Scheme) -> list[int]:
    """Return the places in a sentence whose tag the scheme wouldn't have there.

    - IOB2: an ``I-`` that begins an entity.
    - IOB1: a ``B-`` with no entity of its type directly before it.
    - BIOES, BILOU: an inner or last tag that begins an entity; a first or inner one that ends it.
    """
    places = []
    for place, tag in enumerate(tags):
        if tag == "O":
            continue
        before = tags[place - 1] if place else "O"
        after = tags[place + 1] if place + 1 < len(tags) else "O"
        if scheme == "IOB1":
            wrong = tag[0] == "B" and before[2:] != tag[2:]
        else:
            wrong = tag[0] not in _FIRST and _begins(before, tag)
        if scheme in ("BIOES", "BILOU"):
            ends = after == "O" or _begins(tag, after)
            wrong = wrong or (tag[0] not in _LAST and ends)
        if wrong:
            places.append(place)
    return places


def spans(tags: Sequence[str]) -> list[Span]:
    """Return the entities of a sentence in IOB2: type, first token, and the place after its last.

    ``spans(["B-LOC", "I-LOC", "O"])`` is ``[("LOC", 0, 2)]``. An ``I-`` that has no entity of its
    type before it begins one, as conlleval reads it.
    """
    result: list[Span] = []
    start, before = 0, "O"
    for place, tag in enumerate([*tags, "O"]):
        begins = tag != "O" and _begins(before, tag)
        if before != "O" and (tag == "O" or begins):
            result.append((before[2:], start, place))
        if begins:
            start = place
        before = tag
    return result


def _begins(before: str, tag: str) -> bool:
    """Tell whether a tag, not O, begins an entity, given the one before it in its sentence."""
    return tag[0] in _FIRST or before == "O" or before[0] in _LAST or before[2:] != tag[2:]
