"""Chapter 2's exercises, with answers as learners write them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import bertlab
from bertlab import exercises
from bertlab.model.attention import split_heads as bertlabs_split_heads


def masked(scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return scores if mask is None else scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


def plain(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.size(-1))
    weights = masked(scores, mask).softmax(dim=-1)
    return weights @ value, weights


def with_einsum(q, k, v, m=None):
    scores = torch.einsum("...qd,...kd->...qk", q, k) * q.shape[-1] ** -0.5
    if m is not None:
        scores = scores + (1.0 - m.float()) * -1e9
    weights = F.softmax(scores, -1)
    return torch.einsum("...qk,...kv->...qv", weights, v), weights


def with_exponentials(query, key, value, mask=None):
    scores = (query / query.size(-1) ** 0.5) @ key.mT
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    e = (scores - scores.amax(-1, keepdim=True)).exp()
    weights = e / e.sum(-1, keepdim=True)
    return weights.matmul(value), weights


def with_minus_infinity_repaired(query, key, value, mask=None):
    scores = query @ key.mT / math.sqrt(query.size(-1))
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1).nan_to_num()
    return [weights @ value, weights]


def in_float64(query, key, value, mask=None):
    return plain(query.double(), key.double(), value.double(), mask)


def with_numpy_loops(query, key, value, mask=None):
    q, k, v = query.numpy(), key.numpy(), value.numpy()
    lead = q.shape[:-2]
    weights = np.zeros((*lead, q.shape[-2], k.shape[-2]))
    allowed = np.broadcast_to(True if mask is None else mask.numpy(), weights.shape)
    for place in np.ndindex(*lead):
        for i in range(q.shape[-2]):
            s = [
                float(q[place][i] @ k[place][j]) / math.sqrt(q.shape[-1])
                if allowed[place][i, j]
                else -1e9
                for j in range(k.shape[-2])
            ]
            e = np.exp(np.array(s) - max(s))
            weights[place][i] = e / e.sum()
    return weights @ v, weights


RIGHT = [
    plain,
    with_einsum,
    with_exponentials,
    with_minus_infinity_repaired,
    in_float64,
    with_numpy_loops,
]


@pytest.mark.parametrize("answer", RIGHT)
def test_right_answers_pass_however_they_are_written(answer: Callable[..., Any]) -> None:
    result = exercises.check("attention", answer)
    assert result, result
    assert "masks" in result.message
    assert exercises.check("attention", answer, strict=True) is None


def test_a_solution_passes_on_20_seeds() -> None:
    for seed in range(20):
        assert exercises.check("attention", plain, seed=seed)


def attempt(scale=math.sqrt, softmax=None, hide=masked, after=None) -> Callable[..., Any]:
    """Longhand attention in float32 with one step exchanged."""

    def answer(query, key, value, mask=None):
        scores = hide(query @ key.transpose(-2, -1) / scale(query.size(-1)), mask)
        weights = (softmax or (lambda s: s.softmax(-1)))(scores)
        if after:
            weights = after(weights, mask, query.size(-1))
        return weights @ value, weights

    return answer


def hidden_with(fill: float) -> Callable[..., Any]:
    return lambda s, m: s if m is None else s.masked_fill(m == 0, fill)


def upside_down(query, key, value, mask=None):
    output, weights = plain(query, key, value, mask)
    return weights, output


def fixed_axes(query, key, value, mask=None):
    weights = masked(query @ key.transpose(1, 2) / math.sqrt(query.size(-1)), mask).softmax(-1)
    return weights @ value, weights


def with_t(query, key, value, mask=None):
    weights = masked(query @ key.T / math.sqrt(query.size(-1)), mask).softmax(-1)
    return weights @ value, weights


WRONG = {
    "divided-by-d": attempt(scale=lambda d: d),
    "not-scaled": attempt(scale=lambda d: 1),
    "multiplied-by-root": attempt(scale=lambda d: 1 / math.sqrt(d)),
    "scaled-after-softmax": attempt(scale=lambda d: 1, after=lambda w, m, d: w / math.sqrt(d)),
    "no-softmax": attempt(softmax=lambda s: s),
    "softmax-over-queries": attempt(softmax=lambda s: F.softmax(s, dim=-2)),
    "softmax-over-heads": attempt(softmax=lambda s: F.softmax(s, dim=1)),
    "softmax-over-batch": attempt(softmax=lambda s: F.softmax(s, dim=0)),
    "softmax-without-dim": attempt(softmax=lambda s: F.softmax(s)),
    "no-exponential": attempt(softmax=lambda s: s / s.sum(-1, keepdim=True)),
    "mask-ignored": attempt(hide=lambda s, m: s),
    "mask-added": attempt(hide=lambda s, m: s if m is None else s + m.int()),
    "mask-times-scores": attempt(hide=hidden_with(1e-9)),
    "mask-after-softmax": attempt(
        hide=lambda s, m: s, after=lambda w, m, d: w if m is None else w * m
    ),
    "mask-inverted": attempt(hide=lambda s, m: s if m is None else s.masked_fill(m, -1e9)),
    "nan-where-all-masked": attempt(hide=hidden_with(-math.inf)),
    "outputs-swapped": upside_down,
    "fixed-axes": fixed_axes,
    "not-scaled+softmax-over-queries": attempt(
        scale=lambda d: 1, softmax=lambda s: s.softmax(dim=-2)
    ),
}


@pytest.mark.filterwarnings("ignore:Implicit dimension")
@pytest.mark.parametrize(("mistake", "answer"), WRONG.items(), ids=list(WRONG))
def test_wrong_attention_is_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("attention", answer)
    assert not result
    assert result.mistake == mistake, result


def test_the_symptom_is_measured() -> None:
    message = exercises.check("attention", WRONG["scaled-after-softmax"]).message
    assert "Each row of your weights sums to 0.500, which is 1/√4: the softmax's output" in message
    message = exercises.check("attention", WRONG["softmax-over-queries"]).message
    assert (
        "The columns of your weights sum to 1, and the rows should: the softmax ran over" in message
    )
    message = exercises.check("attention", WRONG["mask-ignored"]).message
    assert "A place that the mask forbids has the weight 0." in message


@pytest.mark.filterwarnings("ignore:The use of `x.T`")
def test_t_fits_matrices_only_and_the_error_is_shown_too() -> None:
    result = exercises.check("attention", with_t)
    assert result.mistake == "fixed-axes"
    assert "weights = masked(query @ key.T" in result.message


def test_a_mask_constant_that_is_too_small_leaks() -> None:
    result = exercises.check("attention", attempt(hide=hidden_with(-10)))
    assert not result
    assert "values are not" in result.message


def test_an_output_alone_is_not_enough() -> None:
    result = exercises.check("attention", lambda *a: plain(*a)[0])
    assert result.mistake == "wrong-number-of-outputs"
    assert "a tensor of shape (2, 4): expected 2 values, `output`" in result.message


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("attention", bertlab.scaled_dot_product_attention),
        ("attention", lambda *a: bertlab.scaled_dot_product_attention(*a)),
        ("split_heads", bertlabs_split_heads),
    ],
)
def test_bertlabs_own_function_is_noticed(name: str, function: Callable[..., Any]) -> None:
    result = exercises.check(name, function)
    assert result.mistake == "bertlabs-own-function"
    assert "bertlab.model.attention." in result.message
    with pytest.raises(AssertionError, match="bertlab's own function"):
        exercises.check(name, function, strict=True)


def shape_of(x: torch.Tensor, heads: int) -> tuple[int, int, int, int]:
    return len(x), heads, x.shape[1], x.shape[2] // heads


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, h: x.reshape(*x.shape[:2], h, -1).permute(0, 2, 1, 3),
        lambda x, h: torch.stack(x.chunk(h, dim=-1), dim=1),
        lambda x, h: torch.stack(x.double().split(x.size(-1) // h, dim=-1)).transpose(0, 1),
        lambda x, num_heads: x.unflatten(-1, (num_heads, -1)).swapaxes(1, 2).contiguous(),
    ],
)
def test_right_heads_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        assert exercises.check("split_heads", answer, seed=seed)


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("view-without-transpose", lambda x, h: x.view(shape_of(x, h))),
        ("view-without-transpose", lambda x, h: x.contiguous().reshape(shape_of(x, h))),
        ("heads-not-moved", lambda x, h: x.unflatten(-1, (h, -1))),
        ("columns-interleaved", lambda x, h: x.unflatten(-1, (-1, h)).permute(0, 3, 1, 2)),
        ("heads-before-batch", lambda x, h: torch.stack(x.chunk(h, -1))),
        (
            "heads-folded-into-batch",
            lambda x, h: torch.cat([*x.unsqueeze(1).chunk(h, -1)], 1).flatten(0, 1),
        ),
        ("batch-mixed", lambda x, h: x.reshape(h, len(x), x.size(1), -1).swapaxes(0, 1)),
    ],
)
def test_wrong_heads_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    assert exercises.check("split_heads", answer).mistake == mistake


def with_autograd(p: torch.Tensor) -> torch.Tensor:
    return torch.autograd.functional.jacobian(lambda s: s.softmax(0), p.log())


def with_loops(p: torch.Tensor) -> torch.Tensor:
    jacobian = torch.zeros(len(p), len(p))
    for i in range(len(p)):
        for j in range(len(p)):
            jacobian[i, j] = p[i] * ((1.0 if i == j else 0.0) - p[j])
    return jacobian


@pytest.mark.parametrize(
    "answer",
    [with_autograd, with_loops, lambda p: np.diag(p.numpy()) - np.outer(p.numpy(), p.numpy())],
)
def test_right_jacobians_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        assert exercises.check("softmax_jacobian", answer, seed=seed)


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("diagonal-only", lambda p: (p - p**2).diag()),
        ("p-times-one-minus-p", lambda p: p.unsqueeze(1) * (1 - p)),
        ("p-times-one-minus-p", lambda p: p - torch.outer(p, p)),
        ("sign-flipped", lambda p: torch.outer(p, p) - p.diag()),
        ("diagonal-missing", lambda p: -p[:, None] * p),
        ("outer-product-added", lambda p: p.diag() + torch.outer(p, p)),
        ("outer-product-missing", lambda p: torch.diag(p)),
        ("vector-returned", lambda p: p * (1 - p)),
        ("identity-for-diagonal", lambda p: torch.eye(len(p)) - torch.outer(p, p)),
        ("softmax-twice", lambda p: with_loops(p.softmax(0))),
        ("jacobian-of-log-softmax", lambda p: torch.eye(len(p)) - p),
    ],
)
def test_wrong_jacobians_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    assert exercises.check("softmax_jacobian", answer).mistake == mistake
