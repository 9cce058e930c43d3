"""The masking assignment's exercises, with answers as students write them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from bertlab import exercises
from bertlab.exercises.assignment_toys import ToyModel


def choose_places(input_ids, special_ids, draws, probability, most):
    ordinary = ~torch.isin(input_ids, torch.tensor(special_ids))
    chosen = torch.zeros_like(ordinary)
    for b, places in enumerate(ordinary):
        n = int(places.sum())
        k = min(most, max(1, round(probability * n))) if n else 0
        chosen[b, draws[b].masked_fill(~places, math.inf).argsort()[:k]] = True
    return chosen


def by_ranks(input_ids, special_ids, draws, probability, most):
    """Whole batch at once, and 0 and 1 for False and True."""
    ordinary = ~np.isin(input_ids.numpy(), special_ids)
    ranks = np.where(ordinary, draws.numpy(), np.inf).argsort(-1).argsort(-1)
    k = np.minimum(most, np.maximum(1, np.rint(probability * ordinary.sum(-1))))
    return ((ranks < k[:, None]) & ordinary).astype(int)


def replace_chosen(input_ids, chosen, draws, random_ids, mask_id):
    shown = torch.where(chosen & (draws < 0.9), random_ids, input_ids)
    return torch.where(chosen & (draws < 0.8), mask_id, shown)


def replaced_one_by_one(input_ids, chosen, draws, random_ids, mask_id):
    shown = input_ids.tolist()
    for b, t in chosen.nonzero().tolist():
        if draws[b, t] < 0.9:
            shown[b][t] = mask_id if draws[b, t] < 0.8 else int(random_ids[b, t])
    return torch.tensor(shown)


def mlm_labels(input_ids, masked_ids, chosen):
    return torch.where(chosen, input_ids, -100)


def labels_as_int32(input_ids, masked_ids, chosen):
    labels = np.full(input_ids.shape, -100, dtype=np.int32)
    labels[chosen.numpy()] = input_ids[chosen].numpy()
    return labels


def whole_word_places(tokens, special, draws, probability):
    chosen, inside, hit = [], False, False
    for token, draw in zip(tokens, draws, strict=True):
        if token in special:
            inside, hit = False, False
        elif not (inside and token.startswith("##")):
            inside, hit = True, draw < probability
        chosen.append(int(hit))
    return chosen


def word_by_word(tokens, special, draws, probability):
    chosen = np.zeros(len(tokens), dtype=int)
    i = 0
    while i < len(tokens):
        j = i + 1
        while tokens[i] not in special and j < len(tokens) and tokens[j].startswith("##"):
            j += 1
        chosen[i:j] = tokens[i] not in special and draws[i] < probability
        i = j
    return chosen


def loss_of_parts(means, counts):
    weights = counts / counts.sum()
    return (weights * means.nan_to_num()).sum(), weights


def sums_over_counts(means, counts):
    parts = [(float(m) * int(n), int(n)) for m, n in zip(means, counts, strict=True) if n]
    total = sum(n for _, n in parts)
    return sum(s for s, _ in parts) / total, np.array([int(n) / total for n in counts])


def faulty_pairs(pairs):
    def right(pair):
        a_document, a_last, b_document, b_first, label = pair
        if label:
            return a_document != b_document
        return a_document == b_document and b_first == a_last + 1

    return [number for number, pair in enumerate(pairs) if not right(pair)]


def faults_as_arrays(pairs):
    a, last, b, first, label = np.array(pairs).T
    return np.flatnonzero(np.where(label == 1, a == b, (a != b) | (first != last + 1)))


def train_steps(make_model, make_optimizer, input_ids, labels, rates, limit):
    model = make_model()
    optimizer = make_optimizer(model.parameters())
    model.train()
    losses = []
    for ids, truth, rate in zip(input_ids, labels, rates, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = model(ids, labels=truth).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
        optimizer.step()
        losses.append(loss.item())
    return model.eval(), losses


def steps_by_hand(make_model, make_optimizer, input_ids, labels, rates, limit):
    """Without the optimizer: what plain gradient descent does. Losses as a tensor."""
    model, losses = make_model().train(), []
    parameters = list(model.parameters())
    for s in range(len(rates)):
        loss = model(input_ids[s], labels=labels[s]).loss
        gradients = torch.autograd.grad(loss, parameters)
        length = math.sqrt(sum(float(g.square().sum()) for g in gradients))
        with torch.no_grad():
            for parameter, g in zip(parameters, gradients, strict=True):
                parameter -= rates[s] * min(1.0, limit / length) * g
        losses.append(loss.detach())
    model.eval()
    return model, torch.stack(losses)


RIGHT = [
    ("choose_places", choose_places),
    ("choose_places", by_ranks),
    ("replace_chosen", replace_chosen),
    ("replace_chosen", replaced_one_by_one),
    ("mlm_labels", mlm_labels),
    ("mlm_labels", labels_as_int32),
    ("whole_word_places", whole_word_places),
    ("whole_word_places", word_by_word),
    ("loss_of_parts", loss_of_parts),
    ("loss_of_parts", sums_over_counts),
    ("faulty_pairs", faulty_pairs),
    ("faulty_pairs", faults_as_arrays),
    ("train_steps", train_steps),
    ("train_steps", steps_by_hand),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_pass(name: str, answer: Callable[..., Any]) -> None:
    for seed in range(4):
        result = exercises.check(name, answer, seed=seed)
        assert result, result


def labels_in_place(input_ids, masked_ids, chosen):
    input_ids[~chosen] = -100
    return input_ids


def replaced_in_place(input_ids, chosen, draws, random_ids, mask_id):
    input_ids.copy_(replace_chosen(input_ids, chosen, draws, random_ids, mask_id))
    return input_ids


def raw_means(means, counts):
    weights = counts / counts.sum()
    return (weights * means).sum(), weights


def no_zero_grad(make_model, make_optimizer, input_ids, labels, rates, limit):
    class Keeping:
        def __init__(self, optimizer):
            self.optimizer = optimizer
            self.param_groups, self.step = optimizer.param_groups, optimizer.step

        def zero_grad(self):
            pass

    def keeping(parameters):
        return Keeping(make_optimizer(parameters))

    return train_steps(make_model, keeping, input_ids, labels, rates, limit)


@pytest.mark.parametrize(
    ("name", "answer", "mistake"),
    [
        ("choose_places", lambda i, s, d, p, m: d < p, "special-tokens-chosen"),
        ("choose_places", lambda *a: choose_places(*a[:4], 10**6), "limit-ignored"),
        ("choose_places", lambda *a: choose_places(*a).tolist(), "wrong-type"),
        ("choose_places", lambda *a: None, "returned-none"),
        ("replace_chosen", replaced_in_place, "input-modified"),
        ("replace_chosen", lambda *a: replace_chosen(*a).float(), "wrong-dtype"),
        ("replace_chosen", lambda *a: replace_chosen(*a) >= 0, "wrong-dtype"),
        ("mlm_labels", lambda i, m, c: i * c, "ignored-label-zero"),
        ("mlm_labels", lambda i, m, c: torch.where(m != i, i, -100), "kept-without-label"),
        ("mlm_labels", labels_in_place, "input-modified"),
        ("whole_word_places", lambda t, s, d, p: [int(x < p) for x in d], "pieces-masked"),
        ("loss_of_parts", raw_means, "nan-of-an-empty-part"),
        ("loss_of_parts", lambda m, c: loss_of_parts(m, c)[0], "wrong-number-of-outputs"),
        ("faulty_pairs", lambda pairs: [p for p in pairs if p[4]], "wrong-type"),
        ("train_steps", lambda *a: train_steps(*a)[0], "wrong-number-of-outputs"),
        ("train_steps", lambda *a: train_steps(*a)[::-1], "wrong-type"),
        ("train_steps", lambda *a: (train_steps(*a)[0], None), "wrong-type"),
        ("train_steps", lambda *a: (train_steps(*a)[0].train(), train_steps(*a)[1]), "left-in"),
        ("train_steps", no_zero_grad, "gradients-add-up"),
        ("train_steps", lambda *a: None, "returned-none"),
    ],
)
def test_wrong_answers_are_named(name: str, answer: Callable[..., Any], mistake: str) -> None:
    result = exercises.check(name, answer)
    assert result is not None
    assert mistake in (result.mistake or ""), result


def test_questions_of_assignments_stay_out_of_the_catalogue(capsys) -> None:
    assert "choose_places" not in [exercise.name for exercise in exercises.catalog()]
    exercises.show("choose_places")
    assert capsys.readouterr().out.startswith("choose_places · assignment masking · medium")


def test_the_toy_differs_in_training_and_is_alike_at_each_call() -> None:
    make = ToyModel(6, 3)
    ids = torch.tensor([[1, 2, 5]])
    one, other = make(), make()
    assert torch.equal(one(ids).logits, other(ids).logits)
    assert one(ids).loss is None
    assert not torch.equal(one(ids).logits, one.train()(ids).logits)
    assert torch.equal(one(ids).logits, other.train()(ids).logits)
