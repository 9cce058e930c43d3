"""Words and their pieces: which piece belongs to which word, and windows that keep words whole.

Dimensions: ``W`` words of a record, ``P`` their pieces.
Source: Devlin et al. 2019, section 5.3; chapter 9.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bertlab.tasks.task import Array, Record

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Offsets = list[tuple[int, int]]

# Letters and digits of scripts that part words by spaces: nothing from the Chinese blocks on.
_LETTER = r"[^\W_\u2e80-\U0010ffff]"
# What stays one word, as in most annotated data, though the tokenizer parts it at each mark.
_JOINED = re.compile(
    rf"\b{_LETTER}(?:\.{_LETTER}\b)+\.?"  # U.S.
    rf"|{_LETTER}+(?:(?:[-&]|\.(?=[a-z0-9])|['’](?![sS]\b)){_LETTER}+)+"  # F-16, O'Neill, bert.org
)


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
    """Tokenise records: all of ``tokens`` in one call, and all of ``text`` in another.

    The words of a text are the tokenizer's: what stands between white space, and each punctuation
    mark and Chinese character alone. But abbreviations such as ``U.S.`` stay whole, and so do
    letters or digits with a hyphen, ``&``, an apostrophe (unless it is a possessive ``'s``) or a
    full stop (before a digit or a small letter) between them, as models learn it from annotated
    data.
    """
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
                spans = encoded["offset_mapping"][place]
                word_ids, offsets = _words_of_text(asked[place], word_ids, spans)
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


def _words_of_text(
    text: str, word_ids: Array, spans: Sequence[tuple[int, int]]
) -> tuple[Array, Offsets]:
    """Join what the tokenizer parts too finely, and say where each word starts and ends.

    Args:
        text: what was tokenised.
        word_ids: ``(P,)``, the tokenizer's.
        spans: ``P`` pairs, where the pieces start and end.

    Returns:
        Word ids ``(P,)``, and ``W`` pairs.
    """
    inside = {at for found in _JOINED.finditer(text) for at in range(*found.span())[1:]}
    begins = np.diff(word_ids, prepend=-1) != 0  # (P,)
    begins &= np.array([start not in inside for start, _ in spans], dtype=bool)
    offsets = []
    for first, after in pairwise([*np.flatnonzero(begins).tolist(), len(spans)]):
        end = spans[after - 1][1]
        limit = spans[after][0] if after < len(spans) else len(text)
        # Accents that an uncased model doesn't see, and that the last piece lacks, are the word's.
        while end < limit and unicodedata.category(text[end]) == "Mn":
            end += 1
        offsets.append((spans[first][0], end))
    return begins.cumsum(dtype=np.int32) - 1, offsets
