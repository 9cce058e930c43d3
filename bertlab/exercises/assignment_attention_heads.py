"""The attention assignment's exercise on laying heads side by side.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``H`` heads, ``d = D / H`` width of a head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _merge_heads(heads: Tensor, *, way: str = "right") -> Tensor:
    """Heads side by side, right by default."""
    B, H, T, d = heads.shape
    if way == "reshape":
        return heads.reshape(B, T, H * d)
    if way == "interleaved":
        return heads.permute(0, 2, 3, 1).reshape(B, T, H * d)
    if way == "stacked":
        return heads.transpose(1, 2)
    if way == "one below the other":
        return heads.reshape(B, H * T, d)
    if way == "sum":
        return heads.sum(1)
    if way == "mean":
        return heads.mean(1)
    return heads.transpose(1, 2).reshape(B, T, H * d)


def _merge_heads_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float32)

    # Head h, place t, column c holds 100 h + 10 t + c: the reader sees where each number went.
    H, T, d = torch.arange(2.0), torch.arange(3.0 + seed % 2), torch.arange(2.0)
    readable = 100 * H[:, None, None] + 10 * T[:, None] + d
    return [
        Case(1, "head h, place t, column c holds 100 h + 10 t + c", {"heads": readable[None]}),
        Case(1, "a batch", {"heads": normal(2, 3, 4, 5)}),
        Case(1, "as many heads as places", {"heads": normal(2, 4, 4, 3)}),
        Case(2, "one head", {"heads": normal(2, 1, 3, 4)}),
        Case(2, "one token", {"heads": normal(2, 3, 1, 2)}),
    ]


MERGE_HEADS = Spec(
    Exercise("merge_heads", 2, "easy", 4, "attention"),
    question=(
        "The way back from heads (B, H, T, d) to (B, T, D), D = H · d: lay the heads of each\n"
        "token side by side, so that columns h·d to (h+1)·d belong to head h."
    ),
    formula="merged[b, t, h·d + c] = heads[b, h, t, c]",
    stub="def merge_heads(heads):\n    raise NotImplementedError",
    hints=(
        "A reshape can merge neighbouring axes only. H and d aren't neighbours yet.",
        "(B, H, T, d) -> (B, T, H, d) -> (B, T, D).",
    ),
    verified="shapes and values for several batches, one head, one token; heads unchanged.",
    outputs={"merged": "tensor"},
    compute=_merge_heads,
    cases=_merge_heads_cases,
    equation="2.13",
    mistakes=(
        Mistake(
            "reshape-without-transpose",
            {"way": "reshape"},
            "the shape is right and the values are scrambled: the numbers were read on in their "
            "old order, head after head. First put T in front of H: `transpose(1, 2)`.",
        ),
        Mistake(
            "columns-interleaved",
            {"way": "interleaved"},
            "the heads' columns are interleaved. Head h's d numbers stay together: merge "
            "(H, d), not (d, H).",
        ),
        Mistake(
            "heads-not-merged",
            {"way": "stacked"},
            "the axes are in the right order, but H and d are still apart. Merge them: "
            "`.flatten(2)`, or a reshape to (B, T, H · d).",
        ),
        Mistake(
            "heads-below-each-other",
            {"way": "one below the other"},
            "the heads were laid one below the other, as if each were more tokens. They belong "
            "side by side: (B, T, H · d).",
        ),
        Mistake(
            "heads-summed",
            {"way": "sum"},
            "the heads were summed. They are laid side by side; W_O mixes them later.",
        ),
        Mistake(
            "heads-averaged",
            {"way": "mean"},
            "the heads were averaged. They are laid side by side; W_O mixes them later.",
        ),
    ),
)

EXERCISES = (MERGE_HEADS,)
