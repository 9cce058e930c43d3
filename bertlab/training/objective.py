"""What a run needs from its data and its model: batches, figures, and the loss to minimise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from bertlab.model.heads import IGNORED
from bertlab.training.config import TrainingConfig


class Batches(Protocol):
    """Where batches come from; it knows its place, so that a run can go on from there.

    It may have ``labels_per_batch``: how many labels a batch has on average. Each batch's loss is
    then its labels' sum over that number, so that every label of an epoch weighs the same;
    otherwise it is their mean.
    """

    def next_batch(self, progress: float) -> dict[str, Tensor]:
        """Return the next batch; ``progress`` is the share of the run that is done."""

    def state_dict(self) -> dict[str, Any]:
        """Return the place."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a place."""


class Trainable(Protocol):
    """What knows its own data: the tasks in ``bertlab.tasks``."""

    metric: str  # the figure of ``measure`` that decides which weights are best
    dev: Any  # what ``measure`` measures on, or None

    def batches(self, config: TrainingConfig) -> Batches:
        """Return the batches to train on; their ``len`` is the number that makes an epoch."""

    def measure(self, model: nn.Module) -> dict[str, Any]:
        """Return figures of the development set."""

    def finish(self, figures: dict[str, Any]) -> None:
        """Take over what ``measure`` chose for the best weights."""


class Objective(nn.Module):
    """What is minimised: the model's own loss, as a mean over all that an update reads.

    A batch may be computed in parts, one after the other or on several devices. Parts differ in
    their number of labels, so the mean of their means would weigh them wrongly: each part's sum is
    divided by the count of the whole batch instead; or by what the batches say, see ``Batches``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        """Return what each part of the loss is a mean over."""
        if "start_positions" in batch:
            return {"loss": len(batch["start_positions"])}
        labels = batch["labels"]
        whole = not labels.is_floating_point()  # class numbers; floats are one mean a row
        return {"loss": int((labels != IGNORED).sum()) if whole else len(labels)}

    def prepare(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Find out what depends on the batch's values, while it is on the CPU.

        On a GPU, each look at values would wait for all that is under way there.
        """
        return batch

    def forward(self, batch: dict[str, Tensor], totals: Mapping[str, float]) -> dict[str, Tensor]:
        """Return the loss of a part of a batch whose sum is divided by ``totals``."""
        count = self.counts(batch)["loss"]
        if not count:  # the mean over no label is NaN, which times 0 is NaN: take any labels
            batch = batch | {"labels": batch["labels"].clamp(min=0)}
        return {"loss": self.model(**batch).loss * (count / max(totals["loss"], 1))}
