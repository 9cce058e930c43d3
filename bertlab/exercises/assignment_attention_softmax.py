"""The attention assignment's exercise on a softmax that knows masks.

Dimensions: ``Tq`` queries, ``Tk`` keys.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _masked_softmax(
    scores: Tensor,
    mask: Tensor,
    *,
    shift: str = "row",
    axis: int = -1,
    masking: str = "before",
    empty: str = "zeros",
    exponential: str = "e",
) -> Tensor:
    """The weights in float64, right by default; each keyword makes one step wrong."""
    import torch

    scores = scores.double()
    mask = mask.broadcast_to(scores.shape)
    if masking == "inverted":
        mask = ~mask
    elif masking == "ignored":
        mask = torch.ones_like(mask)
    if shift == "row":
        shifted = scores - scores.amax(axis, keepdim=True)
    elif shift == "maximum of all":
        shifted = (scores - scores.max()).float().double()
        shifted = shifted.masked_fill(shifted < -103, -math.inf)  # e^-104 is 0 in float32
    else:
        shifted = scores.masked_fill(scores > 88.8, math.inf)  # e^89 is inf in float32
    if masking == "scores times mask":
        shifted = (scores * mask).double()
        shifted = shifted - shifted.amax(axis, keepdim=True)
    e = 2**shifted if exponential == "2" else shifted.exp()
    if masking in ("before", "inverted"):
        e = e.masked_fill(~mask, 0.0)
    elif masking == "times":  # ∞ · 0 is NaN
        e = e * mask
    weights = e / e.sum(axis, keepdim=True)
    if masking == "after":
        weights = weights.masked_fill(~mask, 0.0)
    if empty == "zeros":
        weights = weights.masked_fill(~mask.any(-1, keepdim=True), 0.0)
    elif empty == "even":
        even = torch.full_like(weights, 1 / weights.size(-1))
        weights = weights.where(mask.any(-1, keepdim=True), even)
    return weights


def _softmax_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, scores: Tensor, mask: Tensor) -> Case:
        return Case(stage, label, {"scores": scores, "mask": mask})

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float32)

    def some(*shape: int) -> Tensor:
        mask = torch.rand(shape, generator=generator) < 0.6
        return mask.index_fill(-1, torch.tensor([seed % shape[-1]]), True)  # no empty row

    def everywhere(*shape: int) -> Tensor:
        return torch.ones(shape, dtype=torch.bool)

    far = normal(2, 4) + torch.tensor([[0.0], [150.0 + seed % 7]])
    hidden = torch.arange(4) < 2 + seed % 2
    empty = some(3, 4)
    empty[seed % 3] = False
    return [
        case(1, "two queries, all may be seen", normal(2, 3), everywhere(2, 3)),
        case(1, "a batch of heads, all may be seen", normal(2, 2, 3, 4), everywhere(3, 4)),
        case(2, "a mask", normal(3, 4), some(3, 4)),
        case(2, "one mask (Tk,) for all queries", normal(2, 3, 4), hidden),
        case(3, "scores near 1,000", normal(2, 4) + 1000, hidden),
        case(3, "one query's scores far above the other's", far, everywhere(2, 4)),
        case(4, "a query that may attend to nothing", normal(3, 4), empty),
    ]


def _row_sum(failure: Failure) -> str:
    sums = [round(s, 3) for s in failure.found[0].sum(-1).flatten().tolist()]
    odd = [s for s in sums if abs(s - 1) > 1e-3 and s == s]
    return f"A row of your weights sums to {odd[0]:.3f}, not to 1" if odd else ""


_FORBID = "Set forbidden scores to the lowest finite number first, then take the softmax."

MASKED_SOFTMAX = Spec(
    Exercise("masked_softmax", 2, "easy", 8, "attention"),
    question=(
        "Turn scores (…, Tq, Tk) into attention weights of the same shape. mask is boolean and\n"
        "broadcasts to (…, Tq, Tk); True = may attend. Forbidden keys get exactly 0, and each row\n"
        "sums to 1. A row with nothing allowed gets zeros. Scores of 1,000 must work."
    ),
    formula="weights_ij = m_ij e^(s_ij) / Σ_k m_ik e^(s_ik), equation 2.11",
    stub="def masked_softmax(scores, mask):\n    raise NotImplementedError",
    hints=(
        "`scores.masked_fill(~mask, torch.finfo(scores.dtype).min)`, then the softmax.",
        "With exponentials of your own, subtract each row's largest score first.",
        "A row with nothing allowed comes out even. `masked_fill(~mask, 0.0)` at the end repairs "
        "it and changes no other row.",
    ),
    verified=(
        "values with masks of several shapes, scores near 1,000, rows far apart, and a row in "
        "which nothing is allowed."
    ),
    outputs={"weights": "tensor"},
    compute=_masked_softmax,
    cases=_softmax_cases,
    equation="2.11",
    mistakes=(
        Mistake(
            "softmax-over-queries",
            {"axis": -2},
            "the softmax ran over the queries. It belongs on the last axis, the keys: `dim=-1`.",
            _row_sum,
        ),
        Mistake(
            "softmax-over-axis-0",
            {"axis": 0},
            "the softmax ran over axis 0, the batch where there is one. It belongs on the last "
            "axis, the keys: `dim=-1`.",
            _row_sum,
        ),
        Mistake("powers-of-two", {"exponential": "2"}, "powers of 2 were taken, not of e."),
        Mistake("mask-ignored", {"masking": "ignored"}, f"the mask was not used. {_FORBID}"),
        Mistake(
            "mask-inverted",
            {"masking": "inverted"},
            "the mask was taken the other way round. True means that a query may attend: fill "
            "where `~mask`.",
        ),
        Mistake(
            "mask-after-softmax",
            {"masking": "after"},
            "forbidden weights were set to 0 after the softmax, so that their share is lost. "
            f"{_FORBID}",
            _row_sum,
        ),
        Mistake(
            "mask-times-scores",
            {"masking": "scores times mask"},
            f"forbidden scores were set to 0, and the softmax gives a score of 0 the share e⁰ = 1. "
            f"{_FORBID}",
        ),
        *(
            Mistake(
                "scores-not-shifted",
                {"shift": "none", "masking": masking},
                "the exponential overflows: e^89 is infinite in float32, and ∞/∞ is NaN. Subtract "
                "each row's largest score first; the weights stay the same. Equation 2.11.",
            )
            for masking in ("before", "times")
        ),
        Mistake(
            "one-maximum-for-all",
            {"shift": "maximum of all"},
            "the largest score of all rows was subtracted from each. A row far below it becomes "
            "0/0. Subtract each row's own: `scores.amax(dim=-1, keepdim=True)`.",
        ),
        Mistake(
            "nan-where-all-masked",
            {"empty": "NaN"},
            "a row in which nothing is allowed became NaN (0/0). Fill with the lowest finite "
            "number rather than -inf, and set forbidden weights to 0 at the end.",
        ),
        Mistake(
            "even-where-all-masked",
            {"empty": "even"},
            "a row in which nothing is allowed got even weights. It should get zeros: set "
            "forbidden weights to 0 once more after the softmax.",
        ),
    ),
)

EXERCISES = (MASKED_SOFTMAX,)
