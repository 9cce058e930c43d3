"""How a run trains: how long, how fast it learns, in which precision.

One configuration serves pretraining and fine-tuning. Source of the defaults: Devlin et al. 2019,
appendix A.3 (fine-tuning), and its released ``optimization.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Precision = Literal["auto", "fp32", "bf16"]
Tracker = Literal["tensorboard"]
_LENGTHS = ("epochs", "steps", "tokens", "minutes")
_POSITIVE = (
    "batch_size",
    "learning_rate",
    "clip",
    "eps",
    "accumulation",
    "log_every",
    "evaluate_every",
)


@dataclass(frozen=True)
class TrainingConfig:
    """What the loop needs to know; one of ``epochs``, ``steps``, ``tokens``, ``minutes``: how long.

    Attributes:
        epochs: passes over the training data, for batches that know how many make one.
        steps: updates of the weights.
        tokens: real tokens read, padding not counted.
        minutes: time on the clock. The learning rate follows the clock, so no two such runs are
            the same to the byte; with the others they are.
        batch_size: rows a batch, where a task makes the batches.
        learning_rate: the highest, reached at the end of the warm-up.
        warmup: the share of the run in which the rate rises from 0; then it falls to 0 in a line.
        betas, eps, weight_decay: of AdamW. Biases and LayerNorms don't decay.
        clip: the largest norm of the gradient; longer ones are shortened to it.
        accumulation: compute each batch in this many parts, to fit into memory; the update is the
            same.
        precision: ``"bf16"`` computes matrix products in bfloat16 (weights stay float32);
            ``"auto"`` does so where the machine is good at it.
        compile: run the model through ``torch.compile``.
        seed: of dropout, and of the order in which a task's rows come.
        patience: stop early after so many evaluations in a row without a better score; 0: never.
        track: also send the history to this tracker.
        log_every: updates between two lines of the history; by default 50, or less in short runs.
        evaluate_every: the share of the run between two evaluations; by default an epoch, or 5 %.
        save_every: seconds between two checkpoints, besides the one after each evaluation that
            decides which weights are kept.

    Raises:
        ValueError: when a setting is out of range, or the length isn't given once.
    """

    epochs: float | None = None
    steps: int | None = None
    tokens: int | None = None
    minutes: float | None = None
    batch_size: int = 16
    learning_rate: float = 5e-5
    warmup: float = 0.1
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-6
    weight_decay: float = 0.01
    clip: float = 1.0
    accumulation: int = 1
    precision: Precision = "auto"
    compile: bool = False
    seed: int = 0
    patience: int = 0
    track: Tracker | None = None
    log_every: int | None = None
    evaluate_every: float | None = None
    save_every: float = 300.0

    def __post_init__(self) -> None:
        given = [name for name in _LENGTHS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"the run's length is given by {' and '.join(given) or 'nothing'}: expected one "
                f"of {', '.join(_LENGTHS)}"
            )
        for name in (*_LENGTHS, *_POSITIVE):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} is {value}: expected a number above 0")
        for name in ("seed", "patience", "save_every"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a number from 0 on")
        for name in ("warmup", "weight_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a number from 0 to 1")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas are {self.betas}: expected two numbers from 0 to below 1")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ValueError(f"precision is {self.precision!r}: expected auto, fp32 or bf16")
        if self.track not in (None, "tensorboard"):
            raise ValueError(f"track is {self.track!r}: expected tensorboard")

    def resolved(self, batches_per_epoch: int | None) -> TrainingConfig:
        """Return the same run with epochs counted in steps, and all that is left open filled in.

        Raises:
            ValueError: when the length is in epochs, and nobody knows how many batches make one.
        """
        if self.epochs is None:
            return replace(
                self,
                log_every=self.log_every or 50,
                evaluate_every=self.evaluate_every or 0.05,
            )
        if batches_per_epoch is None:
            raise ValueError(
                "the run's length is given in epochs, but its batches have no end: give steps, "
                "tokens or minutes"
            )
        steps = max(1, round(self.epochs * batches_per_epoch))
        return replace(
            self,
            epochs=None,
            steps=steps,
            log_every=self.log_every or min(50, max(1, steps // 40)),
            evaluate_every=self.evaluate_every or batches_per_epoch / steps,
        )

    def progress(self, steps: float, tokens: int, seconds: float) -> float:
        """Return which share of the run is done, from 0 to 1."""
        if self.steps is not None:
            done = steps / self.steps
        elif self.tokens is not None:
            done = tokens / self.tokens
        else:
            assert self.minutes is not None
            done = seconds / (60 * self.minutes)
        return min(done, 1.0)

    def rate(self, progress: float) -> float:
        """Return the learning rate: up in a line over the warm-up, then down in a line to 0."""
        if progress < self.warmup:
            return self.learning_rate * progress / self.warmup
        return self.learning_rate * (1 - progress) / max(1 - self.warmup, 1e-12)
