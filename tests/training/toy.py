"""A model and batches small enough to train in a moment, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

VOCABULARY, WIDTH = 11, 6


class Toy(nn.Module):
    """A word in, a word out: every kind of parameter that BERT has."""

    def __init__(self, dropout: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embeddings = nn.Embedding(VOCABULARY, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(WIDTH, VOCABULARY)
        self.seen: list[tuple[bool, bool]] = []  # at each call: training, autocast

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Any:
        self.seen.append((self.training, torch.is_autocast_enabled("cpu")))
        logits = self.out(self.dropout(self.norm(self.embeddings(input_ids))))
        return SimpleNamespace(loss=F.cross_entropy(logits.flatten(0, 1), labels.flatten()))


def rows(seed: int, labels_in_row: list[int], length: int = 6) -> dict[str, Tensor]:
    """Return a batch whose rows have so many labels."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(VOCABULARY, (len(labels_in_row), length), generator=generator)
    labels = torch.full_like(ids, -100)
    for row, count in enumerate(labels_in_row):
        labels[row, :count] = (3 * ids[row, :count] + 1) % VOCABULARY
    mask = torch.ones_like(ids)
    mask[0, -1] = 0
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


class Endless:
    """Batch after batch, each of 4 rows with 23 real tokens."""

    def __init__(self, at: Callable[[int], object] | None = None) -> None:
        self.number, self.at = 0, at
        self.asked: list[float] = []

    def next_batch(self, progress: float) -> dict[str, Tensor]:
        self.number += 1
        self.asked.append(progress)
        if self.at is not None:
            self.at(self.number)
        return rows(self.number, [6, 1, 2, 3])

    def state_dict(self) -> dict[str, Any]:
        return {"number": self.number}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.number = state["number"]
