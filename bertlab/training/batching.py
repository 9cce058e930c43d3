"""Batches of rows that are about equally long, epoch after epoch.

Dimensions: ``B`` rows of a batch, ``T`` tokens of its longest row, ``C`` classes.
Source: chapter 8; padding to a fixed length is the dearest habit in fine-tuning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bertlab.model.heads import IGNORED

# A row: "input_ids" and "token_type_ids", (T,) whole numbers; and its labels: (T,) whole numbers,
# (C,) floats, or one number.
Row = dict[str, Any]
_POOL = 50  # batches at most that are sorted by length together, and at most a quarter of all:
# nearly no padding, and yet other neighbours in each epoch


def pad(rows: Sequence[Row], pad_token_id: int) -> dict[str, Tensor]:
    """Make one batch of rows, padded to the longest of them, with its attention mask.

    Args:
        rows: ``B`` of them, with the same fields.
        pad_token_id: what fills ``input_ids``; labels are filled with -100, the rest with 0.

    Returns:
        ``(B, T)`` for fields that have a value a token, ``(B, C)`` for float vectors, ``(B,)`` for
        numbers; and ``attention_mask`` ``(B, T)``, 1 at real tokens.
    """
    fillers = {"input_ids": pad_token_id, "labels": IGNORED}
    longest = max(len(row["input_ids"]) for row in rows)
    batch: dict[str, Tensor] = {}
    for name, value in rows[0].items():
        if _is_of_tokens(value):
            table = np.full((len(rows), longest), fillers.get(name, 0), dtype=np.int64)  # (B, T)
            for line, row in zip(table, rows, strict=True):
                line[: len(row[name])] = row[name]
            batch[name] = torch.from_numpy(table)
        else:
            stacked = torch.from_numpy(np.array([row[name] for row in rows]))
            batch[name] = stacked.float() if stacked.is_floating_point() else stacked.long()
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    batch["attention_mask"] = (torch.arange(longest) < lengths[:, None]).long()  # (B, T)
    return batch


def by_length(rows: Sequence[Row], batch_size: int) -> Iterator[list[int]]:
    """Cut rows into batches of like length, the longest first: what doesn't fit shows at once."""
    lengths = np.array([len(row["input_ids"]) for row in rows])
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size].tolist()


class EpochBatches:
    """Every row once an epoch, in an order that depends on the seed and the epoch alone.

    Rows are shuffled, pools of up to fifty batches are sorted by length and cut, and the batches
    are shuffled again. It is ``Batches`` for ``bertlab.training.train``; ``len`` is an epoch.

    Args:
        rows: the training rows.
        batch_size: rows a batch; the last one of a pool may have fewer.
        pad_token_id: what fills shorter rows.
        seed: of the order.

    Raises:
        ValueError: when there are no rows.
    """

    def __init__(
        self, rows: Sequence[Row], batch_size: int, pad_token_id: int, seed: int = 0
    ) -> None:
        if not rows:
            raise ValueError("there are no rows to train on")
        self.rows, self.batch_size, self.pad_token_id = rows, batch_size, pad_token_id
        self.seed = seed
        self._lengths = np.array([len(row["input_ids"]) for row in rows])
        self.labels_per_batch = _labels_per_batch(rows, len(self))
        self._place = 0  # batches given, over all epochs
        self._planned: tuple[int, list[list[int]]] | None = None

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def epoch(self, number: int) -> list[list[int]]:
        """Return the rows of each batch of an epoch."""
        chance = np.random.default_rng((self.seed, number))
        order = chance.permutation(len(self.rows))
        batches: list[list[int]] = []
        size = self.batch_size * max(1, min(_POOL, len(self) // 4))
        for start in range(0, len(order), size):
            pool = order[start : start + size]
            pool = pool[np.argsort(self._lengths[pool], kind="stable")]
            batches += [
                pool[first : first + self.batch_size].tolist()
                for first in range(0, len(pool), self.batch_size)
            ]
        return [batches[index] for index in chance.permutation(len(batches))]

    def next_batch(self, progress: float) -> dict[str, Tensor]:
        """Return the next batch; ``progress`` changes nothing."""
        number, place = divmod(self._place, len(self))
        if self._planned is None or self._planned[0] != number:
            self._planned = number, self.epoch(number)
        self._place += 1
        chosen = self._planned[1][place]
        return pad([self.rows[index] for index in chosen], self.pad_token_id)

    def state_dict(self) -> dict[str, Any]:
        """Return the place."""
        return {"place": self._place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a place."""
        self._place = state["place"]


def _labels_per_batch(rows: Sequence[Row], batches: int) -> float | None:
    """Return how many labels a batch has on average, where it is tokens that have labels.

    Batches of like length differ in that: a mean over each would let a word of a short sentence
    weigh more than one of a long sentence.
    """
    if not _is_of_tokens(rows[0].get("labels")):
        return None
    labels = sum(int((np.asarray(row["labels"]) != IGNORED).sum()) for row in rows)
    return max(labels, 1) / batches


def _is_of_tokens(value: Any) -> bool:
    """Tell a row's whole numbers, one a token, from its floats and from single numbers."""
    return np.ndim(value) == 1 and np.asarray(value).dtype.kind != "f"
