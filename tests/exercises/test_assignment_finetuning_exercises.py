"""The fine-tuning assignment's exercises, with answers as students write them."""

import copy
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bertlab import exercises


def collate(rows, labels, pad_id):
    T = max(map(len, rows))
    ids = torch.tensor([row + [pad_id] * (T - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (T - len(row)) for row in rows])
    return ids, mask, torch.tensor([y + [-100] * (T - len(y)) for y in labels])


def collate_into_tables(rows, labels, pad_id):
    """NumPy, int32, and a Boolean mask."""
    shape = len(rows), max(map(len, rows))
    ids, truth = np.full(shape, pad_id, dtype=np.int32), np.full(shape, -100)
    mask = np.zeros(shape, dtype=bool)
    for b, (row, y) in enumerate(zip(rows, labels, strict=True)):
        ids[b, : len(row)], truth[b, : len(y)], mask[b, : len(row)] = row, y, True
    return ids, mask, truth


def word_predictions(logits, word_ids):
    answers, seen = [], {None}
    for t, word in enumerate(word_ids):
        if word not in seen:
            seen.add(word)
            answers.append(int(logits[t].argmax()))
    return answers


def first_places(logits, word_ids):
    words = sorted({word for word in word_ids if word is not None})
    return logits[[word_ids.index(word) for word in words]].argmax(-1)


def tags_to_spans(tags):
    spans, start = [], None
    for i, tag in enumerate([*tags, "O"]):
        if start is not None and tag != "I" + tags[start][1:]:
            spans.append((tags[start][2:], start, i))
            start = None
        if tag.startswith("B-"):
            start = i
    return spans


def spans_as_lists(tags):
    spans = []
    for start, tag in enumerate(tags):
        if tag[0] == "B":
            end = start + 1
            while end < len(tags) and tags[end] == f"I-{tag[2:]}":
                end += 1
            spans.append([tag[2:], start, end])
    return spans


def ner_scores(true_tags, predicted_tags, true_spans, predicted_spans):
    pairs = list(zip(true_spans, predicted_spans, strict=True))
    right = sum(len(set(t) & set(p)) for t, p in pairs)
    true, said = sum(map(len, true_spans)), sum(map(len, predicted_spans))
    words = [
        t == p
        for both in zip(true_tags, predicted_tags, strict=True)
        for t, p in zip(*both, strict=True)
    ]
    f1 = 2 * right / max(1, true + said)
    return right / max(1, said), right / max(1, true), f1, sum(words) / len(words)


def scores_as_tensors(*arguments):
    return tuple(torch.tensor(score, dtype=torch.float64) for score in ner_scores(*arguments))


def task_loss(logits, labels, problem):
    if problem == "single":
        return F.cross_entropy(logits, labels)
    if problem == "multi":
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return F.mse_loss(logits.squeeze(1), labels)


def losses_by_hand(logits, labels, problem):
    z = logits.double().numpy()
    y = labels.numpy()
    if problem == "single":
        return float(np.mean([np.log(np.exp(r).sum()) - r[k] for r, k in zip(z, y, strict=True)]))
    if problem == "multi":
        return float(np.mean(np.logaddexp(0, z) - y * z))
    return float(np.mean((z.ravel() - y) ** 2))


def window_labels(n, room, overlap, first, answer):
    starts = [0]
    while starts[-1] + room < n:
        starts.append(starts[-1] + room - overlap)
    a, z = answer
    holds = [start <= a and z < start + room for start in starts]
    places = [(first - start) * hold for start, hold in zip(starts, holds, strict=True)]
    begins = [place + a * hold for place, hold in zip(places, holds, strict=True)]
    return starts, begins, [place + z * hold for place, hold in zip(places, holds, strict=True)]


def windows_as_tensors(n, room, overlap, first, answer):
    many = 1 + math.ceil(max(0, n - room) / (room - overlap))
    starts = torch.arange(many) * (room - overlap)
    holds = (starts <= answer[0]) & (answer[1] < starts + room)
    return starts, *(torch.where(holds, first + k - starts, 0) for k in answer)


def match_scores(prediction, references):
    if not references:
        return float(not prediction), float(not prediction)
    shared = [(Counter(prediction) & Counter(y)).total() for y in references]
    f1 = [2 * s / (len(prediction) + len(y)) for s, y in zip(shared, references, strict=True)]
    return float(prediction in references), max(f1)


def scores_with_booleans(prediction, references):
    exact = any(prediction == y for y in references) or not (prediction or references)
    best = torch.tensor(float(exact))
    for y in references:
        rest = list(y)
        for word in prediction:
            if word in rest:
                rest.remove(word)
        f1 = 2 * (len(y) - len(rest)) / (len(y) + len(prediction))
        best = best.clamp(min=f1)
    return exact, best


def fit(make_model, make_optimizer, input_ids, labels, epochs, score):
    model = make_model()
    optimizer = make_optimizer(model.parameters())
    scores = []
    for _ in range(epochs):
        model.train()
        for ids, truth in zip(input_ids, labels, strict=True):
            optimizer.zero_grad()
            model(ids, labels=truth).loss.backward()
            optimizer.step()
        model.eval()
        scores.append(score(model))
        if scores[-1] > max(scores[:-1], default=-math.inf):
            best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return model, scores


def fit_copying_models(make_model, make_optimizer, input_ids, labels, epochs, score):
    """Keeps whole models; the scores as a tensor."""
    model = make_model()
    optimizer, kept, scores = make_optimizer(list(model.parameters())), [], []
    for _ in range(epochs):
        for k in range(len(input_ids)):
            loss = model.train()(input_ids[k], labels=labels[k]).loss
            model.zero_grad()
            loss.backward()
            optimizer.step()
        kept.append(copy.deepcopy(model).eval())
        scores.append(score(kept[-1]))
    return kept[int(np.argmax(scores))], torch.tensor(scores)


def last_is_kept(make_model, make_optimizer, input_ids, labels, epochs, score):
    """``state_dict`` without a copy: what was kept changes with the model."""
    model = make_model()
    optimizer = make_optimizer(model.parameters())
    scores, kept = [], None
    for _ in range(epochs):
        model.train()
        for ids, truth in zip(input_ids, labels, strict=True):
            optimizer.zero_grad()
            model(ids, labels=truth).loss.backward()
            optimizer.step()
        model.eval()
        scores.append(score(model))
        if scores[-1] > max(scores[:-1], default=-math.inf):
            kept = model.state_dict()
    model.load_state_dict(kept)
    return model, scores


RIGHT = [
    ("collate", collate),
    ("collate", collate_into_tables),
    ("word_predictions", word_predictions),
    ("word_predictions", first_places),
    ("tags_to_spans", tags_to_spans),
    ("tags_to_spans", spans_as_lists),
    ("ner_scores", ner_scores),
    ("ner_scores", scores_as_tensors),
    ("task_loss", task_loss),
    ("task_loss", losses_by_hand),
    ("window_labels", window_labels),
    ("window_labels", windows_as_tensors),
    ("match_scores", match_scores),
    ("match_scores", scores_with_booleans),
    ("fit", fit),
    ("fit", fit_copying_models),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_pass(name: str, answer: Callable[..., Any]) -> None:
    for seed in range(3):
        result = exercises.check(name, answer, seed=seed)
        assert result, result


def by_dict(logits, word_ids):
    """A dict filled token by token keeps the last piece."""
    answers = {w: int(row.argmax()) for row, w in zip(logits, word_ids, strict=True)}
    return [answer for word, answer in answers.items() if word is not None]


def integer_labels(logits, labels, problem):
    if problem == "multi":
        return F.binary_cross_entropy_with_logits(logits, labels)
    return task_loss(logits, labels, problem)


def broadcast(logits, labels, problem):
    if problem == "regression":
        return (logits - labels).square().mean()
    return task_loss(logits, labels, problem)


@pytest.mark.parametrize(
    ("name", "answer", "mistake"),
    [
        ("collate", lambda r, y, p: collate(r, y, p)[:2], "wrong-number-of-outputs"),
        ("collate", lambda r, y, p: [t.tolist() for t in collate(r, y, p)], "wrong-type"),
        ("collate", lambda r, y, p: [t.float() for t in collate(r, y, p)], "wrong-dtype"),
        ("collate", lambda r, y, p: (collate(r, y, p)[0], None, None), "returned-none"),
        ("word_predictions", by_dict, "last-piece-answers"),
        ("word_predictions", lambda x, w: x.argmax(-1), "special-tokens-answered"),
        ("tags_to_spans", lambda tags: dict.fromkeys(tags, 1), "wrong-type"),
        ("tags_to_spans", lambda tags: [1], "wrong-type"),
        ("tags_to_spans", lambda tags: None, "returned-none"),
        ("ner_scores", lambda *a: ner_scores(*a)[:3], "wrong-number-of-outputs"),
        ("ner_scores", lambda *a: ner_scores(*a)[1::-1] + ner_scores(*a)[2:], "swapped"),
        ("task_loss", integer_labels, "labels-not-floats"),
        ("task_loss", broadcast, "every-text-with-every-label"),
        ("window_labels", lambda n, r, o, f, a: window_labels(n, r, r - o, f, a), "overlap-as"),
        ("window_labels", lambda n, r, o, f, a: window_labels(n, r, o, 0, a), "question-not"),
        ("match_scores", lambda p, r: 1.0, "wrong-number-of-outputs"),
        ("match_scores", lambda p, r: match_scores(p, r[:1]), "first-reference-only"),
        ("fit", lambda *a: fit(*a)[0], "wrong-number-of-outputs"),
        ("fit", lambda *a: fit(*a)[::-1], "wrong-type"),
        ("fit", lambda *a: (fit(*a)[0], 1), "wrong-type"),
        ("fit", lambda *a: None, "returned-none"),
        ("fit", last_is_kept, "last-weights-kept"),
    ],
)
def test_wrong_answers_are_named(name: str, answer: Callable[..., Any], mistake: str) -> None:
    result = exercises.check(name, answer)
    assert result is not None
    assert mistake in (result.mistake or ""), result
