"""Steps of training, with a given rate each. A question of the assignment ``masking``.

Dimensions: ``N`` steps, ``B`` batch, ``T`` tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def _train_steps(
    make_model: Any,
    make_optimizer: Any,
    input_ids: Tensor,
    labels: Tensor,
    rates: list[float],
    limit: float,
    *,
    mode: str = "training",
    after: str = "evaluation",
    zero: str = "each step",
    step: str = "taken",
    rate: str = "each step",
    clip: str = "together",
    batch: str = "each",
    kept: str = "loss",
) -> tuple[Any, list[float]]:
    """A training loop, right by default; each keyword makes one step wrong."""
    import torch

    model = make_model()
    optimizer = make_optimizer(model.parameters())
    model.train(mode == "training")
    losses = []

    def set_rate(value: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = value

    for number in range(len(rates)):
        if rate == "each step":
            set_rate(rates[number])
        chosen = 0 if batch == "first" else number
        loss = model(input_ids[chosen], labels=labels[chosen]).loss
        if zero == "each step":
            optimizer.zero_grad()
        loss.backward()
        if clip == "together":
            torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
        elif clip == "values":
            torch.nn.utils.clip_grad_value_(model.parameters(), limit)
        elif clip == "each tensor":
            for parameter in model.parameters():
                torch.nn.utils.clip_grad_norm_([parameter], limit)
        if step == "taken":
            optimizer.step()
        if rate == "late":
            set_rate(rates[number])
        if kept == "after":
            with torch.no_grad():
                loss = model(input_ids[chosen], labels=labels[chosen]).loss
        losses.append(loss.item())
    if after == "evaluation":
        model.eval()
    return model, losses


def _observe(arguments: Mapping[str, Any], value: Any) -> Any:
    """Return the losses, all weights, and whether the model was left in training mode."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return value if value is None else [value] * 4  # the engine says what is wrong
    model, numbers = model_and_numbers(value, "losses", "a list of N numbers")
    return numbers, all_weights(model), int(model.training)


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, rates: list[float], limit: float) -> Case:
        ids, labels = rows(3, 4, 6, generator, count=len(rates))
        names = ("make_model", "make_optimizer", "input_ids", "labels", "rates", "limit")
        makers = ToyModel(6, 100 * seed + stage), ToyOptimizer(0.05)
        values = (*makers, ids, labels, rates, limit)
        return Case(stage, label, dict(zip(names, values, strict=True)))

    return [
        case(1, "one step at the optimizer's own rate", [0.05], 100.0),
        case(2, "three steps at that rate", [0.05] * 3, 100.0),
        case(3, "a rate that changes", [0.1, 0.4, 0.2, 0.0], 100.0),
        case(4, "long gradients", [0.2, 0.4, 0.3], 0.2),
    ]


TRAIN_STEPS = Spec(
    Exercise("train_steps", 7, "hard", 15, "masking"),
    question=(
        "The loop. `make_model()` gives a new model in evaluation mode, and\n"
        "`make_optimizer(model.parameters())` its optimizer. `input_ids` and `labels` are\n"
        "(N, B, T): N batches. For batch number s: set the optimizer's rate to `rates[s]`,\n"
        "compute `model(ids, labels=labels).loss` in training mode and its gradient, shorten the\n"
        "gradient of all parameters together to the length `limit` if it is longer, and take a\n"
        "step.\n"
        "Return the model, in evaluation mode again, and the list of the N losses."
    ),
    formula='for group in optimizer.param_groups: group["lr"] = rate',
    stub=(
        "def train_steps(make_model, make_optimizer, input_ids, labels, rates, limit):\n"
        "    raise NotImplementedError\n"
        "    return model, losses"
    ),
    hints=(
        "Before each `backward()` the old gradients must go: `optimizer.zero_grad()`.",
        "Between `backward()` and `step()`: "
        "`torch.nn.utils.clip_grad_norm_(model.parameters(), limit)`.",
        "`loss.item()` is a number; a list of losses with their graphs fills the memory.",
    ),
    verified="losses and all weights after one step and several, changing rates, long gradients.",
    outputs={"losses": "tensor", "weights": "tensor", "1 if in training mode": "integer"},
    compute=_train_steps,
    cases=_cases,
    observe=_observe,
    together=1,
    mistakes=(
        Mistake(
            "train-forgotten",
            {"mode": "evaluation"},
            "the model was in evaluation mode, so that dropout is off. Call `model.train()` before "
            "the first step.",
        ),
        Mistake(
            "left-in-training-mode",
            {"after": "training"},
            "the model was returned in training mode: whoever measures it next measures with "
            "dropout. Call `model.eval()` at the end.",
        ),
        Mistake(
            "no-step-taken",
            {"step": "left out"},
            "the weights didn't move. Call `optimizer.step()` after `backward()`, and "
            "`zero_grad()` not between the two: it would throw the gradient away.",
        ),
        Mistake(
            "gradients-add-up",
            {"zero": "never"},
            "`zero_grad()` is missing: the gradients of all batches add up.",
        ),
        Mistake(
            "rate-not-set",
            {"rate": "never"},
            "the optimizer kept the rate that it was made with. Write `rates[s]` into each of "
            "`optimizer.param_groups` before the step.",
        ),
        Mistake(
            "rate-one-step-late",
            {"rate": "late"},
            "the rate was set after the step, so each one comes a step late.",
        ),
        Mistake(
            "gradient-not-clipped",
            {"clip": "never"},
            "long gradients weren't shortened; or only after the step, when it is too late. Clip "
            "between `backward()` and `step()`.",
        ),
        Mistake(
            "values-clipped",
            {"clip": "values"},
            "each number of the gradient was cut to ±limit, which turns its direction. Use "
            "`clip_grad_norm_`.",
        ),
        Mistake(
            "each-tensor-clipped-alone",
            {"clip": "each tensor"},
            "each parameter's gradient was shortened alone. `limit` is the length of all of them "
            "together: one call of `clip_grad_norm_`.",
        ),
        Mistake(
            "first-batch-each-time",
            {"batch": "first"},
            "each step read batch number 0.",
        ),
        Mistake(
            "loss-after-the-step",
            {"kept": "after"},
            "the losses were computed after the step. Keep the one that the gradient came from.",
        ),
    ),
)

EXERCISES = (TRAIN_STEPS,)
