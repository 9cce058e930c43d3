"""Chapter 4's exercise on switching a head off.

Dimensions: ``B`` texts, ``T`` tokens, ``D`` width, ``H`` heads, ``d = D / H`` width of a head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _without_head(
    context: Tensor,
    weight: Tensor,
    bias: Tensor,
    head: int,
    num_heads: int,
    *,
    axis: str = "columns",
    part: str = "block",
    keep: str = "others",
    use_bias: bool = True,
    matrix: str = "transposed",
    scale: bool = False,
) -> Tensor:
    """The projection in float64, right by default; each keyword makes one step wrong."""
    import torch

    context, weight, bias = context.double(), weight.double(), bias.double()
    D = weight.size(1)
    d = D // num_heads
    places = {
        "block": slice(head * d, (head + 1) * d),
        "from one": slice(max(head - 1, 0) * d, head * d),  # of head 0: nothing
        "interleaved": slice(head, None, num_heads),
        "num_heads wide": slice(head * num_heads, (head + 1) * num_heads),
        "from the end": slice((num_heads - 1 - head) * d, (num_heads - head) * d),
        "nothing": slice(0, 0),
    }[part]
    off = torch.zeros(D, dtype=torch.bool)
    off[places] = True
    if keep == "only":
        off = ~off
    blocks = (weight.T if matrix == "transposed" else weight).clone()  # (in, out)
    if axis == "columns":  # of PyTorch's weight, which is (out, in)
        blocks[off] = 0
    elif axis == "rows":
        blocks[:, off] = 0
    if scale:
        blocks = blocks * num_heads / (num_heads - 1)
    if axis == "output":
        blocks = weight.T
    output = context @ blocks + (bias if use_bias else 0)
    return output.masked_fill(off, 0) if axis == "output" else output


def _without_head_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, B: int, T: int, H: int, d: int, head: int) -> Case:
        D = H * d

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        arguments = (normal(B, T, D), normal(D, D), normal(D), head, H)
        names = ("context", "weight", "bias", "head", "num_heads")
        return Case(stage, label, dict(zip(names, arguments, strict=True)))

    return [
        case(1, "one token, two heads of width 3, head 1 off", 1, 1, 2, 3, 1),
        case(1, "three heads of width 2, the first one off", 1, 1, 3, 2, 0),
        case(2, "a batch, three heads of width 4", 2, 3, 3, 4, 1 + seed % 2),
        case(2, "a batch, four heads of width 2, the last one off", 2, 5, 4, 2, 3),
    ]


WITHOUT_HEAD = Spec(
    Exercise("without_head", 4, "medium", 15),
    question=(
        "Compute attention's output projection with one head switched off. context (B, T, D)\n"
        "has the heads side by side; weight (D, D) and bias (D,) are those of nn.Linear, which\n"
        "computes context @ weight.T + bias. Leave out the contribution of head number head (from\n"
        "0) of num_heads. Don't change weight or context."
    ),
    formula="b + Σ_{g ≠ h} context_g W_g, with W = weight.T cut into num_heads blocks of d rows",
    stub=(
        "def without_head(context, weight, bias, head, num_heads):\n    raise NotImplementedError"
    ),
    hints=(
        "Head h owns the d numbers from h · d to (h + 1) · d - 1 of each context vector, with "
        "d = D / num_heads.",
        "nn.Linear keeps its weight as (out, in). What comes in from a head meets columns of it.",
        "Set these columns to 0 in a copy, `weight.clone()`, or these numbers in a copy of the "
        "context. The bias stays.",
    ),
    verified="two to four heads, the first, a middle and the last one off, with batches; arguments "
    "unchanged.",
    outputs={"output": "tensor"},
    compute=_without_head,
    cases=_without_head_cases,
    equation="4.4",
    mistakes=(
        Mistake(
            "rows-zeroed",
            {"axis": "rows"},
            "rows of the weight were zeroed. nn.Linear keeps its weight as (out, in): a head comes "
            "in through columns. Zeroed rows silence part of the *output*, from all heads.",
        ),
        Mistake(
            "output-zeroed",
            {"axis": "output"},
            "numbers of the output were set to 0. The projection has mixed all heads by then: take "
            "the head out before it.",
        ),
        Mistake(
            "nothing-switched-off",
            {"part": "nothing"},
            "all heads are still on. Leave out the columns of `weight` that belong to `head`.",
        ),
        Mistake(
            "counted-from-the-end",
            {"part": "from the end"},
            "heads were counted from the last. They count from 0, from the left.",
        ),
        Mistake(
            "only-this-head",
            {"keep": "only"},
            "only this head was kept, and the others were switched off. It is the reverse.",
        ),
        Mistake(
            "bias-left-out",
            {"use_bias": False},
            "the bias was left out. It belongs to no head: it stays.",
        ),
        Mistake(
            "heads-interleaved",
            {"part": "interleaved"},
            "every num_heads-th number was taken for the head. A head's numbers stand together: "
            "from head · d to (head + 1) · d.",
        ),
        Mistake(
            "counted-from-one",
            {"part": "from one"},
            "heads were counted from 1, so the head before was switched off. They count from 0.",
        ),
        Mistake(
            "slice-of-num-heads",
            {"part": "num_heads wide"},
            "the slice is num_heads wide. A head is d = D / num_heads wide.",
        ),
        Mistake(
            "weight-not-transposed",
            {"matrix": "as it is"},
            "the context was multiplied by `weight`. nn.Linear multiplies by `weight.T`.",
        ),
        Mistake(
            "rest-scaled-up",
            {"scale": True},
            "the other heads were scaled up by num_heads / (num_heads - 1), as dropout does. "
            "Here they stay as they are.",
        ),
    ),
)

EXERCISES = (WITHOUT_HEAD,)
