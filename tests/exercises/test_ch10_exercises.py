"""Chapter 10's exercises, with answers as learners write them."""

import math
import re
import string
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch

from bertlab import exercises, metrics

# ---------------------------------------------------------------------------------------------
# answer_positions


def answer_positions(offsets, first, answer_start, answer_end):
    if answer_start < offsets[0][0] or offsets[-1][1] < answer_end:
        return 0, 0
    inside = [k for k, (a, b) in enumerate(offsets) if b > answer_start and a < answer_end]
    return first + inside[0], first + inside[-1]


def with_two_pointers(offsets, first, answer_start, answer_end):
    """As transformers' example does: walk from the left and from the right."""
    if not (offsets[0][0] <= answer_start and offsets[-1][1] >= answer_end):
        return (0, 0)
    left, right = 0, len(offsets) - 1
    while offsets[left][1] <= answer_start:
        left += 1
    while offsets[right][0] >= answer_end:
        right -= 1
    return torch.tensor(left + first), torch.tensor(right + first)


@pytest.mark.parametrize("answer", [answer_positions, with_two_pointers])
def test_right_positions_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("answer_positions", answer, seed=seed)
        assert result, result


def unshifted(offsets, first, start, end):
    return answer_positions(offsets, 0, start, end)


def end_excluded(*arguments):
    start, end = answer_positions(*arguments)
    return start, end + (end > 0)


def clipped(offsets, first, start, end):
    inside = [k for k, (a, b) in enumerate(offsets) if b > start and a < end]
    return (first + inside[0], first + inside[-1]) if inside else (0, 0)


def clamped(offsets, first, start, end):
    return tuple(
        p or first + len(offsets) - 1 for p in answer_positions(offsets, first, start, end)
    )


def ignored(*arguments):
    return tuple(place or -100 for place in answer_positions(*arguments))


def by_equality(offsets, first, start, end):
    starts, ends = [a for a, _ in offsets], [b for _, b in offsets]
    if start not in starts or end not in ends:
        return 0, 0
    return first + starts.index(start), first + ends.index(end)


def touching(offsets, first, start, end):
    if not all(answer_positions(offsets, first, start, end)):
        return 0, 0
    inside = [k for k, (a, b) in enumerate(offsets) if b >= start and a <= end]
    return first + inside[0], first + inside[-1]


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("question-not-counted", unshifted),
        ("end-excluded", end_excluded),
        ("part-of-the-answer-kept", clipped),
        ("border-taken", clamped),
        ("ignored-instead-of-cls", ignored),
        ("only-equal-borders", by_equality),
        ("touching-pieces-counted", touching),
    ],
)
def test_wrong_positions_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("answer_positions", answer)
    assert result.mistake == mistake, result


# ---------------------------------------------------------------------------------------------
# best_span


def best_span(start_logits, end_logits, first, stop, longest):
    pairs = [(i, j) for i in range(first, stop) for j in range(i, min(i + longest, stop))]
    return max(pairs, key=lambda pair: start_logits[pair[0]] + end_logits[pair[1]])


def with_a_table(start_logits, end_logits, first, stop, longest):
    table = start_logits[first:stop, None] + end_logits[None, first:stop]
    valid = torch.ones_like(table).triu().tril(longest - 1).bool()
    best = table.masked_fill(~valid, -math.inf).argmax()
    return first + best // (stop - first), first + best % (stop - first)


@pytest.mark.parametrize("answer", [best_span, with_a_table])
def test_right_spans_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("best_span", answer, seed=seed)
        assert result, result


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        (
            "start-and-end-apart",
            lambda s, e, a, z, m: (a + s[a:z].argmax(), a + e[a:z].argmax()),
        ),
        ("question-allowed", lambda s, e, a, z, m: best_span(s, e, 0, z, m)),
        ("end-of-row-allowed", lambda s, e, a, z, m: best_span(s, e, a, len(s), m)),
        ("stop-included", lambda s, e, a, z, m: best_span(s, e, a, min(z + 1, len(s)), m)),
        ("length-unlimited", lambda s, e, a, z, m: best_span(s, e, a, z, len(s))),
        ("one-piece-too-long", lambda s, e, a, z, m: best_span(s, e, a, z, m + 1)),
        ("one-piece-too-short", lambda s, e, a, z, m: best_span(s, e, a, z, m - 1)),
    ],
)
def test_wrong_spans_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("best_span", answer)
    assert result.mistake == mistake, result


def test_a_span_that_leaves_the_context_is_shown() -> None:
    result = exercises.check("best_span", lambda s, e, a, z, m: best_span(s, e, 0, z, m))
    assert "leaves the context" in result.message
    backwards = exercises.check(
        "best_span", lambda s, e, a, z, m: (a + s[a:z].argmax(), a + e[a:z].argmax())
    )
    assert "before it starts" in backwards.message


# ---------------------------------------------------------------------------------------------
# squad_f1


def normalise(text):
    text = "".join(sign for sign in text.lower() if sign not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def squad_f1(prediction, references):
    said = normalise(prediction)
    if not references:
        return float(not said)
    scores = []
    for reference in references:
        true = normalise(reference)
        shared = (Counter(said) & Counter(true)).total()
        scores.append(2 * shared / (len(said) + len(true)) if shared else 0.0)
    return max(scores)


def with_the_package(prediction, references):
    """The metric of bertlab, as data rather than as an answer: both must agree."""
    return metrics.squad_scores({"q": prediction}, {"q": references}, version="2.0")["f1"] / 100


def with_harmonic_mean(prediction, references):
    best = 0 if references else int(not normalise(prediction))
    for reference in references:
        said, true = normalise(prediction), normalise(reference)
        shared = sum(min(said.count(word), true.count(word)) for word in set(said))
        if shared:
            p, r = shared / len(said), shared / len(true)
            best = max(best, 2 / (1 / p + 1 / r))
    return best


@pytest.mark.parametrize("answer", [squad_f1, with_harmonic_mean])
def test_right_scores_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("squad_f1", answer, seed=seed)
        assert result, result


def test_the_exercise_and_the_package_agree() -> None:
    """As an answer the package's own function is refused: it isn't the learner's."""
    assert exercises.check("squad_f1", with_the_package).mistake == "bertlabs-own-function"
    for said, references in (("The U.S.", ["US", "America"]), ("a a b", ["b a c"]), ("", [])):
        assert squad_f1(said, references) == pytest.approx(with_the_package(said, references))


def each(prediction, references):
    return [squad_f1(prediction, [reference]) for reference in references]


def exact(prediction, references):
    return float(normalise(prediction) in [normalise(text) for text in references or [""]])


def halved(prediction, references):
    value = squad_f1(prediction, references)
    return value / 2 if references else value


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("first-reference-only", lambda p, r: squad_f1(p, r[:1])),
        ("mean-over-references", lambda p, r: sum(each(p, r)) / len(r) if r else squad_f1(p, r)),
        ("worst-reference", lambda p, r: min(each(p, r), default=squad_f1(p, r))),
        ("exact-match", exact),
        ("no-answer-scores-zero", lambda p, r: squad_f1(p, r) if r else 0.0),
        ("no-answer-scores-one", lambda p, r: squad_f1(p, r) if r else 1.0),
        ("factor-two-missing", halved),
    ],
)
def test_wrong_scores_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("squad_f1", answer)
    assert result.mistake == mistake, result


def test_the_values_are_said() -> None:
    result = exercises.check("squad_f1", halved)
    assert "Your value is" in result.message
