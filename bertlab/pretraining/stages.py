"""The stages of a run: short rows and small batches first, long rows last.

Source: Devlin et al. 2019, appendix A.2: 90 % of the steps on rows of 128 tokens, the rest on rows
of 512, since attention to long rows is dear; chapter 7 for growing batches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from torch import Tensor

from bertlab.pretraining.batches import PretrainingBatches
from bertlab.pretraining.tokens import TokenisedCorpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Stage:
    """A part of a run in which all batches are alike.

    Attributes:
        batch_size: pairs a batch.
        length: of a row at most, special tokens counted.
        probability: of masking a place.
        share: of the run.

    Raises:
        ValueError: when one of them is out of range.
    """

    batch_size: int
    length: int
    probability: float
    share: float

    def __post_init__(self) -> None:
        for name, value, fits, expected in (
            ("the batch", self.batch_size, self.batch_size >= 1, "at least 1 row"),
            ("the length", self.length, self.length >= 5, "at least 5 tokens"),
            ("masked", self.probability, 0 < self.probability <= 1, "above 0, at most 1"),
            ("the share", self.share, 0 < self.share <= 1, "above 0, at most 1"),
        ):
            if not fits:
                raise ValueError(f"stage {self}: {name} is {value}, expected {expected}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``BATCHxLENGTH@MASKED:SHARE``, such as ``32x128@0.15:0.9``.

        Raises:
            ValueError: when the text is of another form.
        """
        number = r"\d*\.?\d+"
        match = re.fullmatch(rf"(\d+)x(\d+)@({number}):({number})", text)
        if match is None:
            raise ValueError(
                f"the stage {text!r} can't be read: expected BATCHxLENGTH@MASKED:SHARE, such as "
                "32x128@0.15:0.9 for batches of 32 rows of 128 tokens with 15 % masked, for nine "
                "tenths of the run"
            )
        batch_size, length, probability, share = match.groups()
        return cls(int(batch_size), int(length), float(probability), float(share))

    def __str__(self) -> str:
        return f"{self.batch_size}x{self.length}@{self.probability:g}:{self.share:g}"


def check_shares(stages: Sequence[Stage]) -> None:
    """Refuse stages that are no whole run.

    Raises:
        ValueError: when the shares don't add up to 1.
    """
    total = sum(stage.share for stage in stages)
    if abs(total - 1) > 1e-6:
        raise ValueError(f"the shares of the stages add up to {total:g}: expected 1")


class StagedBatches:
    """Batches for the loop, from the stage that the run has come to.

    Args:
        corpus: to train on.
        tokenizer: gives the special tokens and the vocabulary.
        stages: their shares add up to 1.
        whole_words: see ``mask_tokens``.
        seed: of pairs, order and masks.

    Raises:
        ValueError: when the shares don't add up to 1.
    """

    def __init__(
        self,
        corpus: TokenisedCorpus,
        tokenizer: PreTrainedTokenizerBase,
        stages: Sequence[Stage],
        whole_words: bool = False,
        seed: int = 0,
    ) -> None:
        check_shares(stages)
        self.stages = list(stages)
        self.sources = [
            PretrainingBatches(
                corpus,
                tokenizer,
                batch_size=stage.batch_size,
                max_length=stage.length,
                probability=stage.probability,
                whole_words=whole_words,
                seed=seed * len(stages) + number,
            )
            for number, stage in enumerate(stages)
        ]
        self.place = [(0, 0) for _ in stages]  # of each stage: epoch, and batch in it
        self._open: tuple[int, Iterator[dict[str, Tensor]]] | None = None

    def stage(self, progress: float) -> int:
        """Return the number of the stage at this share of the run."""
        end = 0.0
        for number, stage in enumerate(self.stages):
            end += stage.share
            if progress < end - 1e-9:
                return number
        return len(self.stages) - 1

    def next_batch(self, progress: float) -> dict[str, Tensor]:
        """Return the next batch of the stage at this share of the run."""
        number = self.stage(progress)
        while True:
            epoch, start = self.place[number]
            if self._open is None or self._open[0] != number:
                self._open = number, self.sources[number].epoch(epoch, start)
            batch = next(self._open[1], None)
            if batch is not None:
                self.place[number] = (epoch, start + 1)
                return batch
            self.place[number] = (epoch + 1, 0)
            self._open = None

    def state_dict(self) -> dict[str, Any]:
        """Return the place in each stage, and how much text there is."""
        return {"place": [list(place) for place in self.place], "size": self._size()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a place.

        Raises:
            ValueError: when there isn't the same amount of text any more.
        """
        if state["size"] != self._size():
            raise ValueError(
                "the text has changed since the run began: it had {:,} documents of {:,} tokens, "
                "now {:,} of {:,}. Expected the same text".format(*state["size"], *self._size())
            )
        self.place = [(epoch, start) for epoch, start in state["place"]]
        self._open = None

    def _size(self) -> list[int]:
        corpus = self.sources[0].corpus
        return [len(corpus), corpus.tokens]
