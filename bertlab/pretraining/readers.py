"""From files to documents: text, JSONL, parquet, a data set of the hub, Python's own manual.

A reader yields one document after the other, each a list of paragraphs, and keeps no more than one
in memory. What it finds amiss it counts in the report; only a malformed file stops it.

Source: the blank line between documents is that of the released ``create_pretraining_data.py``,
which expects a sentence a line where we take a paragraph and cut it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertlab.data import DataError

if TYPE_CHECKING:
    from bertlab.pretraining.corpus import CorpusReport

Paragraphs = list[str]

TEXT_SUFFIXES = (".txt", ".text", ".md")
JSONL_SUFFIXES = (".jsonl", ".ndjson")
PARQUET_SUFFIXES = (".parquet",)
SUFFIXES = TEXT_SUFFIXES + JSONL_SUFFIXES + PARQUET_SUFFIXES

_SURROGATES = re.compile("[\ud800-\udfff]")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_file(path: Path, text_field: str, report: CorpusReport) -> Iterator[Paragraphs]:
    """Yield a file's documents; its name's ending says what it is, plain text if unknown.

    Raises:
        DataError: when it is malformed.
    """
    report.files += 1
    if path.stat().st_size == 0:
        report.empty_files.append(path.name)
        return
    suffix = path.suffix.lower()
    if suffix in PARQUET_SUFFIXES:
        documents = _read_parquet(path, text_field, report)
    elif suffix in JSONL_SUFFIXES:
        documents = _read_jsonl(path, text_field, report)
    else:
        documents = _read_text(path, report)
    has_text = False
    for paragraphs in documents:
        has_text |= bool(paragraphs)
        yield paragraphs
    if not has_text:
        report.empty_files.append(path.name)


def _read_lines(path: Path, report: CorpusReport) -> Iterator[str]:
    """Yield a file's lines without their ends (of Unix, Windows or old Macs), a BOM taken off.

    Bytes that are no UTF-8 become U+FFFD, the replacement character, which BERT's tokenizer
    removes. They are counted.
    """
    with path.open("rb") as file:
        utf16 = file.read(2) in _UTF16_MARKS
    # What cannot be decoded becomes half of a surrogate pair, which no text holds otherwise.
    encoding, errors = ("utf-16", "replace") if utf16 else ("utf-8-sig", "surrogateescape")
    wrong = re.compile("\ufffd") if utf16 else _SURROGATES
    bad = 0
    with path.open(encoding=encoding, errors=errors) as file:
        for line in file:
            line, found = wrong.subn("\ufffd", line)
            bad += found
            yield line.rstrip("\n")
    report.note_bad(path.name, bad)


def _read_text(path: Path, report: CorpusReport) -> Iterator[Paragraphs]:
    """A paragraph a line; a line of nothing but blanks, or the file's end, closes a document."""
    paragraphs: Paragraphs = []
    for line in _read_lines(path, report):
        if line.strip():
            paragraphs.append(line)
        elif paragraphs:
            yield paragraphs
            paragraphs = []
    if paragraphs:
        yield paragraphs


def _read_jsonl(path: Path, text_field: str, report: CorpusReport) -> Iterator[Paragraphs]:
    """A JSON object a line, each a document; empty lines are passed over."""
    for number, line in enumerate(_read_lines(path, report), start=1):
        if not line.strip():
            continue
        expected = f'a JSON object with the document\'s text, such as {{"{text_field}": "..."}}'
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(
                path=path, line=number, found=f"no valid JSON ({error})", expected=expected
            ) from error
        if not isinstance(row, dict):
            found = f"a JSON {type(row).__name__}"
            raise DataError(path=path, line=number, found=found, expected=expected)
        yield _paragraphs_of(row, text_field, path, report, number)


