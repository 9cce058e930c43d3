"""The bundled set ``sentiment``: balanced, without repetitions, no label given away by shape."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from statistics import mean

import pytest

FOLDER = Path(__file__).parents[2] / "bertlab" / "data" / "sets" / "sentiment"
SIZES = {"train": 600, "dev": 100, "test": 100}
HARD = ("negation", "contrast", "irony", "comparison", "implied")
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")

Review = dict[str, str]


def read(split: str) -> list[Review]:
    """Return the reviews of a split, in the order of its file."""
    lines = (FOLDER / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


SETS = {split: read(split) for split in SIZES}
EVERY = [review for reviews in SETS.values() for review in reviews]


def words(text: str) -> list[str]:
    """Return the words in lower case, without punctuation."""
    return re.findall(r"\w+(?:'\w+)*", text.lower())


def sentences(text: str) -> list[str]:
    """Cut a review after full stops, question marks and exclamation marks."""
    return [" ".join(words(sentence)) for sentence in re.split(r"(?<=[.!?])\s+", text)]


def with_label(label: str, reviews: list[Review] = EVERY) -> list[Review]:
    """Return the reviews that have a label."""
    return [review for review in reviews if review["label"] == label]


@pytest.mark.parametrize("split", SIZES)
def test_each_split_has_its_size_and_both_labels_equally(split: str) -> None:
    assert len(SETS[split]) == SIZES[split]
    labels = Counter(review["label"] for review in SETS[split])
    assert labels == {"positive": SIZES[split] // 2, "negative": SIZES[split] // 2}


def test_each_line_has_the_same_three_fields_in_the_same_order() -> None:
    assert {tuple(review) for review in EVERY} == {("text", "label", "kind")}
    assert all(isinstance(value, str) for review in EVERY for value in review.values())


@pytest.mark.parametrize("split", SIZES)
def test_a_quarter_of_each_split_is_hard_and_each_kind_is_there(split: str) -> None:
    kinds = Counter(review["kind"] for review in SETS[split])
    share = SIZES[split] // 20
    assert kinds == {"plain": 15 * share, **dict.fromkeys(HARD, share)}


@pytest.mark.parametrize("kind", ["plain", *HARD])
def test_the_kind_says_nothing_about_the_label(kind: str) -> None:
    labels = Counter(review["label"] for review in EVERY if review["kind"] == kind)
    assert labels["positive"] == labels["negative"]
    for split, reviews in SETS.items():
        found = Counter(review["label"] for review in reviews if review["kind"] == kind)
        assert abs(found["positive"] - found["negative"]) <= 1, split


def test_no_review_is_there_twice_whatever_its_case_and_punctuation() -> None:
    assert len({" ".join(words(review["text"])) for review in EVERY}) == len(EVERY)


def test_no_two_reviews_share_a_sentence() -> None:
    counts = Counter(s for review in EVERY for s in sentences(review["text"]))
    assert [sentence for sentence, count in counts.items() if count > 1] == []


def test_no_two_reviews_are_nearly_the_same() -> None:
    bags = [frozenset(words(review["text"])) for review in EVERY]
    nearest = max(len(a & b) / len(a | b) for a, b in combinations(bags, 2))
    assert nearest <= 0.31, "the card says 31 %"


def test_lengths_are_those_of_short_reviews() -> None:
    lengths = [len(review["text"].split()) for review in EVERY]
    assert min(lengths) == 6
    assert max(lengths) == 41
    assert mean(lengths) == pytest.approx(21.0, abs=0.05)
    assert {len(sentences(review["text"])) for review in EVERY} == {1, 2, 3}


def test_length_and_exclamation_marks_do_not_give_the_label_away() -> None:
    length = {
        label: mean(len(review["text"].split()) for review in with_label(label))
        for label in ("positive", "negative")
    }
    loud = {
        label: sum("!" in review["text"] for review in with_label(label))
        for label in ("positive", "negative")
    }
    assert abs(length["positive"] - length["negative"]) < 1
    assert f"(positive {length['positive']:.1f}, negative {length['negative']:.1f})" in CARD
    assert f"{loud['positive']} positive reviews and {loud['negative']} negative ones" in CARD


def test_characters_are_printable_and_spaces_single() -> None:
    for review in EVERY:
        text = review["text"]
        assert text.isprintable(), text
        assert text == " ".join(text.split())
        assert set(text) - set(map(chr, range(128))) <= set("é£"), text


@pytest.mark.parametrize("split", SIZES)
@pytest.mark.parametrize("field", ["label", "kind"])
def test_the_files_are_shuffled(split: str, field: str) -> None:
    """Each value turns up in both halves of a file, and no long run has one label."""
    values = [review[field] for review in SETS[split]]
    half = len(values) // 2
    if field == "label":
        assert max(len(run) for run in re.findall(r"p+|n+", "".join(v[0] for v in values))) < 15
    assert set(values[:half]) == set(values[half:])


def test_the_card_gives_the_sizes_of_the_files_and_quotes_them() -> None:
    for split, reviews in SETS.items():
        labels = Counter(review["label"] for review in reviews)
        kinds = Counter(review["kind"] for review in reviews)
        row = [len(reviews), labels["positive"], labels["negative"], kinds["plain"]]
        cells = " | ".join(map(str, [split, *row, *(kinds[kind] for kind in HARD)]))
        assert f"| {cells} |" in CARD
    quoted = re.findall(r"^\| (\w+) \| [^|]+ \| ([^|]+[.!]) \| (\w+) \|$", CARD, re.MULTILINE)
    assert tuple(kind for kind, _, _ in quoted) == HARD
    for kind, text, label in quoted:
        assert {"text": text, "label": label, "kind": kind} in EVERY
    example = re.search(r"```json\n(.+)\n```", CARD)
    assert example is not None
    assert json.loads(example[1]) in EVERY
