"""Chapter 5's exercises, with answers as learners write them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import bertlab
from bertlab import BertForMaskedLM, exercises
from bertlab.exercises.ch05_scoring import ToyModel

# ---------------------------------------------------------------------------------------------
# mask_tokens


def mask_tokens(input_ids, special_ids, mask_id, vocab_size, probability, seed):
    generator = torch.Generator().manual_seed(seed)
    special = torch.isin(input_ids, torch.tensor(special_ids))
    chosen = (torch.rand(input_ids.shape, generator=generator) < probability) & ~special
    u = torch.rand(input_ids.shape, generator=generator)
    ordinary = torch.tensor([i for i in range(vocab_size) if i not in special_ids])
    index = torch.randint(len(ordinary), input_ids.shape, generator=generator)
    masked_ids = torch.where(chosen & (u < 0.8), mask_id, input_ids)
    masked_ids = torch.where(chosen & (u >= 0.8) & (u < 0.9), ordinary[index], masked_ids)
    return masked_ids, torch.where(chosen, input_ids, -100)


def as_the_collator_does(input_ids, special_ids, mask_id, vocab_size, probability, seed):
    """``DataCollatorForLanguageModeling``: half of what 80 % left over; special pieces redrawn."""
    torch.manual_seed(seed)
    inputs, labels = input_ids.clone(), input_ids.clone()
    matrix = torch.full(labels.shape, probability)
    matrix.masked_fill_(torch.isin(inputs, torch.tensor(special_ids)), value=0.0)
    masked = torch.bernoulli(matrix).bool()
    labels[~masked] = -100
    replaced = torch.bernoulli(torch.full(labels.shape, 0.8)).bool() & masked
    inputs[replaced] = mask_id
    drawn = torch.bernoulli(torch.full(labels.shape, 0.5)).bool() & masked & ~replaced
    words = torch.randint(vocab_size, labels.shape)
    while bool((bad := torch.isin(words, torch.tensor(special_ids))).any()):
        words[bad] = torch.randint(vocab_size, (int(bad.sum()),))
    inputs[drawn] = words[drawn]
    return inputs, labels


def with_numpy(input_ids, special_ids, mask_id, vocab_size, probability, seed):
    rng = np.random.default_rng(seed)
    ids = input_ids.numpy()
    chosen = (rng.random(ids.shape) < probability) & ~np.isin(ids, special_ids)
    kind = rng.choice(3, size=ids.shape, p=[0.8, 0.1, 0.1])
    pool = np.setdiff1d(np.arange(vocab_size), special_ids)
    masked = np.where(kind == 0, mask_id, np.where(kind == 1, rng.choice(pool, ids.shape), ids))
    return np.where(chosen, masked, ids), np.where(chosen, ids, -100)


@pytest.mark.parametrize("answer", [mask_tokens, as_the_collator_does, with_numpy])
def test_right_masks_pass(answer: Callable[..., Any]) -> None:
    for seed in range(5):
        result = exercises.check("mask_tokens", answer, seed=seed)
        assert result, result


def spoil(code: str, **changes: str) -> Callable[..., Any]:
    """Write mask_tokens with some of its expressions replaced."""
    parts = {
        "chosen": "(rand() < probability) & ~special",
        "masked": "chosen & (u < 0.8)",
        "drawn": "chosen & (u >= 0.8) & (u < 0.9)",
        "pool": "[i for i in range(vocab_size) if i not in special_ids]",
        "labels": "torch.where(chosen, input_ids, -100)",
    } | changes
    assert set(changes) <= {"chosen", "masked", "drawn", "pool", "labels"}

    def answer(input_ids, special_ids, mask_id, vocab_size, probability, seed):
        generator = torch.Generator().manual_seed(seed)
        space = dict(locals(), torch=torch)
        space["rand"] = lambda: torch.rand(input_ids.shape, generator=generator)
        space["special"] = torch.isin(input_ids, torch.tensor(special_ids))
        for name, made in (("chosen", None), ("u", "rand()"), ("v", "rand()")):
            space[name] = eval(made or parts[name], space)
        pool = torch.tensor(eval(parts["pool"], space))
        index = torch.randint(len(pool), input_ids.shape, generator=generator)
        masked_ids = torch.where(eval(parts["masked"], space), mask_id, input_ids)
        masked_ids = torch.where(eval(parts["drawn"], space), pool[index], masked_ids)
        space["masked_ids"] = masked_ids
        return masked_ids, eval(parts["labels"], space)

    answer.__name__ = code
    return answer


@pytest.mark.parametrize(
    ("mistake", "changes"),
    [
        ("nested-80-2-18", {"drawn": "chosen & (u >= 0.8) & (v < 0.1)"}),
        ("overwritten-72-10-18", {"drawn": "chosen & (v < 0.1)"}),
        ("always-masked", {"masked": "chosen", "drawn": "chosen & (u > 1)"}),
        ("never-kept", {"drawn": "chosen & (u >= 0.8)"}),
        ("never-replaced", {"drawn": "chosen & (u > 1)"}),
        ("changed-without-label", {"masked": "u < 0.8", "drawn": "(u >= 0.8) & (u < 0.9)"}),
        ("special-tokens-chosen", {"chosen": "rand() < probability"}),
        ("special-tokens-drawn", {"pool": "list(range(vocab_size))"}),
        ("labels-everywhere", {"labels": "input_ids.clone()"}),
        ("labels-taken-after-masking", {"labels": "torch.where(chosen, masked_ids, -100)"}),
        ("ignored-label-zero", {"labels": "torch.where(chosen, input_ids, 0)"}),
        (
            "kept-without-label",
            {"labels": "torch.where(chosen & (u < 0.9), input_ids, -100)"},
        ),
        ("fixed-15-percent", {"chosen": "(rand() < 0.15) & ~special"}),
        (
            "nested-80-2-18+ignored-label-zero",
            {
                "drawn": "chosen & (u >= 0.8) & (v < 0.1)",
                "labels": "torch.where(chosen, input_ids, 0)",
            },
        ),
    ],
)
def test_wrong_masks_are_named(mistake: str, changes: dict[str, str]) -> None:
    result = exercises.check("mask_tokens", spoil(mistake, **changes))
    assert result is not None
    # Two at once are named one by one: the simplest example shows one of them.
    assert result.mistake in (mistake, *mistake.split("+")), result


def test_the_shares_are_said() -> None:
    result = exercises.check("mask_tokens", spoil("x", drawn="chosen & (u >= 0.8) & (v < 0.1)"))
    assert (
        "Of the places that you chose, 80 % hold [MASK], 2 % another piece, 18 % what they held"
        in result.message
    )


def test_masking_in_place_is_noticed() -> None:
    def answer(input_ids, *rest):
        masked_ids, labels = mask_tokens(input_ids, *rest)
        input_ids.copy_(masked_ids)
        return input_ids, labels

    assert exercises.check("mask_tokens", answer).mistake == "input-modified"


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda *a: None, "returned-none"),
        (lambda *a: mask_tokens(*a)[0], "wrong-number-of-outputs"),
        (lambda *a: [x.float() for x in mask_tokens(*a)], "wrong-dtype"),
        (lambda *a: [x[0] for x in mask_tokens(*a)], "wrong-shape"),
        (lambda *a: [x.tolist() for x in mask_tokens(*a)], "wrong-type"),
    ],
)
def test_what_is_no_pair_of_ids_is_said(answer: Callable[..., Any], mistake: str) -> None:
    assert exercises.check("mask_tokens", answer).mistake == mistake


def test_the_package_s_own_masking_passes_as_statistics() -> None:
    """The exercise and the package agree; as an answer it is refused: it isn't the learner's."""

    class Tokenizer:
        def __init__(self, special_ids, mask_id, size):
            self.special_tokens_map, self.added_tokens_decoder = {}, {}
            self.all_special_ids, self.mask_token_id, self.size = special_ids, mask_id, size

        def get_vocab(self):
            return {str(i): i for i in range(self.size)}

        def __len__(self):
            return self.size

    def answer(ids, special_ids, mask_id, vocab_size, probability, seed):
        generator = torch.Generator().manual_seed(seed)
        tokenizer = Tokenizer(special_ids, mask_id, vocab_size)
        return bertlab.pretraining.mask_tokens(ids, tokenizer, generator, probability)

    result = exercises.check("mask_tokens", answer)
    assert result.mistake == "bertlabs-own-function", result


# ---------------------------------------------------------------------------------------------
# masked_lm_loss


def masked_lm_loss(logits, labels):
    chosen = labels != -100
    scores = logits[chosen].log_softmax(-1)
    return -scores[torch.arange(len(scores)), labels[chosen]].mean()


def with_cross_entropy(logits, labels):
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten())


def with_loops(logits, labels):
    losses = []
    for b in range(len(labels)):
        for t in range(len(labels[b])):
            if labels[b, t] != -100:
                row = logits[b, t].double()
                losses.append(torch.logsumexp(row, 0) - row[labels[b, t]])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("answer", [masked_lm_loss, with_loops])
def test_right_losses_pass(answer: Callable[..., Any]) -> None:
    for seed in range(5):
        result = exercises.check("masked_lm_loss", answer, seed=seed)
        assert result, result


def each(logits, labels):
    return F.cross_entropy(logits.mT, labels, reduction="none")  # 0 where there is no label


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("divided-by-all-places", lambda x, y: each(x, y).mean()),
        ("divided-by-rows", lambda x, y: each(x, y).sum() / len(y)),
        ("mean-of-row-means", lambda x, y: (each(x, y).sum(1) / (y != -100).sum(1)).mean()),
        ("summed-not-averaged", lambda x, y: each(x, y).sum()),
        (
            "averaged-over-all-places",
            lambda x, y: F.cross_entropy(x.flatten(0, 1), y.flatten().clamp(min=0)),
        ),
        (
            "masked-after-the-mean",
            lambda x, y: (
                F.cross_entropy(x.flatten(0, 1), y.flatten().clamp(min=0)) * (y != -100)
            ).mean(),
        ),
        (
            "label-zero-ignored",
            lambda x, y: F.cross_entropy(x.flatten(0, 1), y.clamp(min=0).flatten(), ignore_index=0),
        ),
        ("softmax-twice", lambda x, y: with_cross_entropy(x.softmax(-1), y)),
        ("softmax-over-places", lambda x, y: each_of(x.log_softmax(1), y)),
        ("sigmoid-of-true-piece", lambda x, y: each_of(F.logsigmoid(x), y)),
        ("no-softmax", lambda x, y: each_of(x, y)),
        ("sign-flipped", lambda x, y: -masked_lm_loss(x, y)),
        ("base-two", lambda x, y: masked_lm_loss(x, y) / math.log(2)),
        ("log-of-softmax", lambda x, y: each_of(x.softmax(-1).log(), y)),
    ],
)
def test_wrong_losses_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("masked_lm_loss", answer)
    assert result.mistake == mistake, result


def each_of(scores, labels):
    chosen = labels != -100
    return -scores[chosen].gather(1, labels[chosen][:, None]).mean()


def test_bertlabs_own_loss_is_noticed() -> None:
    from bertlab.model.heads import cross_entropy

    result = exercises.check("masked_lm_loss", lambda x, y: cross_entropy("labels", x, y))
    assert result.mistake == "bertlabs-own-function"


# ---------------------------------------------------------------------------------------------
# pseudo_perplexity


def pseudo_perplexity(predict, input_ids, mask_id):
    total, T = 0.0, len(input_ids)
    for t in range(1, T - 1):
        masked = input_ids.clone()
        masked[t] = mask_id
        total += predict(masked[None])[0, t].log_softmax(-1)[input_ids[t]].item()
    return math.exp(-total / (T - 2))


def in_one_batch(predict, input_ids, mask_id):
    n = len(input_ids) - 2
    rows = input_ids.repeat(n, 1)
    places = torch.arange(1, n + 1)
    rows[torch.arange(n), places] = mask_id
    logits = predict(rows)[torch.arange(n), places]
    return F.cross_entropy(logits, input_ids[1:-1]).exp()


@pytest.mark.parametrize("answer", [pseudo_perplexity, in_one_batch])
def test_right_pseudo_perplexities_pass(answer: Callable[..., Any]) -> None:
    for seed in range(5):
        result = exercises.check("pseudo_perplexity", answer, seed=seed)
        assert result, result


def piling_up(predict, input_ids, mask_id):
    masked, total = input_ids.clone(), 0.0
    for t in range(1, len(masked) - 1):
        masked[t] = mask_id
        total += predict(masked[None])[0, t].log_softmax(-1)[input_ids[t]].item()
    return math.exp(-total / (len(masked) - 2))


def visible(predict, input_ids, mask_id):
    return F.cross_entropy(predict(input_ids[None])[0, 1:-1], input_ids[1:-1]).exp()


def answer_is_mask(predict, input_ids, mask_id):
    input_ids = input_ids.clone()
    input_ids[1:-1] = mask_id
    return F.cross_entropy(predict(input_ids[None])[0, 1:-1], input_ids[1:-1]).exp()


def all_at_once(predict, input_ids, mask_id):
    masked = input_ids.clone()
    masked[1:-1] = mask_id
    return F.cross_entropy(predict(masked[None])[0, 1:-1], input_ids[1:-1]).exp()


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("word-left-visible", visible),
        ("all-masked-at-once", all_at_once),
        ("masks-pile-up", piling_up),
        ("no-exponential", lambda *a: math.log(pseudo_perplexity(*a))),
        ("sign-missing", lambda *a: 1 / pseudo_perplexity(*a)),
        ("base-two", lambda *a: 2 ** math.log(pseudo_perplexity(*a))),
        ("summed-not-averaged", lambda *a: pseudo_perplexity(*a) ** (len(a[1]) - 2)),
        ("divided-by-all-places", lambda *a: pseudo_perplexity(*a) ** (1 - 2 / len(a[1]))),
    ],
)
def test_wrong_pseudo_perplexities_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("pseudo_perplexity", answer)
    assert result.mistake == mistake, result


def test_an_unknown_mistake_gets_the_smallest_example() -> None:
    result = exercises.check("pseudo_perplexity", lambda predict, ids, mask: 0.5)
    assert result.mistake == "wrong-values"
    result = exercises.check("pseudo_perplexity", answer_is_mask)
    assert result.mistake == "all-masked-at-once+label-taken-after-masking"
    assert "predict = (a toy model that knows" in result.message


def test_one_row_where_a_batch_is_expected_is_said() -> None:
    result = exercises.check("pseudo_perplexity", lambda predict, ids, mask: predict(ids))
    assert result.mistake == "exception"
    assert "the model takes ids of shape (B, T), found (3,)" in result.message


def test_the_answer_fits_a_real_model() -> None:
    from bertlab import BertConfig

    model = BertForMaskedLM(BertConfig.tiny(vocab_size=30)).eval()
    ids = torch.tensor([0, 7, 9, 11, 1])
    with torch.no_grad():
        predict = lambda rows: model(rows).logits  # noqa: E731
        assert in_one_batch(predict, ids, 2).item() == pytest.approx(
            pseudo_perplexity(predict, ids, 2), rel=1e-4
        )


def test_the_toy_model_looks_both_ways() -> None:
    """Otherwise a check couldn't tell what was masked."""
    model, ids = ToyModel(12, 3), torch.tensor([[0, 5, 6, 7, 1]])
    for place in range(5):
        other = ids.clone()
        other[0, place] = 9
        assert bool(((model(ids) - model(other)).abs().amax(-1) > 1e-3).all())
