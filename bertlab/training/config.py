"""How a run trains: how long, how fast it learns, in which precision.

One configuration serves pretraining and fine-tuning. Source of the defaults: Devlin et al. 2019,
appendix A.3 (fine-tuning), and its released ``optimization.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True)
class TrainingConfig:
    """What the loop needs to know; exactly one of ``steps``, ``tokens``, ``minutes`` says how long.

    Attributes:
        steps: updates of the weights.
        tokens: real tokens read, padding not counted.
        minutes: time on the clock. The learning rate follows the clock, so no two such runs are
            the same to the byte; with ``steps`` or ``tokens`` they are.
        learning_rate: the highest, reached at the end of the warm-up.
        warmup: the share of the run in which the rate rises from 0; then it falls to 0 in a line.
        betas, eps, weight_decay: of AdamW. Biases and LayerNorms don't decay.
        clip: the largest norm of the gradient; longer ones are shortened to it.
        accumulation: compute each batch in this many parts, to fit into memory; the update is the
            same.
        precision: ``"bf16"`` computes matrix products in bfloat16 (weights stay float32);
            ``"auto"`` does so where the machine is good at it.
        compile: run the model through ``torch.compile``.
        seed: of dropout; batches have their own.
        log_every: updates between two lines of the history.
        evaluate_every: the share of the run between two evaluations.
        save_every: seconds between two checkpoints.

    Raises:
        ValueError: when a setting is out of range, or the length isn't given once.
    """

    steps: int | None = None
    tokens: int | None = None
    minutes: float | None = None
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
    log_every: int = 50
    evaluate_every: float = 0.05
    save_every: float = 300.0

    def __post_init__(self) -> None:
        lengths = {name: getattr(self, name) for name in ("steps", "tokens", "minutes")}
        given = {name: value for name, value in lengths.items() if value is not None}
        if len(given) != 1:
            raise ValueError(
                f"the run's length is given by {' and '.join(given) or 'nothing'}: expected one "
                "of steps, tokens, minutes"
            )
        for name, low, high in (
            (next(iter(given)), 0, math.inf),
            ("learning_rate", 0, math.inf),
            ("clip", 0, math.inf),
            ("eps", 0, math.inf),
            ("accumulation", 0, math.inf),
            ("log_every", 0, math.inf),
            ("evaluate_every", 0, math.inf),
        ):
            if not low < getattr(self, name) < high:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a number above {low}")
        for name in ("seed", "save_every"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a number from 0 on")
        for name in ("warmup", "weight_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a number from 0 to 1")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas are {self.betas}: expected two numbers from 0 to below 1")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ValueError(f"precision is {self.precision!r}: expected auto, fp32 or bf16")

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
