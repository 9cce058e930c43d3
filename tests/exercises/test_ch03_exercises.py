"""Chapter 3's exercises, with answers as learners write them."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from bertlab import BertConfig, BertModel, exercises


def embed(input_ids, token_type_ids, word, position, token_type, gamma, beta, eps=1e-12):
    x = word[input_ids] + position[: input_ids.size(1)] + token_type[token_type_ids]
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return gamma * (x - mean) / (variance + eps).sqrt() + beta


def with_torch(ids, types, word, position, token_type, gamma, beta, eps=1e-12):
    places = torch.arange(ids.shape[1]).expand_as(ids)
    rows = F.embedding(ids, word) + F.embedding(places, position) + F.embedding(types, token_type)
    return F.layer_norm(rows, (word.shape[1],), gamma, beta, eps)


def with_loops(ids, types, word, position, token_type, gamma, beta, eps=1e-12):
    D = word.size(1)
    out = torch.zeros(*ids.shape, D, dtype=torch.float64)
    for b in range(ids.size(0)):
        for t in range(ids.size(1)):
            x = (word[ids[b, t]] + position[t] + token_type[types[b, t]]).double()
            mean = sum(x) / D
            std = math.sqrt(sum((x - mean) ** 2) / D + eps)
            out[b, t] = (x - mean) / std * gamma + beta
    return out


@pytest.mark.parametrize("answer", [embed, with_torch])
def test_right_embeddings_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("embed", answer, seed=seed)
        assert result, result


def test_embeddings_with_loops_pass() -> None:
    assert exercises.check("embed", with_loops)


def normalise(x, gamma, beta, eps, dim=-1, correction=0):
    mean, variance = x.mean(dim, keepdim=True), x.var(dim, keepdim=True, correction=correction)
    return gamma * (x - mean) / torch.sqrt(variance + eps) + beta


def longhand(norm=normalise, rows=lambda w, p, s: w + p + s, after=lambda w, p, s: 0):
    def answer(ids, types, word, position, token_type, gamma, beta, eps=1e-12):
        parts = word[ids], position[: ids.size(1)].expand(*ids.shape, -1), token_type[types]
        return norm(rows(*parts), gamma, beta, eps) + after(*parts)

    return answer


def harvard(x, gamma, beta, eps):
    """LayerNorm as many tutorials have it: another variance, and eps in another place."""
    return gamma * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps) + beta


def restarted(ids, types, word, position, *rest):
    places = torch.empty_like(ids)
    for row, kinds in enumerate(types):
        first = int((kinds == 0).sum())
        places[row] = torch.cat([torch.arange(first), torch.arange(len(kinds) - first)])
    tokens = torch.arange(ids.numel()).view(ids.shape)
    ones = torch.zeros(1, word.size(1))
    table = word[ids] + position[places] + rest[0][types]
    return embed(
        tokens, torch.zeros_like(ids), table.flatten(0, 1), ones.expand(99, -1), ones, *rest[1:]
    )


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("layernorm-missing", longhand(norm=lambda x, *_: x)),
        (
            "position-after-layernorm",
            longhand(rows=lambda w, p, s: w + s, after=lambda w, p, s: p),
        ),
        ("positions-missing", longhand(rows=lambda w, p, s: w + s)),
        ("token-types-missing", longhand(rows=lambda w, p, s: w + p)),
        ("words-missing", longhand(rows=lambda w, p, s: p + s)),
        ("words-scaled", longhand(rows=lambda w, p, s: w * math.sqrt(w.size(-1)) + p + s)),
        ("averaged-not-summed", longhand(rows=lambda w, p, s: torch.stack([w, p, s]).mean(0))),
        ("positions-restarted", restarted),
        ("variance-over-n-minus-1", longhand(norm=partial(normalise, correction=1))),
        ("normalised-over-tokens", longhand(norm=partial(normalise, dim=1))),
        (
            "eps-outside-root",
            longhand(
                norm=lambda x, g, b, eps: (
                    g * (x - x.mean(-1, True)) / (x.std(-1, correction=0, keepdim=True) + eps) + b
                )
            ),
        ),
        ("eps-not-used", lambda *a: with_torch(*a[:7], 1e-5)),
        ("eps-not-used", lambda *a: with_torch(*a[:7])),
        (
            "gamma-and-beta-missing",
            lambda *a: longhand(norm=lambda x, g, b, e: normalise(x, 1, 0, e))(*a),
        ),
        # Of two mistakes the one that shows in simpler examples comes first; then the other.
        ("variance-over-n-minus-1", longhand(norm=harvard)),
    ],
)
def test_wrong_embeddings_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("embed", answer)
    assert result.mistake == mistake, result


def test_the_variance_is_measured() -> None:
    answer = longhand(norm=partial(normalise, correction=1))
    assert (
        "your first vector of 4 has the variance 0.75" in exercises.check("embed", answer).message
    )


def test_scaling_in_place_is_noticed() -> None:
    def answer(ids, types, word, *rest):
        result = embed(ids, types, word, *rest)
        word.mul_(2)
        return result

    assert exercises.check("embed", answer).mistake == "input-modified"


def count(V, D, L, F, P=512, S=2):
    layer = 4 * (D * D + D) + (D * F + F) + (F * D + D) + 4 * D
    return (V + P + S) * D + 2 * D + L * layer + D * D + D


def by_building(vocab, hidden, layers, feed_forward, positions=512, types=2):
    """Count the numbers of real tensors, which take no memory on the meta device."""
    shapes = [(n, hidden) for n in (vocab, positions, types)] + 2 * [(hidden,)]
    for _ in range(layers):
        shapes += 4 * [(hidden, hidden), (hidden,)] + 4 * [(hidden,)]
        shapes += [(feed_forward, hidden), (feed_forward,), (hidden, feed_forward), (hidden,)]
    shapes += [(hidden, hidden), (hidden,)]
    return sum(torch.empty(shape, device="meta").numel() for shape in shapes)


@pytest.mark.parametrize("answer", [count, by_building, lambda *a: torch.tensor(count(*a))])
def test_right_counts_pass(answer: Callable[..., Any]) -> None:
    result = exercises.check("count_parameters", answer)
    assert result
    assert "109,482,240" in result.message


def test_the_count_passes_on_20_seeds_and_is_that_of_the_model() -> None:
    for seed in range(20):
        assert exercises.check("count_parameters", count, seed=seed)
    config = BertConfig.tiny(vocab_size=50, intermediate_size=48, type_vocab_size=3)
    model = BertModel(config)
    sizes = (50, config.hidden_size, config.num_hidden_layers, 48, 512, 3)
    assert sum(p.numel() for p in model.parameters()) == count(*sizes)


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        (
            "biases-forgotten",
            lambda V, D, L, F, P=512, S=2: count(V, D, L, F, P, S) - L * (5 * D + F) - D,
        ),
        (
            "layernorms-forgotten",
            lambda V, D, L, F, P=512, S=2: count(V, D, L, F, P, S) - 4 * D * L - 2 * D,
        ),
        ("pooler-forgotten", lambda V, D, L, F, P=512, S=2: count(V, D, L, F, P, S) - D * D - D),
        (
            "embedding-layernorm-forgotten",
            lambda V, D, L, F, P=512, S=2: count(V, D, L, F, P, S) - 2 * D,
        ),
        ("token-types-forgotten", lambda V, D, L, F, P=512, S=2: count(V, D, L, F, P, 0)),
        ("fixed-4d", lambda V, D, L, F, P=512, S=2: count(V, D, L, 4 * D, P, S)),
        ("fixed-512-positions", lambda V, D, L, F, P=512, S=2: count(V, D, L, F, 512, S)),
        (
            "attention-biases-or-layernorms-forgotten",
            lambda V, D, L, F, P=512, S=2: count(V, D, L, F, P, S) - 4 * D * L,
        ),
        (
            "biases-forgotten+pooler-forgotten",
            lambda V, D, L, F, P=512, S=2: count(V, D, L, F, P, S) - L * (5 * D + F) - D * D - D,
        ),
        (
            "biases-forgotten+layernorms-forgotten+token-types-forgotten",
            lambda V, D, L, F, P=512, S=2: (V + P) * D + L * (4 * D * D + 2 * D * F) + D * D,
        ),
    ],
)
def test_wrong_counts_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("count_parameters", answer)
    assert result.mistake == mistake, result


def test_two_mistakes_at_once_are_both_explained() -> None:
    result = exercises.check(
        "count_parameters", lambda V, D, L, F, P=512, S=2: count(V, D, L, F, P, 0) - D * D - D
    )
    assert result.mistake == "token-types-forgotten+pooler-forgotten"
    assert "2 things at once:\n1. The token type table" in result.message


def test_a_float_is_no_count() -> None:
    result = exercises.check("count_parameters", lambda *a: float(count(*a)))
    assert result.mistake == "wrong-type"
    assert "`count` is a float: expected an integer" in result.message


def test_help_from_bertlab_is_noticed_inside_an_answer() -> None:
    def answer(V, D, L, F, P=512, S=2):
        config = BertConfig(vocab_size=V, hidden_size=D, num_attention_heads=1)
        return count(config.vocab_size, config.hidden_size, L, F, P, S)

    result = exercises.check("count_parameters", answer)
    assert result.mistake == "bertlabs-own-function"
    assert "`bertlab.model.config.BertConfig" in result.message
