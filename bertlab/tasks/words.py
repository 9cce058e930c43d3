"""Words and their pieces: which piece belongs to which word, and windows that keep words whole.

Dimensions: ``W`` words of a record, ``P`` their pieces.
Source: Devlin et al. 2019, section 5.3; chapter 9.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bertlab.tasks.task import Array, Record

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Offsets = list[tuple[int, int]]


class Words(NamedTuple):
    """A record as the tokenizer reads it.

    Attributes:
        pieces: ``(P,)`` ids.
        word_ids: ``(P,)``, the word that each piece belongs to, in rising order.
        offsets: ``W`` pairs, start and end of each word in the record: characters of a text, or
            tokens.
    """

    pieces: Array
    word_ids: Array
    offsets: Offsets


def read_words(tokenizer: PreTrainedTokenizerBase, records: Sequence[Record]) -> list[Words]:
    """Tokenise records: all of ``tokens`` in one call, and all of ``text`` in another."""
    found: dict[int, Words] = {}
    for split in (True, False):
        chosen = [
            i for i, record in enumerate(records) if (record.get("tokens") is not None) == split
        ]
        asked = [records[index]["tokens" if split else "text"] for index in chosen]
        if not asked:
            continue
        encoded = tokenizer(
            asked,
            is_split_into_words=split,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=not split,
            verbose=False,  # longer than the model can read: that is what windows are for
        )
        for place, index in enumerate(chosen):
            pieces = np.array(encoded["input_ids"][place], dtype=np.int32)
            word_ids = np.array(encoded.word_ids(place), dtype=np.int32)
            if split:
                offsets = [(number, number + 1) for number in range(len(asked[place]))]
            else:
                offsets = _offsets(asked[place], word_ids, encoded["offset_mapping"][place])
            found[index] = Words(pieces, word_ids, offsets)
    return [found[index] for index in range(len(records))]


def word_windows(bounds: Array, room: int, stride: int) -> list[tuple[int, int]]:
    """Return the first word of each window, and the one after its last.

    Args:
        bounds: ``(W + 1,)``, where each word's pieces begin, and where the last one's end. No word
            has more than ``room`` pieces.
        room: the most pieces of a window.
        stride: the most pieces that two neighbours share.
    """
    last = len(bounds) - 1
    first, result = 0, []
    while True:
        end = int(np.searchsorted(bounds, bounds[first] + room, side="right")) - 1
        result.append((first, end))
        if end == last:
            return result
        # The next one has room for the word that this one lacks.
        at_least = max(bounds[end] - stride, bounds[end + 1] - room)
        first = int(np.searchsorted(bounds, at_least))


def most_context(bounds: Array, parts: Sequence[tuple[int, int]]) -> list[Array]:
    """Share words out: each goes to the window where its nearer end is farthest away.

    Args:
        bounds: ``(W + 1,)``, where each word's pieces begin, and where the last one's end.
        parts: windows over words.

    Returns:
        For each window, the words that are its own.
    """
    if len(parts) == 1:
        return [np.arange(len(bounds) - 1)]
    owner = np.zeros(len(bounds) - 1, dtype=int)
    most = np.full(len(owner), -1)
    for number, (first, end) in enumerate(parts):
        before = bounds[first:end] - bounds[first]
        after = bounds[end] - bounds[first + 1 : end + 1]
        context = np.minimum(before, after)
        better = context > most[first:end]
        owner[first:end][better] = number
        most[first:end][better] = context[better]
    return [np.flatnonzero(owner == number) for number in range(len(parts))]


def _offsets(text: str, word_ids: Array, pieces: Sequence[tuple[int, int]]) -> Offsets:
    """Return where each word of a text starts and ends, given where its pieces do.

    Accents that an uncased model doesn't see, and that the last piece lacks, belong to the word.
    """
    starts = np.flatnonzero(np.diff(word_ids, prepend=-1)).tolist()
    result = []
    for first, after in pairwise([*starts, len(pieces)]):
        limit = pieces[after][0] if after < len(pieces) else len(text)
        end = pieces[after - 1][1]
        while end < limit and unicodedata.category(text[end]) == "Mn":
            end += 1
        result.append((pieces[first][0], end))
    return result
