"""Next-sentence pairs: what each row is made of, and what is true of many."""

from __future__ import annotations

import random
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_corpus import numbered_corpus, small_tokenizer

from bertlab.pretraining import Corpus, Pairs, TokenisedCorpus, make_pairs, tokenise
from bertlab.pretraining.pairs import _truncate

TOKENIZER = small_tokenizer()
CLS, SEP, PAD = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id, TOKENIZER.pad_token_id


def document_of(corpus: TokenisedCorpus, token: int) -> int:
    """Return the document of an id of ``numbered_corpus``, where ids count up from 100."""
    ends = corpus.sentences[corpus.documents[:, 1]]
    return int(np.searchsorted(ends, token - 100, side="right"))


def parts(pairs: Pairs, index: int) -> tuple[list[int], list[int], int]:
    """Take a row apart by its special tokens and its token types, and check them."""
    row = pairs[index]
    ids, types = row["input_ids"], row["token_type_ids"]
    first = ids.index(SEP)
    assert ids[0] == CLS
    assert ids[-1] == SEP
    assert ids.count(SEP) == 2
    assert types == [0] * (first + 1) + [1] * (len(ids) - first - 1)
    return ids[1:first], ids[first + 1 : -1], row["next_sentence_label"]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    documents=st.integers(2, 12),
    sentences=st.integers(1, 12),
    words=st.integers(1, 40),
    max_length=st.integers(5, 64),
    short=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_every_row_is_what_its_label_says(
    seed: int, documents: int, sentences: int, words: int, max_length: int, short: float
) -> None:
    corpus = numbered_corpus(seed, documents, sentences, words)
    pairs = make_pairs(corpus, TOKENIZER, max_length, short, seed)
    boundaries = set((corpus.sentences + 100).tolist())
    kept = 0
    for index in range(len(pairs)):
        a, b, label = parts(pairs, index)
        assert a
        assert b
        assert len(a) + len(b) + 3 == pairs.lengths[index] <= max_length
        for segment in (a, b):  # each is a stretch of the text, in its order
            assert segment == list(range(segment[0], segment[-1] + 1))
            assert document_of(corpus, segment[0]) == document_of(corpus, segment[-1])
        same = document_of(corpus, a[0]) == document_of(corpus, b[0])
        assert label == (0 if same else 1), "0 is next, 1 comes from another document"
        if label == 0:
            assert b[0] > a[-1]
            between = range(a[-1] + 1, b[0] + 1)
            assert any(place in boundaries for place in between), "cut between sentences"
            if len(a) + len(b) + 3 < max_length:
                assert b[0] == a[-1] + 1, "nothing was truncated, so B follows at once"
        kept += len(a) + (len(b) if label == 0 else 0)
    report = pairs.report
    assert kept + report.tokens_lost == corpus.tokens, "a sentence was lost or used twice"
    assert report.pairs == len(pairs) == len(pairs.labels)
    assert report.is_next == int((pairs.labels == 0).sum())
    assert report.tokens == int(pairs.lengths.sum())
    assert report.balance == report.is_next / report.pairs
    assert report.only_random <= report.pairs - report.is_next


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(5, 40))
def test_without_truncation_the_text_is_there_once_and_in_order(seed: int, length: int) -> None:
    """Sentences of one token always fit: A, and B where it is next, are the text again."""
    corpus = numbered_corpus(seed, documents=6, sentences=80, words=1)
    pairs = make_pairs(corpus, TOKENIZER, length, seed=seed)
    text: list[int] = []
    for index in range(len(pairs)):
        a, b, label = parts(pairs, index)
        text += a + (b if label == 0 else [])
    assert text == list(range(100, 100 + corpus.tokens))
    assert pairs.report.tokens_lost == pairs.report.truncated == 0


def test_balance_where_every_chunk_has_several_sentences() -> None:
    """Even odds at each chunk; would catch negatives drawn twice, or a swapped label."""
    corpus = numbered_corpus(1, documents=600, sentences=150, words=3)
    report = make_pairs(corpus, TOKENIZER, 16).report
    free = report.pairs - report.only_random
    assert free > 7000
    assert abs(report.is_next - free / 2) < 5 * sqrt(free) / 2


