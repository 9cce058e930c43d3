"""The encoder assignment's exercise on a whole layer, with the names that checkpoints use.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``H`` heads, ``d = D / H``, ``F`` inner width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _encoder_layer(
    x: Tensor,
    weights: Mapping[str, Tensor],
    num_heads: int,
    mask: Tensor | None = None,
    *,
    norms: str = "after",
    order: str = "first, second",
    residuals: str = "both",
    second_from: str = "attended",
    activation: str = "gelu",
    projected: bool = True,
    heads: str = "right",
    scale: str = "head",
    masking: str = "before",
) -> Tensor:
    """A layer in float64, right by default; each keyword makes one step wrong."""
    import torch
    from torch.nn import functional

    x = x.double()
    B, T, D = x.shape
    d = D // num_heads

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ weights[f"{name}.weight"].double().T + weights[f"{name}.bias"].double()

    names = ["attention.output.LayerNorm", "output.LayerNorm"]
    if order == "second, first":
        names.reverse()

    def norm(x: Tensor, i: int) -> Tensor:
        gamma, beta = (weights[f"{names[i]}.{part}"].double() for part in ("weight", "bias"))
        return functional.layer_norm(x, (D,), gamma, beta, 1e-12)

    def attend(x: Tensor) -> Tensor:
        def split(x: Tensor) -> Tensor:
            if heads == "view":
                return x.reshape(B, num_heads, T, d)
            return x.reshape(B, T, num_heads, d).transpose(1, 2)

        q, k, v = (split(linear(x, f"attention.self.{n}")) for n in ("query", "key", "value"))
        divisor = {"head": math.sqrt(d), "width": math.sqrt(D), "none": 1.0}[scale]
        scores = q @ k.transpose(-2, -1) / divisor
        if mask is not None and masking != "ignored":
            hide = ~mask if masking == "before" else mask
            scores = scores.masked_fill(hide, torch.finfo(scores.dtype).min)
        alpha = scores.softmax(-1)
        if mask is not None and masking == "inverted, empty rows 0":  # as in PyTorch's attention
            alpha = alpha.masked_fill(mask.all(-1, keepdim=True), 0.0)
        context = alpha @ v
        if heads != "view":
            context = context.transpose(1, 2)
        context = context.reshape(B, T, D)
        return linear(context, "attention.output.dense") if projected else context

    def feed_forward(x: Tensor) -> Tensor:
        inner = linear(x, "intermediate.dense")
        bend = {
            "gelu": functional.gelu,
            "tanh": lambda x: functional.gelu(x, approximate="tanh"),
            "relu": torch.relu,
            "none": lambda x: x,
        }[activation]
        return linear(bend(inner), "output.dense")

    first, second = residuals in ("both", "first"), residuals in ("both", "second")
    if norms == "before":
        a = attend(norm(x, 0)) + (x if first else 0)
        return feed_forward(norm(a, 1)) + (a if second else 0)
    a = attend(x) + (x if first else 0)
    if norms != "second only":
        a = norm(a, 0)
    y = feed_forward(a) + ((x if second_from == "input" else a) if second else 0)
    return y if norms == "first only" else norm(y, 1)


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, B: int, T: int, H: int, d: int, F: int, *real: int) -> Case:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float32)

        D = H * d
        sizes: dict[str, tuple[int, ...]] = {
            f"attention.self.{name}": (D, D) for name in ("query", "key", "value")
        }
        sizes |= {"attention.output.dense": (D, D), "attention.output.LayerNorm": ()}
        sizes |= {"intermediate.dense": (F, D), "output.dense": (D, F), "output.LayerNorm": ()}
        weights = {}
        for name, shape in sizes.items():
            if shape:
                weights[f"{name}.weight"] = 1.5 * normal(*shape) / math.sqrt(shape[1])
                weights[f"{name}.bias"] = 0.5 * normal(shape[0])
            else:
                weights[f"{name}.weight"] = 1 + 0.3 * normal(D)
                weights[f"{name}.bias"] = 0.3 * normal(D)
        arguments = {"x": normal(B, T, D), "weights": weights, "num_heads": H}
        if real:
            mask = torch.arange(T) < torch.tensor(real)[:, None]
            arguments["mask"] = mask[:, None, None, :]
        return Case(stage, label, arguments)

    return [
        case(1, "one head", 1, 3, 1, 4, 8),
        case(1, "one head, a batch, F is not 4 D", 2, 4, 1, 6, 10),
        case(2, "two heads", 2, 3 + seed % 2, 2, 3, 24),
        case(3, "two texts, one of them padded", 2, 4, 2, 4, 32, 4, 2 + seed % 2),
    ]


ENCODER_LAYER = Spec(
    Exercise("encoder_layer", 3, "hard", 15, "encoder"),
    question=(
        "A whole layer of BERT, from x (B, T, D) to (B, T, D), dropout off. weights is a\n"
        "dictionary of its 16 tensors under the names that checkpoints use: attention.self.query,\n"
        ".key, .value, attention.output.dense, attention.output.LayerNorm, intermediate.dense,\n"
        "output.dense and output.LayerNorm, each with .weight and .bias. mask is None or boolean,\n"
        "(B, 1, 1, T), True = may attend. LayerNorm's eps is 1e-12."
    ),
    formula="A = LN_1(X + MHA(X)),  Y = LN_2(A + FFN(A))",
    stub="def encoder_layer(x, weights, num_heads, mask=None):\n    raise NotImplementedError",
    hints=(
        'Write a helper first: `functional.linear(x, weights[f"{name}.weight"], '
        'weights[f"{name}.bias"])`.',
        "`functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)` attends, on heads "
        "(B, H, T, d). The fourth map, attention.output.dense, mixes them.",
        "`functional.layer_norm(x, (D,), weight, bias, 1e-12)` comes after each sum. What is added "
        "the second time is A, not X.",
    ),
    verified="one and two heads, batches, F other than 4 D, padding masks; arguments unchanged.",
    outputs={"y": "tensor"},
    compute=_encoder_layer,
    cases=_cases,
    equation="3.8",
    mistakes=(
        Mistake(
            "pre-ln",
            {"norms": "before"},
            "each sublayer got a normalised input (pre-LN), as in GPT-2. In BERT LayerNorm comes "
            "after each sum: LN(x + sublayer(x)).",
        ),
        Mistake(
            "first-layernorm-missing",
            {"norms": "second only"},
            "the LayerNorm after attention, attention.output.LayerNorm, is missing.",
        ),
        Mistake(
            "second-layernorm-missing",
            {"norms": "first only"},
            "the LayerNorm at the end, output.LayerNorm, is missing.",
        ),
        Mistake(
            "layernorms-exchanged",
            {"order": "second, first"},
            "the two LayerNorms are exchanged: attention.output.LayerNorm comes after attention, "
            "output.LayerNorm after the feed-forward network.",
        ),
        Mistake(
            "residuals-missing",
            {"residuals": "none"},
            "the residual connections are missing: add to each sublayer's output what went in.",
        ),
        Mistake(
            "first-residual-missing",
            {"residuals": "second"},
            "the residual connection around attention is missing: LN_1(X + MHA(X)).",
        ),
        Mistake(
            "second-residual-missing",
            {"residuals": "first"},
            "the residual connection around the feed-forward network is missing: LN_2(A + FFN(A)).",
        ),
        Mistake(
            "second-residual-from-input",
            {"second_from": "input"},
            "the second sum adds the layer's input X. It adds A, what came out of the first "
            "LayerNorm.",
        ),
        Mistake(
            "output-projection-missing",
            {"projected": False},
            "attention.output.dense is missing: the heads lie side by side and are not mixed.",
        ),
        Mistake(
            "tanh-gelu",
            {"activation": "tanh"},
            "this is GELU's approximation by tanh. BERT's checkpoints say the exact one, with erf.",
        ),
        Mistake("relu-for-gelu", {"activation": "relu"}, "the bend is ReLU. BERT's is GELU."),
        Mistake(
            "activation-missing",
            {"activation": "none"},
            "there is no GELU between the feed-forward network's two maps.",
        ),
        Mistake(
            "view-without-transpose",
            {"heads": "view"},
            "the heads were split by a view alone: (B, T, D) -> (B, T, H, d), then transpose axes "
            "1 and 2. Equation 2.13.",
        ),
        Mistake(
            "scaled-by-full-width",
            {"scale": "width"},
            "the scores were divided by √D. Divide by √d, with d = D / num_heads.",
        ),
        Mistake("not-scaled", {"scale": "none"}, "the scores were not divided by √d."),
        Mistake(
            "mask-ignored",
            {"masking": "ignored"},
            "the mask was not used, so padding is attended to.",
        ),
        *(
            Mistake(
                "mask-inverted",
                {"masking": masking},
                "the mask was taken the other way round. True means that a query may attend. (In "
                "`nn.MultiheadAttention` it means the opposite.)",
            )
            for masking in ("inverted", "inverted, empty rows 0")
        ),
    ),
)

EXERCISES = (ENCODER_LAYER,)
