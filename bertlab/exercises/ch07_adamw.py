"""Chapter 7's exercise on one step of AdamW."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _adamw_step(
    weight: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    step: int,
    rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    decay: float = 0.01,
    *,
    correction: str = "both",
    decoupled: str = "yes",
    root: str = "then eps",
    betas: str = "given",
    squares: str = "of the gradient",
    averages: str = "weighted",
    numerator: str = "mean",
    sign: str = "down",
    kept: str = "as they are",
    defaults: str = "arguments",
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of AdamW; each keyword makes one part wrong."""
    import torch

    old, g = weight.double(), gradient.double()
    m, v = mean.double(), square.double()
    if betas == "swapped":
        beta1, beta2 = beta2, beta1
    if defaults == "written in":
        beta1, beta2, eps = 0.9, 0.999, 1e-6
    if decoupled == "in the gradient":
        g = g + decay * old
    new1, new2 = (1.0, 1.0) if averages == "sums" else (1 - beta1, 1 - beta2)
    if averages == "weights swapped":
        m, v = new1 * m + beta1 * g, new2 * v + beta2 * g.square()
    else:
        m = beta1 * m + new1 * g
        v = beta2 * v + new2 * (g.abs() if squares == "absolute" else g.square())
    first = 1 - beta1 ** (step - (correction == "a step behind"))
    second = 1 - beta2 ** (step - (correction == "a step behind"))
    m_hat = m if correction in ("none", "second only") else m / torch.tensor(first).double()
    v_hat = v if correction in ("none", "first only") else v / torch.tensor(second).double()
    if kept == "corrected":
        m, v = m_hat, v_hat
    if root == "around both":
        below = (v_hat + eps).sqrt()
    else:
        below = v_hat + eps if root == "none" else v_hat.sqrt() + eps
    update = (g if numerator == "gradient" else m_hat) / below
    signed = -rate if sign == "down" else rate
    new = old + signed * update
    if decoupled == "yes":
        new = new - rate * decay * old
    elif decoupled == "after":
        new = new * (1 - rate * decay)
    elif decoupled == "without the rate":
        new = new - decay * old
    elif decoupled == "upwards":
        new = new + rate * decay * old
    return new, m, v


def _adamw_step_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    def draw(low: float, high: float) -> float:
        share = float(torch.rand((), generator=generator))
        return round(low + (high - low) * share, 2)

    def case(
        stage: int, label: str, step: int, shape: tuple[int, ...] = (3,), **given: float
    ) -> Case:
        first = step == 1
        arguments: dict[str, Any] = {
            "weight": normal(*shape) * 2,
            "gradient": normal(*shape) + 0.1,
            "mean": torch.zeros(shape) if first else normal(*shape) * 0.3,
            "square": torch.zeros(shape) if first else normal(*shape).square() * 0.2,
            "step": step,
            "rate": draw(0.05, 0.3),
        }
        settings = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-6, "decay": 0.0}
        return Case(stage, label, arguments | settings | given)

    return [
        case(1, "the first step, without decay", 1),
        case(2, "a later step, without decay", 3),
        case(2, "a late step, without decay", 40, (2, 2)),
        case(3, "other betas", 4, beta1=draw(0.5, 0.8), beta2=draw(0.85, 0.97)),
        case(4, "a large eps", 2, (2, 2), eps=draw(0.2, 0.6)),
        case(5, "with weight decay", 3, decay=draw(0.1, 0.5)),
        case(5, "with weight decay, a matrix", 9, (2, 3), decay=draw(0.1, 0.5)),
    ]


def _first_move(failure: Failure) -> str:
    moved = (failure.found[0] - failure["weight"].double()).abs().max().item()
    return f"The largest change of a weight is {moved:.3g} at a rate of {failure['rate']:.3g}"


