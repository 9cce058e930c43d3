"""Next-sentence pairs: segment A, and either the text that follows it or some from elsewhere.

Dimensions: ``P`` pairs, ``B`` batch, ``T`` tokens.
Source: Devlin et al. 2019, section 3.1 and appendix A.2; ``create_instances_from_document`` in the
released ``create_pretraining_data.py``; chapter 6.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertlab.pretraining.tokens import TokenisedCorpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IS_NEXT, IS_RANDOM = 0, 1  # next_sentence_label, as in checkpoints
_SPECIALS = 3  # [CLS] A [SEP] B [SEP]


@dataclass
class PairReport:
    """What one making of pairs came to; the balance is measured, not assumed."""

    pairs: int = 0
    is_next: int = 0
    only_random: int = 0  # of the random ones: the chunk had one sentence, so none could follow
    short_targets: int = 0
    truncated: int = 0
    tokens: int = 0  # in all rows, special tokens and all
    tokens_lost: int = 0  # cut off, and in no other row as A or as what follows

    @property
    def balance(self) -> float:
        """The share of pairs whose B follows A; 0 without pairs."""
        return self.is_next / max(self.pairs, 1)

    def __str__(self) -> str:
        """Say it in lines."""
        pairs = max(self.pairs, 1)
        return (
            f"{self.pairs:,} pairs: {self.balance:.1%} next, {1 - self.balance:.1%} random "
            f"({self.only_random / pairs:.1%} because nothing followed A)\n"
            f"{self.tokens / pairs:.1f} tokens a pair; {self.short_targets / pairs:.1%} with a "
            f"shorter target, {self.truncated / pairs:.1%} truncated, {self.tokens_lost:,} tokens "
            "lost to that"
        )


@dataclass(frozen=True)
class Pairs:
    """Pairs as slices of the corpus' ids; rows are put together when asked for.

    Attributes:
        ids: the corpus' ids.
        segments: ``(P, 4)``: A is ``ids[s[0] : s[1]]``, B is ``ids[s[2] : s[3]]``.
        labels: ``(P,)``, 0 where B follows A, 1 where it comes from another document.
        report: what was counted.
        cls_id, sep_id, pad_id: the special tokens.
    """

    ids: NDArray[Any]
    segments: NDArray[np.int64]
    labels: NDArray[np.int64]
    report: PairReport
    cls_id: int
    sep_id: int
    pad_id: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each row ``(P,)``, special tokens counted."""
        a_start, a_end, b_start, b_end = self.segments.T
        return a_end - a_start + b_end - b_start + _SPECIALS

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one pair: ``input_ids`` and ``token_type_ids`` as lists, and its label."""
        row = self.rows([range(len(self))[index]])
        names = ("input_ids", "token_type_ids")
        return {name: row[name][0].tolist() for name in names} | {
            "next_sentence_label": int(row["next_sentence_label"][0])
        }

    def rows(
        self, indices: Sequence[int] | NDArray[np.int64], multiple_of: int = 1
    ) -> dict[str, NDArray[np.int64]]:
        """Put rows together: ``[CLS] A [SEP] B [SEP]``, padded to the longest of them.

        Args:
            indices: ``(B,)``, which pairs.
            multiple_of: round the padded length ``T`` up to a multiple of this.

        Returns:
            ``input_ids``, ``token_type_ids`` (0 up to the first [SEP], 1 up to the second, 0 for
            padding) and ``attention_mask``, each ``(B, T)``, and ``next_sentence_label`` ``(B,)``.
        """
        indices = np.asarray(indices, dtype=np.int64)
        a_start, a_end, b_start, b_end = self.segments[indices].T[:, :, None]  # (B, 1) each
        sep = a_end - a_start + 1  # the place of the first [SEP]
        last = sep + b_end - b_start + 1  # the place of the second
        length = -(-(int(last.max()) + 1) // multiple_of) * multiple_of
        place = np.arange(length)  # (T,)

        source = np.where(place < sep, a_start + place - 1, b_start + place - sep - 1)  # (B, T)
        input_ids = self.ids[source.clip(0, len(self.ids) - 1)].astype(np.int64)
        input_ids[:, 0] = self.cls_id
        input_ids[(place == sep) | (place == last)] = self.sep_id
        input_ids[place > last] = self.pad_id
        return {
            "input_ids": input_ids,
            "token_type_ids": ((place > sep) & (place <= last)).astype(np.int64),
            "attention_mask": (place <= last).astype(np.int64),
            "next_sentence_label": self.labels[indices],
        }


def make_pairs(
    corpus: TokenisedCorpus,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int = 128,
    short_probability: float = 0.1,
    seed: int = 0,
) -> Pairs:
    """Cut each document into pairs for next-sentence prediction.

    The rules are those of the released ``create_pretraining_data.py``:

    - Sentences of a document are gathered into a chunk until the target length is reached or the
      document ends. The target is ``max_length`` without the three special tokens, and with
      ``short_probability`` a length drawn from 2 up to that. (We draw for each chunk; the released
      code draws once a document, so that a whole book would be cut short.)
    - The chunk is split at a random sentence: the first part is A. At even odds, B is the rest, or
      sentences from a random place of another random document, up to the target; the rest of the
      chunk is then put back and begins the next one. A chunk of one sentence has no rest, so its B
      is always random: the balance isn't exactly even. The report has it. (The released code takes
      the same document if ten draws gave no other; ours is always another.)
    - If the pair is too long, tokens are taken from the longer segment, each from its front or its
      back at even odds.
    - ``next_sentence_label`` is 0 where B follows A, 1 where it doesn't.

    Pairs come in the order of the text. Make them anew, with another seed, for each epoch.

    Args:
        corpus: at least two documents.
        tokenizer: gives the special tokens.
        max_length: of a row, special tokens counted; at least 5.
        short_probability: from 0 to 1.
        seed: the same seed gives the same pairs.

    Raises:
        ValueError: when the corpus has one document, or a setting is out of range.

    Source: Devlin et al. 2019, appendix A.2: 'we choose a random sentence ... 50 % of the time'.
    """
    _check(corpus, max_length, short_probability)
    draw = random.Random(seed)
    most = max_length - _SPECIALS
    report = PairReport()
    segments: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    documents = corpus.documents.tolist()
    for number, (first, end) in enumerate(documents):
        starts = corpus.sentences[first : end + 1].tolist()  # where each sentence begins
        sentence, count = 0, end - first
        while sentence < count:
            short = draw.random() < short_probability
            target = draw.randint(2, most) if short else most
            # The chunk: up to the first sentence whose end reaches the target.
            reached = bisect_left(starts, starts[sentence] + target, lo=sentence + 1)
            chunk_end = min(reached, count)
            several = chunk_end - sentence > 1
            split = sentence + (draw.randint(1, chunk_end - sentence - 1) if several else 1)
            a = (starts[sentence], starts[split])
            if several and draw.random() < 0.5:
                label, b, sentence = IS_NEXT, (starts[split], starts[chunk_end]), chunk_end
            else:
                wanted = target - (a[1] - a[0])
                other = draw.randrange(len(documents) - 1)
                elsewhere = documents[other + (other >= number)]
                b = _random_segment(corpus, elsewhere, wanted, draw)
                label, sentence = IS_RANDOM, split
            kept_a, kept_b = _truncate(a, b, most, draw)
            segments.append((*kept_a, *kept_b))
            labels.append(label)

            lost_a, lost_b = _size(a) - _size(kept_a), _size(b) - _size(kept_b)
            report.only_random += not several
            report.short_targets += short
            report.truncated += lost_a + lost_b > 0
            report.tokens_lost += lost_a + (lost_b if label == IS_NEXT else 0)

    result = Pairs(
        ids=corpus.ids,
        segments=np.array(segments, dtype=np.int64),
        labels=np.array(labels, dtype=np.int64),
        report=report,
        cls_id=tokenizer.cls_token_id,
        sep_id=tokenizer.sep_token_id,
        pad_id=tokenizer.pad_token_id,
    )
    report.pairs = len(result)
    report.is_next = int((result.labels == IS_NEXT).sum())
    report.tokens = int(result.lengths.sum())
    return result


Segment = tuple[int, int]


def _random_segment(
    corpus: TokenisedCorpus, document: Sequence[int], wanted: int, draw: random.Random
) -> Segment:
    """Return whole sentences from a random place of a document, given by its first and end.

    They reach ``wanted`` tokens if the document goes on so long; there is always one sentence.
    """
    starts = corpus.sentences[draw.randrange(document[0], document[1]) : document[1] + 1]
    enough = int(starts[1:].searchsorted(starts[0] + wanted)) + 1
    return int(starts[0]), int(starts[min(enough, len(starts) - 1)])


def _truncate(a: Segment, b: Segment, most: int, draw: random.Random) -> tuple[Segment, Segment]:
    """Cut a pair to ``most`` tokens, each from the longer segment, B where both are equal."""
    keep_a = min(_size(a), max(most - _size(b), (most + 1) // 2))
    keep_b = min(_size(b), most - keep_a)
    return _cut(a, keep_a, draw), _cut(b, keep_b, draw)


def _cut(segment: Segment, keep: int, draw: random.Random) -> Segment:
    """Take tokens off a segment, each from its front or its back at even odds."""
    surplus = _size(segment) - keep
    from_front = draw.getrandbits(surplus).bit_count() if surplus else 0  # as many as coins say
    return segment[0] + from_front, segment[0] + from_front + keep


def _size(segment: Segment) -> int:
    return segment[1] - segment[0]


def _check(corpus: TokenisedCorpus, max_length: int, short_probability: float) -> None:
    if len(corpus) < 2:
        raise ValueError(
            f"the corpus has {len(corpus)} document: expected at least 2, since a random segment "
            "comes from another one. Put a blank line between documents"
        )
    if max_length < _SPECIALS + 2:
        raise ValueError(
            f"max_length is {max_length}: expected at least {_SPECIALS + 2}, three special tokens "
            "and a token for each segment"
        )
    if not 0 <= short_probability <= 1:
        raise ValueError(f"short_probability is {short_probability}: expected a number from 0 to 1")
