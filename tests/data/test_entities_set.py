"""The bundled set `entities`: valid IOB2, splits apart, names mostly new, a true card."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from statistics import mean, median

import pytest

import bertlab

FOLDER = Path(bertlab.__file__).parent / "data" / "sets" / "entities"
SPLITS = ("train", "dev", "test")
TYPES = ("LOC", "PER", "ORG", "MISC")

Sentence = list[tuple[str, str]]  # tokens and their tags
Entity = tuple[str, int, int]  # type, start, end (exclusive)


def read(split: str) -> list[Sentence]:
    """Parse a file by hand: what bertlab's own reader makes of it is another test's matter."""
    text = (FOLDER / f"{split}.conll").read_bytes().decode("utf-8")
    sentences = []
    for block in text.removesuffix("\n").split("\n\n"):
        rows = [line.split("\t") for line in block.split("\n")]
        assert all(len(row) == 2 for row in rows), block
        sentences.append([(token, tag) for token, tag in rows])
    return sentences


SENTENCES = {split: read(split) for split in SPLITS}
EVERY = [sentence for split in SPLITS for sentence in SENTENCES[split]]


def entities(sentence: Sentence) -> list[Entity]:
    """Return the entities of IOB2 tags, in their order."""
    starts = [i for i, (_, tag) in enumerate(sentence) if tag.startswith("B-")]
    found = []
    for start in starts:
        end = start + 1
        while end < len(sentence) and sentence[end][1].startswith("I-"):
            end += 1
        found.append((sentence[start][1][2:], start, end))
    return found


def tokens(sentence: Sentence) -> list[str]:
    return [token for token, _ in sentence]


def names(split: str) -> list[tuple[str, str]]:
    """Each entity's form and type."""
    return [
        (" ".join(tokens(sentence)[start:end]), kind)
        for sentence in SENTENCES[split]
        for kind, start, end in entities(sentence)
    ]


def touches(sentence: Sentence) -> bool:
    """Whether an entity follows another of its type at once."""
    return any(a[2] == b[1] and a[0] == b[0] for a, b in pairwise(entities(sentence)))


@pytest.mark.parametrize("split", SPLITS)
def test_the_file_is_utf8_with_plain_line_ends(split: str) -> None:
    content = (FOLDER / f"{split}.conll").read_bytes()
    assert not content.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in content
    assert content.endswith(b"\n")
    assert not content.endswith(b"\n\n")
    assert b"\n\n\n" not in content
    text = content.decode("utf-8")
    assert text == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(("split", "count"), [("train", 450), ("dev", 75), ("test", 75)])
def test_the_splits_have_their_sizes(split: str, count: int) -> None:
    assert len(SENTENCES[split]) == count


@pytest.mark.parametrize("split", SPLITS)
def test_the_tags_are_valid_iob2_of_the_four_types(split: str) -> None:
    for sentence in SENTENCES[split]:
        tags = [tag for _, tag in sentence]
        for before, tag in pairwise(["O", *tags]):
            assert tag == "O" or re.fullmatch(r"[BI]-(LOC|PER|ORG|MISC)", tag), tag
            if tag.startswith("I-"):
                assert before in (f"B-{tag[2:]}", tag), tokens(sentence)


@pytest.mark.parametrize(("split", "least"), [("train", 140), ("dev", 24), ("test", 24)])
def test_each_type_is_there_often_enough_to_be_scored(split: str, least: int) -> None:
    counts = Counter(kind for _, kind in names(split))
    assert counts.keys() == set(TYPES)
    assert min(counts.values()) >= least


def test_tokens_are_printable_and_hold_no_white_space_or_marks() -> None:
    for sentence in EVERY:
        for token in tokens(sentence):
            assert token, tokens(sentence)
            assert token.isprintable()
            assert not any(sign.isspace() for sign in token)
            assert not set(token) & set("[]“”‘’_|")


def test_punctuation_and_possessives_are_tokens_of_their_own() -> None:
    for sentence in EVERY:
        for token in tokens(sentence):
            assert len(token) == 1 or token[-1] not in ',;:?!"()%', token
            assert token == "'s" or not token.endswith("'s"), token


def test_entities_begin_and_end_with_a_word() -> None:
    for sentence in EVERY:
        for _, start, end in entities(sentence):
            assert sentence[start][0][0].isupper(), tokens(sentence)
            assert sentence[end - 1][0][0].isalnum(), tokens(sentence)
            assert end - start <= 8


def test_months_and_weekdays_are_outside() -> None:
    days = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
    months = {"January", "February", "June", "July", "October", "November", "December"}
    seen = {tag for sentence in EVERY for token, tag in sentence if token in days | months}
    assert seen == {"O"}


def test_lengths_stay_within_the_bounds() -> None:
    lengths = [len(sentence) for sentence in EVERY]
    assert min(lengths) >= 6
    assert max(lengths) <= 45
    assert 16 < mean(lengths) < 20


def test_no_sentence_comes_twice_within_or_across_splits() -> None:
    assert len({" ".join(tokens(sentence)).casefold() for sentence in EVERY}) == 600


def word_sets() -> Iterator[frozenset[str]]:
    """Each sentence's words in lower case."""
    for sentence in EVERY:
        yield frozenset(token.lower() for token in tokens(sentence) if token.isalpha())


def test_no_two_sentences_are_nearly_the_same() -> None:
    """A sentence with one name exchanged would share most words, or a long run of them."""
    for a, b in combinations(word_sets(), 2):
        assert len(a & b) < 0.5 * len(a | b), (a, b)
    runs = Counter(
        run
        for sentence in EVERY
        for run in {tuple(tokens(sentence)[i : i + 6]) for i in range(len(sentence) - 5)}
    )
    assert [run for run, times in runs.items() if times > 1] == []


