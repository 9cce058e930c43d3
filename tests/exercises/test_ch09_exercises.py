"""Chapter 9's exercises, with answers as learners write them."""

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from bertlab import exercises, metrics
from bertlab.tasks.named_entities import best_valid

# ---------------------------------------------------------------------------------------------
# align_labels


def align_labels(word_labels, word_ids):
    labels, before = [], None
    for word in word_ids:
        labels.append(word_labels[word] if word is not None and word != before else -100)
        before = word
    return labels


def by_index(word_labels, word_ids):
    return [
        -100 if word is None or word_ids.index(word) != t else word_labels[word]
        for t, word in enumerate(word_ids)
    ]


def as_an_array(word_labels, word_ids):
    ids = np.array([-1 if word is None else word for word in word_ids])
    first = np.diff(ids, prepend=-1) != 0
    return np.where(first & (ids >= 0), np.array(word_labels)[ids], -100)


@pytest.mark.parametrize("answer", [align_labels, by_index, as_an_array])
def test_right_labels_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("align_labels", answer, seed=seed)
        assert result, result


def changed(word_labels, word_ids, others=-100, specials=-100):
    """The right labels, with other numbers where there is none."""
    return [
        label if label != -100 else specials if word is None else others
        for label, word in zip(align_labels(word_labels, word_ids), word_ids, strict=True)
    ]


def one_by_one(word_labels, word_ids):
    labels = [-100 if word is None else word_labels[t] if t < len(word_labels) else -100
              for t, word in enumerate(word_ids)]  # fmt: skip
    firsts = align_labels(range(99), word_ids)
    return [a if b != -100 else -100 for a, b in zip(labels, firsts, strict=True)]


def taken_in_turn(word_labels, word_ids):
    rest = iter(word_labels)
    firsts = align_labels(range(99), word_ids)
    return [next(rest) if first != -100 else -100 for first in firsts]


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        (
            "all-pieces-labelled",
            lambda labels, ids: [-100 if word is None else labels[word] for word in ids],
        ),
        ("last-piece-labelled", lambda labels, ids: align_labels(labels, ids[::-1])[::-1]),
        ("continuation-labelled-o", lambda *a: changed(*a, others=0)),
        ("special-tokens-labelled-o", lambda *a: changed(*a, specials=0)),
        ("labels-by-token", one_by_one),
        ("words-counted-from-zero", taken_in_turn),
        ("returned-none", lambda *a: None),
        ("wrong-type", lambda labels, ids: torch.tensor(align_labels(labels, ids)).float()),
    ],
)
def test_wrong_labels_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("align_labels", answer)
    assert result.mistake == mistake, result


# ---------------------------------------------------------------------------------------------
# entity_f1


def entity_f1(true_spans, predicted_spans):
    right = true = predicted = 0
    for here, there in zip(true_spans, predicted_spans, strict=True):
        right += len(set(here) & set(there))
        true, predicted = true + len(here), predicted + len(there)
    return 2 * right / (true + predicted) if right else 0.0


def with_one_set(true_spans, predicted_spans):
    true, predicted = (
        {(i, *span) for i, spans in enumerate(side) for span in spans}
        for side in (true_spans, predicted_spans)
    )
    right = len(true & predicted)
    precision = right / len(predicted) if predicted else 0
    recall = right / len(true) if true else 0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0


def with_counters(true_spans, predicted_spans):
    counts = Counter()
    for here, there in zip(true_spans, predicted_spans, strict=True):
        counts["right"] += sum((Counter(here) & Counter(there)).values())
        counts["all"] += len(here) + len(there)
    return torch.tensor(2 * counts["right"] / max(counts["all"], 1))


@pytest.mark.parametrize("answer", [entity_f1, with_one_set, with_counters])
def test_right_scores_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("entity_f1", answer, seed=seed)
        assert result, result


