"""Chapter 1's exercises, with answers as learners write them."""

from collections.abc import Callable
from typing import Any

import pytest

from bertlab import exercises


def wordpiece(word, vocab):
    pieces, start = [], 0
    while start < len(word):
        end = len(word)
        while end > start:
            piece = ("##" if start else "") + word[start:end]
            if piece in vocab:
                break
            end -= 1
        if end == start:
            return ["[UNK]"]
        pieces.append(piece)
        start = end
    return pieces


def recursive(word, vocab, mark=""):
    if not word:
        return []
    for end in range(len(word), 0, -1):
        if mark + word[:end] in vocab:
            rest = recursive(word[end:], vocab, "##")
            return ["[UNK]"] if "[UNK]" in rest else [mark + word[:end], *rest]
    return ["[UNK]"]


def by_generator(word, vocab):
    def cut(rest, mark):
        while rest:
            size = next((n for n in range(len(rest), 0, -1) if mark + rest[:n] in vocab), 0)
            if not size:
                raise LookupError
            yield mark + rest[:size]
            rest, mark = rest[size:], "##"

    try:
        return tuple(cut(word, ""))
    except LookupError:
        return ("[UNK]",)


@pytest.mark.parametrize("answer", [wordpiece, recursive, by_generator])
def test_right_word_pieces_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("wordpiece", answer, seed=seed)
        assert result, result


def greedy(mark=lambda start: "##" if start else "", ends=None, stuck=None, keep=None):
    """The two loops with one step exchanged."""

    def answer(word, vocab):
        pieces, start = [], 0
        while start < len(word):
            for end in (ends or (lambda n, s: range(n, s, -1)))(len(word), start):
                piece = mark(start) + word[start:end]
                if piece in vocab:
                    pieces.append((keep or (lambda p: p))(piece))
                    start = end
                    break
            else:
                return (stuck or (lambda found: ["[UNK]"]))(pieces)
        return pieces

    return answer


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("continuation-mark-forgotten", greedy(mark=lambda start: "")),
        ("continuation-mark-on-first", greedy(mark=lambda start: "##")),
        ("continuation-mark-not-returned", greedy(keep=lambda piece: piece.removeprefix("##"))),
        ("shortest-match", greedy(ends=lambda n, s: range(s + 1, n + 1))),
        ("last-letter-never-reached", greedy(ends=lambda n, s: range(n - 1, s, -1))),
        ("partial-pieces-kept", greedy(stuck=lambda found: [*found, "[UNK]"])),
        ("unknown-not-marked", greedy(stuck=lambda found: found)),
        ("unknown-not-in-a-list", greedy(stuck=lambda found: "[UNK]")),
        ("unknown-as-nothing", greedy(stuck=lambda found: [])),
        ("lower-cased", lambda word, vocab: wordpiece(word.lower(), vocab)),
        (
            "continuation-mark-forgotten+partial-pieces-kept",
            greedy(mark=lambda start: "", stuck=lambda found: [*found, "[UNK]"]),
        ),
    ],
)
def test_wrong_word_pieces_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("wordpiece", answer)
    assert result.mistake == mistake, result


def test_a_loop_that_never_advances_is_stopped_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(word, vocab):
        pieces, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in vocab:
                    pieces.append(piece)
                    start = end
                    break
        return pieces

    monkeypatch.setattr("bertlab.exercises.running.LIMIT", 0.5)
    result = exercises.check("wordpiece", answer)
    assert result.mistake == "too-slow"
    assert "within 0.5 seconds. It was stopped." in result.message
    assert "word = 'ing'" in result.message


def test_changing_the_vocabulary_is_noticed() -> None:
    def answer(word, vocab):
        vocab.discard("[UNK]")
        return wordpiece(word, vocab)

    result = exercises.check("wordpiece", answer)
    assert result.mistake == "input-modified"
    assert "argument `vocab`" in result.message


def encode_pair(a_ids, b_ids, cls_id, sep_id, pad_id, length):
    input_ids = [cls_id, *a_ids, sep_id, *b_ids, sep_id]
    types = [0] * (len(a_ids) + 2) + [1] * (len(b_ids) + 1)
    mask = [1] * len(input_ids)
    padding = length - len(input_ids)
    return input_ids + [pad_id] * padding, types + [0] * padding, mask + [0] * padding


