"""Chapter 4's exercises, with answers as learners write them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from bertlab import exercises
from bertlab.exercises.ch04_attention import _attention_share


def share(weights, pattern, mask):
    given = (weights * pattern[:, None]).sum(-1)
    return (given * mask[:, None]).sum((0, 2)) / mask.sum()


def share_by_einsum(weights, pattern, mask):
    return torch.einsum("bhqk,bqk,bq->h", weights, pattern.float(), mask.float()) / mask.sum()


def share_with_loops(weights, pattern, mask):
    totals = [0.0] * weights.size(1)
    for b, q in mask.nonzero().tolist():
        for h in range(weights.size(1)):
            totals[h] += weights[b, h, q][pattern[b, q]].sum()
    return torch.tensor(totals) / mask.sum()


def share_of_selected(weights, pattern, mask):
    rows = weights.transpose(1, 2)[mask.bool()]  # (queries, H, T)
    return (rows * pattern[mask.bool()][:, None]).sum(-1).mean(0)


@pytest.mark.parametrize(
    "answer",
    [share, share_by_einsum, share_with_loops, share_of_selected],
    ids=lambda f: f.__name__,
)
def test_right_shares_pass(answer: Callable[..., Any]) -> None:
    for seed in range(5):
        result = exercises.check("attention_share", answer, seed=seed)
        assert result, result


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("padding-counted", lambda w, p, m: (w * p[:, None]).sum(-1).mean((0, 2))),
        (
            "divided-by-all-places",
            lambda w, p, m: ((w * p[:, None]).sum(-1) * m[:, None]).mean((0, 2)),
        ),
        (
            "mean-of-texts",
            lambda w, p, m: (
                ((w * p[:, None]).sum(-1) * m[:, None]).sum(2) / m.sum(1, keepdim=True)
            ).mean(0),
        ),
        ("heads-averaged", lambda w, p, m: share(w, p, m).mean()),
        ("pattern-transposed", lambda w, p, m: share(w, p.mT, m)),
        (
            "summed-over-queries",
            lambda w, p, m: ((w * p[:, None]).sum(2) * m[:, None]).sum((0, 2)) / m.sum(),
        ),
        (
            "mean-weight-of-the-pattern",
            lambda w, p, m: (
                (w * p[:, None] * m[:, None, :, None]).sum((0, 2, 3)) / (p * m[..., None]).sum()
            ),
        ),
        ("wrong-shape", lambda w, p, m: share(w, p, m)[None]),
    ],
)
def test_wrong_shares_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("attention_share", answer)
    assert result.mistake == mistake, result


def test_a_share_above_one_is_said() -> None:
    result = exercises.check("attention_share", lambda w, p, m: share(w, p, m) * m.sum())
    assert result.mistake == "not-divided"
    assert "above 1" in result.message


def test_the_share_of_everything_is_one() -> None:
    weights = torch.rand(2, 3, 4, 4).softmax(-1)
    everything = torch.ones(2, 4, 4, dtype=torch.bool)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    torch.testing.assert_close(
        _attention_share(weights, everything, mask), torch.ones(3).double(), rtol=0, atol=1e-6
    )


def rollout(attentions):
    identity = torch.eye(attentions.size(-1))
    result = identity
    for weights in attentions:
        result = (weights.mean(0) + identity) / 2 @ result
    return result


def rollout_backwards(attentions):
    mixed = 0.5 * attentions.mean(1) + 0.5 * torch.eye(attentions.shape[-1])
    return torch.linalg.multi_dot(list(mixed.flip(0))) if len(mixed) > 1 else mixed[0]


@pytest.mark.parametrize("answer", [rollout, rollout_backwards], ids=lambda f: f.__name__)
def test_right_rollouts_pass(answer: Callable[..., Any]) -> None:
    for seed in range(5):
        result = exercises.check("attention_rollout", answer, seed=seed)
        assert result, result


def looped(step, start=None):
    def answer(attentions):
        identity = torch.eye(attentions.size(-1))
        result = identity if start is None else start(attentions)
        for weights in attentions:
            result = step(weights, identity, result)
        return result

    return answer


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("order-reversed", looped(lambda w, i, r: r @ (w.mean(0) + i) / 2)),
        ("identity-forgotten", looped(lambda w, i, r: w.mean(0) @ r)),
        ("not-halved", looped(lambda w, i, r: (w.mean(0) + i) @ r)),
        ("heads-summed", looped(lambda w, i, r: (w.sum(0) + i) / 2 @ r)),
        ("multiplied-elementwise", looped(lambda w, i, r: (w.mean(0) + i) / 2 * r, lambda a: 1)),
        ("last-layer-only", lambda a: (a[-1].mean(0) + torch.eye(a.size(-1))) / 2),
        (
            "identity-forgotten",  # which shows with one layer; the order only with two
            looped(lambda w, i, r: r @ w.mean(0)),
        ),
    ],
)
def test_wrong_rollouts_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("attention_rollout", answer)
    assert result.mistake == mistake, result


def test_a_row_sum_is_the_evidence() -> None:
    result = exercises.check("attention_rollout", looped(lambda w, i, r: (w.mean(0) + i) @ r))
    assert "Your first row sums to 2.00, not 1" in result.message


def without_head(context, weight, bias, head, num_heads):
    d = weight.size(1) // num_heads
    weight = weight.clone()
    weight[:, head * d : (head + 1) * d] = 0
    return context @ weight.T + bias


def by_context(context, weight, bias, head, num_heads):
    heads = context.clone().unflatten(-1, (num_heads, -1))
    heads[..., head, :] = 0
    return nn.functional.linear(heads.flatten(-2), weight, bias)


def by_subtraction(context, weight, bias, head, num_heads):
    d = context.size(-1) // num_heads
    own = slice(head * d, head * d + d)
    return context @ weight.T + bias - context[..., own] @ weight[:, own].T


@pytest.mark.parametrize(
    "answer", [without_head, by_context, by_subtraction], ids=lambda f: f.__name__
)
def test_right_ways_without_a_head_pass(answer: Callable[..., Any]) -> None:
    for seed in range(5):
        result = exercises.check("without_head", answer, seed=seed)
        assert result, result


def changed(context, weight, bias, head, num_heads):
    d = weight.size(1) // num_heads
    weight[:, head * d : (head + 1) * d] = 0
    return context @ weight.T + bias


def rows(context, weight, bias, head, num_heads):
    d = weight.size(1) // num_heads
    weight = weight.clone()
    weight[head * d : (head + 1) * d] = 0
    return context @ weight.T + bias


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("input-modified", changed),
        ("rows-zeroed", rows),
        ("bias-left-out", lambda c, w, b, h, n: by_context(c, w, None, h, n)),
        ("counted-from-one", lambda c, w, b, h, n: without_head(c, w, b, h - 1, n)),
        ("weight-not-transposed", lambda c, w, b, h, n: by_context(c, w.T, b, h, n)),
        (
            "only-this-head",
            lambda c, w, b, h, n: c @ w.T + 2 * b - without_head(c, w, b, h, n),
        ),
    ],
)
def test_wrong_ways_without_a_head_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("without_head", answer)
    assert result.mistake == mistake, result
