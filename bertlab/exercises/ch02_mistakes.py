"""What goes wrong in chapter 2's exercise on attention, and how it shows."""

from __future__ import annotations

from bertlab.exercises.spec import Failure, Mistake


def _sums(failure: Failure, axis: int = -1) -> list[float]:
    """Return the different sums of the weights found, rounded."""
    return sorted({round(s, 3) for s in failure.found[1].sum(axis).flatten().tolist()})


def _row_sums(failure: Failure) -> str:
    d = failure["query"].size(-1)
    return f"Each row of your weights sums to {_sums(failure)[0]:.3f}, which is 1/√{d}"


def _some_row_sum(failure: Failure) -> str:
    sums = [s for s in _sums(failure) if abs(s - 1) > 1e-3]
    return f"A row of your weights sums to {sums[0]:.3f}, not to 1" if sums else ""


def _column_sums(failure: Failure) -> str:
    columns = ", ".join(f"{total:g}" for total in _sums(failure, -2))
    return f"The columns of your weights sum to {columns}, and the rows should"


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

MISTAKES = (
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
    *(
        Mistake(
            "scaled-by-another-size",
            {"scale": which},
            f"the scores were divided by the root of another size, the number of keys or the "
            f"width of the values. {_ROOT}",
        )
        for which in ("keys", "value width")
    ),
    Mistake(
        "scale-written-in",
        {"scale": "written in"},
        f"the scores were divided by 8, which is √d only where d is 64. {_ROOT}",
    ),
    Mistake(
        "log-softmax",
        {"softmax": "log"},
        "these are logarithms of weights (`log_softmax`). Use the softmax. Equation 2.10.",
        _some_row_sum,
    ),
    Mistake(
        "sigmoid-for-softmax",
        {"softmax": "sigmoid"},
        "each score went through a sigmoid of its own, so a row's weights don't sum to 1. Use the "
        "softmax over the keys. Equation 2.10.",
        _some_row_sum,
    ),
    Mistake(
        "no-softmax",
        {"softmax": "none"},
        "the scores were used as weights. Apply the softmax over the keys, the last axis, so "
        "that each row is positive and sums to 1. Equation 2.10.",
        _some_row_sum,
    ),
    Mistake(
        "no-exponential",
        {"softmax": "share"},
        "the scores were divided by their sum. Scores may be negative, so shares need their "
        "exponentials first: use the softmax over the last axis. Equation 2.10.",
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
        "mask-transposed",
        {"masking": "transposed"},
        f"rows and columns of the mask were exchanged: its rows are queries. {_MASK}",
        _hidden_weight,
    ),
    Mistake(
        "mask-value-too-near",
        {"masking": "-100"},
        "forbidden scores were set to -100. Allowed scores can be lower than that, and then the "
        f"forbidden places get the weight. {_MASK}",
        _hidden_weight,
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
        "softmax (0/0). Fill with the lowest finite number, "
        "`torch.finfo(scores.dtype).min`.",
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
            "this fits one number of dimensions only: the key's axes were counted from the "
            "front, or a product for matrices only was used. Count from the end: "
            "`query @ key.transpose(-2, -1)`.",
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
)
