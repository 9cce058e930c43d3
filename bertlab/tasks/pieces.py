"""Texts as pieces that know where they stand: what answers are found and cut out by; chapter 10."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bertlab.tasks.task import Array

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_AT_A_TIME = 1024  # texts whose pieces the tokenizer holds at once, with all that it knows of them


class Pieces(NamedTuple):
    """A text's pieces: ids ``(n,)``, and where each stands in the text, ``(n, 2)`` code points."""

    ids: Array
    offsets: Array

    def touching(self, start: int, end: int) -> tuple[int, int]:
        """Return the first and the last piece that have a character between start and end.

        Where none has, as the tokenizer dropped those characters, the last is before the first.
        """
        first = np.searchsorted(self.offsets[:, 1], start, side="right")
        last = np.searchsorted(self.offsets[:, 0], end, side="left") - 1
        return int(first), int(last)


def read_pieces(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> Iterator[Pieces]:
    """Yield the pieces of each text, without special tokens."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()  # a former use of the tokenizer may have left that on
    backend.no_padding()
    remaining = iter(texts)
    while chunk := list(islice(remaining, _AT_A_TIME)):
        encodings = backend.encode_batch(chunk, add_special_tokens=False)
        for text, encoding in zip(chunk, encodings, strict=True):
            offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2)
            if not text.isascii():
                _add_marks(text, offsets)
            yield Pieces(np.array(encoding.ids, dtype=np.int32), offsets)


def _add_marks(text: str, offsets: Array) -> None:
    """Let pieces end after the accents on their last letter, which a tokenizer may have dropped."""
    nexts = np.append(offsets[1:, 0], len(text))
    for piece in np.flatnonzero(offsets[:, 1] < nexts):
        end = int(offsets[piece, 1])
        while end < nexts[piece] and unicodedata.category(text[end])[0] == "M":
            end += 1
        offsets[piece, 1] = end
