"""Chapter 8's exercises: right answers pass, each wrong one is named."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sklearn.metrics import f1_score
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from bertlab import exercises
from bertlab.training.batching import pad

SEEDS = range(20)

# ---------------------------------------------------------------------------------------------
# pad_batch


def pad_batch(rows, pad_token_id):
    T = max(len(row) for row in rows)
    input_ids = torch.full((len(rows), T), pad_token_id)
    attention_mask = torch.zeros(len(rows), T, dtype=torch.long)
    for b, row in enumerate(rows):
        input_ids[b, : len(row)] = torch.tensor(row, dtype=torch.long)
        attention_mask[b, : len(row)] = 1
    return input_ids, attention_mask


def with_lists(rows, pad_token_id):
    T = max(map(len, rows))
    ids = [row + [pad_token_id] * (T - len(row)) for row in rows]
    mask = [[True] * len(row) + [False] * (T - len(row)) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)


def with_pad_sequence(rows, pad_token_id):
    tensors = [torch.tensor(row, dtype=torch.int32) for row in rows]
    ids = pad_sequence(tensors, batch_first=True, padding_value=pad_token_id)
    lengths = torch.tensor([len(row) for row in rows])
    return ids.numpy(), (torch.arange(ids.size(1)) < lengths[:, None]).float()


@pytest.mark.parametrize("answer", [pad_batch, with_lists, with_pad_sequence])
def test_right_batches_pass(answer: Callable[..., Any]) -> None:
    for seed in SEEDS:
        result = exercises.check("pad_batch", answer, seed=seed)
        assert result, result


def spoiled(width=None, left=False, filler=None, mask=None, shape=None):
    """Pad as lists, with some of the steps replaced."""

    def answer(rows, pad_token_id):
        T = width(rows) if width else max(map(len, rows))
        fill = pad_token_id if filler is None else filler
        ids, real = [], []
        for row in rows:
            missing = [fill] * (T - len(row))
            kept, here = row[:T], [1] * len(row[:T])
            ids.append(missing + kept if left else kept + missing)
            none = [0] * len(missing)
            real.append(none + here if left else here + none)
        tensors = torch.tensor(ids), torch.tensor(real)
        if mask:
            tensors = tensors[0], mask(*tensors)
        return tuple(shape(tensor) for tensor in tensors) if shape else tensors

    return answer


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("padded-to-512", spoiled(width=lambda rows: 512)),
        ("one-place-too-many", spoiled(width=lambda rows: max(map(len, rows)) + 1)),
        ("cut-to-the-shortest", spoiled(width=lambda rows: min(map(len, rows)))),
        ("first-row-decides", spoiled(width=lambda rows: len(rows[0]))),
        ("padded-on-the-left", spoiled(left=True)),
        ("filled-with-zero", spoiled(filler=0)),
        ("filled-with-minus-100", spoiled(filler=-100)),
        ("padding-attended-to", spoiled(mask=lambda ids, real: torch.ones_like(ids))),
        ("mask-inverted", spoiled(mask=lambda ids, real: 1 - real)),
        ("mask-already-added", spoiled(mask=lambda ids, real: (1 - real) * -10_000)),
        ("mask-from-zeros", spoiled(mask=lambda ids, real: ids.ne(0).long())),
        ("one-dimension-too-many", spoiled(shape=lambda tensor: tensor[:, None])),
    ],
)
def test_wrong_batches_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("pad_batch", answer)
    assert result.mistake == mistake, result


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("wrong-dtype", lambda *a: [tensor.float() for tensor in pad_batch(*a)]),
        ("wrong-type", lambda *a: [tensor.tolist() for tensor in pad_batch(*a)]),
        ("wrong-number-of-outputs", lambda *a: pad_batch(*a)[0]),
        ("returned-none", lambda *a: None),
    ],
)
def test_what_is_no_batch_is_said(mistake: str, answer: Callable[..., Any]) -> None:
    assert exercises.check("pad_batch", answer).mistake == mistake


def test_rows_filled_up_in_place_are_noticed() -> None:
    def answer(rows, pad_token_id):
        result = pad_batch(rows, pad_token_id)
        for row in rows:
            row += [pad_token_id] * (result[0].size(1) - len(row))
        return result

    assert exercises.check("pad_batch", answer).mistake == "input-modified"


def test_the_package_s_own_padding_agrees_and_is_refused() -> None:
    def answer(rows, pad_token_id):
        batch = pad([{"input_ids": row} for row in rows], pad_token_id)
        return batch["input_ids"], batch["attention_mask"]

    assert exercises.check("pad_batch", answer).mistake == "bertlabs-own-function"


# ---------------------------------------------------------------------------------------------
# multi_label_loss


def multi_label_loss(logits, labels):
    yes, no = F.logsigmoid(logits), F.logsigmoid(-logits)
    return -(labels * yes + (1 - labels) * no).mean()


def with_torch(logits, labels):
    return F.binary_cross_entropy_with_logits(logits, labels)


def with_softplus(logits, labels):
    return (F.softplus(logits) - labels * logits).sum() / labels.numel()


@pytest.mark.parametrize("answer", [multi_label_loss, with_softplus])
def test_right_losses_pass(answer: Callable[..., Any]) -> None:
    for seed in SEEDS:
        result = exercises.check("multi_label_loss", answer, seed=seed)
        assert result, result


def gains(logits, labels):
    return labels * F.logsigmoid(logits) + (1 - labels) * F.logsigmoid(-logits)


def naive(logits, labels):
    s = logits.sigmoid()
    return -(labels * s.log() + (1 - labels) * (1 - s).log()).mean()


def softmaxed(logits, labels):
    s = logits.double().softmax(-1)
    return -(labels * s.log() + (1 - labels) * (1 - s).log()).mean()


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("softmax-over-labels", softmaxed),
        ("sigmoid-twice", lambda x, y: with_torch(x.sigmoid(), y)),
        (
            "logarithm-missing",
            lambda x, y: -(y * x.sigmoid() + (1 - y) * (1 - x.sigmoid())).mean(),
        ),
        ("log-of-sigmoid", naive),
        ("absent-labels-left-out", lambda x, y: -(y * F.logsigmoid(x)).mean()),
        ("present-labels-left-out", lambda x, y: -((1 - y) * F.logsigmoid(-x)).mean()),
        ("labels-swapped", lambda x, y: multi_label_loss(x, 1 - y)),
        ("divided-by-texts", lambda x, y: -gains(x, y).sum() / len(x)),
        ("divided-by-labels", lambda x, y: -gains(x, y).sum() / x.size(1)),
        ("divided-by-present-labels", lambda x, y: -gains(x, y).sum() / y.sum()),
        ("summed-not-averaged", lambda x, y: -gains(x, y).sum()),
        ("sign-missing", lambda x, y: gains(x, y).mean()),
        ("base-two", lambda x, y: multi_label_loss(x, y) / math.log(2)),
    ],
)
def test_wrong_losses_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("multi_label_loss", answer)
    assert result.mistake == mistake, result


# ---------------------------------------------------------------------------------------------
# macro_f1


def macro_f1(true, predicted):
    scores = []
    for k in torch.cat([true, predicted]).unique():
        tp = ((true == k) & (predicted == k)).sum()
        scores.append(2 * tp / ((true == k).sum() + (predicted == k).sum()))
    return torch.stack(scores).mean()


def with_counts(true, predicted):
    pairs = list(zip(true.tolist(), predicted.tolist(), strict=True))
    total = 0.0
    classes = {k for pair in pairs for k in pair}
    for k in classes:
        tp = pairs.count((k, k))
        wrong = sum((t == k) != (p == k) for t, p in pairs)
        total += 2 * tp / (2 * tp + wrong)
    return total / len(classes)


def with_sklearn(true, predicted, average="macro", **options):
    return f1_score(true, predicted, average=average, zero_division=0, **options)


@pytest.mark.parametrize("answer", [macro_f1, with_counts])
def test_right_scores_pass(answer: Callable[..., Any]) -> None:
    for seed in SEEDS:
        result = exercises.check("macro_f1", answer, seed=seed)
        assert result, result


def per_class(form, classes=None, empty=0.0):
    """The mean of any figure made of hits, predicted and true ones of a class."""

    def answer(true, predicted):
        both = torch.cat([true, predicted])
        figures = []
        for k in (classes(true, predicted) if classes else both.unique()).tolist():
            hits = int(((true == k) & (predicted == k)).sum())
            value = form(hits, int((predicted == k).sum()), int((true == k).sum()))
            figures.append(empty if value is None else value)
        kept = [figure for figure in figures if figure is not None]
        return sum(kept) / len(kept)

    return answer


def f1(hits, found, there):
    return 2 * hits / (found + there) if hits else None


def parts(hits, found, there):
    return (hits / found if found else 0.0), (hits / there if there else 0.0)


def of_means(true, predicted):
    precision = per_class(lambda *c: parts(*c)[0])(true, predicted)
    recall = per_class(lambda *c: parts(*c)[1])(true, predicted)
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("accuracy", lambda t, p: (t == p).double().mean()),
        ("accuracy", lambda t, p: with_sklearn(t, p, "micro")),
        ("weighted-by-frequency", lambda t, p: with_sklearn(t, p, "weighted")),
        ("f1-of-the-means", of_means),
        ("only-predicted-classes-missing", lambda t, p: with_sklearn(t, p, labels=t.unique())),
        ("never-found-classes-missing", lambda t, p: with_sklearn(t, p, labels=p.unique())),
        (
            "class-zero-left-out",
            lambda t, p: with_sklearn(t, p, labels=[k for k in {*t.tolist(), *p.tolist()} if k]),
        ),
        ("absent-classes-counted", per_class(f1, lambda t, p: torch.arange(max(*t, *p) + 1))),
        ("failed-classes-left-out", per_class(f1, empty=None)),
        ("zero-by-zero", per_class(f1, empty=math.nan)),
        ("arithmetic-mean", per_class(lambda *c: sum(parts(*c)) / 2)),
        ("precision-only", per_class(lambda *c: parts(*c)[0])),
        ("recall-only", per_class(lambda *c: parts(*c)[1])),
        ("two-forgotten", per_class(lambda h, f, t: h / (f + t))),
        ("intersection-over-union", per_class(lambda h, f, t: h / (f + t - h))),
        ("in-per-cent", lambda t, p: 100 * macro_f1(t, p)),
    ],
)
def test_wrong_scores_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("macro_f1", answer)
    assert result.mistake == mistake, result
