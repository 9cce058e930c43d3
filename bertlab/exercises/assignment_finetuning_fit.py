"""Epochs, a development score, and the best weights. A question of the assignment ``finetuning``.

Dimensions: ``N`` batches of an epoch, ``B`` batch, ``T`` tokens.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bertlab.exercises.assignment_toys import (
    ToyModel,
    ToyOptimizer,
    all_weights,
    model_and_numbers,
    rows,
)
from bertlab.exercises.spec import Case, Exercise, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ToyScore:
    """``score(model)``: a number that goes up and down as the weights change."""

    V: int
    digits: int  # of the rounding: with few, epochs tie

    def __repr__(self) -> str:
        return "(scores a model on development data)"

    def __call__(self, model: Any) -> float:
        """Return the score."""
        import torch

        with torch.no_grad():
            logits = model(torch.arange(self.V)[None]).logits  # (1, V, V)
        return round(math.sin(9 * float(logits[..., 0].mean())), self.digits)


def _fit(
    make_model: Any,
    make_optimizer: Any,
    input_ids: Tensor,
    labels: Tensor,
    epochs: int,
    score: Any,
    *,
    mode: str = "each epoch",
    measured: str = "evaluation",
    zero: str = "each step",
    kept: str = "best",
    ties: str = "first",
    when: str = "each epoch",
    returned: str = "all",
) -> tuple[Any, list[float]]:
    """Fine-tuning, right by default; each keyword makes one step wrong."""
    model = make_model()
    optimizer = make_optimizer(model.parameters())
    scores: list[float] = []
    best, weights = -math.inf, copy.deepcopy(model.state_dict())
    if mode == "once":
        model.train()
    for epoch in range(epochs):
        if mode == "each epoch":
            model.train()
        for ids, truth in zip(input_ids, labels, strict=True):
            if zero == "each step":
                optimizer.zero_grad()
            model(ids, labels=truth).loss.backward()
            optimizer.step()
        if when == "at the end" and epoch < epochs - 1:
            continue
        if measured == "evaluation":
            model.eval()
        scores.append(float(score(model)))
        worse = -scores[-1] if kept == "worst" else scores[-1]
        if worse > best or (ties == "last" and worse == best):
            best, weights = worse, copy.deepcopy(model.state_dict())
    if kept != "last":
        model.load_state_dict(weights)
    model.eval()
    return model, [best] if returned == "best" else scores


def _observe(arguments: Mapping[str, Any], value: Any) -> Any:
    """Return the scores and all weights of the model."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return value
    model, numbers = model_and_numbers(value, "scores", "a list of numbers")
    return numbers, all_weights(model)


@lru_cache(maxsize=64)
def _cases(seed: int) -> list[Case]:
    """Make the examples; finding them takes some runs, hence the cache."""
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, epochs: int, best: str = "any", batches: int = 1) -> Case:
        """Draw until the best epoch is where the case wants it."""
        trial, found = 0, False
        while not found:
            ids, labels = rows(3, 4, 6, generator, count=batches)
            makers = ToyModel(6, 1000 * seed + trial), ToyOptimizer(0.4)
            values = (*makers, ids, labels, epochs, ToyScore(6, 0 if best == "tied" else 2))
            names = ("make_model", "make_optimizer", "input_ids", "labels", "epochs", "score")
            arguments: dict[str, Any] = dict(zip(names, values, strict=True))
            scores = _fit(**arguments)[1]
            top = [epoch for epoch, value in enumerate(scores) if value == max(scores)]
            wanted = {
                "last": top == [epochs - 1] and min(scores) < scores[-1],
                "middle": len(top) == 1 and 0 < top[0] < epochs - 1,
                "tied": len(top) > 1 and top[-1] < epochs - 1,
            }
            trial, found = trial + 1, wanted.get(best, True)
        return Case(stage, label, arguments)

    return [
        case(1, "one epoch", 1, batches=3),
        case(2, "two epochs, the last is the best", 2, "last"),
        case(3, "three epochs, the best lies between", 3, "middle"),
        case(4, "two epochs are equally good", 3, "tied"),
    ]


FIT = Spec(
    Exercise("fit", 8, "hard", 14, "finetuning"),
    question=(
        "Fine-tune, and keep the best weights. `make_model()` gives a new model in evaluation\n"
        "mode, `make_optimizer(model.parameters())` its optimizer, with its rate. `input_ids` and\n"
        "`labels`, (N, B, T), are the N batches of an epoch; all epochs have the same. For each\n"
        "batch take a step on `model(ids, labels=labels).loss`, in training mode. After each\n"
        "epoch call `score(model)`, in evaluation mode: a number, higher is better. Return the\n"
        "model with the weights of the best epoch (of the first, if several are equally good), in\n"
        "evaluation mode, and the list of the scores, one for each epoch."
    ),
    formula="scores 0.3, 0.7, 0.5  ->  the weights after the second epoch",
    stub=(
        "def fit(make_model, make_optimizer, input_ids, labels, epochs, score):\n"
        "    raise NotImplementedError\n"
        "    return model, scores"
    ),
    hints=(
        "`model.train()` belongs inside the loop over epochs: the evaluation has switched it off.",
        "`model.state_dict()` shares its memory with the model and changes with it: keep "
        "`copy.deepcopy(model.state_dict())`, and put it back with `load_state_dict`.",
    ),
    verified="scores and weights after one epoch and several, the best last, between, and tied.",
    outputs={"scores": "tensor", "weights": "tensor"},
    compute=_fit,
    cases=_cases,
    observe=_observe,
    together=1,
    mistakes=(
        Mistake(
            "train-forgotten",
            {"mode": "never"},
            "the model was trained in evaluation mode, without dropout. Call `model.train()` "
            "before each epoch.",
        ),
        Mistake(
            "train-called-once",
            {"mode": "once"},
            "`model.train()` was called before the first epoch only. The evaluation switched the "
            "model to evaluation mode, and it stayed there.",
        ),
        Mistake(
            "scored-in-training-mode",
            {"measured": "training"},
            "the model was scored in training mode, with dropout. Call `model.eval()` before "
            "`score`.",
        ),
        Mistake(
            "gradients-add-up",
            {"zero": "never"},
            "`zero_grad()` is missing: the gradients of all batches add up.",
        ),
        Mistake(
            "last-weights-kept",
            {"kept": "last"},
            "the returned weights are those of the last epoch. If you did keep the best ones: "
            "`state_dict()` shares its memory with the model, which goes on changing. Keep a copy, "
            "`copy.deepcopy(model.state_dict())`.",
        ),
        Mistake(
            "worst-weights-kept",
            {"kept": "worst"},
            "the weights of the epoch with the lowest score were kept. Higher is better here.",
        ),
        Mistake(
            "last-of-equals-kept",
            {"ties": "last"},
            "of equally good epochs the last was kept. Compare with >, so that the first stays.",
        ),
        Mistake(
            "scored-at-the-end-only",
            {"when": "at the end"},
            "`score` was called after the last epoch only. Call it after each.",
        ),
        Mistake(
            "best-score-only",
            {"returned": "best"},
            "only the best score was returned. Return those of all epochs.",
        ),
    ),
)

EXERCISES = (FIT,)