ADAMW_STEP = Spec(
    Exercise("adamw_step", 7, "hard", 25),
    question=(
        "One update by AdamW. `mean` and `square` are the running averages from the step before\n"
        "(zeros before the first), `step` is 1 at the first. Return the new weight, the new mean\n"
        "and the new square, the averages without the correction. Change no argument."
    ),
    formula=(
        "m = β₁ m + (1 - β₁) g          v = β₂ v + (1 - β₂) g²\n"
        "θ = θ - rate · ( m/(1 - β₁ˢ) / (√(v/(1 - β₂ˢ)) + ε) + decay · θ ),   s = step"
    ),
    stub=(
        "def adamw_step(weight, gradient, mean, square, step, rate,\n"
        "               beta1=0.9, beta2=0.999, eps=1e-6, decay=0.01):\n"
        "    raise NotImplementedError"
    ),
    hints=(
        "Three lines for the averages and their corrections, one for the update. Try the first "
        "step by hand: the corrected mean is the gradient, and its square's root is its size, so "
        "each weight moves by the rate.",
        "Weight decay never meets the averages: it shrinks the weight by rate · decay · weight, "
        "directly. That is the W of AdamW.",
        "Return the averages as they are before the correction; the next step starts from them.",
    ),
    verified="first and later steps, several betas and eps, with and without weight decay.",
    outputs={"weight": "tensor", "mean": "tensor", "square": "tensor"},
    compute=_adamw_step,
    cases=_adamw_step_cases,
    equation="7.7",
    also_right=({"decoupled": "after"},),  # the weight shrinks after the update: as good
    mistakes=(
        Mistake(
            "bias-correction-forgotten",
            {"correction": "none"},
            "the averages start at 0 and are too small at first; they weren't corrected. (Google's "
            "code for BERT leaves this out too.) Divide the mean by 1 - beta1 ** step and the "
            "square by 1 - beta2 ** step.",
            _first_move,
        ),
        Mistake(
            "square-not-corrected",
            {"correction": "first only"},
            "the mean was corrected, the square wasn't: divide it by 1 - beta2 ** step.",
            _first_move,
        ),
        Mistake(
            "mean-not-corrected",
            {"correction": "second only"},
            "the square was corrected, the mean wasn't: divide it by 1 - beta1 ** step.",
            _first_move,
        ),
        Mistake(
            "steps-counted-from-0",
            {"correction": "a step behind"},
            "the correction takes step - 1. `step` is 1 at the first step, when the divisor is "
            "1 - beta.",
        ),
        Mistake(
            "decay-through-the-gradient",
            {"decoupled": "in the gradient"},
            "weight decay was added to the gradient, so it goes through the averages and is "
            "divided by the root: Adam with an L2 penalty. AdamW takes rate · decay · weight off "
            "the weight directly.",
        ),
        Mistake(
            "weight-decay-forgotten",
            {"decoupled": "no"},
            "weight decay is missing: take rate · decay · weight off the weight.",
        ),
        Mistake(
            "decay-without-the-rate",
            {"decoupled": "without the rate"},
            "the decay isn't multiplied by the rate. The weight shrinks by rate · decay · weight.",
        ),
        Mistake(
            "decay-upwards",
            {"decoupled": "upwards"},
            "weight decay makes the weights grow. Subtract rate · decay · weight.",
        ),
        Mistake(
            "eps-inside-root",
            {"root": "around both"},
            "eps was added before the root. Here it comes after it: √v̂ + ε.",
        ),
        Mistake(
            "root-forgotten",
            {"root": "none"},
            "the mean is divided by the square itself. Take the root of the corrected square.",
            _first_move,
        ),
        Mistake(
            "betas-swapped",
            {"betas": "swapped"},
            "beta1 and beta2 changed places: beta1 belongs to the mean, beta2 to the square.",
        ),
        Mistake(
            "gradient-not-squared",
            {"squares": "absolute"},
            "the second average is of the gradient's absolute values. It is of the squares.",
        ),
        Mistake(
            "sums-for-averages",
            {"averages": "sums"},
            "the new gradient comes in with weight 1. Averages give it 1 - beta.",
        ),
        Mistake(
            "weights-of-the-average-swapped",
            {"averages": "weights swapped"},
            "beta weighs the new gradient, and 1 - beta the old average. It is the other way "
            "round: averages change slowly.",
        ),
        Mistake(
            "gradient-for-mean",
            {"numerator": "gradient"},
            "the update has the gradient above the line. Take the corrected mean.",
        ),
        Mistake(
            "uphill",
            {"sign": "up"},
            "the weight moves along the gradient, uphill. Subtract.",
        ),
        Mistake(
            "corrected-averages-kept",
            {"kept": "corrected"},
            "the averages were returned after the correction, so the next step would correct them "
            "again. Return them as they were before it.",
        ),
        Mistake(
            "settings-written-in",
            {"defaults": "written in"},
            "the betas or eps are written into the code. Use the arguments.",
        ),
    ),
)

EXERCISES = (ADAMW_STEP,)
