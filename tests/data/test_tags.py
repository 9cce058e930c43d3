"""Tag schemes: each is read as the same entities, and what is damaged as conlleval reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertlab.data import spans, to_iob2
from bertlab.data.tags import check_tag, detect_scheme, invalid_places, is_tag

Sentence = tuple[int, list[tuple[str, int, int]]]


@st.composite
def sentences(draw: st.DrawFn) -> Sentence:
    """A sentence's length, and entities in it: of one to three tokens, many side by side."""
    place, entities = 0, []
    for _ in range(draw(st.integers(0, 6))):
        start = place + draw(st.integers(0, 2))
        place = start + draw(st.integers(1, 3))
        entities.append((draw(st.sampled_from(["LOC", "PER", "a-b"])), start, place))
    return place + draw(st.integers(0, 2)), entities


def write(sentence: Sentence, scheme: str) -> list[str]:
    """Spell entities in a scheme, straight from its definition."""
    length, entities = sentence
    tags = ["O"] * length
    first, inner, last, single = {
        "IOB1": "IIII",
        "IOB2": "BIIB",
        "BIOES": "BIES",
        "BILOU": "BILU",
    }[scheme]
    before = ("", 0, 0)
    for entity in entities:
        kind, start, end = entity
        letters = [first, *[inner] * (end - start - 2), last] if end - start > 1 else [single]
        if scheme == "IOB1" and before[2] == start and before[0] == kind:
            letters[0] = "B"
        tags[start:end] = [f"{letter}-{kind}" for letter in letters]
        before = entity
    return tags


SCHEMES = ["IOB1", "IOB2", "BIOES", "BILOU"]


@pytest.mark.parametrize("scheme", SCHEMES)
@given(sentence=sentences())
def test_each_scheme_becomes_the_same_iob2(scheme: str, sentence: Sentence) -> None:
    tags = write(sentence, scheme)
    assert to_iob2(tags, scheme) == to_iob2(tags) == write(sentence, "IOB2")
    assert invalid_places(tags, scheme) == []
    assert to_iob2(write(sentence, "IOB2"), "IOB2") == write(sentence, "IOB2")


@given(sentence=sentences())
def test_spans_are_the_entities_that_were_written(sentence: Sentence) -> None:
    assert spans(write(sentence, "IOB2")) == sentence[1]


TAGS = ["O", *(f"{letter}-{kind}" for letter in "BIESLU" for kind in "XY")]


@given(st.lists(st.sampled_from(TAGS), max_size=8))
def test_damaged_tags_have_the_spans_of_conlleval(tags: list[str]) -> None:
    converted = to_iob2(tags)
    assert spans(converted) == spans(tags) == conlleval(tags)
    assert invalid_places(converted, "IOB2") == []


def conlleval(tags: list[str]) -> list[tuple[str, int, int]]:
    """``startOfChunk`` and ``endOfChunk`` of the scorer, by pairs of letters; L is E, U is S."""
    starts = {"EE", "EI", "SE", "SI", "OE", "OI"}
    ends = {"BB", "BS", "BO", "IB", "IS", "IO", "EB", "EE", "EI", "ES", "EO"}
    ends |= {"SB", "SE", "SI", "SS", "SO"}
    found, start, before, kind_before = [], 0, "O", ""
    for place, tag in enumerate([*tags, "O"]):
        letter, kind = tag[0].translate(str.maketrans("LU", "ES")), tag[2:]
        both = before + letter
        if before != "O" and (both in ends or kind != kind_before):
            found.append((kind_before, start, place))
        if letter in "BS" or both in starts or (letter != "O" and kind != kind_before):
            start = place
        before, kind_before = letter, kind
    return found


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], []),
        (["O", "O"], []),
        (["B-X"], [("X", 0, 1)]),
        (["B-X", "I-X", "B-X"], [("X", 0, 2), ("X", 2, 3)]),
        (["B-X", "I-Y"], [("X", 0, 1), ("Y", 1, 2)]),  # seqeval, not strict: the same
        (["I-X", "I-X", "O", "I-X"], [("X", 0, 2), ("X", 3, 4)]),
        (["B-a-b", "I-a-b"], [("a-b", 0, 2)]),  # only the first hyphen parts letter and type
    ],
)
def test_spans_by_hand(tags: list[str], expected: list[tuple[str, int, int]]) -> None:
    assert spans(tags) == expected


@pytest.mark.parametrize(
    ("sequences", "scheme"),
    [
        ([], "IOB2"),
        ([["O"]], "IOB2"),
        ([["B-X", "I-X"]], "IOB2"),
        ([["I-X", "B-X"]], "IOB1"),
        ([["B-X", "B-X"]], "IOB2"),
        ([["O", "I-X"], ["I-Y", "I-X"]], "IOB1"),
        ([["B-X", "O", "B-X"], ["O", "I-X"]], "IOB2"),  # one damaged tag
        ([["I-X", "O", "I-X"], ["O", "B-X"]], "IOB1"),
        ([["B-X"], ["S-X"]], "BIOES"),
        ([["B-X", "E-X"]], "BIOES"),
        ([["B-X", "L-X"]], "BILOU"),
        ([["U-X"]], "BILOU"),
    ],
)
def test_the_scheme_is_told_over_all_sentences(sequences: list[list[str]], scheme: str) -> None:
    assert detect_scheme(sequences) == scheme


@pytest.mark.parametrize(
    ("tags", "scheme", "places"),
    [
        (["O", "I-X", "I-X", "I-Y"], "IOB2", [1, 3]),
        (["B-X", "I-X", "B-X", "O", "B-X", "B-Y"], "IOB1", [0, 4, 5]),
        (["B-X", "O"], "BIOES", [0]),
        (["O", "E-X"], "BIOES", [1]),
        (["B-X", "I-X", "B-Y", "E-Y"], "BIOES", [1]),
        (["I-X"], "BILOU", [0]),
        (["B-X", "U-X", "L-X"], "BILOU", [0, 2]),
    ],
)
def test_places_that_a_scheme_would_not_have(
    tags: list[str], scheme: str, places: list[int]
) -> None:
    assert invalid_places(tags, scheme) == places


def test_what_is_a_tag() -> None:
    assert all(map(is_tag, ["O", "B-X", "I-a-b", "S-é"]))
    assert not any(map(is_tag, ["", "o", "0", "B", "B-", "X-LOC", "B_LOC", "LOC", "b-LOC"]))
    assert check_tag(3) is not None


@pytest.mark.parametrize(
    ("tags", "scheme", "says"),
    [
        (["O", "PER"], None, "tag 1 is 'PER'; expected O, or a letter, a hyphen and a type"),
        (["E-X"], "IOB2", "tag 0 is 'E-X'; expected a tag of IOB2: O, B-…, I-…"),
        (["O"], "BMES", "scheme is 'BMES'; expected one of IOB1, IOB2, BIOES, BILOU"),
    ],
)
def test_what_is_no_tag_is_refused(tags: list[str], scheme: str | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        to_iob2(tags, scheme)
