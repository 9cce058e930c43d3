"""JSONL for the three tasks: the task is told, types are checked, lines are named."""

import json
from pathlib import Path

import pytest

from bertlab import DataError
from bertlab.data import read_jsonl


@pytest.fixture
def write(tmp_path: Path):
    def write_lines(*lines: object) -> Path:
        path = tmp_path / "file.jsonl"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(texts), encoding="utf-8")
        return path

    return write_lines


def rows(path: Path, **options) -> tuple[list[dict], str]:
    said: list[str] = []
    data = read_jsonl(path, report=said.append, **options)
    (line,) = said
    return data.to_list(), line


ANSWERS = {"text": ["cat"], "answer_start": [2]}
QUESTION = {"id": "1", "context": "a cat", "question": "Who?", "answers": ANSWERS}


def test_texts(write) -> None:
    path = write('{"text": "é\u2028", "label": 1, "x": 0}', " ", {"text": "b", "label": True})
    assert rows(path) == (
        [{"text": "é\u2028", "label": "1"}, {"text": "b", "label": "true"}],
        "file.jsonl: 2 examples, 1 blank line skipped (line 2)",
    )


def test_pairs_and_names_of_fields(write) -> None:
    path = write({"a": "x", "b": "y", "c": "z"})
    expected = [{"text": "x", "text_pair": "y", "label": "z"}]
    options = {"task": "classification", "text": "a", "text_pair": "b", "label": "c"}
    assert rows(path, **options)[0] == expected
    assert rows(write(expected[0]))[0] == expected
    assert rows(write(expected[0]), text_pair=None)[0] == [{"text": "x", "label": "z"}]


def test_several_labels_and_numbers(write) -> None:
    path = write(*({"text": "a", "label": label} for label in (["x", 2], [], "x|y")))
    assert [row["label"] for row in rows(path, labels="multi")[0]] == [["x", "2"], [], ["x", "y"]]
    path = write({"text": "a", "label": 3}, {"text": "b", "label": "-.5"})
    assert [row["label"] for row in rows(path, labels="regression")[0]] == [3.0, -0.5]


def test_tokens_and_tags(write) -> None:
    path = write(
        {"tokens": ["New", "York"], "tags": ["B-LOC", "E-LOC"]},
        {"tokens": ["no\xa0one", "Ann"], "tags": ["O", "I-PER"]},
    )
    assert rows(path) == (
        [
            {"tokens": ["New", "York"], "tags": ["B-LOC", "I-LOC"]},
            {"tokens": ["no\xa0one", "Ann"], "tags": ["O", "B-PER"]},
        ],
        "file.jsonl: 2 sentences, BIOES converted to IOB2: 2 tags changed, 1 tag out of place in "
        "BIOES, read as conlleval does (line 2)",
    )


def test_questions(write) -> None:
    listed = [{"text": "cat", "answer_start": 1}, {"text": "a", "answer_start": 0}]
    path = write(
        QUESTION,
        QUESTION | {"id": 2, "title": "Cats", "answers": listed},
        QUESTION | {"id": "3", "answers": {"text": [], "answer_start": []}},
        QUESTION | {"id": "4", "answers": {"text": ["dog"], "answer_start": [2]}},
        {name: value for name, value in QUESTION.items() if name != "id"},
    )
    found, line = rows(path)
    assert found[0] == QUESTION | {"title": ""}
    assert found[1]["answers"] == {"text": ["cat", "a"], "answer_start": [2, 0]}
    assert (found[1]["id"], found[1]["title"]) == ("2", "Cats")
    assert found[2]["answers"] == {"text": [], "answer_start": []}
    assert found[3]["id"] == "line 5"
    assert line == (
        "file.jsonl: 4 questions, 1 offset repaired (line 2), "
        "1 without an id, named by line (line 5), 1 excluded (line 4)"
    )


def test_nothing_to_learn_from_is_needed_to_predict(write) -> None:
    assert rows(write({"text": "a"}), labels=None)[0] == [{"text": "a"}]
    assert rows(write({"tokens": ["a"]}), labels=None)[0] == [{"tokens": ["a"]}]
    question = {"id": "1", "context": "a", "question": "b"}
    assert rows(write(question), labels=None)[0] == [question | {"title": ""}]


def test_half_characters_are_replaced_in_place(write) -> None:
    path = write(
        '{"id": "1", "context": "\\ud83d\\ude00 \\ud83d cat", "question": "?", '
        '"answers": {"text": ["cat"], "answer_start": [4]}}'
    )
    found, line = rows(path)
    assert found[0]["context"] == "😀 \ufffd cat"
    assert line == "file.jsonl: 1 question, 1 half character replaced by U+FFFD (line 1)"


