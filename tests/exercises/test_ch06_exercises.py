"""Chapter 6's exercises, with answers as learners write them."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from bertlab import exercises
from bertlab.pretraining import pairs as package


def loss(logits, labels):
    return F.cross_entropy(logits, labels)


def loss_by_hand(logits, labels):
    logs = logits - logits.logsumexp(dim=-1, keepdim=True)
    return -logs[torch.arange(len(labels)), labels].mean()


def loss_by_difference(logits, labels):
    """Two logits ask one question: the sigmoid of their difference."""
    sign = 1 - 2 * labels
    return F.softplus(-sign * (logits[:, 0] - logits[:, 1])).mean()


@pytest.mark.parametrize("answer", [loss, loss_by_hand, loss_by_difference])
def test_right_losses_pass(answer: Callable[..., Any]) -> None:
    for seed in range(10):
        result = exercises.check("next_sentence_loss", answer, seed=seed)
        assert result, result


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("label-swapped", lambda z, y: F.cross_entropy(z, 1 - y)),
        ("label-swapped", lambda z, y: F.cross_entropy(z.flip(1), y)),
        ("label-zero-ignored", lambda z, y: F.cross_entropy(z, y, ignore_index=0)),
        (
            "label-zero-counts-nothing",
            lambda z, y: (F.cross_entropy(z, y, reduction="none") * y).mean(),
        ),
        (
            "sigmoid-on-both-logits",
            lambda z, y: F.binary_cross_entropy_with_logits(z, F.one_hot(y, 2).float()),
        ),
        (
            "sigmoid-on-both-logits",
            lambda z, y: F.binary_cross_entropy(z.double().sigmoid(), F.one_hot(y, 2).double()),
        ),
        (
            "sigmoid-on-one-logit",
            lambda z, y: F.binary_cross_entropy_with_logits(z[:, 1], y.float()),
        ),
        ("softmax-twice", lambda z, y: F.cross_entropy(z.softmax(-1), y)),
        ("log-of-softmax", lambda z, y: F.nll_loss(z.softmax(-1).log(), y)),
        ("logarithm-missing", lambda z, y: F.nll_loss(z.softmax(-1), y)),
        ("softmax-missing", lambda z, y: F.nll_loss(z, y)),
        ("softmax-over-the-batch", lambda z, y: F.nll_loss(z.log_softmax(0), y)),
        ("sum-not-mean", lambda z, y: F.cross_entropy(z, y, reduction="sum")),
        ("sign-missing", lambda z, y: -F.cross_entropy(z, y)),
        ("wrong-type", lambda z, y: F.cross_entropy(z, y).item()),
        ("wrong-shape", lambda z, y: F.cross_entropy(z, y, reduction="none")),
    ],
)
def test_wrong_losses_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("next_sentence_loss", answer)
    assert result.mistake == mistake, result


def truncate(a_ids, b_ids, max_length, coins):
    a, b, coins = list(a_ids), list(b_ids), iter(coins)
    while len(a) + len(b) + 3 > max_length:
        longer = a if len(a) > len(b) else b
        longer.pop(0 if next(coins) else -1)
    return a, b


def truncate_by_slices(a, b, max_length, coins):
    for coin in coins:
        if len(a) + len(b) <= max_length - 3:
            break
        if len(a) > len(b):
            a = a[1:] if coin else a[:-1]
        else:
            b = b[1:] if coin else b[:-1]
    return a, b


@pytest.mark.parametrize("answer", [truncate, truncate_by_slices])
def test_right_truncations_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("truncate_pair", answer, seed=seed)
        assert result, result


def truncated_wrongly(specials=3, longer=lambda a, b: a if len(a) > len(b) else b, place=None):
    def answer(a_ids, b_ids, max_length, coins):
        a, b, number = list(a_ids), list(b_ids), 0
        while len(a) + len(b) + specials > max_length:
            coin = coins[number] if place is None else place(coins)
            longer(a, b).pop(0 if coin else -1)
            number += 1
        return a, b

    return answer


def in_place(a, b, max_length, coins):
    coins = iter(coins)
    while len(a) + len(b) + 3 > max_length:
        (a if len(a) > len(b) else b).pop(0 if next(coins) else -1)
    return a, b


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("always-from-the-back", truncated_wrongly(place=lambda coins: 0)),
        ("always-from-the-front", truncated_wrongly(place=lambda coins: 1)),
        ("one-coin-for-all", truncated_wrongly(place=lambda coins: coins[0])),
        ("special-tokens-not-counted", truncated_wrongly(specials=0)),
        ("two-special-tokens", truncated_wrongly(specials=2)),
        ("one-token-too-many", truncated_wrongly(specials=4)),
        ("only-b-cut", truncated_wrongly(longer=lambda a, b: b or a)),
        ("ties-from-a", truncated_wrongly(longer=lambda a, b: a if len(a) >= len(b) else b)),
        ("input-modified", in_place),
        (
            "special-tokens-not-counted",  # shows first; then the other one
            truncated_wrongly(specials=0, place=lambda coins: 0),
        ),
    ],
)
def test_wrong_truncations_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("truncate_pair", answer)
    assert result.mistake == mistake, result


def test_the_rule_for_sizes_is_the_packages() -> None:
    draw = random.Random(0)
    for _ in range(200):
        a, b, most = draw.randint(1, 30), draw.randint(1, 30), draw.randint(2, 40)
        kept = package._truncate((0, a), (100, 100 + b), most, draw)
        ours = truncate(range(a), range(b), most + 3, [1] * 60)
        assert [package._size(segment) for segment in kept] == [len(part) for part in ours]


def flat(sentences):
    return [token for sentence in sentences for token in sentence]


def make_pair(documents, number, chunk, split, coin, other, target):
    a = flat(chunk[:split])
    if coin == 0 and len(chunk) > 1:
        return a, flat(chunk[split:]), 0, len(chunk)
    b = []
    for sentence in (documents[:number] + documents[number + 1 :])[other]:
        b += sentence
        if len(a) + len(b) >= target:
            break
    return a, b, 1, split


def make_pair_by_index(documents, number, chunk, split, coin, other, target):
    a, rest = flat(chunk[:split]), flat(chunk[split:])
    if rest and not coin:
        return a, rest, 0, len(chunk)
    source = documents[other + (other >= number)]
    b, count = list(source[0]), 1
    while len(a) + len(b) < target and count < len(source):
        b, count = b + source[count], count + 1
    return a, b, 1, split


@pytest.mark.parametrize("answer", [make_pair, make_pair_by_index])
def test_right_pairs_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("make_pair", answer, seed=seed)
        assert result, result


def changed(what):
    """The right pair, changed afterwards."""
    return lambda *arguments: what(*make_pair(*arguments), arguments)


def same_document(documents, number, chunk, split, coin, other, target):
    elsewhere = [documents[number]] * len(documents)
    return make_pair(elsewhere, number, chunk, split, coin, other, target)


def not_shifted(documents, number, chunk, split, coin, other, target):
    elsewhere = documents[:number] + documents[number:]
    return make_pair([*elsewhere, []], len(documents), chunk, split, coin, other, target)


def only_the_coin(documents, number, chunk, split, coin, other, target):
    if coin == 0:
        return flat(chunk[:split]), flat(chunk[split:]), 0, len(chunk)
    return make_pair(documents, number, chunk, split, coin, other, target)


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("label-swapped", changed(lambda a, b, label, used, _: (a, b, 1 - label, used))),
        (
            "rest-not-put-back",
            changed(lambda a, b, label, used, given: (a, b, label, len(given[2]))),
        ),
        ("rest-always-put-back", changed(lambda a, b, label, used, given: (a, b, label, given[3]))),
        ("negative-from-the-same-document", same_document),
        ("other-not-shifted", not_shifted),
        ("single-sentence-is-next", only_the_coin),
        ("coin-inverted", lambda d, n, c, s, coin, *rest: make_pair(d, n, c, s, 1 - coin, *rest)),
        (
            "room-of-a-not-subtracted",
            lambda *g: make_pair(*g[:-1], g[-1] + len(flat(g[2][: g[3]]))),
        ),
        ("whole-random-document", lambda *g: make_pair(*g[:-1], 10_000)),
    ],
)
def test_wrong_pairs_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("make_pair", answer)
    assert result.mistake == mistake, result


def test_the_label_is_quoted() -> None:
    answer = changed(lambda a, b, label, used, _: (a, b, 1 - label, used))
    assert "Your label for the pair below is 1" in exercises.check("make_pair", answer).message
