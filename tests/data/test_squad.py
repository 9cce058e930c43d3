"""SQuAD's JSON: offsets become exact or their answers are counted out; places are named."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bertlab import DataError
from bertlab.data import read_squad
from bertlab.data.answers import NEAR, find_answer

CONTEXT = "The cat saw a cat, and the dog 😀 saw naïve bees."


def question(identity: str, *answers: tuple[str, int], **more: Any) -> dict[str, Any]:
    listed = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": identity, "question": "Who?", "answers": listed, **more}


@pytest.fixture
def write(tmp_path: Path):
    def write_questions(*questions: dict[str, Any]) -> Path:
        paragraphs = [{"context": CONTEXT, "qas": list(questions)}]
        path = tmp_path / "file.json"
        data = {"version": "v2.0", "data": [{"title": "Cats", "paragraphs": paragraphs}]}
        path.write_text(json.dumps(data), encoding="utf-8")
        return path

    return write_questions


def rows(path: Path, **options) -> tuple[list[dict], str]:
    said: list[str] = []
    data = read_squad(path, report=said.append, **options)
    (line,) = said
    return data.to_list(), line


def test_questions_with_and_without_answers(write) -> None:
    path = write(
        question("a", ("cat", 4), ("cat", 4), ("The cat", 0)),
        question("b", is_impossible=True, plausible_answers=[{"text": "dog", "answer_start": 27}]),
        question("c", ("dog", 27), is_impossible=False),
    )
    found, line = rows(path)
    assert line == "file.json: 3 questions"
    assert found[0] == {
        "id": "a",
        "title": "Cats",
        "context": CONTEXT,
        "question": "Who?",
        "answers": {"text": ["cat", "cat", "The cat"], "answer_start": [4, 4, 0]},
    }
    assert [row["answers"]["text"] for row in found[1:]] == [[], ["dog"]]


def test_a_file_without_any_answer_keeps_its_types(write) -> None:
    data = read_squad(write(question("a", is_impossible=True)), report=str)
    assert data.features["answers"]["text"].feature.dtype == "string"
    assert data.features["answers"]["answer_start"].feature.dtype == "int64"


def test_damaged_answers_are_repaired_or_excluded_and_counted(write) -> None:
    path = write(
        question("moved", ("dog", 25), ("the dog", 23)),
        question("twice", ("cat", 6)),
        question("lost", ("horse", 4), ("dog", 27)),
        question("nowhere", ("horse", 4)),
        question("both", ("dog", 27), is_impossible=True),
        question("none", is_impossible=False),
        {"id": "absent", "question": " ", "is_impossible": True},
    )
    found, line = rows(path)
    assert {row["id"]: row["answers"]["answer_start"] for row in found} == {
        "moved": [27, 23],
        "lost": [27],
        "both": [],
        "none": [],
        "absent": [],
    }
    assert line == (
        "file.json: 5 questions, 1 offset repaired (id moved), 1 answer excluded (id lost), "
        "1 answer of impossible questions ignored (id both), "
        "1 without answers, though not impossible (id none), 1 empty question kept (id absent), "
        "2 excluded (ids twice, nowhere)"
    )


def test_answers_are_left_out_where_they_are_not_wanted(write) -> None:
    found, line = rows(write({"id": "a", "question": "?"}), answers=False)
    assert found == [{"id": "a", "title": "Cats", "context": CONTEXT, "question": "?"}]
    assert line == "file.json: 1 question"


@pytest.mark.parametrize(
    ("text", "start", "found"),
    [
        ("dog", 27, ("dog", 27)),
        ("dog", 28, ("dog", 27)),
        ("dog", -3, ("dog", 27)),
        ("dog ", 27, ("dog ", 27)),  # true as it is
        (" dog\n", 26, ("dog", 27)),
        (" cat\n", 4, ("cat", 4)),  # two of them near, one where it is said to be
        (" cat\n", 3, ("cat", 4)),
        (" dog ", 29, ("dog", 27)),
        (" saw naïve ", 34, ("saw naïve", 33)),
        ("dog\t", 30, ("dog", 27)),
        ("cat", 5, None),  # two of them near
        ("horse", 0, None),
        ("", 3, None),
        (" ", 3, None),  # it is there, and no answer
        ("saw naïve", 34, ("saw naïve", 33)),  # JavaScript counts the emoji as two
        ("saw naïve", 36, ("saw naïve", 33)),  # and UTF-8 has four bytes for it
        ("bees", 43, ("bees", 43)),
        ("saw", 34, ("saw", 33)),  # two of them near; one where 34 UTF-16 units lead
        ("saw", 36, ("saw", 33)),  # 36 bytes
        ("saw", 35, None),
    ],
)
def test_where_an_answer_is_found(text: str, start: int, found: tuple[str, int] | None) -> None:
    assert find_answer(CONTEXT, text, start) == found


def test_only_what_is_near_is_found() -> None:
    context = "x" * 500 + "answer" + "x" * 500
    assert find_answer(context, "answer", 500 - NEAR) == ("answer", 500)
    assert find_answer(context, "answer", 500 + NEAR) == ("answer", 500)
    assert find_answer(context, "answer", 499 - NEAR) is None
    assert find_answer(context, "answer", 501 + NEAR) is None
    assert find_answer(context, "answer", -10_000) is None
    assert find_answer(context, "answer", 10**12) is None


def test_readings_that_disagree_are_no_repair() -> None:
    # It stands once near 300, at 320; and at 100, where 300 bytes lead.
    context = "語" * 100 + "to" + "x" * 218 + "to"
    assert find_answer(context, "to", 300) is None
    assert find_answer(context, "to", 301) == ("to", 320)


@given(st.text(max_size=60), st.integers(0, 59), st.integers(1, 20), st.integers(-80, 80))
def test_what_is_found_is_always_there(context: str, start: int, size: int, off: int) -> None:
    text = context[start : start + size]
    bare = text.strip()
    assume(bare)
    found = find_answer(context, text, start + off)
    if found is not None:
        assert context[found[1] :].startswith(found[0])
        assert found[0] in (text, bare)
    if context.find(bare) == context.rfind(bare):
        assert found == ((text, start) if off == 0 else (bare, context.find(bare)))


@given(st.text(st.sampled_from("aé語😀"), max_size=300), st.integers(0, 3))
def test_counts_of_other_units_are_understood(before: str, spaces: int) -> None:
    context = f"{before} the answer{' ' * spaces}"
    start = context.index("answer")
    for encoding, size in (("utf-16-le", 2), ("utf-8", 1)):
        units = len(context[:start].encode(encoding)) // size
        assert find_answer(context, "answer", units) == ("answer", start)


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("", None, "an empty file"),
        ('{"data":\n[{"title": }]}', 2, "no valid JSON: Expecting value at column 12"),
        ('{"data": [], "data": []}', None, 'an object with "data" twice'),
        ("[]", None, "a list at the top"),
        ('{"articles": []}', None, r'no field "data" at the top \(fields: articles\)'),
        ('{"id": 1, "question": "?"}', None, "one question, not a file of articles"),
        ('{"data": {}}', None, "data, an object"),
        ('{"data": []}', None, "0 questions"),
        ('{"data": [3]}', None, r"a whole number at data\[0\]"),
        ('{"data": [{"title": "a"}]}', None, r'no field "paragraphs" at data\[0\]'),
        ('{"data": [{"paragraphs": [{"context": "a"}]}]}', None, r'no field "qas" at data\[0\]'),
    ],
)
def test_files_of_another_build(tmp_path: Path, content, line, found) -> None:
    path = tmp_path / "file.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=found) as caught:
        read_squad(path)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"id": None}, r"the id None at data\[0\].paragraphs\[0\].qas\[1\]"),
        ({"id": "a"}, r"qas\[1\], which data\[0\].paragraphs\[0\].qas\[0\] has too"),
        ({"question": None}, r'no "question" at data\[0\].paragraphs\[0\].qas\[1\]'),
        ({"answers": 3}, r"answers that are 3 at data\[0\].paragraphs\[0\].qas\[1\]"),
        ({"answers": [3]}, r"answers that are \[3\] at data"),
        ({"is_impossible": 1}, r'"is_impossible" at data.* that is 1'),
    ],
)
def test_wrong_questions_are_named_by_their_place(write, change: dict, found: str) -> None:
    with pytest.raises(DataError, match=found):
        read_squad(write(question("a"), question("b") | change))


def test_a_file_with_no_answer_left_is_an_error(write) -> None:
    with pytest.raises(DataError, match=r"found 0 questions, 1 excluded \(id a\)"):
        read_squad(write(question("a", ("horse", 0))))


def test_a_file_of_lines_is_read_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    answers = {"text": ["dog"], "answer_start": [CONTEXT.index("dog")]}
    record = {"id": "a", "context": CONTEXT, "question": "Who?", "answers": answers}
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
    (row,), line = rows(path)
    assert row["answers"] == answers
    assert "1 question" in line
    (row,), _ = rows(path, answers=False)
    assert "answers" not in row
