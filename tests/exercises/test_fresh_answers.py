"""Wrong answers that once passed or were called something else, and right ones that failed."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bertlab import exercises


def attention(query, key, value, mask=None, scale=None, fill=-1e9, weigh=F.softmax):
    scores = query @ key.mT * (scale or query.size(-1) ** -0.5)
    if mask is not None:
        scores = scores.masked_fill(~mask, fill)
    weights = weigh(scores, -1)
    return weights @ value, weights


def entities_by_place(true, predicted):
    right = sum(
        a == b for x, y in zip(true, predicted, strict=True) for a, b in zip(x, y, strict=False)
    )
    count = sum(map(len, true)) + sum(map(len, predicted))
    return 2 * right / count if count else 0.0


def span_from_a_table_with_zeros(start, end, first, stop, longest):
    table = (start[:, None] + end).triu().tril(longest - 1)
    table[:first], table[:, stop:] = 0, 0
    return divmod(int(table.argmax()), len(start))


def one_sentence_follows(documents, number, chunk, split, coin, other, target):
    a = [i for sentence in chunk[:split] for i in sentence]
    if coin == 0 and len(chunk) > 1:
        return a, chunk[split], False, split + 1
    b: list[int] = []
    for sentence in (documents[:number] + documents[number + 1 :])[other]:
        b += sentence
        if len(a) + len(b) >= target:
            break
    return a, b, True, split


def all_the_rest_follows(documents, number, chunk, split, coin, other, target):
    a, b, label, used = one_sentence_follows(documents, number, chunk, split, coin, other, target)
    if label:
        return a, b, label, used
    return a, [i for sentence in chunk[split:] for i in sentence], label, len(chunk)


def without_accents(word, vocab):
    table = str.maketrans("ïé", "ie")
    word, pieces, start = word.translate(table), [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocab:
                pieces.append(piece)
                start = end
                break
        else:
            return ["[UNK]"]
    return pieces


def mask_from_zeros(a, b, cls, sep, pad, length):
    ids = [cls, *a, sep, *b, sep]
    ids += [pad] * (length - len(ids))
    types = [0] * (len(a) + 2) + [1] * (len(b) + 1)
    return ids, types + [0] * (length - len(types)), [int(i != 0) for i in ids]


def cut_a_first(a, b, length, coins):
    return a[: length - 3], b[: max(0, length - 3 - len(a))]


def head_from_the_end(context, weight, bias, head, heads):
    d = weight.size(1) // heads
    weight, head = weight.clone(), heads - 1 - head
    weight[:, head * d : (head + 1) * d] = 0
    return F.linear(context, weight, bias)


@pytest.mark.parametrize(
    ("name", "answer", "mistake"),
    [
        (
            "attention",
            lambda q, k, v, m=None: attention(q, k, v, m, fill=-100.0),
            "mask-value-too-near",
        ),
        ("attention", lambda q, k, v, m=None: attention(q, k, v, m, 1 / 8), "scale-written-in"),
        (
            "attention",
            lambda q, k, v, m=None: attention(q, k, v, m, v.size(-1) ** -0.5),
            "scaled-by-another-size",
        ),
        (
            "attention",
            lambda q, k, v, m=None: attention(q, k, v, m, weigh=F.log_softmax),
            "log-softmax",
        ),
        ("entity_f1", entities_by_place, "compared-by-place"),
        ("best_span", span_from_a_table_with_zeros, "forbidden-spans-at-zero"),
        ("make_pair", one_sentence_follows, "one-next-sentence"),
        ("wordpiece", without_accents, "accents-stripped"),
        ("wordpiece", lambda word, vocab: ["[UNK]"], "last-letter-never-reached"),
        ("encode_pair", mask_from_zeros, "mask-from-zeros"),
        ("truncate_pair", cut_a_first, "always-from-the-back+only-b-cut"),
        ("clip_gradient", lambda weight, bias, limit: (weight, bias), "nothing-clipped"),
        ("without_head", head_from_the_end, "counted-from-the-end"),
        ("without_head", lambda c, w, b, h, n: F.linear(c, w, b), "nothing-switched-off"),
    ],
)
def test_wrong_answers_are_named(name: str, answer: Any, mistake: str) -> None:
    result = exercises.check(name, answer)
    assert (result.passed, result.mistake) == (False, mistake), result


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("make_pair", all_the_rest_follows),  # labels as True and False
        (
            "multi_label_loss",
            lambda z, y: np.mean(np.logaddexp(0, z.double().numpy()) - (z * y).double().numpy()),
        ),
        (
            "align_labels",
            lambda labels, words: [
                torch.tensor(-100 if w is None or w in words[:i] else labels[w])
                for i, w in enumerate(words)
            ],
        ),
        (
            "best_span",
            lambda s, e, first, stop, longest: torch.tensor(
                max(
                    ((i, j) for i in range(first, stop) for j in range(i, min(i + longest, stop))),
                    key=lambda span: s[span[0]] + e[span[1]],
                )
            ),
        ),
    ],
)
def test_right_answers_in_other_forms_pass(name: str, answer: Any) -> None:
    for seed in range(3):
        result = exercises.check(name, answer, seed=seed)
        assert result, result


def test_values_that_differ_in_what_is_not_written_are_written_longer() -> None:
    message = exercises.check(
        "learning_rate", lambda s, n, w, p: torch.minimum(p * s / w, p * (n - s) / (n - w)) + 2e-5
    ).message
    assert "is 2e-05, expected 0" in message
    message = exercises.check(
        "softmax_jacobian", lambda p: (torch.diag(p) - torch.outer(p, p)) * 1.0002
    ).message
    assert "is 0.187537" in message
