"""The attention assignment's exercise on what a head adds: weights times lengths.

Dimensions: ``B`` texts, ``H`` heads, ``T`` tokens, ``d`` width of a head, ``D = H · d``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _added_lengths(
    weights: Tensor,
    value: Tensor,
    output_weight: Tensor,
    *,
    block: str = "columns",
    part: str = "neighbours",
    keys: str = "last",
    power: float = 1.0,
    weighted: bool = True,
) -> Tensor:
    """The lengths in float64, right by default; each keyword makes one step wrong."""
    weights, value, W = weights.double(), value.double(), output_weight.double()
    _, H, _, d = value.shape
    if block == "columns":  # of nn.Linear's weight, which is (out, in)
        W = W.T
    blocks = W.reshape(H, d, -1)  # (H, d, D)
    if part == "interleaved":
        blocks = W.reshape(d, H, -1).transpose(0, 1)
    elif part == "first":
        blocks = W[:d].expand(H, -1, -1)
    vectors = value if block == "none" else value @ blocks  # (B, H, T, D)
    length = vectors.square().sum(-1) ** (power / 2)  # (B, H, T)
    if power == -1:
        length = vectors.abs().sum(-1)
    length = length[:, :, None, :] if keys == "last" else length[..., None]
    return weights * length if weighted else length.expand_as(weights)


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, B: int, H: int, T: int, d: int) -> Case:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float32)

        arguments = {
            "weights": normal(B, H, T, T).mul(1.5).softmax(-1),
            "value": normal(B, H, T, d),
            "output_weight": normal(H * d, H * d),
        }
        return Case(stage, label, arguments)

    return [
        case(1, "one text, one head", 1, 1, 2, 2),
        case(1, "one head", 2, 1, 3, 4 + seed % 2),
        case(2, "two heads", 1, 2, 3, 2),
        case(2, "a batch, three heads", 2, 3, 4, 2),
        case(2, "one token", 2, 2, 1, 3),
    ]


ADDED_LENGTHS = Spec(
    Exercise("added_lengths", 4, "hard", 12, "attention"),
    question=(
        "How long is the vector that key k adds to query q in head h? weights is (B, H, T, T),\n"
        "value (B, H, T, d) holds each head's v_k, and output_weight (D, D) is nn.Linear's weight\n"
        "of W_O. Return the lengths (B, H, T, T)."
    ),
    formula="lengths[b, h, q, k] = A_qk · ‖v_k W_O^h‖,  W_O^h = rows h·d to (h+1)·d of W_O",
    stub="def added_lengths(weights, value, output_weight):\n    raise NotImplementedError",
    hints=(
        "nn.Linear keeps its weight as (out, in): W_O is `output_weight.T`.",
        "`output_weight.T.reshape(H, d, D)` is W_O in blocks, one a head; `value @ blocks` is "
        "(B, H, T, D).",
        "The length belongs to the key, the last axis of the weights: `length[:, :, None, :]`.",
    ),
    verified="one to three heads, batches, one token; arguments unchanged.",
    outputs={"lengths": "tensor"},
    compute=_added_lengths,
    cases=_cases,
    equation="4.7",
    mistakes=(
        Mistake(
            "weight-not-transposed",
            {"block": "rows"},
            "rows of `output_weight` were taken for W_O's. nn.Linear keeps its weight as (out, "
            "in): take rows of `output_weight.T`.",
        ),
        Mistake(
            "output-matrix-left-out",
            {"block": "none"},
            "this is the length of v_k. What reaches the token is v_k W_O^h: multiply first.",
        ),
        Mistake(
            "heads-interleaved",
            {"part": "interleaved"},
            "every H-th row of W_O was taken for a head. A head's rows stand together, from h·d "
            "to (h+1)·d.",
        ),
        Mistake(
            "first-block-for-all",
            {"part": "first"},
            "every head was given head 0's block of W_O. Head h has rows h·d to (h+1)·d.",
        ),
        Mistake(
            "length-of-the-query",
            {"keys": "query"},
            "the length was taken of the query's value. It is the key that adds: lengths go along "
            "the last axis, `length[:, :, None, :]`.",
        ),
        Mistake(
            "length-squared",
            {"power": 2.0},
            "the lengths are squared: a root is missing.",
        ),
        Mistake(
            "sum-of-absolute-values",
            {"power": -1},
            "absolute values were summed. A length is the root of the sum of squares.",
        ),
        Mistake(
            "weights-left-out",
            {"weighted": False},
            "these are the lengths ‖v_k W_O^h‖ alone. Multiply each by the weight A_qk.",
        ),
    ),
)

EXERCISES = (ADDED_LENGTHS,)
