"""The attention assignment's exercise on all of multi-head attention.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``H`` heads, ``d = D / H`` width of a head.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _multi_head(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    num_heads: int,
    mask: Tensor | None = None,
    *,
    layout: str = "out, in",
    use_bias: str = "all",
    order: str = "qkvo",
    split: str = "right",
    merge: str = "right",
    scale: str = "head",
    masking: str = "before",
    output: bool = True,
) -> Tensor:
    """Multi-head self-attention in float64; each keyword makes one step wrong."""
    import torch

    x, weight, bias = x.double(), weight.double(), bias.double()
    B, T, D = x.shape
    num_heads = 1 if split == "not" else num_heads
    d = D // num_heads

    def project(x: Tensor, which: str) -> Tensor:
        i = order.index(which)
        as_is = layout == "in, out" or (layout == "last in, out" and which == "o")
        W = weight[i] if as_is else weight[i].T
        biased = use_bias == "all" or (use_bias == "output alone" and which == "o")
        return x @ W + bias[i] if biased else x @ W

    def heads(x: Tensor) -> Tensor:
        if split == "view":
            return x.view(B, num_heads, T, d)
        return x.view(B, T, num_heads, d).transpose(1, 2)

    q, k, v = (heads(project(x, which)) for which in "qkv")
    divisor = {"head": math.sqrt(d), "width": math.sqrt(D), "none": 1.0, "d": d}[scale]
    scores = q @ k.transpose(-2, -1) / divisor  # (B, H, T, T)
    if mask is not None and masking in ("before", "inverted", "inverted, empty rows 0"):
        hide = ~mask if masking == "before" else mask
        scores = scores.masked_fill(hide, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    if mask is not None and masking == "inverted, empty rows 0":  # as in PyTorch's attention
        weights = weights.masked_fill(mask.all(-1, keepdim=True), 0.0)
    if mask is not None and masking == "after":
        weights = weights * mask
    context = weights @ v
    if merge == "reshape":
        context = context.reshape(B, T, D)
    else:
        context = context.transpose(1, 2).reshape(B, T, D)
    return project(context, "o") if output else context


def _multi_head_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, B: int, T: int, H: int, d: int, *real: int) -> Case:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float32)

        D = H * d
        weight = normal(4, D, D) / math.sqrt(D) * (1.5 if D > 1 else 1)
        arguments = {"x": normal(B, T, D), "weight": weight, "bias": 0.5 * normal(4, D)}
        arguments |= {"num_heads": H}  # type: ignore[dict-item]
        if real:
            mask = torch.arange(T) < torch.tensor(real)[:, None]
            arguments["mask"] = mask[:, None, None, :]
        return Case(stage, label, arguments)

    return [
        case(1, "one head", 1, 3, 1, 4),
        case(1, "one head, a batch", 2, 4, 1, 6),
        case(2, "two heads", 1, 3, 2, 3),
        case(2, "a batch, four heads", 2, 5, 4, 2 + seed % 2),
        case(3, "two texts, one of them padded", 2, 4, 2, 3, 4, 2 + seed % 2),
        case(3, "three padded texts", 3, 6, 3, 2, 2, 5, 3),
    ]


_HEADS = "(B, T, D) -> (B, T, H, d) -> (B, H, T, d)"

MULTI_HEAD_ATTENTION = Spec(
    Exercise("multi_head_attention", 2, "hard", 15, "attention"),
    question=(
        "Multi-head self-attention from x (B, T, D) to (B, T, D). weight (4, D, D) and bias\n"
        "(4, D) hold four linear maps in the order query, key, value, output, each as nn.Linear\n"
        "keeps it: x @ weight[i].T + bias[i]. mask is None or boolean and broadcasts to\n"
        "(B, H, T, T); True = may attend. Each query may attend to something."
    ),
    formula="head_h = softmax(Q_h K_hᵀ / √d) V_h,  result = [head_0 … head_(H-1)] W_O + b_O",
    stub=(
        "def multi_head_attention(x, weight, bias, num_heads, mask=None):\n"
        "    raise NotImplementedError"
    ),
    hints=(
        "Five steps: project x three times, split into heads, attend, merge, project once more.",
        f"Split: {_HEADS}. Merge: the same way back.",
        "The scale is the root of a head's width, d = D / num_heads.",
    ),
    verified="one to four heads, batches, padding masks; arguments unchanged.",
    outputs={"output": "tensor"},
    compute=_multi_head,
    cases=_multi_head_cases,
    equation="2.15",
    mistakes=(
        Mistake(
            "weight-not-transposed",
            {"layout": "in, out"},
            "the input was multiplied by `weight[i]`. nn.Linear keeps a weight as (out, in): "
            "multiply by `weight[i].T`.",
        ),
        Mistake(
            "last-weight-not-transposed",
            {"layout": "last in, out"},
            "the last map multiplies by `weight[3]`. Multiply by `weight[3].T`, as for the others.",
        ),
        Mistake("biases-missing", {"use_bias": "none"}, "the biases were not added."),
        Mistake(
            "projection-biases-missing",
            {"use_bias": "output alone"},
            "only the last map's bias was added. Queries, keys and values have biases, too.",
        ),
        Mistake(
            "output-projection-missing",
            {"output": False},
            "the last map is missing: the heads lie side by side, and W_O (`weight[3]`) still has "
            "to mix them.",
        ),
        Mistake(
            "maps-in-another-order",
            {"order": "kqvo"},
            "queries and keys are exchanged: `weight[0]` makes the queries, `weight[1]` the keys.",
        ),
        Mistake(
            "maps-in-another-order",
            {"order": "vkqo"},
            "queries and values are exchanged: `weight[0]` makes the queries, `weight[2]` the "
            "values.",
        ),
        Mistake(
            "view-without-transpose",
            {"split": "view"},
            "the heads were split by a view alone, so that a head holds whole tokens instead of a "
            f"share of each. Split {_HEADS}. Equation 2.13.",
        ),
        Mistake(
            "heads-not-split",
            {"split": "not"},
            "this is one head of the full width. Split queries, keys and values into num_heads.",
        ),
        Mistake(
            "merged-without-transpose",
            {"merge": "reshape"},
            "the heads were merged by a reshape alone, which reads head after head. First "
            "`transpose(1, 2)`, then merge the last two axes.",
        ),
        Mistake(
            "view-there-and-back",
            {"split": "view", "merge": "reshape"},
            "the heads were split by a view and merged by a reshape, both without the transpose: "
            f"a head holds whole tokens. Split {_HEADS}. Equation 2.13.",
        ),
        Mistake(
            "scaled-by-full-width",
            {"scale": "width"},
            "the scores were divided by √D. Each head's dot products have d = D / num_heads terms: "
            "divide by √d.",
        ),
        Mistake("not-scaled", {"scale": "none"}, "the scores were not divided by √d."),
        Mistake("divided-by-d", {"scale": "d"}, "the scores were divided by d, not by its root."),
        Mistake("mask-ignored", {"masking": "ignored"}, "the mask was not used."),
        *(
            Mistake(
                "mask-inverted",
                {"masking": masking},
                "the mask was taken the other way round. True means that a query may attend: fill "
                "where `~mask`.",
            )
            for masking in ("inverted", "inverted, empty rows 0")
        ),
        Mistake(
            "mask-after-softmax",
            {"masking": "after"},
            "the mask was multiplied in after the softmax, so that rows no longer sum to 1. Fill "
            "forbidden scores before the softmax.",
        ),
    ),
)

EXERCISES = (MULTI_HEAD_ATTENTION,)
