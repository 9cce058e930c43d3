"""Entities found against true ones: read off the tags, then compared whole.

Dimensions: ``T`` tokens of a sentence.
Source: Tjong Kim Sang and De Meulder 2003, section 2.4; chapter 9.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal

from bertlab.metrics.counting import check_lengths, mean, precision_recall

Mode = Literal["strict", "conlleval"]
Span = tuple[str, int, int]  # type, first token, token after the last

# Neighbouring tags of one type, as prefixes ("BIIBI"), hold these entities. A lower-case letter
# stands for the tag after them: o, or the prefix of another type's tag.
_STRICT = {
    "IOB2": "BI*",
    "IOB1": "I+|(?<=[BI])B(?!b)I*",  # B only parts an entity from one of its type just before it
    "BIOES": "S|BI*E",
    "IOE2": "I*E",
    "IOE1": "I+(?![IE])|I+E(?=[IE])|(?<=E)E(?=[IE])",  # E: another one of its type follows at once
}
_STRICT["IOBES"] = _STRICT["BIOES"]
_LENIENT = "S|E|[BI]I*E?"  # an entity begins wherever none goes on


def entity_spans(tags: Sequence[str], scheme: str = "IOB2", mode: Mode = "strict") -> list[Span]:
    """Read the entities off the tags of one sentence.

    Args:
        tags: ``(T,)``, such as ``["B-PER", "I-PER", "O"]``.
        scheme: ``"IOB1"``, ``"IOB2"``, ``"BIOES"`` (also called ``"IOBES"``), ``"IOE1"`` or
            ``"IOE2"``; counts in strict mode only.
        mode: ``"strict"``: tags that break the scheme make no entity, as an ``I-LOC`` after
            ``O`` or after ``B-PER`` in IOB2. ``"conlleval"``: they begin one.

    Returns:
        Type, first token and the token after the last, for each entity. A tag without a type has
        the type ``_``.

    Raises:
        ValueError: when a tag has a prefix that the scheme lacks, or there is no such scheme or
            mode.
    """
    if scheme not in _STRICT or mode not in ("strict", "conlleval"):
        raise ValueError(
            f"scheme is {scheme!r} and mode {mode!r}: expected one of {', '.join(_STRICT)}, and "
            "'strict' or 'conlleval'"
        )
    strict = mode == "strict"
    pattern = re.compile(_STRICT[scheme] if strict else _LENIENT)
    known = set("BIOES") & set(scheme if strict else "BIOES")  # a scheme is named by its letters
    parts = [_split(tag, place, known, strict) for place, tag in enumerate(tags)]

    spans = []
    start = 0
    for (kind, outside), run in groupby(parts, lambda part: (part[1], part[0] == "O")):
        prefixes = "".join(prefix for prefix, _ in run)
        end = start + len(prefixes)
        if not outside:
            after = parts[end][0].lower() if end < len(parts) else "o"
            for found in pattern.finditer(prefixes + after):
                spans.append((kind, start + found.start(), start + found.end()))
        start = end
    return spans


def _split(tag: str, place: int, known: set[str], strict: bool) -> tuple[str, str]:
    """Part a tag into prefix and type, with seqeval's readings of odd ones."""
    prefix, rest = tag[:1], tag[1:]
    if prefix not in known or not prefix:
        raise ValueError(
            f"tag {tag!r} at token {place}: expected O, or a type after one of "
            f"{', '.join(f'{letter}-' for letter in sorted(known - {'O'}))}"
        )
    kind = rest.strip("-") if strict else rest.split("-", maxsplit=1)[-1]
    if rest and not rest.startswith("-"):
        reading = prefix if prefix == "O" else f"{prefix}-{kind}"
        warnings.warn(
            f"tag {tag!r} has no hyphen after its first letter: it is read as {reading}",
            stacklevel=4,
        )
    return prefix, kind or "_"


def entity_scores(
    true_tags: Sequence[Sequence[str]],
    predicted_tags: Sequence[Sequence[str]],
    scheme: str = "IOB2",
    mode: Mode = "strict",
) -> dict[str, Any]:
    """Score whole entities: one counts when its type, its first and its last token are all right.

    With ``mode="strict"`` the scores are those of seqeval 1.2.2's
    ``classification_report(mode="strict", scheme=...)``; with ``"conlleval"`` those of its
    default mode and of the script ``conlleval``. These two agree on tags with B, I and O, and on
    tags with I, E and O. The script knows no S and joins an E with a B after it, so tags of BIOES
    are read as seqeval does; and it calls a type that is missing ``""`` where we write ``_``.

    Args:
        true_tags: a list of tags for each sentence.
        predicted_tags: the same for the predictions.
        scheme, mode: see ``entity_spans``.

    Returns:
        ``precision``, ``recall``, ``f1`` and ``support`` (the number of true entities) over all
        entities (the micro average), the same for each type in ``per_type``, and the means over
        types in ``macro``. Types come from both sides: one that is only predicted scores 0.

    Raises:
        ValueError: when lengths differ or a tag doesn't fit the scheme; names the sentence.

    Source: Tjong Kim Sang and De Meulder 2003, section 2.4; chapter 9.
    """
    _check_sentences(true_tags, predicted_tags)
    true, predicted, correct = Counter[str](), Counter[str](), Counter[str]()
    for number, pair in enumerate(zip(true_tags, predicted_tags, strict=True)):
        try:
            here, there = (set(entity_spans(tags, scheme, mode)) for tags in pair)
        except ValueError as error:
            raise ValueError(f"sentence {number}: {error}") from None
        true.update(kind for kind, _, _ in here)
        predicted.update(kind for kind, _, _ in there)
        correct.update(kind for kind, _, _ in here & there)

    per_type = {
        kind: precision_recall(correct[kind], predicted[kind], true[kind])
        for kind in sorted(true | predicted)
    }
    names = ("precision", "recall", "f1")
    macro = {n: mean(scores[n] for scores in per_type.values()) for n in names}
    overall = precision_recall(correct.total(), predicted.total(), true.total())
    return {**overall, "macro": macro, "per_type": per_type}


def token_accuracy(
    true_tags: Sequence[Sequence[str]], predicted_tags: Sequence[Sequence[str]]
) -> float:
    """Return the share of tokens with the right tag: not a measure of finding entities.

    Most tokens are O, and a model that never finds an entity is right about all of these. Shown
    beside the F1 of ``entity_scores`` to see how much it flatters. Arguments are the same.
    """
    _check_sentences(true_tags, predicted_tags)
    pairs = zip(true_tags, predicted_tags, strict=True)
    return mean(a == b for true, predicted in pairs for a, b in zip(true, predicted, strict=True))


def _check_sentences(
    true_tags: Sequence[Sequence[str]], predicted_tags: Sequence[Sequence[str]]
) -> None:
    check_lengths(true_tags, predicted_tags, "sentences")
    for number, (true, predicted) in enumerate(zip(true_tags, predicted_tags, strict=True)):
        if isinstance(true, str) or isinstance(predicted, str):
            raise ValueError(
                f"sentence {number} is a string: expected a list of tags for each sentence; put "
                "the tags of a single sentence into a list of one"
            )
        if len(true) != len(predicted):
            raise ValueError(
                f"sentence {number} has {len(true)} true tags but {len(predicted)} predicted "
                "ones: expected a tag for each word. Was it cut, or are there tags for pieces?"
            )