def _paragraphs_of(
    row: dict[str, Any],
    text_field: str,
    path: Path,
    report: CorpusReport,
    number: int | None = None,
) -> Paragraphs:
    """Return a row's text as paragraphs, one a line; there may be none."""
    text = row.get(text_field)
    if text is None and text_field in row:
        return []  # a missing value, as tables have them
    if not isinstance(text, str):
        fields = ", ".join(map(str, row)) or "none"
        found = (
            f'"{text_field}" of type {type(text).__name__}'
            if text_field in row
            else f'no field "{text_field}" (fields: {fields})'
        )
        raise DataError(
            path=path, line=number, found=found, expected=f'the text, a string, in "{text_field}"'
        )
    text, bad = _SURROGATES.subn("\ufffd", text)  # JSON can escape half of a character
    report.note_bad(path.name, bad)
    return [line for line in text.splitlines() if line.strip()]


def _read_parquet(path: Path, text_field: str, report: CorpusReport) -> Iterator[Paragraphs]:
    """A row a document, read in batches."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise DataError(
            path=path, found=f"no parquet ({error})", expected="a parquet file"
        ) from error
    with file:
        _check_columns(file.schema_arrow.names, text_field, path)
        for batch in file.iter_batches(batch_size=1000, columns=[text_field]):
            for row in batch.to_pylist():
                yield _paragraphs_of(row, text_field, path, report)


def open_hub(name: str, text_field: str) -> Any:
    """Open a data set of the hub, its split "train", as ``datasets.Dataset``.

    It is fetched once and then read from the disk, row by row.

    Args:
        name: its id, with a colon before the configuration where it has several:
            ``"Salesforce/wikitext:wikitext-2-raw-v1"``.
        text_field: the column with the text.

    Raises:
        FileNotFoundError: when there is none of that name, or the hub can't be reached.
        DataError: when it doesn't have that configuration or column.
    """
    import datasets

    identifier, _, configuration = name.partition(":")
    try:
        rows = datasets.load_dataset(identifier, configuration or None, split="train")
    except OSError as error:
        raise FileNotFoundError(
            f"{name!r} is no file or folder here, and no data set of that name could be had from "
            f"the hub ({type(error).__name__}). Check the spelling and the connection; without "
            "one, give text files"
        ) from error
    except (ValueError, RuntimeError) as error:
        raise DataError(
            path=name,
            found=f"a data set that does not open ({str(error).strip()})",
            expected='an id, or "id:configuration", with a split "train" in parquet',
        ) from error
    _check_columns(rows.column_names, text_field, name)
    return rows.select_columns([text_field])


def read_rows(
    rows: Iterable[Any], name: str, text_field: str, report: CorpusReport
) -> Iterator[Paragraphs]:
    """Yield the documents of a data set of the hub: a row each."""
    for row in rows:
        yield _paragraphs_of(row, text_field, Path(name), report)


def _check_columns(columns: list[str], text_field: str, path: str | Path) -> None:
    if text_field not in columns:
        raise DataError(
            path=path,
            found=f'no column "{text_field}" (columns: {", ".join(columns) or "none"})',
            expected="the name of the column with the text: give it as text_field",
        )


def read_manual() -> Iterator[Paragraphs]:
    """Yield the topics of Python's language manual, a document each: prose only.

    ``pydoc_data.topics`` comes with every Python: real English, wrapped at 70 columns and mixed
    with code, grammar and headings. A block of lines counts as prose if it has five words or more
    and its last one ends like a sentence; its lines are joined.
    """
    from pydoc_data.topics import topics

    for name in sorted(topics):
        blocks = (" ".join(block.split()) for block in re.split(r"\n\s*\n", topics[name]))
        yield [block for block in blocks if _is_prose(block)]


_SENTENCE_END = re.compile(r".*[.:!?][)\"'”’*]*$")
_WORD = re.compile(r"[A-Za-z][a-z'’-]*")
_FORMAL = ("::=", ">>>")


def _is_prose(block: str) -> bool:
    words = sum(bool(_WORD.match(word)) for word in block.split())
    return words >= 5 and bool(_SENTENCE_END.match(block)) and not any(m in block for m in _FORMAL)
