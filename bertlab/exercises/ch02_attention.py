"""Chapter 2's exercise on attention.

Dimensions: ``Tq`` queries, ``Tk`` keys, ``d`` width of queries and keys, ``dv`` of values.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bertlab.exercises.ch02_mistakes import MISTAKES
from bertlab.exercises.spec import ANYTHING, Case, Exercise, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    axes: str = "last two",
    scale: str = "root",
    softmax: str | int = -1,
    masking: str = "fill",
    averaged: str = "value",
    returned: str = "weights",
) -> tuple[Tensor, Tensor]:
    """Attention in float64, right by default; each keyword makes one step wrong."""
    import torch

    query, key, value = query.double(), key.double(), value.double()
    d = query.size(-1)
    if axes == "first two":
        scores = query @ key.transpose(0, 1)
    elif axes == "middle":
        scores = query @ key.transpose(1, 2)
    elif axes == "exchanged":
        scores = key @ query.transpose(-2, -1)
    else:
        scores = query @ key.transpose(-2, -1)  # (…, Tq, Tk)
    divisor = {
        "root": math.sqrt(d),
        "width": d,
        "length": math.sqrt(query.size(-2)),
        "keys": math.sqrt(key.size(-2)),
        "value width": math.sqrt(value.size(-1)),
        "written in": 8.0,  # √64, BERT's own
    }
    scores = scores * math.sqrt(d) if scale == "times" else scores / divisor.get(scale, 1.0)

    if mask is not None:
        hide = {"inverted": mask, "fill": ~mask, "-inf": ~mask, "-100": ~mask}.get(masking)
        if masking == "transposed" and mask.ndim > 1:
            hide = ~mask.transpose(-2, -1)
        if hide is not None:
            low = {"-inf": -math.inf, "-100": -100.0}.get(masking, torch.finfo(scores.dtype).min)
            scores = scores.masked_fill(hide, low)
        elif masking == "added":
            scores = scores + mask.double()
        elif masking == "multiplied":
            scores = scores * mask.double()

    if softmax == "none":
        weights = scores
    elif softmax == "log":
        weights = scores.log_softmax(-1)
    elif softmax == "sigmoid":
        weights = scores.sigmoid()
    elif softmax == "share":
        weights = scores / scores.sum(-1, keepdim=True)
    elif softmax == "no dim":  # what torch's softmax guesses when it isn't told
        weights = scores.softmax(dim=0 if scores.ndim in (1, 3) else 1)
    else:
        weights = scores.softmax(dim=int(softmax))
    if mask is not None and masking == "afterwards":
        weights = weights * mask.double()
    if scale == "weights":
        weights = weights / math.sqrt(d)

    output = weights @ (key if averaged == "key" else value)
    if scale == "output":
        output = output / math.sqrt(d)
    if mask is not None and masking == "fill":  # nothing to attend to: any finite number will do
        empty = ~mask.any(-1, keepdim=True).broadcast_to(*weights.shape[:-1], 1)
        weights, output = weights.masked_fill(empty, ANYTHING), output.masked_fill(empty, ANYTHING)
    if returned == "swapped":
        return weights, output
    return output, scores if returned == "scores" else weights


def _attention_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float32)

    def digits(*shape: int) -> Tensor:
        return torch.randint(-2, 3, shape, generator=generator).float()

    def random_mask(*shape: int) -> Tensor:
        mask = torch.rand(shape, generator=generator) < 0.6
        return mask.index_fill(-1, torch.tensor([seed % shape[-1]]), True)  # no empty row

    def case(stage: int, label: str, q: Tensor, k: Tensor, v: Tensor, *mask: Tensor) -> Case:
        arguments = dict(zip(("query", "key", "value", "mask"), (q, k, v, *mask), strict=False))
        return Case(stage, label, arguments)

    def heads(q: int, k: int) -> tuple[Tensor, Tensor, Tensor]:  # B = 2, H = 4, d = 8, dv = 6
        return normal(2, 4, q, 8), normal(2, 4, k, 8), normal(2, 4, k, 6)

    causal = torch.ones(3, 3, dtype=torch.bool).tril()
    padding = torch.arange(5) < torch.tensor([[5], [2 + seed % 3]])
    empty = random_mask(3, 4)
    empty[1] = False
    return [
        case(1, "two queries, two keys", digits(2, 4), digits(2, 4), digits(2, 4)),
        case(1, "no batch, Tq ≠ Tk, dv ≠ d", normal(3, 8), normal(5, 8), normal(5, 6)),
        case(1, "as many keys as queries", normal(4, 9), normal(4, 9), normal(4, 9)),
        case(2, "a batch", normal(2, 3, 8), normal(2, 5, 8), normal(2, 5, 8)),
        case(2, "a batch of heads", *heads(4, 4)),
        case(2, "a batch of heads, one query, Tq ≠ Tk, dv ≠ d", *heads(1, 5)),
        case(
            2,
            "five dimensions",
            normal(2, 1, 3, 2, 4),
            normal(2, 1, 3, 3, 4),
            normal(2, 1, 3, 3, 4),
        ),
        case(3, "causal mask", normal(3, 4), normal(3, 4), normal(3, 2), causal),
        case(3, "a mask for each text", *(normal(2, 3, 4) for _ in "qkv"), random_mask(2, 3, 3)),
        case(3, "padding mask (B, 1, 1, Tk)", *heads(3, 5), padding[:, None, None, :]),
        case(
            3,
            "one mask (Tk,) for all",
            normal(2, 4, 8),
            normal(2, 3, 8),
            normal(2, 3, 8),
            random_mask(3),
        ),
        case(3, "large scores", 5 * normal(3, 8), normal(5, 8), normal(5, 8), random_mask(3, 5)),
        case(
            3,
            "scores far below zero",
            -10 + normal(3, 8),
            10 + normal(4, 8),
            normal(4, 8),
            random_mask(3, 4),
        ),
        case(4, "a query that may attend to nothing", *(normal(n, 4) for n in (3, 4, 4)), empty),
        case(
            4,
            "a text that is all padding",
            *heads(3, 5),
            padding[:, None, None, :] & torch.tensor([True, False]).view(2, 1, 1, 1),
        ),
    ]


ATTENTION = Spec(
    Exercise("attention", 2, "medium", 10),
    question=(
        "Write scaled dot-product attention with an optional mask. query is (…, Tq, d), key\n"
        "(…, Tk, d), value (…, Tk, dv). mask is boolean and broadcasts to (…, Tq, Tk); True = may\n"
        "attend. Return the output (…, Tq, dv) and the weights (…, Tq, Tk). A query that may\n"
        "attend to nothing must get finite numbers."
    ),
    formula="Attention(Q, K, V) = softmax(Q Kᵀ / √d) V, the softmax over the keys",
    stub=(
        "def attention(query, key, value, mask=None):\n"
        "    raise NotImplementedError\n"
        "    return output, weights"
    ),
    hints=(
        "Five steps: scores, scale, mask, softmax, average. Write a line for each.",
        "Count axes from the end: `key.transpose(-2, -1)`, `softmax(dim=-1)`. Then any number of "
        "leading dimensions works.",
        "`scores.masked_fill(~mask, torch.finfo(scores.dtype).min)` forbids places without making "
        "NaN of a row in which all are forbidden.",
    ),
    verified=(
        "shapes and values of output and weights with none to three leading dimensions, Tq ≠ Tk "
        "and dv ≠ d; masks of four shapes; large scores; finite numbers where nothing may be "
        "attended to; arguments unchanged."
    ),
    outputs={"output": "tensor", "weights": "tensor"},
    compute=_attention,
    cases=_attention_cases,
    equation="2.10",
    ready_made=("scaled_dot_product_attention", "multi_head_attention_forward"),
    mistakes=MISTAKES,
)

EXERCISES = (ATTENTION,)
