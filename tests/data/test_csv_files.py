"""Tables: what is right is read as spreadsheets write it; what is wrong is named with its line."""

import csv
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertlab import DataError
from bertlab.data import read_csv


@pytest.fixture
def write(tmp_path: Path):
    def write_text(content: str, name: str = "file.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode(encoding))
        return path

    return write_text


def rows(path: Path, **options) -> tuple[list[dict], str]:
    """A file's rows, and what was reported."""
    said: list[str] = []
    data = read_csv(path, report=said.append, **options)
    (line,) = said
    return data.to_list(), line


def test_texts_and_labels(write) -> None:
    path = write('\ufefftext,other,label\r\n"He said ""no"",\r\ntwice",1,3\r\n b ,2, yes \r\n')
    assert rows(path) == (
        [{"text": 'He said "no",\r\ntwice', "label": "3"}, {"text": " b ", "label": "yes"}],
        "file.csv: 2 examples, 1 label with blanks around, taken off (line 4)",
    )


def test_columns_of_other_names_and_a_delimiter(write) -> None:
    path = write("one;two;category\na;b;x\n", "file.txt")
    options = {"text": "one", "text_pair": "two", "label": "category", "delimiter": ";"}
    assert rows(path, **options)[0] == [{"text": "a", "text_pair": "b", "label": "x"}]


def test_pairs_are_read_where_they_are_unless_told_otherwise(write) -> None:
    path = write("text_pair,text,label\nb,a,x\n")
    assert rows(path)[0] == [{"text": "a", "text_pair": "b", "label": "x"}]
    assert rows(path, text_pair=None)[0] == [{"text": "a", "label": "x"}]


def test_several_labels(write) -> None:
    path = write('text,label\na,x|y\nb,\nc,"[""u|v"", 3]"\nd,x| x\n')
    found, line = rows(path, labels="multi")
    assert [row["label"] for row in found] == [["x", "y"], [], ["u|v", "3"], ["x"]]
    assert "1 without labels" in line
    assert "1 label given twice (line 5)" in line
    none = read_csv(write("text,label\na,\n"), labels="multi", report=str)
    assert none.features["label"].feature.dtype == "string"  # known without a single label


def test_numbers(write) -> None:
    path = write("text,label\na,3.5\nb, -1e2\nc,4\n")
    assert [row["label"] for row in rows(path, labels="regression")[0]] == [3.5, -100.0, 4.0]


def test_labels_are_not_needed_to_predict(write) -> None:
    assert rows(write("text\na\n"), labels=None) == ([{"text": "a"}], "file.csv: 1 example")
    assert rows(write("text,label\na,\n"), labels=None)[0] == [{"text": "a"}]


def test_blank_lines_are_counted(write) -> None:
    found, line = rows(write("\ntext,label\n\na,x\n   \nb,y\n\n"))
    assert [row["text"] for row in found] == ["a", "b"]
    assert line == "file.csv: 2 examples, 4 blank lines skipped (lines 1, 3, 5 and 1 more)"


def test_cells_may_be_long(write) -> None:
    before = csv.field_size_limit()
    assert len(rows(write(f"text,label\n{'a' * 200_000},x\n"))[0][0]["text"]) == 200_000
    assert csv.field_size_limit() == before


def test_tabs_with_quotes_as_spreadsheets_write_them(write) -> None:
    path = write('text\tlabel\n"say ""a""\t\tor\nb"\tx\n"c"\ty\n', "file.tsv")
    assert rows(path)[0] == [
        {"text": 'say "a"\t\tor\nb', "label": "x"},
        {"text": "c", "label": "y"},
    ]


@pytest.mark.parametrize(
    "content",
    [
        'text\tlabel\n"Oh no\tx\nnot " her\ty\n',  # closed two lines below: two rows would be one
        'text\tlabel\n"Oh" no\tx\nb\ty\n',
        'text\tlabel\n"Oh no\tx\nb\ty\n',
    ],
)
def test_tabs_with_bare_quotes_keep_every_row(write, content: str) -> None:
    found, line = rows(write(content, "file.tsv"))
    assert [row["label"] for row in found] == ["x", "y"]
    assert found[0]["text"].startswith('"Oh')
    assert line == "file.tsv: 2 examples, quotes read as part of the text"


@pytest.mark.parametrize(
    ("content", "line", "found", "expected"),
    [
        ("text,label\n", None, "no rows below", "a first line that names the columns"),
        ("", None, "an empty file", "a first line that names the columns"),
        ("text,category\na,x\n", 1, "columns: 'text', 'category'", 'label="..."'),
        ("sentence,label\na,x\n", 1, "no column 'text'", 'text="..."'),
        ("text;label\na;x\n", 1, "one column, 'text;label'", "delimiter=';'"),
        ("text;label\na, b;x\n", 1, "one column, 'text;label'", "--delimiter ';'"),
        ("text\tlabel\na\tx\n", 1, "one column", r"delimiter='\t'"),
        ("text,label,text\na,x,b\n", 1, "'text' twice", "a name of its own"),
        ('text,label\n"a\nb",x\nc,d,y\n', 4, "3 cells", "2, as in the first line"),
        ("text,label\na,x\nb\n", 3, "1 cell;", "2, as in the first line"),
        ("text,label\n ,x\n", 2, "an empty 'text'", "a text"),
        ("text,text_pair,label\na,,x\n", 2, "an empty 'text_pair'", "a text"),
        ("text,label\na,x\nb, \n", 3, "an empty label", "a name"),
        ('text,label\na,x\n"b,y\nc,z\n', 3, "never closed", "doubled within it"),
        ('text,label\n"a" b,x\n', 2, "can't be parted", "doubled within it"),
    ],
)
def test_what_is_wrong_is_named(write, content, line, found, expected) -> None:
    with pytest.raises(DataError, match=found) as caught:
        read_csv(write(content))
    assert caught.value.line == line
    assert expected in caught.value.expected


@pytest.mark.parametrize(
    ("cell", "labels", "found"),
    [
        ("nan", "regression", "the label 'nan'"),
        ("1e999", "regression", "the label inf"),
        ("1_000", "regression", "'1_000'"),
        ("3;5", "regression", "'3;5'"),
        ("a||b", "multi", "an empty label"),
        ("[a", "multi", "begins like a JSON list"),
    ],
)
def test_labels_of_another_kind(write, cell: str, labels: str, found: str) -> None:
    with pytest.raises(DataError, match=found) as caught:
        read_csv(write(f"text,label\na,{cell}\n"), labels=labels)
    assert caught.value.line == 2


def test_tabs_with_an_uneven_row_are_an_error(write) -> None:
    with pytest.raises(DataError, match="line 3: found 3 cells") as caught:
        read_csv(write('text\tlabel\na\tx\nb\ty\tz\n"c"\tx\n', "file.tsv"))
    assert "holds a tab" in caught.value.expected


def test_a_pair_asked_for_must_be_there(write) -> None:
    with pytest.raises(DataError, match="no column 'second'"):
        read_csv(write("text,label\na,x\n"), text_pair="second")
    with pytest.raises(ValueError, match="labels is 'many'"):
        read_csv(write("text,label\na,x\n"), labels="many")


cells = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).filter(str.strip)


def tables(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.lists(st.tuples(texts, texts.map(str.strip)), min_size=1)


@given(tables(cells))
def test_what_the_csv_module_writes_comes_back(table) -> None:
    write_and_read("file.csv", table)


# A cell with a tab and a line's end can make both halves look like rows: see read_csv.
@given(tables(cells.filter(lambda cell: "\t" not in cell)))
def test_what_the_csv_module_writes_with_tabs_comes_back(table) -> None:
    write_and_read("file.tsv", table)


def write_and_read(name: str, table: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        write_table(path, table)
        found = read_csv(path, report=str).to_list()
    assert [(row["text"], row["label"]) for row in found] == table


def write_table(path: Path, table: list[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerows([("text", "label"), *table])


def test_a_delimiter_is_one_character(write) -> None:
    with pytest.raises(ValueError, match="the delimiter is ';;': expected one character"):
        read_csv(write("text;;label\na;;x\n"), delimiter=";;")