def test_the_exercise_and_the_package_agree() -> None:
    """Both count the same names, written as spans here and as tags there."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        tags = rng.choice(["O", "B-LOC", "B-PER"], size=(2, 4, 6)).tolist()
        spans = [[metrics.entity_spans(row) for row in side] for side in tags]
        assert entity_f1(*spans) == pytest.approx(metrics.entity_scores(*tags)["f1"])


def compared(key):
    """F1 of what is left of each span."""
    return lambda *sides: entity_f1(
        *[[[key(s) for s in spans] for spans in side] for side in sides]
    )


def divided(true_spans, predicted_spans):
    pairs = list(zip(true_spans, predicted_spans, strict=True))
    right = sum(len(set(a) & set(b)) for a, b in pairs)
    precision, recall = right / sum(len(b) for _, b in pairs), right / sum(len(a) for a, _ in pairs)
    return 2 * precision * recall / (precision + recall)


def half_guarded(true_spans, predicted_spans):
    pairs = list(zip(true_spans, predicted_spans, strict=True))
    right = sum(len(set(a) & set(b)) for a, b in pairs)
    precision, recall = right / sum(len(b) for _, b in pairs), right / sum(len(a) for a, _ in pairs)
    return 2 * precision * recall / (precision + recall) if right else 0.0


def per_sentence(true_spans, predicted_spans):
    pairs = zip(true_spans, predicted_spans, strict=True)
    return float(np.mean([entity_f1([a], [b]) for a, b in pairs]))


def counts(true_spans, predicted_spans):
    """Right, true, predicted."""
    pairs = list(zip(true_spans, predicted_spans, strict=True))
    right = sum(len(set(a) & set(b)) for a, b in pairs)
    return right, sum(len(a) for a, _ in pairs), sum(len(b) for _, b in pairs)


def of_counts(formula):
    def answer(*sides):
        right, true, predicted = counts(*sides)
        return formula(right, true, predicted) if right else 0.0

    return answer


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("precision-only", of_counts(lambda r, t, p: r / p)),
        ("recall-only", of_counts(lambda r, t, p: r / t)),
        ("arithmetic-mean", of_counts(lambda r, t, p: (r / t + r / p) / 2)),
        ("jaccard", of_counts(lambda r, t, p: r / (t + p - r))),
        ("factor-two-missing", of_counts(lambda r, t, p: r / (t + p))),
        ("types-ignored", compared(lambda span: span[1:])),
        ("only-starts-compared", compared(lambda span: span[:2])),
        ("only-ends-compared", compared(lambda span: span[::2])),
        ("mean-of-sentences", per_sentence),
        (
            "sentences-thrown-together",
            lambda a, b: entity_f1([list({s for x in a for s in x})], [{s for x in b for s in x}]),
        ),
        ("one-where-nothing-is", lambda a, b: entity_f1(a, b) if any(a) or any(b) else 1.0),
        ("division-by-zero", divided),
        ("division-by-zero", half_guarded),
        ("division-by-zero", lambda a, b: 2 * counts(a, b)[0] / sum(counts(a, b)[1:])),
        ("returned-none", lambda a, b: None),
        ("wrong-type", lambda a, b: True),
    ],
)
def test_wrong_scores_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("entity_f1", answer)
    assert result.mistake == mistake, result


# ---------------------------------------------------------------------------------------------
# best_path


def best_path(log_p, allowed, may_begin):
    delta, notes = log_p[0].masked_fill(~may_begin, -torch.inf), []
    for row in log_p[1:]:
        best, came_from = delta[:, None].masked_fill(~allowed, -torch.inf).max(dim=0)
        delta = row + best
        notes.append(came_from)
    path = [int(delta.argmax())]
    for came_from in reversed(notes):
        path.append(int(came_from[path[-1]]))
    return path[::-1]


def with_paths_kept(log_p, allowed, may_begin):
    """No notes: each tag carries its whole path along."""
    C = len(may_begin)
    ways = {c: (float(log_p[0, c]), [c]) for c in range(C) if may_begin[c]}
    for row in log_p.tolist()[1:]:
        ways = {
            c: max((ways[b][0] + row[c], [*ways[b][1], c]) for b in ways if allowed[b, c])
            for c in range(C)
            if any(allowed[b, c] for b in ways)
        }
    return max(ways.values())[1]


def with_numpy(log_p, allowed, may_begin):
    scores = log_p.double().numpy()
    barrier = np.where(allowed.numpy(), 0.0, -np.inf)
    best = np.where(may_begin.numpy(), scores[0], -np.inf)
    table = []
    for row in scores[1:]:
        paths = best[:, None] + barrier
        table.append(paths.argmax(0))
        best = paths.max(0) + row
    path = [best.argmax()]
    for notes in table[::-1]:
        path.insert(0, notes[path[0]])
    return np.array(path)


@pytest.mark.parametrize("answer", [best_path, with_paths_kept, with_numpy])
def test_right_paths_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("best_path", answer, seed=seed)
        assert result, result


def test_the_best_path_is_the_best_of_all_and_the_packages() -> None:
    labels = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    allowed = torch.tensor([[c[0] != "I" or a[1:] == c[1:] for c in labels] for a in labels])
    may_begin = torch.tensor([label[0] != "I" for label in labels])
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        log_p = torch.randn(4, 5, generator=generator).log_softmax(-1).double()
        valid = [
            path
            for path in itertools.product(range(5), repeat=4)
            if may_begin[path[0]] and all(allowed[a, b] for a, b in itertools.pairwise(path))
        ]
        best = max(valid, key=lambda path: float(log_p[range(4), path].sum()))
        found = best_path(log_p, allowed, may_begin)
        assert found == list(best) == best_valid(log_p.numpy(), labels).tolist()


def greedily(log_p, allowed, may_begin):
    path = [int(log_p[0].masked_fill(~may_begin, -torch.inf).argmax())]
    for row in log_p[1:]:
        path.append(int(row.masked_fill(~allowed[path[-1]], -torch.inf).argmax()))
    return path


def tops(log_p, allowed, may_begin):
    """The best tag of each delta."""
    delta = log_p[0].masked_fill(~may_begin, -torch.inf)
    path = [int(delta.argmax())]
    for row in log_p[1:]:
        delta = row + delta[:, None].masked_fill(~allowed, -torch.inf).amax(0)
        path.append(int(delta.argmax()))
    return path


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("no-constraint", lambda s, a, b: best_path(s, torch.ones_like(a), b)),
        ("begins-with-inside", lambda s, a, b: best_path(s, a, torch.ones_like(b))),
        ("transposed", lambda s, a, b: best_path(s, a.T, b)),
        ("greedy", greedily),
        ("notes-not-followed", tops),
        ("path-backwards", lambda s, a, b: best_path(s, a, b)[::-1]),
        (
            "no-constraint+begins-with-inside",
            lambda s, a, b: s.argmax(-1).tolist(),
        ),
        ("returned-none", lambda *a: None),
        ("wrong-values", lambda s, a, b: [0] * (len(s) - 1)),
    ],
)
def test_wrong_paths_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("best_path", answer)
    assert result.mistake in (mistake, *mistake.split("+")), result


def test_a_broken_path_is_told_from_a_poor_one() -> None:
    broken = exercises.check("best_path", lambda s, a, b: best_path(s, torch.ones_like(a), b))
    assert "Your sequence below isn't valid" in broken.message
    poor = exercises.check("best_path", greedily)
    assert "the best valid one has" in poor.message


def test_bertlabs_own_functions_are_noticed() -> None:
    labels = ["O", "B-A", "I-A", "B-B", "I-B"]

    def answer(log_p, allowed, may_begin):
        return best_valid(log_p.numpy(), labels[: len(may_begin)])

    assert exercises.check("best_path", answer).mistake == "bertlabs-own-function"