def test_one_sentence_chunks_can_only_be_random_and_are_counted() -> None:
    corpus = TokenisedCorpus.from_ids([[[100 + d] * 9] for d in range(30)])
    pairs = make_pairs(corpus, TOKENIZER, 64)
    assert pairs.labels.tolist() == [1] * 30
    assert pairs.report.only_random == 30
    assert pairs.report.balance == 0
    assert "0.0% next, 100.0% random (100.0% because nothing followed A)" in str(pairs.report)


def test_a_sentence_that_reaches_the_target_alone_is_a_chunk() -> None:
    corpus = TokenisedCorpus.from_ids([[[100 + d] * 61] * 20 for d in range(3)])
    pairs = make_pairs(corpus, TOKENIZER, 64)
    assert len(pairs) == pairs.report.only_random == 60
    assert (pairs.lengths == 64).all()
    assert (pairs.labels == 1).all()


def test_random_segments_come_from_all_other_documents_alike() -> None:
    corpus = TokenisedCorpus.from_ids([[[100 + d]] * 400 for d in range(5)])
    pairs = make_pairs(corpus, TOKENIZER, 8)
    counts = np.zeros((5, 5))
    for index in np.flatnonzero(pairs.labels == 1):
        a, b, _ = parts(pairs, int(index))
        counts[a[0] - 100, b[0] - 100] += 1
    assert (np.diag(counts) == 0).all()
    expected = counts.sum(1, keepdims=True) / 4
    others = ~np.eye(5, dtype=bool)
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected))[others].all()


def test_random_segments_are_filled_to_the_target() -> None:
    """Would catch negatives that are told by their length."""
    corpus = numbered_corpus(2, documents=40, sentences=600, words=1)
    pairs = make_pairs(corpus, TOKENIZER, 32, short_probability=0)
    for label in (0, 1):
        lengths = pairs.lengths[pairs.labels == label]
        assert np.mean(lengths == 32) > 0.8
        assert len(lengths) > 100


def test_a_tenth_of_the_targets_is_shorter() -> None:
    corpus = numbered_corpus(3, documents=40, sentences=4000, words=1)
    pairs = make_pairs(corpus, TOKENIZER, 64)
    report = pairs.report
    assert abs(report.short_targets - report.pairs / 10) < 5 * sqrt(report.pairs * 0.09)
    # Shorter targets are uniform from 2 to 61 tokens, so rows from 5 to 64.
    rest = make_pairs(corpus, TOKENIZER, 64, short_probability=1).lengths
    assert rest.min() == 5
    assert rest.max() == 64
    assert abs(rest.mean() - 34.5) < 1.5
    assert make_pairs(corpus, TOKENIZER, 64, short_probability=0).report.short_targets == 0


def released_lengths(a: int, b: int, most: int) -> tuple[int, int]:
    """What the released code's truncation leaves, token by token."""
    while a + b > most:
        if a > b:
            a -= 1
        else:
            b -= 1
    return a, b


@given(st.integers(1, 200), st.integers(1, 200), st.integers(2, 130), st.integers(0, 2**32))
def test_truncation_takes_from_the_longer_segment(a: int, b: int, most: int, seed: int) -> None:
    segments = (0, a), (1000, 1000 + b)
    kept = _truncate(*segments, most, random.Random(seed))
    assert tuple(end - start for start, end in kept) == released_lengths(a, b, most)
    for (start, end), (kept_start, kept_end) in zip(segments, kept, strict=True):
        assert start <= kept_start < kept_end <= end


def test_truncation_is_from_front_and_back_at_even_odds() -> None:
    draw = random.Random(0)
    front, total = 0, 0
    for _ in range(3000):
        (start, end), b = _truncate((0, 60), (100, 110), 50, draw)
        assert b == (100, 110)
        front, total = front + start, total + 60 - (end - start)
    assert total == 3000 * 20
    assert abs(front - total / 2) < 5 * sqrt(total) / 2


