"""What the three tasks share: from records to rows, and from a model's numbers to answers.

A task is whole in its own file; here is only what would otherwise be written three times.
Dimensions: ``B`` rows of a batch, ``T`` tokens.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from bertlab.files import write_text
from bertlab.hub import find_file
from bertlab.training.batching import EpochBatches, Row, by_length, pad
from bertlab.training.config import TrainingConfig
from bertlab.training.memory import PREDICTION, explained
from bertlab.training.objective import Objective

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

Record = Mapping[str, Any]
Array = np.ndarray[Any, Any]
SETTINGS = "task.json"
_MODEL_READS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass
class Features:
    """Rows for a model, and what is needed to understand its answers.

    Attributes:
        rows: see ``bertlab.training.batching.Row``; with labels if the records had them.
        record: for each row, the index of the record that it comes from; a long record has
            several rows, one after the other.
        extras: for each row, what the task needs to decode it, such as character offsets.
        counts: what happened on the way and should be said, such as ``{"texts cut": 3}``.
    """

    rows: list[Row] = field(default_factory=list)
    record: list[int] = field(default_factory=list)
    extras: list[Any] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Task(ABC):
    """What a model is taught and asked: rows, decoding and score of one kind of record.

    ``bertlab.training.train(model, task, config)`` trains on ``train`` and measures on ``dev``.

    Args:
        tokenizer: the model's.
        train: records to learn from; see ``bertlab.data`` for their columns.
        dev: records that decide which weights are kept.
        max_length: tokens of a row, special ones included.

    Raises:
        ValueError: when a setting is out of range.
    """

    name: ClassVar[str]  # as on the command line
    model_class: ClassVar[str]  # bertlab's, and transformers'
    metric: str  # the figure that decides
    longest: ClassVar[int] = 512  # tokens of a row, unless told otherwise
    settings: ClassVar[tuple[str, ...]] = ("max_length",)  # arguments that a checkpoint remembers

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        train: Dataset | None = None,
        dev: Dataset | None = None,
        *,
        max_length: int,
    ) -> None:
        limit = tokenizer.model_max_length
        if not 8 <= max_length <= limit:
            raise ValueError(
                f"max_length is {max_length}: expected a number from 8 to {limit}, the most that "
                "the tokenizer allows"
            )
        self.tokenizer, self.train, self.dev, self.max_length = tokenizer, train, dev, max_length
        self.counts: Counter[str] = Counter()  # of the training records: see Features.counts
        self._rows: list[Row] | None = None

    # --- what each task writes

    @property
    @abstractmethod
    def overrides(self) -> dict[str, Any]:
        """Return what ``from_pretrained`` must be told, such as the labels' names."""

    @abstractmethod
    def features(self, records: Sequence[Record], labelled: bool) -> Features:
        """Turn records into rows; with labels, if they are to be learned from or scored."""

    @abstractmethod
    def logits(self, output: Any) -> Tensor:
        """Return what ``decode`` needs of a model's output, ``(B, …)`` or ``(B, T, …)``."""

    @abstractmethod
    def decode(
        self, records: Sequence[Record], features: Features, logits: Sequence[Array]
    ) -> list[dict[str, Any]]:
        """Return one prediction a record.

        Args:
            records: what was asked.
            features: as ``features`` made them.
            logits: for each row, of its own length: padding is cut off.
        """

    @abstractmethod
    def score(
        self, records: Iterable[Record], predictions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the figures of predictions for records that have the right answers."""

    # --- what they share

    @classmethod
    def arguments(cls, config: Any) -> dict[str, Any]:
        """Return what a fine-tuned model's config says of the task, such as the labels' names."""
        return {}

    def finish(self, figures: Mapping[str, Any]) -> None:  # noqa: B027 - most choose nothing
        """Take over what ``measure`` chose for the weights that were best on ``dev``."""

    def batches(self, config: TrainingConfig) -> EpochBatches:
        """Return the batches to train on.

        Raises:
            ValueError: when the task has no training records.
        """
        if self.train is None:
            raise ValueError("this task has no training records: give train=")
        if self._rows is None:
            features = self.features(_chunk(self.train), labelled=True)
            self._rows, self.counts = features.rows, features.counts
        return EpochBatches(
            self._rows, config.batch_size, int(self.tokenizer.pad_token_id), config.seed
        )

    def measure(self, model: nn.Module) -> dict[str, Any]:
        """Return the figures of ``dev``.

        Raises:
            ValueError: when the task has no development records.
        """
        if self.dev is None:
            raise ValueError("this task has no development records: give dev=")
        return self.evaluate(model, self.dev)

    def evaluate(
        self, model: nn.Module, records: Dataset, batch_size: int = 32, progress_bar: bool = False
    ) -> dict[str, Any]:
        """Return the loss and the figures of a model on records that have the right answers.

        What should be said of the records, such as ``{"texts cut": 3}``, is in ``counts``.

        Raises:
            OutOfMemory: when the memory is full; the message says what helps.
            ValueError: when there are no records.
        """
        return self.examine(model, records, batch_size, progress_bar)[1]

    def examine(
        self, model: nn.Module, records: Dataset, batch_size: int = 32, progress_bar: bool = False
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return a prediction for each record, and what ``evaluate`` says of them."""
        chunk = _chunk(records)
        if not chunk:
            raise ValueError("there are no records to evaluate on")
        counts: Counter[str] = Counter()
        predictions, loss = self._answer(model, chunk, batch_size, True, progress_bar, counts)
        told = {"counts": dict(counts)} if counts else {}
        return predictions, {"loss": loss} | self.score(chunk, predictions) | told

    def predict(
        self,
        model: nn.Module,
        records: Iterable[Record],
        batch_size: int = 32,
        at_a_time: int = 1024,
        counts: Counter[str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Answer records of any number, in their order, a thousand in memory at a time.

        Args:
            model: in any mode; it is left in that.
            records: without labels, or with labels that aren't looked at.
            batch_size: rows that the model reads at once.
            at_a_time: records that are sorted by length together.
            counts: receives what should be said of the records, such as ``{"texts cut": 3}``.
        """
        remaining = iter(records)
        while chunk := list(islice(remaining, at_a_time)):
            yield from self._answer(model, chunk, batch_size, False, False, counts)[0]

    def save(self, folder: Path) -> None:
        """Write the tokenizer and ``task.json``, which ``load_task`` reads."""
        self.tokenizer.save_pretrained(folder)
        values = {"task": self.name} | {name: getattr(self, name) for name in self.settings}
        write_text(folder / SETTINGS, json.dumps(values, indent=2) + "\n")

    @explained(PREDICTION)
    def _answer(
        self,
        model: nn.Module,
        records: Sequence[Record],
        batch_size: int,
        labelled: bool,
        progress_bar: bool,
        counts: Counter[str] | None = None,
    ) -> tuple[list[dict[str, Any]], float | None]:
        """Return a prediction a record, and the mean loss if there are labels; add to counts."""
        features = self.features(records, labelled)
        if counts is not None:
            counts.update(features.counts)
        rows = features.rows
        device = next(model.parameters()).device
        logits: list[Array] = [np.empty(0)] * len(rows)
        losses, labels = 0.0, 0
        objective = Objective(model)
        training = model.training
        model.eval()
        bar = tqdm(total=len(rows), desc=self.name, unit=" rows", delay=2, disable=not progress_bar)
        try:
            with torch.inference_mode(), bar:
                for chosen in by_length(rows, batch_size):
                    batch = pad([rows[index] for index in chosen], int(self.tokenizer.pad_token_id))
                    count = objective.counts(batch)["loss"] if labelled else 0
                    batch = {name: tensor.to(device) for name, tensor in batch.items()}
                    if not count:  # a loss over no label is no number
                        batch = {name: batch[name] for name in _MODEL_READS}
                    output = model(**batch)
                    if count:
                        losses, labels = losses + float(output.loss) * count, labels + count
                    numbers = self.logits(output).float().cpu().numpy()
                    for index, row in zip(chosen, numbers, strict=True):
                        logits[index] = (
                            row if row.ndim == 1 else row[: len(rows[index]["input_ids"])]
                        )
                    bar.update(len(chosen))
        finally:
            model.train(training)
        return self.decode(records, features, logits), losses / labels if labels else None


def windows(length: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Return the start and end of each window over a sequence; the last one ends where it ends.

    Args:
        length: of the sequence.
        room: the longest window.
        stride: how much two neighbours share.

    Raises:
        ValueError: when windows wouldn't get ahead.
    """
    if not 0 <= stride < room:
        raise ValueError(
            f"stride is {stride}: expected a number from 0 to {room - 1}, less than the {room} "
            "tokens that a window has room for"
        )
    starts = range(0, max(length - stride, 1), room - stride)
    return [(start, min(start + room, length)) for start in starts]


def softmax(logits: Array) -> Array:
    """Return probabilities over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def read_settings(name_or_path: str | Path) -> dict[str, Any]:
    """Return what ``task.json`` of a checkpoint says; nothing where there is none.

    Raises:
        ValueError: when the file is damaged.
    """
    file = find_file(name_or_path, SETTINGS)
    if file is None:
        return {}
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is damaged: expected what `bertlab finetune` wrote") from error


def _chunk(records: Iterable[Record]) -> list[Record]:
    return list(records)
