"""The encoder assignment's exercises on a layer's parts: residual and LayerNorm, feed-forward.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``F`` inner width of the feed-forward network.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _add_and_norm(
    x: Tensor,
    written: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float = 1e-12,
    *,
    add: str = "inside",
    axes: Any = -1,
    correction: int = 0,
    root: str = "around eps",
    affine: str = "both",
    epsilon: str = "given",
) -> Tensor:
    """LayerNorm of the sum in float64; each keyword makes one step wrong."""
    x, written = x.double(), written.double()
    eps = 1e-5 if epsilon == "PyTorch's" else eps

    def norm(x: Tensor) -> Tensor:
        mean = x.mean(axes, keepdim=True)
        squares = (x - mean).square().sum(axes, keepdim=True)
        variance = squares / (x.numel() // mean.numel() - correction)
        if root == "eps outside":
            divisor = variance.sqrt() + eps
        else:
            divisor = variance + eps if root == "missing" else (variance + eps).sqrt()
        x = (x - mean) / divisor
        x = x * gamma.double() if affine in ("both", "gamma") else x
        return x + beta.double() if affine in ("both", "beta") else x

    return {
        "inside": lambda: norm(x + written),
        "no residual": lambda: norm(written),
        "outside": lambda: x + norm(written),
        "around x": lambda: norm(x) + written,
        "twice": lambda: norm(x) + norm(written),
        "after as well": lambda: x + norm(x + written),
        "not normalised": lambda: x + written,
    }[add]()


def _add_and_norm_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(
        stage: int, label: str, *shape: int, size: float = 1.0, affine: bool = True, **eps: float
    ) -> Case:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float32)

        D, on = shape[-1], 0.3 * affine
        arguments: dict[str, Any] = {
            "x": size * (normal(*shape) + 0.5),
            "written": size * normal(*shape),
            "gamma": 1 + on * normal(D),
            "beta": on * normal(D),
        }
        return Case(stage, label, arguments | eps)

    return [
        case(1, "one token, gamma 1 and beta 0", 1, 1, 4, affine=False),
        case(1, "a batch, gamma 1 and beta 0", 2, 3, 6, affine=False),
        case(2, "a batch", 2, 3 + seed % 3, 6),
        case(2, "one text without a batch axis", 3, 8),
        case(3, "a large eps, 0.5", 2, 3, 6, eps=0.5),
        case(3, "small numbers, the default eps", 2, 3, 6, size=2e-3),
    ]


ADD_AND_NORM = Spec(
    Exercise("add_and_norm", 3, "easy", 6, "encoder"),
    question=(
        "The wrapping of each sublayer in BERT: x is what went in, written what the sublayer made\n"
        "of it, both (…, D). Add them, then apply LayerNorm with gamma and beta, (D,), over the D\n"
        "numbers of each token. Write LayerNorm out."
    ),
    formula="LN(x + written),  LN(x) = gamma (x - mean) / √(variance + eps) + beta",
    stub=("def add_and_norm(x, written, gamma, beta, eps=1e-12):\n    raise NotImplementedError"),
    hints=(
        "Post-LN: LayerNorm comes after the sum.",
        "The variance divides by D (`correction=0`), and eps stands inside the root.",
    ),
    verified="one token, batches, no batch axis; eps used, and inside the root; small numbers.",
    outputs={"y": "tensor"},
    compute=_add_and_norm,
    cases=_add_and_norm_cases,
    ready_made=("layer_norm",),
    equation="3.7",
    mistakes=(
        Mistake(
            "residual-missing",
            {"add": "no residual"},
            "the input x was not added: this normalises the sublayer's output alone.",
        ),
        Mistake(
            "residual-outside-layernorm",
            {"add": "outside"},
            "the sublayer's output was normalised, then x was added. BERT is post-LN: add first, "
            "then normalise the sum.",
        ),
        Mistake(
            "x-normalised-alone",
            {"add": "around x"},
            "the input x was normalised, then the sublayer's output was added. Normalise the sum.",
        ),
        Mistake(
            "each-normalised-alone",
            {"add": "twice"},
            "both were normalised before the sum. Add first, then normalise once.",
        ),
        Mistake(
            "residual-added-twice",
            {"add": "after as well"},
            "the input x was added once more after LayerNorm. It is added once, inside.",
        ),
        Mistake(
            "layernorm-missing", {"add": "not normalised"}, "this is the sum, without LayerNorm."
        ),
        Mistake(
            "variance-over-n-minus-1",
            {"correction": 1},
            "the variance was divided by D - 1, PyTorch's default for `var` and `std`. LayerNorm "
            "divides by D: `correction=0`.",
        ),
        Mistake(
            "eps-outside-root",
            {"root": "eps outside"},
            "eps was added to the standard deviation. It belongs inside the root.",
        ),
        Mistake(
            "divided-by-variance",
            {"root": "missing"},
            "the numbers were divided by the variance, not by its root.",
        ),
        Mistake(
            "eps-not-used",
            {"epsilon": "PyTorch's"},
            "the argument `eps` was not used but 1e-5, PyTorch's default. Pass it on.",
        ),
        Mistake("gamma-and-beta-missing", {"affine": "neither"}, "gamma and beta were not used."),
        Mistake("gamma-missing", {"affine": "beta"}, "gamma was not used."),
        Mistake("beta-missing", {"affine": "gamma"}, "beta was not used."),
        Mistake(
            "normalised-over-tokens",
            {"axes": -2},
            "mean and variance were taken over the tokens of a text. LayerNorm takes them over the "
            "D numbers of each token: `dim=-1`.",
        ),
        Mistake(
            "normalised-over-texts",
            {"axes": (-2, -1)},
            "mean and variance were taken over a whole text. LayerNorm takes them over the D "
            "numbers of each token: `dim=-1`.",
        ),
    ),
)


def _gelu(x: Tensor, activation: str) -> Tensor:
    import torch

    if activation == "tanh":
        return x / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    if activation == "relu":
        return x.relu()
    if activation == "no root":
        return x / 2 * (1 + torch.erf(x))
    if activation == "cumulative":
        return (1 + torch.erf(x / math.sqrt(2))) / 2
    return x if activation == "none" else x / 2 * (1 + torch.erf(x / math.sqrt(2)))


def _feed_forward(
    x: Tensor,
    weight_1: Tensor,
    bias_1: Tensor,
    weight_2: Tensor,
    bias_2: Tensor,
    *,
    activation: str = "exact",
    again: bool = False,
    biases: str = "both",
    early: bool = False,
) -> Tensor:
    """The feed-forward network in float64; each keyword makes one step wrong."""
    x = x.double()
    x = _gelu(x, activation) if early else x
    x = x @ weight_1.double().T
    x = x + bias_1.double() if biases in ("both", "first") else x
    x = x if early else _gelu(x, activation)
    x = x @ weight_2.double().T
    x = x + bias_2.double() if biases in ("both", "second") else x
    return _gelu(x, activation) if again else x


def _feed_forward_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(label: str, F: int, *shape: int) -> Case:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float32)

        D = shape[-1]
        arguments = {
            "x": normal(*shape),
            "weight_1": normal(F, D) / math.sqrt(D),
            "bias_1": normal(F),
            "weight_2": normal(D, F),
            "bias_2": normal(D),
        }
        return Case(1, label, arguments)

    return [
        case("one token", 3, 1, 1, 2),
        case("a batch", 12, 2, 3 + seed % 2, 4),
        case("F is not 4 D", 5, 2, 4, 6),
        case("one text without a batch axis", 8, 3, 4),
    ]


FEED_FORWARD = Spec(
    Exercise("feed_forward", 3, "easy", 5, "encoder"),
    question=(
        "BERT's feed-forward network from x (…, D) to (…, D), without residual or LayerNorm.\n"
        "weight_1 (F, D), bias_1 (F,), weight_2 (D, F) and bias_2 (D,) are as nn.Linear keeps\n"
        "them: x @ weight.T + bias. In between stands the exact GELU."
    ),
    formula="FFN(x) = GELU(x W_1 + b_1) W_2 + b_2,  GELU(x) = x/2 (1 + erf(x / √2))",
    stub=(
        "def feed_forward(x, weight_1, bias_1, weight_2, bias_2):\n    raise NotImplementedError"
    ),
    hints=(
        "Widen with the first map, bend with GELU, narrow with the second map.",
        "`torch.erf` is the error function; `functional.gelu(x)` is the exact GELU, too.",
    ),
    verified="one token, batches, several widths F; the exact GELU; arguments unchanged.",
    outputs={"y": "tensor"},
    compute=_feed_forward,
    cases=_feed_forward_cases,
    equation="3.6",
    mistakes=(
        Mistake(
            "tanh-gelu",
            {"activation": "tanh"},
            "this is the approximation by tanh. BERT's checkpoints say the exact GELU, with erf.",
        ),
        Mistake("relu-for-gelu", {"activation": "relu"}, "the bend is ReLU. BERT's is GELU."),
        Mistake(
            "gelu-without-root",
            {"activation": "no root"},
            "erf was taken of x. GELU takes it of x / √2.",
        ),
        Mistake(
            "gelu-without-x",
            {"activation": "cumulative"},
            "this is Φ(x), the share that is let through. GELU is x · Φ(x).",
        ),
        Mistake(
            "activation-missing",
            {"activation": "none"},
            "there is no GELU between the two maps, so they are one linear map.",
        ),
        Mistake(
            "activation-twice",
            {"again": True},
            "a GELU came once more after the second map. It stands between the two only.",
        ),
        Mistake(
            "activation-before-first-map",
            {"early": True},
            "the GELU came before the first map. It stands between the two.",
        ),
        Mistake("biases-missing", {"biases": "none"}, "the biases were not added."),
        Mistake("first-bias-missing", {"biases": "second"}, "`bias_1` was not added."),
        Mistake("second-bias-missing", {"biases": "first"}, "`bias_2` was not added."),
    ),
)

EXERCISES = (ADD_AND_NORM, FEED_FORWARD)