GOOD = {"text": "a", "label": "x"}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"text": "a", "label": "x"', "no valid JSON: .* at column 27, the line's end"),
        ('{"text": "a" "label": "x"}', "no valid JSON: .* at column 14"),
        ('{"text": "a", "text": "b", "label": "x"}', 'an object with "text" twice'),
        ('{"text": "a", "label": NaN}', "NaN, which is no number"),
        ('{"text": "a", "label": -Infinity}', "-Infinity, which is no number"),
        ("[" * 100_000, "JSON nested too deeply"),
        ('{"text": "a", "label": ' + "1" * 5000 + "}", "Exceeds the limit"),
        ("[1]", "a list"),
        ('"text"', "a string"),
        ({"label": "x"}, r'no field "text" \(fields: label\)'),
        ({"text": None, "label": "x"}, '"text" that is null'),
        ({"text": 3, "label": "x"}, '"text" that is a whole number'),
        ({"text": " ", "label": "x"}, 'an empty "text"'),
        ({"text": "a"}, r'no field "label" \(fields: text\)'),
        ({"text": "a", "label": None}, "the label null"),
        ({"text": "a", "label": ["x"]}, "the label .*, a list"),
        ({"text": "a", "label": 0.5}, "the label 0.5, a number that isn't whole"),
        ({"text": "a", "label": {}}, "the label {}, an object"),
        ({"text": "a", "label": ""}, "an empty label"),
        ({"text": "a", "text_pair": "b", "label": "x"}, "which the first line has not"),
    ],
)
def test_wrong_texts_are_named(write, line: object, found: str) -> None:
    with pytest.raises(DataError, match=found) as caught:
        read_jsonl(write(GOOD, "", line))
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("label", "labels"),
    [(True, "regression"), ("a", "regression"), (3, "multi"), (9**400, "regression")],
)
def test_labels_of_another_kind(write, label: object, labels: str) -> None:
    with pytest.raises(DataError, match="line 1: found the label"):
        read_jsonl(write({"text": "a", "label": label}), labels=labels)


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "2 tokens and 1 tags"),
        ({"tokens": ["a"]}, 'no field "tags"'),
        ({"tokens": "a", "tags": ["O"]}, '"tokens" that is a string'),
        ({"tokens": [], "tags": []}, '"tokens" that is an empty list'),
        ({"tokens": ["a", 3], "tags": ["O", "O"]}, r'"tokens"\[1\] that is a whole number'),
        ({"tokens": [""], "tags": ["O"]}, r'"tokens"\[0\] that is empty'),
        ({"tokens": ["a"], "tags": [0]}, r'"tags"\[0\] that is a whole number'),
        ({"tokens": ["a"], "tags": ["LOC"]}, "the tag 'LOC'"),
    ],
)
def test_wrong_tokens_are_named(write, record: dict, found: str) -> None:
    with pytest.raises(DataError, match=f"line 2: found {found}"):
        read_jsonl(write({"tokens": ["a"], "tags": ["O"]}, record))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"id": "1"}, "the id '1', which line 1 has too"),
        ({"id": 1.5}, "the id 1.5"),
        ({"id": ""}, "the id ''"),
        ({"context": None}, 'no "context"'),
        ({"context": 3}, '"context" that is a whole number'),
        ({"context": " "}, "an empty context"),
        ({"question": ["?"]}, '"question" that is a list'),
        ({"title": 3}, '"title" that is a whole number'),
        ({"is_impossible": "no"}, "\"is_impossible\" that is 'no'"),
        ({"answers": None}, "answers that are None"),
        ({"answers": {"text": "a", "answer_start": 0}}, "answers with the fields text, answer"),
        ({"answers": {"text": ["a"], "answer_start": []}}, "1 answers' texts and 0 starts"),
        ({"answers": {"text": [1], "answer_start": [0]}}, "an answer's text that is 1"),
        ({"answers": {"text": ["a"], "answer_start": ["0"]}}, "the answer_start '0'"),
        ({"answers": {"text": ["a"], "answer_start": [True]}}, "the answer_start True"),
        ({"answers": [{"text": "a"}]}, "the answer_start None"),
    ],
)
def test_wrong_questions_are_named(write, change: dict, found: str) -> None:
    with pytest.raises(DataError, match=f"line 2: found {found}"):
        read_jsonl(write(QUESTION, {**QUESTION, "id": "2", **change}))


def test_files_that_tell_no_task(write) -> None:
    with pytest.raises(DataError, match=r"line 1: found the fields 'sentence', 'label'; .*text="):
        read_jsonl(write({"sentence": "a", "label": "x"}))
    for path in (write(), write("", " ")):
        with pytest.raises(DataError, match="found an empty file"):
            read_jsonl(path)
    with pytest.raises(ValueError, match="task is 'pos'"):
        read_jsonl(write(GOOD), task="pos")
    with pytest.raises(DataError, match='no "answers"'):
        read_jsonl(write({"id": "1", "context": "a", "question": "?"}))
