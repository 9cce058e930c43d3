"""Chapter 2's exercises on heads and on the softmax's Jacobian.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``H`` heads, ``d`` width of a head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _split_heads(x: Tensor, num_heads: int, *, way: str = "right") -> Tensor:
    """Heads as a batch dimension, right by default."""
    import torch

    B, T, D = x.shape
    d = D // num_heads
    if way == "view":
        return x.view(B, num_heads, T, d)
    if way == "reshape":
        return x.reshape(B, num_heads, T, d)
    if way == "not moved":
        return x.reshape(B, T, num_heads, d)
    if way == "interleaved":
        return x.reshape(B, T, d, num_heads).permute(0, 3, 1, 2)
    if way == "heads first":
        return torch.stack(x.chunk(num_heads, dim=-1))
    if way == "folded":
        return x.reshape(B, T, num_heads, d).transpose(1, 2).reshape(B * num_heads, T, d)
    if way == "batch mixed":
        return x.reshape(num_heads, B, T, d).transpose(0, 1)
    return x.reshape(B, T, num_heads, d).transpose(1, 2)  # (B, T, H, d) -> (B, H, T, d)


def _split_heads_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, x: Tensor, heads: int) -> Case:
        return Case(stage, label, {"x": x, "num_heads": heads})

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float32)

    # Place t, column c holds 10 t + c: the reader sees where each number went.
    T = 2 + seed % 3
    readable = (10.0 * torch.arange(T)[:, None] + torch.arange(4.0))[None]
    return [
        case(1, "one text; place t, column c holds 10 t + c", readable, 2),
        case(1, "a batch", normal(2, 3, 8), 2),
        case(1, "as many heads as places", normal(2, 4, 12), 4),
        case(2, "one head", normal(3, 2, 4), 1),
        case(2, "heads of width 1", normal(2, 3, 4), 4),
        case(2, "one token", normal(2, 1, 6), 3),
        case(2, "a tensor that is not contiguous", normal(2, 6, 5).transpose(1, 2), 3),
    ]


SPLIT_HEADS = Spec(
    Exercise("split_heads", 2, "easy", 5),
    question=(
        "Cut the width of x, (B, T, D), into heads and make them a dimension of the batch:\n"
        "return (B, H, T, d) with d = D / H. Head h gets the columns h·d to (h+1)·d."
    ),
    formula="heads[b, h, t, c] = x[b, t, h·d + c]",
    stub="def split_heads(x, num_heads):\n    raise NotImplementedError",
    hints=(
        "A view or reshape may cut the last axis in two. It cannot change the order of axes.",
        "First (B, T, D) -> (B, T, H, d), then move H in front of T.",
    ),
    verified=(
        "shapes and values for several batches, lengths and numbers of heads; one head, heads of "
        "width 1, one token; a tensor that is not contiguous; x unchanged."
    ),
    outputs={"heads": "tensor"},
    compute=_split_heads,
    cases=_split_heads_cases,
    equation="2.13",
    mistakes=(
        *(
            Mistake(
                "view-without-transpose",
                {"way": way},
                "the shape is right and the values are scrambled. A view (or reshape) reads the "
                "numbers on in their old order, so a head gets whole tokens instead of a share of "
                "each. First (B, T, H, d), then transpose axes 1 and 2. Equation 2.13.",
            )
            for way in ("view", "reshape")
        ),
        Mistake(
            "heads-not-moved",
            {"way": "not moved"},
            "the width is cut into heads, but they still stand behind the tokens. Transpose axes 1 "
            "and 2: (B, T, H, d) -> (B, H, T, d).",
        ),
        Mistake(
            "columns-interleaved",
            {"way": "interleaved"},
            "each head got every H-th column. Head h should get d neighbouring columns, from h·d "
            "on: cut the width as (H, d), not as (d, H). Equation 2.13.",
        ),
        Mistake(
            "heads-before-batch",
            {"way": "heads first"},
            "the values are right, but the heads stand in front of the batch: (H, B, T, d) instead "
            "of (B, H, T, d). Stack along axis 1.",
        ),
        Mistake(
            "heads-folded-into-batch",
            {"way": "folded"},
            "the heads were merged with the batch into one axis. Keep both: (B, H, T, d).",
        ),
        Mistake(
            "batch-mixed",
            {"way": "batch mixed"},
            "numbers of different texts got mixed: the reshape cut the batch axis. Only the last "
            "axis may be cut: (B, T, D) -> (B, T, H, d).",
        ),
    ),
)


def _softmax_jacobian(p: Tensor, *, way: str = "right") -> Tensor:
    """The derivatives of a softmax by its scores, right by default."""
    import torch

    p = p.double()
    if way == "softmax again":
        p = p.softmax(0)
    outer, diagonal, one = torch.outer(p, p), torch.diag(p), torch.eye(len(p)).double()
    ways = {
        "diagonal only": torch.diag(p * (1 - p)),
        "diag of p": diagonal,
        "p(1-p) by rows": p[:, None] - outer,
        "p(1-p) by columns": p[None, :] - outer,
        "negative": outer - diagonal,
        "outer only": -outer,
        "plain outer": outer,
        "added": diagonal + outer,
        "identity": one - outer,
        "log": one - p[None, :],
        "log by columns": one - p[:, None],
        "vector": p * (1 - p),
    }
    return ways.get(way, diagonal - outer)


_FORMULA = "J = diag(p) - pᵀ p (p is a row), equation 2.8."


def _row_sum(failure: Failure) -> str:
    total = failure.found[0].sum(-1)[0].item()
    return f"The first row of your matrix sums to {total:.3f}, and shares that sum to 1 need 0"


def _first_entry(failure: Failure) -> str:
    return f"Your first entry is {failure.found[0][0, 0].item():.3f}"


def _softmax_jacobian_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def softmax(n: int, temperature: float = 1.0) -> Tensor:
        return (torch.randn(n, generator=generator) * temperature).softmax(0).float()

    readable = torch.tensor([[0.25, 0.75], [0.5, 0.5], [0.1, 0.9]][seed % 3])
    samples = [
        (1, "two scores", readable),
        (1, "four scores", softmax(4)),
        (1, "nine scores", softmax(9)),
        (2, "nearly all on one", softmax(3, 6.0)),
        (2, "all equal", torch.full((5,), 0.2)),
        (2, "one score", torch.ones(1)),
    ]
    return [Case(stage, label, {"p": p}) for stage, label, p in samples]


SOFTMAX_JACOBIAN = Spec(
    Exercise("softmax_jacobian", 2, "medium", 5),
    question=(
        "Given p, a softmax's output of shape (n,), return its Jacobian, of shape (n, n): the\n"
        "derivative of each p_i by each score s_j."
    ),
    formula="∂p_i/∂s_j = p_i (δ_ij - p_j), that is, J = diag(p) - pᵀ p (p is a row)",
    stub="def softmax_jacobian(p):\n    raise NotImplementedError",
    hints=(
        "On the diagonal stands p_i (1 - p_i); beside it, -p_i p_j.",
        "`torch.diag` makes a matrix of a vector, `torch.outer` of two.",
    ),
    verified="shapes and values for 1 to 9 scores, flat and peaked; p unchanged.",
    outputs={"jacobian": "tensor"},
    compute=_softmax_jacobian,
    cases=_softmax_jacobian_cases,
    equation="2.8",
    mistakes=(
        Mistake(
            "diagonal-only",
            {"way": "diagonal only"},
            "the diagonal p_i (1 - p_i) is right, and the rest is missing. Raising one score "
            "lowers all other shares: beside the diagonal stands -p_i p_j. Equation 2.8.",
        ),
        Mistake(
            "outer-product-missing",
            {"way": "diag of p"},
            f"the outer product is missing. {_FORMULA}",
            _row_sum,
        ),
        *(
            Mistake(
                "p-times-one-minus-p",
                {"way": way},
                "every entry is p_i (1 - p_j), as if p minus the outer product had been taken. p "
                f"itself belongs on the diagonal only: `torch.diag(p)`. {_FORMULA}",
                _row_sum,
            )
            for way in ("p(1-p) by rows", "p(1-p) by columns")
        ),
        Mistake(
            "sign-flipped",
            {"way": "negative"},
            "every sign is the wrong way round. Raising a score raises its own share, so the "
            f"diagonal is positive and the rest negative. {_FORMULA}",
            _first_entry,
        ),
        Mistake(
            "diagonal-missing",
            {"way": "outer only"},
            f"the entries beside the diagonal are right, but diag(p) is missing. {_FORMULA}",
            _row_sum,
        ),
        Mistake(
            "outer-product-only",
            {"way": "plain outer"},
            f"this is the outer product pᵀ p. Subtract it from diag(p). {_FORMULA}",
            _row_sum,
        ),
        Mistake(
            "outer-product-added",
            {"way": "added"},
            f"the outer product was added. Subtract it. {_FORMULA}",
            _row_sum,
        ),
        Mistake(
            "identity-for-diagonal",
            {"way": "identity"},
            f"the diagonal starts from 1 instead of p. Take diag(p), not the identity. {_FORMULA}",
            _row_sum,
        ),
        *(
            Mistake(
                "jacobian-of-log-softmax",
                {"way": way},
                "this is the Jacobian of the softmax's logarithm. Multiply row i by p_i. Equation "
                "2.8.",
            )
            for way in ("log", "log by columns")
        ),
        Mistake(
            "softmax-twice",
            {"way": "softmax again"},
            "the softmax was applied to p once more. p is a softmax's output already.",
        ),
        Mistake(
            "vector-returned",
            {"way": "vector"},
            "this is the diagonal, p_i (1 - p_i), as a vector. Each share depends on every score: "
            f"return an (n, n) matrix. {_FORMULA}",
        ),
    ),
)

EXERCISES = (SPLIT_HEADS, SOFTMAX_JACOBIAN)
