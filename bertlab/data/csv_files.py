"""Tables: comma- or tab-separated files whose first line names the columns."""

from __future__ import annotations

import csv
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from typing import TYPE_CHECKING

from bertlab.data.columns import classification_rows
from bertlab.data.errors import DataError
from bertlab.data.labels import Label, LabelKind, check_kind, parse_label
from bertlab.data.report import Notes, Report, counted
from bertlab.data.text_files import read_lines

if TYPE_CHECKING:
    from datasets import Dataset

TAB_SUFFIXES = (".tsv", ".tab")
PAIR = "text_pair"

Path = str | PathLike[str]
Row = tuple[int, list[str]]  # the line where it begins, and its cells


def read_csv(
    path: Path,
    labels: LabelKind | None = "single",
    text: str = "text",
    text_pair: str | None = PAIR,
    label: str = "label",
    delimiter: str | None = None,
    encoding: str = "utf-8",
    report: Report = print,
) -> Dataset:
    """Read a table of texts and labels.

    Cells are quoted as spreadsheets do it: ``"`` around a cell that holds the delimiter, a quote
    (doubled) or a line's end. Tab-separated files often have bare quotes instead; such a file, when
    it makes no sense with quoting or a cell would run over lines, is read without, and the report
    says so.

    Args:
        path: the file; its first line names the columns.
        labels: ``"single"``: a name; ``"multi"``: names joined by ``|``, or a JSON list;
            ``"regression"``: a number; None: no labels are needed, and none returned.
        text: the column with the text.
        text_pair: the column with the second text of a pair, if there is one. None: no pairs.
        label: the column with the label.
        delimiter: what parts the cells; a comma, or a tab if the name ends in .tsv or .tab.
        encoding: the file's.
        report: takes one line that says what was read.

    Returns:
        ``text``, ``text_pair`` where the file has it, and ``label``: a string, a list of strings,
        or a float.

    Raises:
        DataError: with the line, when the file is no such table.
        ValueError: when the delimiter isn't one character.
    """
    check_kind(labels)
    if delimiter is not None and len(delimiter) != 1:
        raise ValueError(f"the delimiter is {delimiter!r}: expected one character")
    notes = Notes(os.path.basename(path))
    parter = delimiter or ("\t" if fspath(path).lower().endswith(TAB_SUFFIXES) else ",")
    (header_line, header), *rows = _read_table(path, parter, encoding, notes)
    _check_header(header, parter, path, header_line)
    text_place = _place(header, "text", text, path, header_line)
    pair_place = None
    if text_pair in header or text_pair not in (PAIR, None):
        pair_place = _place(header, PAIR, str(text_pair), path, header_line)
    label_place = _place(header, "label", label, path, header_line) if labels else 0

    texts: list[str] = []
    pairs: list[str] | None = None if pair_place is None else []
    parsed: list[Label] = []
    for line, cells in rows:
        texts.append(_filled(cells[text_place], text, path, line))
        if pairs is not None and pair_place is not None:
            pairs.append(_filled(cells[pair_place], str(text_pair), path, line))
        if labels is not None:
            parsed.append(parse_label(cells[label_place], labels, path, line, notes))
    report(notes.line(len(texts), "example{s}"))
    return classification_rows(texts, pairs, parsed, labels)


def _read_table(path: Path, delimiter: str, encoding: str, notes: Notes) -> list[Row]:
    """Return the header and the rows below it, all of one width."""
    lines = list(read_lines(path, encoding))
    rows, problem = _parse(lines, delimiter, path)
    # Fewer rows than lines: some cell runs over several.
    if delimiter == "\t" and (problem is not None or len(rows) < len(lines)):
        bare, other_problem = _parse(lines, delimiter, path, quoted=False)
        if other_problem is None:
            rows, problem = bare, None
            notes.say("quotes read as part of the text")
    if problem is not None:
        if rows:  # it may be the delimiter that is wrong
            _check_header(rows[0][1], delimiter, path, rows[0][0])
        raise problem
    filled = [row for row in rows if not _is_blank(row[1])]
    for line, _ in (row for row in rows if _is_blank(row[1])):
        notes.add("blank line{s} skipped", line)
    if len(filled) < 2:
        raise DataError(
            path=path,
            found="no rows below the first line" if filled else "an empty file",
            expected="a first line that names the columns, and below it a row for each text",
        )
    return filled


def _parse(
    lines: list[str], delimiter: str, path: Path, quoted: bool = True
) -> tuple[list[Row], DataError | None]:
    """Return the rows as far as they could be read, and what stopped that."""
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    rows: list[Row] = []
    width = 0
    with _long_cells():
        while True:
            start = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return rows, None
            except csv.Error as error:
                return rows, _bad_quotes(error, path, start)
            rows.append((start, cells))
            if _is_blank(cells):
                continue
            width = width or len(cells)
            if len(cells) != width:
                return rows, DataError(
                    path=path,
                    line=start,
                    found=counted(len(cells), "cell{s}"),
                    expected=f"{width}, as in the first line; a cell that holds "
                    f"{'a tab' if delimiter == chr(9) else repr(delimiter)} must stand in quotes",
                )


def _bad_quotes(error: csv.Error, path: Path, start: int) -> DataError:
    if "unexpected end of data" in str(error):
        found = "a quote that opens a cell in this row and is never closed"
    else:
        found = f"a row that can't be parted into cells ({error})"
    return DataError(
        path=path,
        line=start,
        found=found,
        expected='quotes around a whole cell, and doubled within it: "He said ""no"""',
    )


@contextmanager
def _long_cells() -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters a cell: documents are longer."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _is_blank(cells: list[str]) -> bool:
    return len(cells) < 2 and not "".join(cells).strip()


def _check_header(header: list[str], delimiter: str, path: Path, line: int) -> None:
    doubled = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if doubled:
        raise DataError(
            path=path,
            line=line,
            found=f"the column {doubled[0]!r} twice",
            expected="a name of its own for each column",
        )
    for other in ("\t", ";", ","):
        if len(header) == 1 and other != delimiter and other in header[0]:
            raise DataError(
                path=path,
                line=line,
                found=f"one column, {header[0]!r}",
                expected=f"columns parted by {delimiter!r}; if {other!r} parts them, "
                f"{'name the file .tsv, or ' if other == chr(9) else ''}say delimiter={other!r} "
                f"(on the command line: --delimiter {shlex.quote(other)})",
            )


def name_a_column(argument: str) -> str:
    """Return how a reader is told the name of a column."""
    option = {"text": "--text-column", "text_pair": "--pair-column", "label": "--label-column"}
    return f'{argument}="..." (on the command line: {option[argument]} ...)'


def _place(header: list[str], argument: str, name: str, path: Path, line: int) -> int:
    """Return where a column stands."""
    if name in header:
        return header.index(name)
    raise DataError(
        path=path,
        line=line,
        found=f"no column {name!r} (columns: {', '.join(map(repr, header))})",
        expected=f'a first line that names the columns; if "{argument}" has another name, say '
        + name_a_column(argument),
    )


def _filled(cell: str, name: str, path: Path, line: int) -> str:
    if not cell.strip():
        raise DataError(
            path=path,
            line=line,
            found=f"an empty {name!r}",
            expected="a text; delete the row if there is none",
        )
    return cell
