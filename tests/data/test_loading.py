"""Files are read by their endings, folders and bundled sets by their splits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bertlab
from bertlab import DataError
from bertlab.data import load, loading, read

SQUAD = {"context": "a cat", "qas": [{"id": "1", "question": "?", "answers": []}]}
CONTENT = {
    "table.csv": "text,label\na,x\n",
    "table.tsv": "text\tlabel\na\tx\n",
    "TABLE.TAB": "text\tlabel\na\tx\n",
    "lines.jsonl": '{"text": "a", "label": "x"}\n',
    "lines.ndjson": '{"tokens": ["a"], "tags": ["O"]}\n',
    "lines.json": '{"text": "a", "label": "x"}\n{"text": "b", "label": "x"}\n',
    "squad.json": json.dumps({"data": [{"paragraphs": [SQUAD]}]}),
    "indented.json": json.dumps({"data": [{"paragraphs": [SQUAD]}]}, indent=1),
    "columns.conll": "a O\n",
    "columns.bio": "a O\n",
    "columns.txt": "a O\n",
    "eng.testa": "a O\n",
    "columns": "a O\n",
    "text.md": "a",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in CONTENT.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "task", "columns"),
    [
        ("table.csv", None, ["text", "label"]),
        ("table.csv", "classification", ["text", "label"]),
        ("table.tsv", None, ["text", "label"]),
        ("TABLE.TAB", None, ["text", "label"]),
        ("lines.jsonl", None, ["text", "label"]),
        ("lines.ndjson", "ner", ["tokens", "tags"]),
        ("lines.json", None, ["text", "label"]),
        ("squad.json", None, ["id", "title", "context", "question", "answers"]),
        ("indented.json", "qa", ["id", "title", "context", "question", "answers"]),
        ("columns.conll", None, ["tokens", "tags"]),
        ("columns.bio", "ner", ["tokens", "tags"]),
        ("columns.txt", None, ["tokens", "tags"]),
        ("eng.testa", "ner", ["tokens", "tags"]),
        ("columns", "ner", ["tokens", "tags"]),
    ],
)
def test_the_ending_says_how_a_file_is_read(folder, name, task, columns) -> None:
    assert read(folder / name, task, report=str).column_names == columns


@pytest.mark.parametrize(
    ("name", "task", "found", "expected"),
    [
        ("text.md", None, "a name that ends in '.md'", "a name that ends in one of .csv"),
        ("columns", None, "a name without an ending", "a name that ends in one of .csv"),
        ("columns.txt", "classification", "'.txt'", "a .csv, .tsv or .jsonl file"),
        ("table.csv", "ner", "'.csv'", "a .conll file, or .jsonl"),
        ("table.csv", "qa", "'.csv'", "a .json file in SQuAD's format"),
        ("squad.json", "classification", "'.json'", "a .csv, .tsv or .jsonl file"),
        ("squad.json", "ner", "'.json'", "a .conll file, or .jsonl"),
    ],
)
def test_an_ending_that_does_not_fit_is_refused(folder, name, task, found, expected) -> None:
    with pytest.raises(DataError, match=found) as caught:
        read(folder / name, task)
    assert expected in caught.value.expected


def test_a_task_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="task is 'pos'; expected one of classification, ner, qa"):
        read(folder / "table.csv", "pos")


def test_options_reach_the_readers(folder: Path) -> None:
    path = folder / "latin.csv"
    path.write_bytes("s,n\nné,3.5\n".encode("latin-1"))
    options = {"labels": "regression", "text": "s", "label": "n", "encoding": "latin-1"}
    assert read(path, report=str, **options).to_list() == [{"text": "né", "label": 3.5}]
    assert "IOB1" in read_report(folder / "columns.conll", scheme="IOB1")


def read_report(path: Path, **options) -> str:
    said: list[str] = []
    read(path, report=said.append, **options)
    return said[0]


def test_a_folder_is_loaded_by_splits(tmp_path: Path) -> None:
    for name in ("train.csv", "validation.csv", "test.csv"):
        (tmp_path / name).write_text(f"text,kind\n{name},x\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("about", encoding="utf-8")
    said: list[str] = []
    splits = load(tmp_path, report=said.append, label="kind")
    assert {split: rows["text"][0] for split, rows in splits.items()} == {
        "train": "train.csv",
        "dev": "validation.csv",
        "test": "test.csv",
    }
    assert said == [f"{name}: 1 example" for name in ("train.csv", "validation.csv", "test.csv")]

    (tmp_path / "dev.csv").write_text("text,kind\na,x\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"found dev\.csv and validation\.csv; expected one file"):
        load(tmp_path)
    (tmp_path / "train.csv").unlink()
    (tmp_path / "dev.csv").unlink()
    with pytest.raises(DataError, match="no file for the split train"):
        load(str(tmp_path))


@pytest.mark.parametrize("name", loading.BUNDLED)
def test_bundled_sets_are_found_by_name(tmp_path: Path, monkeypatch, name: str) -> None:
    (tmp_path / name).mkdir()
    for split in ("train", "dev", "test"):
        (tmp_path / name / f"{split}.jsonl").write_text(CONTENT["lines.jsonl"], encoding="utf-8")
    monkeypatch.setattr(loading, "SETS", tmp_path)
    assert list(load(name, report=str)) == ["train", "dev", "test"]


def test_bertlab_data_imports_nothing_heavy() -> None:
    code = (
        "import sys, bertlab.data; from bertlab.data import *; "
        "assert not {'datasets', 'pyarrow', 'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert set(bertlab.data.__all__) <= set(dir(bertlab.data))
