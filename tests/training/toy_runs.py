"""A model and batches small enough to train in a moment, and what test files here share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bertlab.training import History, TrainingConfig, train

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


def interrupted(at: int, number: int = signal.SIGINT, times: int = 1) -> Endless:
    def interrupt(step: int) -> None:
        if step == at:
            for _ in range(times):
                os.kill(os.getpid(), number)

    return Endless(interrupt)


def settings(**changes: Any) -> TrainingConfig:
    return TrainingConfig(**{"steps": 8, "learning_rate": 0.05, "precision": "fp32", **changes})


def fit(model: nn.Module, batches: Any, config: TrainingConfig, **options: Any) -> History:
    return train(model, batches, config, progress_bar=False, **options)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def timeless(history: History) -> list[dict[str, Any]]:
    clock = ("seconds", "tokens_per_second", "examples_per_second")
    return [{k: v for k, v in record.items() if k not in clock} for record in history]
