"""Where a paragraph is cut into sentences, and where it isn't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertlab.pretraining import split_sentences


@pytest.mark.parametrize(
    "text",
    [  # "|" marks where it is cut
        "One sentence.",
        "No mark at the end",
        "Hello there.| How are you?| Fine!| And you?",
        "He paused… then went on.| She waited…| Nothing came.",
        "Wait... what?| Really!?| Yes.",
        # a lower-case letter goes on
        "“Really?” she asked.| “Yes!” he cried.",
        "It cost approx. ten pounds at 9 a.m. on Monday.",
        # quotes and brackets that close belong to the sentence, those that open to the next
        "“I came.”| “You did.”",
        "'So.'| \"Well.\"| (He left.)| [She stayed.]| She slept.",
        "He came.—“Stop!”| —“No.”",
        # titles
        "Mr. Smith met Dr. Jones and Mrs. Brown in St. Louis.| Gen. Lee left.",
        "The Rev. A. Brown vs. The State, e.g. Ohio, cf. Section Two.",
        # numbers
        "See No. 5, vol. II, p. 7 and Fig. 3.| It is there.",
        "“Will you?”| No.| He would not.",
        "Born on Jan. 5, he came in Feb.| They met.",
        "1. First of all.| 2. Second.",
        "It costs 3.5 dollars.| 10 were sold in 1999.| 12 were not.",
        # initials, acronyms, and words that may end a sentence
        "J. K. Rowling and W. E. B. Du Bois.| They wrote.",
        "In the U.S. Government it is so.| He lives in the U.S.| The law is old.",
        "Apples, pears, etc.| The rest is here.| Acme Inc. Building Two.",
        "He left at 5 p.m.| It was dark.| Smith Jr. Hall is closed.",
        "It was I.| Then Plan B.| The end.| Louis I. Bourbon.",
        # other scripts
        "你好。|我很好！|是吗？|对",
        "Élan vital.| État de droit.| Über uns.| Ölpreis.",
        "Привет.| Как дела?",
    ],
)
def test_sentences(text: str) -> None:
    assert split_sentences(text.replace("|", "")) == [s.strip() for s in text.split("|")]


def test_blanks_of_every_kind_become_one() -> None:
    assert split_sentences("  One\u00a0two.\t\tThree\n four. ") == ["One two.", "Three four."]


@pytest.mark.parametrize("text", ["", "   ", "\t\n"])
def test_nothing_gives_no_sentence(text: str) -> None:
    assert split_sentences(text) == []


@given(st.text(alphabet=st.sampled_from("aAbB 1.?!…”“)(\t。No"), max_size=80))
def test_nothing_is_lost_and_no_sentence_is_empty(text: str) -> None:
    sentences = split_sentences(text)
    assert "".join(sentences).replace(" ", "") == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)


@given(st.lists(st.sampled_from(["He came.", "Who?", "“Go!”", "It is."]), max_size=8))
def test_plain_sentences_come_apart_as_they_were_joined(sentences: list[str]) -> None:
    assert split_sentences(" ".join(sentences)) == sentences


def test_a_paragraph_of_a_megabyte_takes_no_more_than_its_share() -> None:
    """Would catch a rule that copies or searches the rest at every mark: hours, not a second."""
    assert len(split_sentences("The cat sat. " * 80_000)) == 80_000
    assert len(split_sentences("a" * 500_000 + ". B. The end")) == 3
