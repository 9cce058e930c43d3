"""Chapter 7's exercises on the learning rate and on the gradient's length.

Dimensions: ``N`` steps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


# ---------------------------------------------------------------------------------------------
# learning_rate


def _learning_rate(
    step: Tensor,
    steps: int,
    warmup: int,
    peak: float,
    *,
    rise: str = "line",
    fall: str = "line",
    shift: int = 0,
    size: str = "peak",
) -> Tensor:
    """Up in a line, then down to 0; each keyword makes one part wrong."""
    import torch

    done = step.double() + shift
    left = steps - done
    up = done / warmup
    if rise == "none":
        up = torch.ones_like(done)
    elif rise == "root":
        up = (done / warmup).clamp(min=0).sqrt()
    elif rise == "whole numbers":
        up = (done // warmup).clamp(max=1)
    after = (done - warmup) / (steps - warmup)  # the share of the fall that is done
    down = {
        "line": 1 - after,
        "none": torch.ones_like(done),
        "from step 0": left / steps,
        "too slow": 1 - (done - warmup) / steps,
        "cosine": (1 + torch.cos(math.pi * after)) / 2,
        "root": (warmup / done.clamp(min=1)).sqrt(),
        "squared": (1 - after) ** 2,
    }[fall]
    rate = torch.where(done < warmup, up, down)
    return rate if size == "share" else peak * rate


def _learning_rate_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=generator))

    def case(stage: int, label: str, step: list[int], steps: int, warmup: int) -> Case:
        peak = draw(2, 9) / 10
        arguments = {"step": torch.tensor(step), "steps": steps, "warmup": warmup, "peak": peak}
        return Case(stage, label, arguments)

    warmup, fall = draw(2, 5), 2 * draw(3, 6)
    steps = warmup + fall
    late = draw(20, 60)
    return [
        case(1, "the warm-up", list(range(warmup)), steps, warmup),
        case(2, "the peak", [warmup], steps, warmup),
        case(3, "the fall", list(range(warmup, steps + 1, 2)), steps, warmup),
        case(3, "a whole run", list(range(steps + 1)), steps, warmup),
        case(4, "a long run", [0, late // 2, late, 500, 999, 1000], 1000, late),
    ]


def _last_rate(failure: Failure) -> str:
    steps = failure["step"].tolist()
    if steps[-1] != failure["steps"]:
        return ""
    return f"After the last step your rate is {failure.found[0][-1].item():.3g}, not 0"


def _first_rate(failure: Failure) -> str:
    return f"Your first rate is {failure.found[0][0].item():.3g}"


LEARNING_RATE = Spec(
    Exercise("learning_rate", 7, "easy", 10),
    question=(
        "The learning rate after `step` updates, for a tensor of several such numbers: from 0 up\n"
        "to `peak` in a line over the first `warmup` updates, then down in a line, to reach 0\n"
        "after `steps` updates. `step` has shape (N,), and so has the result."
    ),
    formula=(
        "peak · step / warmup                       where step < warmup\n"
        "peak · (steps - step) / (steps - warmup)   elsewhere"
    ),
    stub="def learning_rate(step, steps, warmup, peak):\n    raise NotImplementedError",
    hints=(
        "`step` is a tensor, so `if` can't choose. `torch.where(condition, a, b)` chooses place by "
        "place.",
        "Both lines cross at the peak, so the smaller of the two is right everywhere: "
        "`torch.minimum`.",
    ),
    verified="the warm-up, the peak, the fall and the end, for short runs and long ones.",
    outputs={"rate": "tensor"},
    compute=_learning_rate,
    cases=_learning_rate_cases,
    equation="7.5",
    mistakes=(
        Mistake(
            "no-warm-up",
            {"rise": "none"},
            "there is no warm-up. The first gradients are the wildest; the rate starts at 0 and "
            "rises by peak / warmup at each step.",
            _first_rate,
        ),
        Mistake(
            "warm-up-by-root",
            {"rise": "root"},
            "the rate rises with the square root of the step. It should rise in a line.",
        ),
        Mistake(
            "whole-number-division",
            {"rise": "whole numbers"},
            "`//` rounds down, so the rate is 0 until the warm-up is over. Divide with `/`.",
        ),
        Mistake(
            "no-decay",
            {"fall": "none"},
            "after the warm-up the rate stays where it is. It should fall in a line, to 0 at "
            "`steps`.",
            _last_rate,
        ),
        Mistake(
            "decay-from-step-0",
            {"fall": "from step 0"},
            "the fall is counted from step 0, so the rate jumps down when the warm-up ends. "
            "(Google's released code does this.) Count what is left, steps - step, as a share of "
            "the steps after the warm-up, steps - warmup.",
        ),
        Mistake(
            "off-by-the-warm-up",
            {"fall": "too slow"},
            "the fall starts where it should and is too slow, because it takes `steps` updates "
            "instead of the steps - warmup that are left.",
            _last_rate,
        ),
        Mistake(
            "cosine",
            {"fall": "cosine"},
            "this falls along a cosine, which is in use too. BERT's falls in a line.",
        ),
        Mistake(
            "inverse-square-root",
            {"fall": "root"},
            "this falls with 1 / √step, as the transformer's of 2017 did. BERT's falls in a line, "
            "to 0.",
            _last_rate,
        ),
        Mistake(
            "squared",
            {"fall": "squared"},
            "the fall is squared: a polynomial of degree 2. BERT's has degree 1, a line.",
        ),
        Mistake(
            "one-step-ahead",
            {"shift": 1},
            "everything comes one step early. After 0 updates the rate is 0.",
            _first_rate,
        ),
        Mistake(
            "one-step-behind",
            {"shift": -1},
            "everything comes one step late. After `steps` updates the rate is 0.",
            _first_rate,
        ),
        Mistake(
            "peak-forgotten",
            {"size": "share"},
            "this is the share of the peak. Multiply it by `peak`.",
        ),
    ),
)


# ---------------------------------------------------------------------------------------------
# clip_gradient


def _clip_gradient(
    weight: Tensor,
    bias: Tensor,
    limit: float,
    *,
    length: str = "of both",
    how: str = "scaled",
    when: str = "too long",
) -> tuple[Tensor, Tensor]:
    """Both gradients, shortened together; each keyword makes one part wrong."""
    import torch

    parts = weight.double(), bias.double()
    flat = torch.cat([part.flatten() for part in parts])

    def measure(values: Tensor) -> Tensor:
        return {
            "sum": values.abs().sum(),
            "largest": values.abs().max(),
            "squared": values.square().sum(),
            "mean": values.square().mean().sqrt(),
        }.get(length, values.norm())

    if how == "values":
        return parts[0].clamp(-limit, limit), parts[1].clamp(-limit, limit)
    first: Any = measure(parts[0]) if length == "of each" else measure(flat)
    second: Any = measure(parts[1]) if length == "of each" else first
    results = []
    for part, norm in zip(parts, (first, second), strict=True):
        factor = norm / limit if how == "lengthened" else limit / norm
        if how == "to 1":
            factor = 1 / norm
        if when == "always":
            wanted = True
        else:
            wanted = {"too short": bool(norm < limit), "never": False}.get(when, bool(norm > limit))
        if how == "skipped":
            factor = torch.zeros(())
        results.append(part * factor if wanted else part)
    return results[0], results[1]


def _clip_gradient_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, norm: float, limit: float, rows: int = 2) -> Case:
        weight = torch.randn(rows, 3, generator=generator)
        bias = torch.randn(3, generator=generator)
        size = math.sqrt(weight.square().sum() + bias.square().sum())
        scale = norm / size
        return Case(stage, label, {"weight": weight * scale, "bias": bias * scale, "limit": limit})

    return [
        case(1, "too long", 5.0, 2.0),
        case(1, "much too long", 40.0, 3.0, rows=1),
        case(2, "short enough", 0.7, 2.0),
        case(2, "short enough, by far", 0.1, 0.5, rows=3),
        case(3, "a little too long", 1.2, 1.0, rows=4),
    ]


def _norm_found(failure: Failure) -> str:
    squares = sum(float(part.square().sum()) for part in failure.found)
    return f"Together your gradients have the length {math.sqrt(squares):.3g}"


CLIP_GRADIENT = Spec(
    Exercise("clip_gradient", 7, "easy", 10),
    question=(
        "The gradients of a model with two tensors, a weight and a bias, shortened together: if\n"
        "the length of all their numbers, taken as one long vector, is above `limit`, both are\n"
        "multiplied by limit / length; otherwise both stay. Return the two tensors."
    ),
    formula="g · min(1, limit / ‖g‖),   ‖g‖² = sum of the squares of all numbers of both",
    stub="def clip_gradient(weight, bias, limit):\n    raise NotImplementedError",
    hints=(
        "One length for both: the root of the sum of all squares.",
        "One factor for both, and never above 1: `min(1.0, limit / length)`.",
    ),
    verified="gradients too long, short enough, and in between.",
    outputs={"weight": "tensor", "bias": "tensor"},
    compute=_clip_gradient,
    cases=_clip_gradient_cases,
    equation="7.4",
    mistakes=(
        Mistake(
            "each-tensor-alone",
            {"length": "of each"},
            "each tensor was shortened by its own length, which turns the direction of the whole. "
            "There is one length, of all numbers of both, and one factor.",
            _norm_found,
        ),
        Mistake(
            "values-clamped",
            {"how": "values"},
            "each number was cut to ±limit, which changes the gradient's direction. Scale all of "
            "them by one factor.",
            _norm_found,
        ),
        Mistake(
            "always-scaled",
            {"when": "always"},
            "short gradients were made longer. Only those above the limit change: the factor is "
            "1 at most.",
        ),
        Mistake(
            "sum-of-absolutes",
            {"length": "sum"},
            "the length is the sum of absolute values here. Take the root of the sum of squares.",
            _norm_found,
        ),
        Mistake(
            "largest-number",
            {"length": "largest"},
            "the length is the largest absolute value here. Take the root of the sum of squares.",
            _norm_found,
        ),
        Mistake(
            "root-forgotten",
            {"length": "squared"},
            "the length is the sum of squares here, without the root.",
            _norm_found,
        ),
        Mistake(
            "mean-for-sum",
            {"length": "mean"},
            "the length is the root of the mean square here. It is of the sum.",
            _norm_found,
        ),
        Mistake(
            "factor-upside-down",
            {"how": "lengthened"},
            "the factor is upside down: a long gradient grows. Multiply by limit / length.",
            _norm_found,
        ),
        Mistake(
            "length-1",
            {"how": "to 1"},
            "a long gradient was brought to the length 1. Its new length is `limit`.",
            _norm_found,
        ),
        Mistake(
            "step-skipped",
            {"how": "skipped"},
            "a long gradient was set to 0, so the step is lost. Shorten it to `limit`.",
        ),
        Mistake(
            "nothing-clipped",
            {"when": "never"},
            "nothing was shortened: long gradients stay as they are.",
            _norm_found,
        ),
        Mistake(
            "wrong-way-round",
            {"when": "too short"},
            "long gradients stay and short ones grow. Scale where the length is above the limit.",
        ),
    ),
)

EXERCISES = (LEARNING_RATE, CLIP_GRADIENT)
