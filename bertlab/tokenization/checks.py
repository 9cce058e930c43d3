"""What a tokenizer may be made of, checked once, with one form of sentence for what doesn't fit."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any


def require(fits: bool, where: str, found: object, expected: str) -> None:
    """Raise a ValueError that says where, what was found and what was expected, unless it fits."""
    if not fits:
        raise ValueError(f"{where} is {reprlib.repr(found)}; expected {expected}")


def is_whole(value: Any, least: int) -> bool:
    """Tell whether a value is a whole number of at least ``least``; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def check_vocab(vocab: Any, where: str) -> dict[str, int]:
    """Return a mapping from piece to id as a dict.

    Raises:
        ValueError: when it is no such mapping, or two pieces share an id.
    """
    require(isinstance(vocab, Mapping), where, vocab, "a mapping from piece to id")
    owners: dict[int, str] = {}
    for piece, place in vocab.items():
        require(isinstance(piece, str), f"a piece of {where}", piece, "a string")
        name = f"the id of {piece!r} in {where}"
        require(is_whole(place, 0), name, place, "a whole number of at least 0")
        other = owners.setdefault(place, piece)
        require(other == piece, name, place, f"an id of its own, not that of {other!r}")
    return dict(vocab)


def number_pieces(pieces: Any, where: str) -> dict[str, int]:
    """Give each piece its place as its id.

    Raises:
        ValueError: when the pieces have no order, one is no string, or one comes twice.
    """
    # A set's order changes from run to run, and one string would be read as its letters.
    ordered = isinstance(pieces, Iterable) and not isinstance(pieces, (str, bytes, set, frozenset))
    require(ordered, where, pieces, "a list or a dict of strings: their order gives the ids")
    ids: dict[str, int] = {}
    for place, piece in enumerate(pieces):
        require(isinstance(piece, str), f"piece {place} of {where}", piece, "a string")
        first = ids.setdefault(piece, place)
        require(
            first == place, f"piece {place} of {where}", piece, f"another one than piece {first}"
        )
    return ids
