"""A tokenizer and corpora small enough to be made in a moment, for the tests beside this file."""

from __future__ import annotations

import random

from transformers import BertTokenizer

from bertlab.pretraining import TokenisedCorpus
from bertlab.tokenization import SPECIAL_TOKENS

LETTERS = [chr(ord("a") + i) for i in range(26)]
ORDINARY = [*LETTERS, *(f"##{letter}" for letter in LETTERS), ".", "the", "##ing"]


def small_tokenizer(words: int = 0) -> BertTokenizer:
    """Special tokens spread over the vocabulary, so that "id > 4" finds them by no accident."""
    pieces = ["[PAD]", *ORDINARY[:20], *SPECIAL_TOKENS[1:], *ORDINARY[20:]]
    pieces += [f"word{i}" for i in range(words)]
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, do_lower_case=True)


def numbered_corpus(
    seed: int = 0, documents: int = 20, sentences: int = 15, words: int = 12
) -> TokenisedCorpus:
    """Documents of up to so many sentences of up to so many ids, each id used once from 100 on.

    As each id is used once, a row's ids say exactly where each of its segments comes from.
    """
    draw = random.Random(seed)
    following = iter(range(100, 10_000_000))
    return TokenisedCorpus.from_ids(
        [
            [
                [next(following) for _ in range(draw.randint(1, words))]
                for _ in range(draw.randint(1, sentences))
            ]
            for _ in range(documents)
        ]
    )