@pytest.mark.parametrize("split", SPLITS)
def test_a_tenth_to_a_sixth_of_the_sentences_have_no_entity(split: str) -> None:
    empty = [sentence for sentence in SENTENCES[split] if not entities(sentence)]
    assert 0.1 <= len(empty) / len(SENTENCES[split]) <= 0.16
    # In some a capital stands within, so that capitals alone don't give the answer.
    assert any(token[0].isupper() for sentence in empty for token in tokens(sentence)[1:])


@pytest.mark.parametrize("split", SPLITS)
def test_hard_cases_are_in_every_split(split: str) -> None:
    sentences = SENTENCES[split]
    assert any(touches(sentence) for sentence in sentences)
    # B- after I- of the same type: who reads the tags as IO would merge two names.
    assert any(
        a[1].startswith("I-") and b[1] == f"B-{a[1][2:]}"
        for sentence in sentences
        for a, b in pairwise(sentence)
    )
    assert any(" ".join(tokens(sentence)).isupper() for sentence in sentences), "a headline"
    inside = [token for sentence in sentences for token, tag in sentence if tag != "O"]
    assert any(token.islower() for token in inside), "a lower-case word within a name"
    assert any(not token.isascii() for token in inside), "diacritics"
    assert any("-" in token for token in inside), "a hyphenated name or adjective"
    starts = [sentence[0][1] for sentence in sentences]
    assert "O" in starts
    assert len(set(starts)) > 3, "at the start stands now a name, now a common word"


def test_one_name_has_several_types_in_several_senses() -> None:
    types = defaultdict(set)
    for split in SPLITS:
        for form, kind in names(split):
            types[form].add(kind)
    assert types["Washington"] == {"LOC", "PER", "ORG"}
    assert {"PER", "LOC"} in types.values()
    assert {"ORG", "LOC"} in types.values()


def known(split: str) -> tuple[float, float]:
    """The share of a split's entities whose form is in train, and with the same type."""
    train = set(names("train"))
    forms = {form for form, _ in train}
    return (
        mean(form in forms for form, _ in names(split)),
        mean(name in train for name in names(split)),
    )


@pytest.mark.parametrize("split", ["dev", "test"])
def test_most_names_are_not_in_train(split: str) -> None:
    assert known(split)[0] < 0.35


def f1(split: str, mark: str) -> float:
    """Entity F1 of a rule: ``names`` marks the names of train, ``capitals`` capitalised runs."""
    types: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for form, kind in names("train"):
        types[tuple(form.split(" "))][kind] += 1
    right = marked = true = 0
    for sentence in SENTENCES[split]:
        words, i, found = tokens(sentence), 0, set()
        while i < len(words):
            ends = range(len(words), i, -1)
            if mark == "names":
                end = next((e for e in ends if tuple(words[i:e]) in types), i)
            else:
                end = next((e for e in ends if all(w[0].isupper() for w in words[i:e])), i)
            if end > i:
                kind = types[tuple(words[i:end])].most_common(1)[0][0] if mark == "names" else "LOC"
                found.add((kind, i, end))
            i = max(end, i + 1)
        right += len(found & set(entities(sentence)))
        marked, true = marked + len(found), true + len(entities(sentence))
    return 2 * right / (marked + true)


def test_the_card_tells_the_truth() -> None:
    card = " ".join((FOLDER / "README.md").read_text(encoding="utf-8").split())
    for split in SPLITS:
        sentences = SENTENCES[split]
        counts = Counter(kind for _, kind in names(split))
        figures = [len(sentences), sum(not entities(sentence) for sentence in sentences)]
        figures += [sum(map(len, sentences)), *(counts[kind] for kind in TYPES), counts.total()]
        assert f"| {split} | " + " | ".join(f"{figure:,}" for figure in figures) + " |" in card

    found = [name for split in SPLITS for name in names(split)]
    lengths = [len(sentence) for sentence in EVERY]
    assert f"has {min(lengths)} to {max(lengths)} tokens, {mean(lengths):.1f} on average" in card
    assert f"(median {median(lengths):g}), and {len(found) / 600:.2f} entities" in card
    outside = mean(tag == "O" for sentence in EVERY for _, tag in sentence)
    assert f"{100 * outside:.1f} % of the tokens are O" in card
    words = Counter(form.count(" ") + 1 for form, _ in found)
    assert "| entities | " + " | ".join(str(words[n]) for n in range(1, max(words) + 1)) in card

    (dev, dev_same), (test, test_same) = known("dev"), known("test")
    assert f"entities of dev {100 * dev:.1f} %, of test {100 * test:.1f} % have" in card
    assert f"({100 * dev_same:.1f} % and {100 * test_same:.1f} % with the same type)" in card
    for mark in ("names", "capitals"):
        dev, test = f1("dev", mark), f1("test", mark)
        assert f"{100 * dev:.1f} % on dev and {100 * test:.1f} % on test" in card

    types = defaultdict(set)
    for form, kind in found:
        types[form].add(kind)
    several = sum(len(kinds) > 1 for kinds in types.values())
    assert f"{len(types):,} different names; {several} of them occur" in card
    assert f"In {sum(map(touches, EVERY))} sentences an entity follows another" in card
    headlines = sum(" ".join(tokens(sentence)).isupper() for sentence in EVERY)
    assert f"{headlines} headlines are all in capitals" in card


def test_the_cards_example_is_in_the_set() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    example = card.rsplit("```", 2)[1].strip()
    text = "".join((FOLDER / f"{split}.conll").read_text(encoding="utf-8") for split in SPLITS)
    assert example in text
