"""The bundled set `questions`: spans exact, splits disjoint, no give-aways, a true card."""

import itertools
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from statistics import mean, median

import pytest
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

import bertlab

FOLDER = Path(bertlab.__file__).parent / "data" / "sets" / "questions"
SPLITS = ("train", "dev", "test")
QUESTION_WORDS = ("what", "how", "which", "who", "where", "when", "why")

FILES = {
    split: json.loads((FOLDER / f"{split}.json").read_text(encoding="utf-8")) for split in SPLITS
}
PARAGRAPHS = {
    split: [(article["title"], article["paragraphs"][0]) for article in FILES[split]["data"]]
    for split in SPLITS
}
QUESTIONS = [
    (split, paragraph["context"], question)
    for split in SPLITS
    for _, paragraph in PARAGRAPHS[split]
    for question in paragraph["qas"]
]
ANSWERABLE = [entry for entry in QUESTIONS if entry[2]["answers"]]


def question_word(question: str) -> str:
    """The word that asks; whom and whose count as who."""
    words = [word[:3] if word.startswith("who") else word for word in words_of(question)]
    return next(word for word in words if word in QUESTION_WORDS)


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@pytest.mark.parametrize("split", SPLITS)
def test_the_files_have_the_fields_of_squad_v2_and_no_others(split: str) -> None:
    assert FILES[split].keys() == {"version", "data"}
    assert FILES[split]["version"] == "v2.0"
    for article in FILES[split]["data"]:
        assert article.keys() == {"title", "paragraphs"}
        assert len(article["paragraphs"]) == 1
        assert article["paragraphs"][0].keys() == {"context", "qas"}
        for question in article["paragraphs"][0]["qas"]:
            assert question.keys() == {"id", "question", "answers", "is_impossible"}
            for answer in question["answers"]:
                assert answer.keys() == {"text", "answer_start"}


@pytest.mark.parametrize(
    ("split", "paragraphs", "questions", "unanswerable"),
    [("train", 60, 300, 44), ("dev", 10, 50, 8), ("test", 10, 50, 8)],
)
def test_the_splits_have_their_sizes(
    split: str, paragraphs: int, questions: int, unanswerable: int
) -> None:
    asked = [question for _, paragraph in PARAGRAPHS[split] for question in paragraph["qas"]]
    assert len(PARAGRAPHS[split]) == paragraphs
    assert len(asked) == questions
    assert sum(question["is_impossible"] for question in asked) == unanswerable
    assert [question["id"] for question in asked] == [
        f"q-{split}-{number:04d}" for number in range(1, questions + 1)
    ]


def test_every_answer_stands_at_its_offset_on_the_borders_of_words() -> None:
    for _, context, question in QUESTIONS:
        assert question["is_impossible"] is (not question["answers"]), question["id"]
        for answer in question["answers"]:
            start, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
            assert context[start:end] == answer["text"], question["id"]
            assert not context[start - 1 : start].isalnum(), question["id"]
            assert not context[end : end + 1].isalnum(), question["id"]


def test_references_are_few_different_and_about_one_place() -> None:
    for split, _, question in ANSWERABLE:
        answers = question["answers"]
        assert len(answers) == 1 if split == "train" else 1 <= len(answers) <= 4, question["id"]
        assert len({answer["text"] for answer in answers}) == len(answers), question["id"]
        # Each is a part of the longest, or overlaps it: they are cuts of the same mention.
        longest = max(answers, key=lambda answer: len(answer["text"]))
        end = longest["answer_start"] + len(longest["text"])
        for answer in answers:
            assert answer["answer_start"] < end, question["id"]
            assert answer["answer_start"] + len(answer["text"]) > longest["answer_start"]


def test_no_paragraph_title_or_question_comes_twice() -> None:
    everything = [pair for split in SPLITS for pair in PARAGRAPHS[split]]
    assert len({paragraph["context"].casefold() for _, paragraph in everything}) == 80
    assert len({title.casefold() for title, _ in everything}) == 80
    assert len({question["question"].casefold() for _, _, question in QUESTIONS}) == 400
    # Nor does a sentence: it would carry an answer from one split to another.
    sentences = Counter(
        sentence.strip()
        for _, paragraph in everything
        for sentence in re.split(r"[.?!]\s", paragraph["context"])
    )
    assert [sentence for sentence, times in sentences.items() if times > 1] == []


def test_lengths_stay_within_the_bounds() -> None:
    for context in {context for _, context, _ in QUESTIONS}:
        assert 70 <= len(context.split()) <= 140, context
    for _, _, question in QUESTIONS:
        assert 3 <= len(question["question"].split()) <= 20, question["question"]
        for answer in question["answers"]:
            assert 1 <= len(answer["text"].split()) <= 8, question["id"]


