"""Chapter 4's exercises on attention weights: the share of a pattern, and rollout.

Dimensions: ``B`` texts, ``L`` layers, ``H`` heads, ``T`` tokens.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _attention_share(
    weights: Tensor,
    pattern: Tensor,
    mask: Tensor,
    *,
    queries: str = "real",
    texts: str = "together",
    pairs: str = "query, key",
    divide: str = "queries",
    heads: str = "apart",
) -> Tensor:
    """The share in float64, right by default; each keyword makes one step wrong."""
    import torch

    weights, real = weights.double(), mask.double()[:, None]  # (B, H, T, T), (B, 1, T)
    if queries == "all":
        real = torch.ones_like(real)
    if pairs == "key, query":
        pattern = pattern.transpose(1, 2)
    chosen = weights * pattern[:, None]
    given = chosen.sum(-2 if pairs == "columns" else -1) * real  # (B, H, T)
    count = real.expand_as(given)
    if divide == "places":
        count = torch.ones_like(count)
    elif divide == "pairs":
        count = (pattern[:, None].double() * real[..., None]).sum(-1).expand_as(given)
    elif divide == "keys":
        count = count * weights.size(-1)
    if divide == "nothing":
        share = given.sum((0, 2))
    elif texts == "apart":
        share = (given.sum(2) / count.sum(2)).mean(0)
    else:
        share = given.sum((0, 2)) / count.sum((0, 2))  # (H,)
    return share.mean() if heads == "averaged" else share


def _weights(generator: Generator, *shape: int) -> Tensor:
    import torch

    return torch.randn(*shape, shape[-1], generator=generator).mul(1.5).softmax(-1)


def _share_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, heads: int, *lengths: int) -> Case:
        B, T = len(lengths), max(lengths)
        mask = (torch.arange(T) < torch.tensor(lengths)[:, None]).long()
        weights = _weights(generator, B, heads, T) * mask[:, None, None, :]
        weights = weights / weights.sum(-1, keepdim=True)
        pattern = torch.rand(B, T, T, generator=generator) < 0.7
        pattern[:, 0, 1], pattern[:, 1, 0] = True, False  # so that exchanging them shows
        return Case(stage, label, {"weights": weights, "pattern": pattern, "mask": mask})

    return [
        case(1, "one text, one head", 1, 3),
        case(1, "one text, three heads", 3, 4 + seed % 2),
        case(2, "two texts of one length", 2, 4, 4),
        case(3, "two texts, one of them padded", 2, 5, 2),
        case(3, "four texts, three of them padded", 3, 7, 3, 6, 1 + seed % 3),
    ]


def _share_of_everything(failure: Failure) -> str:
    share = float(failure.found[0].max())
    return f"You find a share of {share:.2f}, above 1" if share > 1.001 else ""


ATTENTION_SHARE = Spec(
    Exercise("attention_share", 4, "medium", 15),
    question=(
        "Which share of a head's attention goes to the pairs of a pattern? weights is\n"
        "(B, H, T, T), each row a query's weights; pattern is (B, T, T), Boolean, True for a pair\n"
        "(query, key) that counts; mask is (B, T), 1 for real tokens, 0 for padding. Average over\n"
        "all real queries of all texts together. Return a share for each head, (H,)."
    ),
    formula="s = 1/|W| · Σ_{q in W} Σ_{k: (q, k) in P} A_qk, with W the real queries of all texts",
    stub="def attention_share(weights, pattern, mask):\n    raise NotImplementedError",
    hints=(
        "Give the pattern an axis for the heads: `pattern[:, None]` is (B, 1, T, T).",
        "Sum over the keys, the last axis. What is left, (B, H, T), is a number for each query.",
        "Multiply by `mask[:, None]` and sum over texts and queries; divide by the number of real "
        "queries, `mask.sum()`.",
    ),
    verified="one to four texts, one to three heads, with padding and without.",
    outputs={"share": "tensor"},
    compute=_attention_share,
    cases=_share_cases,
    equation="4.2",
    mistakes=(
        Mistake(
            "padding-counted",
            {"queries": "all"},
            "the rows of padding were counted as queries. They are filled, but mean nothing: "
            "leave them out of the sum and of the number you divide by.",
        ),
        Mistake(
            "divided-by-all-places",
            {"divide": "places"},
            "padding was left out of the sum, but the sum was divided by all B · T places. "
            "Divide by the number of real queries, `mask.sum()`.",
        ),
        Mistake(
            "mean-of-texts",
            {"texts": "apart"},
            "a mean was taken for each text, then a mean of these. So a query of a short text "
            "counts more than one of a long text. Sum over all texts, then divide once.",
        ),
        Mistake(
            "pattern-transposed",
            {"pairs": "key, query"},
            "queries and keys of the pattern are exchanged. `pattern[b, q, k]` goes with "
            "`weights[b, h, q, k]`.",
        ),
        Mistake(
            "summed-over-queries",
            {"pairs": "columns"},
            "the mask met the keys, because the sum ran over the queries, axis -2, or because the "
            "mask's new axis stands in the wrong place. A share is what a query gives away: sum "
            "over the keys, the last axis, and then apply the mask to the queries.",
        ),
        Mistake(
            "mean-over-keys",
            {"divide": "keys"},
            "the weights were averaged over the T keys. They already share out 1: sum them.",
        ),
        Mistake(
            "mean-weight-of-the-pattern",
            {"divide": "pairs"},
            "this is the mean weight of the pattern's pairs: the sum was divided by their number. "
            "Divide by the number of queries.",
        ),
        Mistake(
            "not-divided",
            {"divide": "nothing"},
            "the sum over the queries was not divided by their number.",
            _share_of_everything,
        ),
        Mistake(
            "heads-averaged",
            {"heads": "averaged"},
            "the heads were averaged into one number. Keep them apart: a mean over heads hides "
            "what each one does.",
        ),
    ),
)


def _attention_rollout(
    attentions: Tensor,
    *,
    heads: str = "mean",
    residual: str = "half",
    order: str = "from the left",
    layers: str = "product",
) -> Tensor:
    """The rollout in float64, right by default; each keyword makes one step wrong."""
    import torch

    attentions = attentions.double()
    if heads == "mean":
        mixed = attentions.mean(1)  # (L, T, T)
    elif heads == "sum":
        mixed = attentions.sum(1)
    elif heads == "max":
        mixed = attentions.amax(1)
    else:
        mixed = attentions[:, 0]
    identity = torch.eye(attentions.size(-1), dtype=torch.float64)
    if residual != "missing":
        mixed = mixed + identity
    if residual == "half":
        mixed = mixed / 2
    if layers == "mean":
        return mixed.mean(0)
    if layers == "last":
        return mixed[-1]
    if layers == "elementwise":
        return mixed.prod(0)
    if order == "from the right":
        return reduce(torch.matmul, mixed)
    return reduce(torch.matmul, mixed.flip(0))


def _rollout_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, *shape: int) -> Case:
        return Case(stage, label, {"attentions": _weights(generator, *shape)})

    return [
        case(1, "one layer, one head", 1, 1, 3),
        case(2, "one layer, three heads", 1, 3, 3),
        case(3, "two layers", 2, 1, 3),
        case(3, "four layers, three heads", 4, 3, 5),
    ]


def _row_sum(failure: Failure) -> str:
    found = failure.found[0]
    if found.ndim != 2:
        return ""
    total = float(found.sum(-1)[0])
    return f"Your first row sums to {total:.2f}, not 1" if abs(total - 1) > 1e-3 else ""


ATTENTION_ROLLOUT = Spec(
    Exercise("attention_rollout", 4, "hard", 20),
    question=(
        "Trace the last layer back to the input's tokens. attentions is (L, H, T, T), layer 0\n"
        "first. For each layer, average the heads, add the identity (the residual connection)\n"
        "and halve, so that rows sum to 1 again. Multiply the layers so that row q of the result,\n"
        "(T, T), says how the last layer's token q is mixed from the input's tokens."
    ),
    formula="R = Ã_{L-1} · … · Ã_1 · Ã_0, with Ã = (mean over heads of A + I) / 2",
    stub="def attention_rollout(attentions):\n    raise NotImplementedError",
    hints=(
        "`attentions.mean(dim=1)` averages the heads; `torch.eye(T)` is the identity.",
        "Start with the identity and go through the layers from the first to the last.",
        "A layer mixes what the layers before it made, so it multiplies from the left: "
        "`rollout = mixed @ rollout`.",
    ),
    verified="one to four layers of one to three heads.",
    outputs={"rollout": "tensor"},
    compute=_attention_rollout,
    cases=_rollout_cases,
    mistakes=(
        Mistake(
            "identity-forgotten",
            {"residual": "missing"},
            "the identity was not added. The residual connection passes each token on as it is.",
        ),
        Mistake(
            "not-halved",
            {"residual": "whole"},
            "the identity was added, but the sum was not halved.",
            _row_sum,
        ),
        Mistake(
            "heads-summed",
            {"heads": "sum"},
            "the heads were summed. Take their mean, so that rows sum to 1.",
            _row_sum,
        ),
        Mistake(
            "largest-head",
            {"heads": "max"},
            "the largest weight over the heads was taken. Here it is their mean.",
            _row_sum,
        ),
        Mistake("one-head", {"heads": "first"}, "only head 0 was used. Take the mean over all."),
        Mistake(
            "order-reversed",
            {"order": "from the right"},
            "the layers were multiplied in the wrong order. A later layer mixes what earlier ones "
            "made: it stands to the left.",
        ),
        Mistake(
            "layers-averaged",
            {"layers": "mean"},
            "the layers were averaged. They work one after the other: multiply them.",
        ),
        Mistake(
            "last-layer-only",
            {"layers": "last"},
            "only the last layer counts in your answer. It mixes vectors that are mixtures "
            "already: multiply all layers.",
        ),
        Mistake(
            "multiplied-elementwise",
            {"layers": "elementwise"},
            "the layers were multiplied number by number (`*`). The matrix product is `@`.",
            _row_sum,
        ),
    ),
)

EXERCISES = (ATTENTION_SHARE, ATTENTION_ROLLOUT)
