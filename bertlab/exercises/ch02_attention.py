"""Chapter 2's exercise on attention.

Dimensions: ``Tq`` queries, ``Tk`` keys, ``d`` width of queries and keys, ``dv`` of values.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bertlab.exercises.spec import ANYTHING, Case, Exercise, Failure, Mistake, Spec

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
    divisor = {"root": math.sqrt(d), "width": d, "length": math.sqrt(query.size(-2))}
    scores = scores * math.sqrt(d) if scale == "times" else scores / divisor.get(scale, 1.0)

    if mask is not None:
        hide = {"inverted": mask, "fill": ~mask, "-inf": ~mask}.get(masking)
        if hide is not None:
            low = -math.inf if masking == "-inf" else torch.finfo(scores.dtype).min
            scores = scores.masked_fill(hide, low)
        elif masking == "added":
            scores = scores + mask.double()
        elif masking == "multiplied":
            scores = scores * mask.double()

    if softmax == "none":
        weights = scores
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
        case(4, "a query that may attend to nothing", *(normal(n, 4) for n in (3, 4, 4)), empty),
        case(
            4,
            "a text that is all padding",
            *heads(3, 5),
            padding[:, None, None, :] & torch.tensor([True, False]).view(2, 1, 1, 1),
        ),
    ]


def _sums(failure: Failure, axis: int = -1) -> list[float]:
    """Return the different sums of the weights found, rounded."""
    return sorted({round(s, 3) for s in failure.found[1].sum(axis).flatten().tolist()})


def _row_sums(failure: Failure) -> str:
    sums, d = _sums(failure), failure["query"].size(-1)
    if sums == [round(d**-0.5, 3)]:
        return f"Each row of your weights sums to {sums[0]:.3f}, which is 1/√{d}"
    return ""


def _some_row_sum(failure: Failure) -> str:
    sums = [s for s in _sums(failure) if abs(s - 1) > 1e-3]
    return f"A row of your weights sums to {sums[0]:.3f}, not to 1" if sums else ""


def _column_sums(failure: Failure) -> str:
    if _sums(failure, -2) == [1.0]:
        return "The columns of your weights sum to 1, the rows don't"
    return ""


def _hidden_weight(failure: Failure) -> str:
    mask, weights = failure["mask"], failure.found[1]
    hidden = weights[~mask.broadcast_to(weights.shape)]
    if hidden.numel() and float(hidden.max()) > 1e-5:
        return f"A place that the mask forbids has the weight {float(hidden.max()):.3f}"
    return ""


def _flatness(failure: Failure) -> str:
    found, expected = failure.found[1].max().item(), failure.expected[1].max().item()
    return f"The largest of your weights is {found:.3f}, and should be {expected:.3f}"


_ROOT = "Divide the scores by √d before the softmax, d the last size of `query`. Equation 2.10."
_MASK = "Set forbidden scores to the lowest finite number before the softmax. Equation 2.11."

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
        "and dv ≠ d; masks of four shapes; large scores; finite numbers where nothing may be attended "
        "to; arguments unchanged."
    ),
    outputs={"output": "tensor", "weights": "tensor"},
    compute=_attention,
    cases=_attention_cases,
    mistakes=(
        Mistake(
            "scaled-after-softmax",
            {"scale": "weights"},
            "the softmax's output was divided by √d. Scale the scores before the softmax. Equation "
            "2.10.",
            _row_sums,
        ),
        Mistake(
            "scaled-after-softmax",
            {"scale": "output"},
            "the average of the values was divided by √d, and the scores were not. Scale the "
            "scores before the softmax. Equation 2.10.",
        ),
        Mistake(
            "divided-by-d",
            {"scale": "width"},
            f"the scores were divided by d, not by its root: the weights are too flat. {_ROOT}",
            _flatness,
        ),
        Mistake("not-scaled", {"scale": "none"}, f"the scores were not scaled. {_ROOT}", _flatness),
        Mistake(
            "multiplied-by-root",
            {"scale": "times"},
            f"the scores were multiplied by √d. {_ROOT}",
            _flatness,
        ),
        Mistake(
            "scaled-by-length",
            {"scale": "length"},
            f"the scores were divided by the root of the number of queries. {_ROOT}",
        ),
        Mistake(
            "no-softmax",
            {"softmax": "none"},
            "the scores were used as weights. Apply the softmax over the keys, the last axis, so "
            "that each row is positive and sums to 1. Equation 2.10.",
            _some_row_sum,
        ),
        Mistake(
            "softmax-over-queries",
            {"softmax": -2},
            "the softmax ran over the queries. It belongs on the last axis, the keys: `dim=-1`.",
            _column_sums,
        ),
        Mistake(
            "softmax-over-heads",
            {"softmax": 1},
            "the softmax ran over axis 1: the queries where there is a batch, the heads where "
            "there are heads. It belongs on the last axis, the keys: `dim=-1`.",
            _some_row_sum,
        ),
        Mistake(
            "softmax-over-heads",
            {"softmax": -3},
            "the softmax ran over the third axis from the end, the heads. It belongs on the last "
            "axis, the keys: `dim=-1`.",
            _some_row_sum,
        ),
        Mistake(
            "softmax-over-batch",
            {"softmax": 0},
            "the softmax ran over axis 0: the batch, or the queries where there is no batch. It "
            "belongs on the last axis, the keys: `dim=-1`.",
            _some_row_sum,
        ),
        Mistake(
            "softmax-over-a-fixed-axis",
            {"softmax": 2},
            "the softmax ran over axis 2, which is the keys only where there is one leading "
            "dimension. Count from the end: `dim=-1`.",
        ),
        Mistake(
            "softmax-without-dim",
            {"softmax": "no dim"},
            "the softmax was not told its axis, and guessed it from the number of dimensions. Say "
            "`dim=-1`, the keys.",
            _some_row_sum,
        ),
        Mistake(
            "mask-ignored",
            {"masking": "ignored"},
            f"the mask was not used. {_MASK}",
            _hidden_weight,
        ),
        Mistake(
            "mask-added",
            {"masking": "added"},
            "the mask was added to the scores as 0 and 1, which only shifts them. " + _MASK,
            _hidden_weight,
        ),
        Mistake(
            "mask-times-scores",
            {"masking": "multiplied"},
            "forbidden scores were set to 0 (by a product, or by filling in 0 or 1e-9), and the "
            f"softmax gives a score of 0 the share e⁰ = 1. {_MASK}",
            _hidden_weight,
        ),
        Mistake(
            "mask-after-softmax",
            {"masking": "afterwards"},
            "the mask was multiplied in after the softmax, so that rows lose what forbidden places "
            f"had. {_MASK}",
            _some_row_sum,
        ),
        Mistake(
            "mask-inverted",
            {"masking": "inverted"},
            "the mask was taken the other way round. True means that a query may attend: fill "
            "where `~mask`.",
            _hidden_weight,
        ),
        Mistake(
            "nan-where-all-masked",
            {"masking": "-inf"},
            "a query that may attend to nothing gets NaN, because a row of -inf only has no "
            "softmax (0/0). Fill with the lowest finite number, `torch.finfo(scores.dtype).min`, instead.",
        ),
        Mistake(
            "queries-and-keys-exchanged",
            {"axes": "exchanged"},
            "the scores are K Qᵀ, with a row for each key. They should be Q Kᵀ, with a row for "
            "each query. Equation 2.10.",
        ),
        *(
            Mistake(
                "fixed-axes",
                {"axes": axes},
                "the key's axes were counted from the front, which fits one number of dimensions "
                "only. Count from the end: `query @ key.transpose(-2, -1)`.",
            )
            for axes in ("first two", "middle")
        ),
        Mistake(
            "averaged-keys",
            {"averaged": "key"},
            "the weights are right, but they average the keys. The output is `weights @ value`.",
        ),
        Mistake(
            "outputs-swapped",
            {"returned": "swapped"},
            "both results are right, but in the wrong order. Return `output, weights`.",
        ),
        Mistake(
            "scores-returned",
            {"returned": "scores"},
            "the output is right, but the scores were returned in the weights' place. Return what "
            "came out of the softmax.",
            _some_row_sum,
        ),
    ),
)

EXERCISES = (ATTENTION,)