def without_separator_for_nothing(a_ids, b_ids, cls_id, sep_id, pad_id, length):
    second = [*b_ids, sep_id] if b_ids else []
    ids = [cls_id, *a_ids, sep_id, *second]
    padding = length - len(ids)
    types = [0] * (len(ids) - len(second)) + [1] * len(second)
    return ids + padding * [pad_id], types + padding * [0], len(ids) * [1] + padding * [0]


def with_tensors(*arguments):
    import torch

    return tuple(map(torch.tensor, encode_pair(*arguments)))


@pytest.mark.parametrize("answer", [encode_pair, without_separator_for_nothing, with_tensors])
def test_right_pairs_pass(answer: Callable[..., Any]) -> None:
    for seed in range(20):
        result = exercises.check("encode_pair", answer, seed=seed)
        assert result, result


def then(change: Callable[..., Any]) -> Callable[..., Any]:
    """The right lists, changed afterwards: change(ids, types, mask, arguments)."""
    return lambda *arguments: change(*encode_pair(*arguments), arguments)


def joined(ids: Callable[..., list[int]]) -> Callable[..., Any]:
    def answer(a, b, cls, sep, pad, length):
        first, second = ids(a, b, cls, sep)
        n, rest = len(first + second), length - len(first + second)
        types = [0] * len(first) + [1] * len(second) + [0] * rest
        return first + second + [pad] * rest, types, [1] * n + [0] * rest

    return answer


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("token-types-all-zero", then(lambda i, t, m, a: (i, [0] * len(i), m))),
        ("mask-inverted", then(lambda i, t, m, a: (i, t, [int(not x) for x in m]))),
        ("mask-covers-padding", then(lambda i, t, m, a: (i, t, [1] * len(i)))),
        ("outputs-swapped", then(lambda i, t, m, a: (i, m, t))),
        (
            "padded-with-zero",
            then(lambda i, t, m, a: ([x * y for x, y in zip(i, m, strict=True)], t, m)),
        ),
        (
            "padding-in-second-text",
            then(lambda i, t, m, a: (i, [x or 1 - y for x, y in zip(t, m, strict=True)], m)),
        ),
        (
            "not-padded",
            then(lambda i, t, m, a: (i[: sum(m)], t[: sum(m)], m[: sum(m)])),
        ),
        ("cls-missing", joined(lambda a, b, c, s: ([*a, s], [*b, s]))),
        ("separator-between-missing", joined(lambda a, b, c, s: ([c, *a], [*b, s]))),
        ("last-separator-missing", joined(lambda a, b, c, s: ([c, *a, s], b))),
        ("second-cls", joined(lambda a, b, c, s: ([c, *a, s], [c, *b, s]))),
        ("special-tokens-missing", joined(lambda a, b, c, s: (a, b))),
        ("first-separator-in-second-text", joined(lambda a, b, c, s: ([c, *a], [s, *b, s]))),
        ("fixed-special-ids", lambda a, b, *_: encode_pair(a, b, 101, 102, 0, _[-1])),
        (
            "token-types-all-zero+mask-inverted",
            then(lambda i, t, m, a: (i, [0] * len(i), [1 - x for x in m])),
        ),
        (  # of two mistakes the one that shows in simpler examples comes first
            "token-types-all-zero",
            then(lambda i, t, m, a: (i, [0] * len(i), [1] * len(i))),
        ),
    ],
)
def test_wrong_pairs_are_named(mistake: str, answer: Callable[..., Any]) -> None:
    result = exercises.check("encode_pair", answer)
    assert result.mistake == mistake, result


def test_appending_to_the_argument_is_noticed() -> None:
    def answer(a_ids, b_ids, cls_id, sep_id, pad_id, length):
        result = encode_pair(a_ids, b_ids, cls_id, sep_id, pad_id, length)
        a_ids.append(sep_id)
        return result

    result = exercises.check("encode_pair", answer)
    assert result.mistake == "input-modified"
    assert "argument `a_ids`" in result.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *a: encode_pair(*a)[:2], "a tuple of 2: expected 3 values"),
        (lambda *a: (1, 2, 3), "`input_ids` is an int: expected a list of integers"),
        (lambda *a: (["[CLS]"], [0], [1]), "`input_ids[0]` is a str"),
        (lambda *a: ([], [], []), "`input_ids` has 0 items: expected 6"),
        (lambda *a: ([9] * a[-1],) * 3, "`input_ids` is wrong"),
    ],
)
def test_what_is_not_known_is_described(answer: Callable[..., Any], words: str) -> None:
    result = exercises.check("encode_pair", answer)
    assert not result
    assert words in result.message
