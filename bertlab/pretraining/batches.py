"""Batches for ``BertForPreTraining``: pairs of like length, with new masks each epoch.

Dimensions: ``B`` batch, ``T`` tokens.
Source: Devlin et al. 2019, appendix A.2; Liu et al. 2019 (RoBERTa), section 4.1, for masks that
change; chapter 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bertlab.pretraining.masking import mask_tokens
from bertlab.pretraining.pairs import Pairs, make_pairs
from bertlab.pretraining.tokens import TokenisedCorpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PAIRS, _ORDER, _MASKS = range(3)  # what a seed is for


@dataclass(frozen=True)
class Epoch:
    """One pass over the corpus: its pairs, and which of them make each batch."""

    number: int
    pairs: Pairs
    batches: list[NDArray[np.int64]]
    padding: float  # the share of places that hold padding

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.batches)


class PretrainingBatches:
    """Pairs with masks, in batches, epoch after epoch.

    Pairs are made anew for each epoch. They are sorted by length, at random among equals, cut into
    batches, and the batches are shuffled, so there is little padding; the epoch says how much.
    Masks are drawn for each batch. All of it follows from the seed, the epoch's number and the
    batch's: a run can begin again at any batch, and gets the same ones.

    Args:
        corpus: the ids.
        tokenizer: gives the special tokens and the vocabulary.
        batch_size: pairs a batch; the last one of an epoch may be smaller.
        max_length: of a row.
        short_probability: see ``make_pairs``.
        probability: see ``mask_tokens``.
        whole_words: see ``mask_tokens``.
        multiple_of: pad the length of each batch to a multiple of this.
        seed: from 0.

    Raises:
        ValueError: when ``batch_size`` or ``multiple_of`` is below 1, ``seed`` is negative, or
            ``make_pairs`` or ``mask_tokens`` refuses a setting.
    """

    def __init__(
        self,
        corpus: TokenisedCorpus,
        tokenizer: PreTrainedTokenizerBase,
        *,
        batch_size: int = 32,
        max_length: int = 128,
        short_probability: float = 0.1,
        probability: float = 0.15,
        whole_words: bool = False,
        multiple_of: int = 1,
        seed: int = 0,
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("multiple_of", multiple_of, 1),
            ("seed", seed, 0),
        ):
            if value < least:
                raise ValueError(f"{name} is {value}: expected at least {least}")
        self.corpus = corpus
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.max_length = max_length
        self.short_probability = short_probability
        self.probability = probability
        self.whole_words = whole_words
        self.multiple_of = multiple_of
        self.seed = seed
        self._planned: Epoch | None = None

    def plan(self, epoch: int = 0) -> Epoch:
        """Make the epoch's pairs and batches; the last one made is kept."""
        if self._planned is None or self._planned.number != epoch:
            self._planned = self._plan(epoch)
        return self._planned

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[dict[str, Tensor]]:
        """Yield the epoch's batches, beginning with number ``start``.

        Each is a dict for ``BertForPreTraining``: ``input_ids`` (masked), ``token_type_ids``,
        ``attention_mask`` and ``labels``, all ``(B, T)``, and ``next_sentence_label`` ``(B,)``.
        """
        plan = self.plan(epoch)
        for number in range(start, len(plan)):
            rows = plan.pairs.rows(plan.batches[number], self.multiple_of)
            batch = {name: torch.from_numpy(array) for name, array in rows.items()}
            generator = torch.Generator().manual_seed(self._seed(_MASKS, epoch, number))
            batch["input_ids"], batch["labels"] = mask_tokens(
                batch["input_ids"],
                self.tokenizer,
                generator,
                self.probability,
                whole_words=self.whole_words,
            )
            yield batch

    def _plan(self, epoch: int) -> Epoch:
        pairs = make_pairs(
            self.corpus,
            self.tokenizer,
            self.max_length,
            self.short_probability,
            self._seed(_PAIRS, epoch),
        )
        random = np.random.default_rng(self._seed(_ORDER, epoch))
        order = random.permutation(len(pairs))
        order = order[np.argsort(pairs.lengths[order], kind="stable")]
        cuts = range(self.batch_size, len(order), self.batch_size)
        batches = np.split(order, cuts)
        longest = np.array([pairs.lengths[batch].max() for batch in batches])
        padded = -(-longest // self.multiple_of) * self.multiple_of
        places = int((padded * [len(batch) for batch in batches]).sum())
        shuffled = [batches[index] for index in random.permutation(len(batches))]
        return Epoch(epoch, pairs, shuffled, 1 - pairs.report.tokens / places)

    def _seed(self, purpose: int, *numbers: int) -> int:
        """Return a seed of its own for each purpose, epoch and batch."""
        sequence = np.random.SeedSequence([self.seed, purpose, *numbers])
        return int(sequence.generate_state(1, np.uint64)[0] >> 1)
