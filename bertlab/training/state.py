"""What a run needs to go on after a kill: one file, written whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bertlab.files import write_text, write_whole

STATE = "training_state.pt"
HISTORY = "history.jsonl"


@dataclass
class Counters:
    """How far a run has come."""

    steps: int = 0
    tokens: int = 0
    rows: int = 0
    seconds: float = 0.0  # of training, evaluations and checkpoints included, over all sittings
    evaluations: int = 0
    best_step: int | None = None  # the evaluation with the best score
    best_score: float = float("-inf")
    stale: int = 0  # evaluations since then


@dataclass
class History:
    """What a run wrote down: a dict for each logged step and each evaluation, oldest first.

    Steps have ``step``, ``tokens``, ``seconds``, ``rate``, ``loss`` and the parts of the loss
    (means since the line before), ``norm`` (of the gradient), ``tokens_per_second`` and
    ``examples_per_second``. Evaluations have ``step``, ``tokens``, ``seconds`` and ``held_out``, a
    dict of figures. Where batches make epochs, both have ``epoch``.
    """

    records: list[dict[str, Any]] = field(default_factory=list)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The logged steps."""
        return [record for record in self.records if "loss" in record]

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """The evaluations."""
        return [record for record in self.records if "held_out" in record]

    def best(self, metric: str) -> dict[str, Any]:
        """Return the evaluation with the highest figure of that name, the first of equals.

        Raises:
            ValueError: when there was no evaluation.
        """

        def score(record: dict[str, Any]) -> float:
            value = float(record["held_out"][metric])
            return value if math.isfinite(value) else -math.inf  # as the loop ranks them

        return max(self.evaluations, key=score)

    @classmethod
    def read(cls, folder: Path | str) -> History:
        """Read ``history.jsonl`` from a run's folder; a line cut short by a kill is left out."""
        text = (Path(folder) / HISTORY).read_text(encoding="utf-8")
        return cls([json.loads(line) for line in text.split("\n")[:-1]])

    def write(self, folder: Path) -> None:
        """Write ``history.jsonl``, whole."""
        text = "".join(_line(record) for record in self.records)
        write_text(folder / HISTORY, text)

    def append(self, record: dict[str, Any], folder: Path | None) -> None:
        """Add a record, here and, given a folder, to its ``history.jsonl``."""
        self.records.append(record)
        if folder is not None:
            first = len(self.records) == 1
            with (folder / HISTORY).open("w" if first else "a", encoding="utf-8") as file:
                file.write(_line(record))


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record) + "\n"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write all that a run needs to go on."""
    write_whole(folder / STATE, lambda path: torch.save(state, path))


def load_state(folder: Path) -> dict[str, Any]:
    """Read what ``save_state`` wrote.

    Raises:
        FileNotFoundError: when there is none; says what to do.
        ValueError: when it is damaged.
    """
    path = folder / STATE
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no {STATE}, so there is nothing to resume: start the run without "
            "--resume"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        raise ValueError(f"{path} is damaged: start the run anew, with --overwrite") from error