def test_the_text_is_clean() -> None:
    texts = [title for split in SPLITS for title, _ in PARAGRAPHS[split]]
    texts += [context for _, context, _ in QUESTIONS]
    texts += [question["question"] for _, _, question in QUESTIONS]
    texts += [answer["text"] for _, _, question in QUESTIONS for answer in question["answers"]]
    for text in texts:
        assert text == unicodedata.normalize("NFC", text)
        assert text == " ".join(text.split())
        assert text.isprintable()
    assert all(question["question"].endswith("?") for _, _, question in QUESTIONS)
    assert any(not context.isascii() for _, context, _ in QUESTIONS), "offsets beyond ASCII"


def test_neither_the_question_word_nor_the_place_gives_away_the_unanswerable() -> None:
    asked = Counter(question_word(question["question"]) for _, _, question in QUESTIONS)
    impossible = Counter(
        question_word(question["question"])
        for _, _, question in QUESTIONS
        if question["is_impossible"]
    )
    assert sum(impossible.values()) == 60
    assert all(0 < impossible[word] < 0.35 * asked[word] for word in QUESTION_WORDS)
    last = [
        paragraph["qas"][-1]["is_impossible"]
        for split in SPLITS
        for _, paragraph in PARAGRAPHS[split]
    ]
    assert sum(last) < 0.3 * len(last)


def test_the_first_capitals_or_digits_are_not_the_answer_as_a_rule() -> None:
    """Who takes the first number or name in the paragraph is nearly always wrong."""
    right = 0
    for _, context, question in ANSWERABLE:
        asks_number = re.search(r"how (many|much|long)|when|year", question["question"].lower())
        shape = r"\d[\d,.]*\d|\d" if asks_number else r"(?<=\w )[A-Z]\w+( [A-Z]\w+)*"
        first = re.search(shape, context)
        right += first is not None and any(
            first.group() == answer["text"] for answer in question["answers"]
        )
    assert right < 0.1 * len(ANSWERABLE)


def sentence_overlaps(context: str, question: str) -> dict[tuple[int, int], float]:
    """Each sentence's stretch and the share of the question's content words in it."""
    starts = [end.end() for end in re.finditer(r'[.?!]"?\s+(?=[A-Z])', context)]
    borders = [0, *starts, len(context)]
    content = set(words_of(question)) - ENGLISH_STOP_WORDS - {"do", "does", "did"}
    return {
        (start, end): len(content & set(words_of(context[start:end]))) / len(content)
        for start, end in itertools.pairwise(borders)
    }


def test_the_card_tells_the_truth() -> None:
    card = " ".join((FOLDER / "README.md").read_text(encoding="utf-8").split())
    for split in SPLITS:
        entries = [entry for entry in QUESTIONS if entry[0] == split]
        references = [len(question["answers"]) for _, _, question in entries if question["answers"]]
        paragraphs, unanswerable = len(PARAGRAPHS[split]), len(entries) - len(references)
        figures = f"{paragraphs} | {len(entries)} | {unanswerable} | {mean(references):.2f}"
        assert f"| {split} | {figures} |" in card

    words = [len(context.split()) for context in {context for _, context, _ in QUESTIONS}]
    asked = mean(len(question["question"].split()) for _, _, question in QUESTIONS)
    assert f"{min(words)} to {max(words)} words (median {median(words):g})" in card
    assert f"a question {asked:.1f} on average" in card

    lengths = Counter(len(entry[2]["answers"][0]["text"].split()) for entry in ANSWERABLE)
    assert "| answers | " + " | ".join(str(lengths[n]) for n in range(1, 8)) + " |" in card

    for row, entries in (
        ("questions", QUESTIONS),
        ("unanswerable", [entry for entry in QUESTIONS if entry[2]["is_impossible"]]),
    ):
        counts = Counter(question_word(question["question"]) for _, _, question in entries)
        assert f"| {row} | " + " | ".join(str(counts[w]) for w in QUESTION_WORDS) + " |" in card

    shares, found = [], []
    for _, context, question in ANSWERABLE:
        overlaps = sentence_overlaps(context, question["question"])
        at = question["answers"][0]["answer_start"]
        share = next(share for (start, end), share in overlaps.items() if start <= at < end)
        shares.append(share)
        found.append(sorted(overlaps.values())[-2] < share)
    assert f"{100 * mean(shares):.0f} % on average" in card
    assert f"for {100 * mean(share == 0 for share in shares):.0f} % of the answerable" in card
    assert f"sentence for {100 * mean(found):.0f} %:" in card