def test_the_same_seed_gives_the_same_pairs_and_another_gives_others() -> None:
    corpus = numbered_corpus()
    first = make_pairs(corpus, TOKENIZER, 32, seed=1)
    again = make_pairs(corpus, TOKENIZER, 32, seed=1)
    other = make_pairs(corpus, TOKENIZER, 32, seed=2)
    assert np.array_equal(first.segments, again.segments)
    assert np.array_equal(first.labels, again.labels)
    assert first.report == again.report
    assert not np.array_equal(first.segments, other.segments)


def test_a_held_out_document_is_in_no_pair_of_the_rest(tmp_path: Path) -> None:
    """From the text on: each word is in one document only."""
    tokenizer = small_tokenizer(words=40 * 24)
    words = [f"word{number}" for number in range(40 * 24)]
    documents = [
        "\n".join(" ".join(words[at : at + 6]) for at in range(start, start + 24, 6))
        for start in range(0, len(words), 24)
    ]
    (tmp_path / "a.txt").write_text("\n\n".join(documents), encoding="utf-8")
    train, held = (tokenise(part, tokenizer) for part in Corpus(tmp_path / "a.txt").hold_out(0.2))
    outside = set(held.ids.tolist())
    assert len(outside) == 24 * len(held) >= 24 * 8
    pairs = make_pairs(train, tokenizer, 32)
    assert len(pairs) >= len(train) == 40 - len(held)
    for index in range(len(pairs)):
        assert not outside & set(pairs[index]["input_ids"])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100), st.integers(1, 17), st.integers(1, 20))
def test_rows_together_are_the_rows_one_by_one_with_padding(
    seed: int, count: int, multiple: int
) -> None:
    pairs = make_pairs(numbered_corpus(seed), TOKENIZER, 40, seed=seed)
    indices = np.random.default_rng(seed).integers(0, len(pairs), count)
    rows = pairs.rows(indices, multiple)
    length = rows["input_ids"].shape[1]
    assert length % multiple == 0
    assert 0 <= length - pairs.lengths[indices].max() < multiple
    for place, index in enumerate(indices.tolist()):
        row = pairs[index]
        padding = length - len(row["input_ids"])
        assert rows["input_ids"][place].tolist() == row["input_ids"] + [PAD] * padding
        assert rows["token_type_ids"][place].tolist() == row["token_type_ids"] + [0] * padding
        real = [1] * len(row["input_ids"]) + [0] * padding
        assert rows["attention_mask"][place].tolist() == real
        assert rows["next_sentence_label"][place] == row["next_sentence_label"]
    assert all(array.dtype == np.int64 for array in rows.values())


def test_pairs_are_a_sequence() -> None:
    pairs = make_pairs(numbered_corpus(), TOKENIZER, 40)
    assert pairs[-1] == pairs[len(pairs) - 1]
    with pytest.raises(IndexError):
        pairs[len(pairs)]


def test_the_report_reads_well() -> None:
    corpus = TokenisedCorpus.from_ids([[[100] * 40, [101] * 40], [[102] * 40, [103] * 40]])
    report = make_pairs(corpus, TOKENIZER, 64, short_probability=0, seed=3).report
    assert str(report) == (
        f"{report.pairs} pairs: {report.balance:.1%} next, {1 - report.balance:.1%} random "
        f"({report.only_random / report.pairs:.1%} because nothing followed A)\n"
        f"64.0 tokens a pair; 0.0% with a shorter target, 100.0% truncated, "
        f"{report.tokens_lost} tokens lost to that"
    )


@pytest.mark.parametrize(
    ("documents", "setting", "message"),
    [
        (1, {}, "the corpus has 1 document: expected at least 2, since a random segment"),
        (2, {"max_length": 4}, "max_length is 4: expected at least 5"),
        (2, {"short_probability": 1.5}, "short_probability is 1.5: expected a number from 0 to 1"),
        (2, {"short_probability": -1}, "short_probability is -1: expected"),
    ],
)
def test_what_gives_no_pairs_is_refused(documents: int, setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_pairs(numbered_corpus(documents=documents), TOKENIZER, **setting)
