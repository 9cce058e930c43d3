"""Columns of tokens and tags, as the CoNLL shared tasks have them.

A line is a token: its columns are parted by spaces or tabs, the first is the token, the last its
tag. A line of nothing but spaces and tabs ends a sentence. Three rules decide what else there is:

- A line that begins with ``-DOCSTART-`` parts documents. It is left out, and counted.
- Comments stand before a sentence, never within one: lines that begin with ``#`` and a blank, or
  with ``#begin document`` or ``#end document``. A line with as many columns as the file has, the
  last of which is a tag, is always a token: ``# O`` is one.
- Only spaces and tabs part columns: a no-break space belongs to its token. Where each line has
  the same number of columns by tabs alone, spaces belong to tokens too.

Source: Tjong Kim Sang and De Meulder 2003, section 2.2; chapter 9.
"""

from __future__ import annotations

import os
import re
from os import PathLike
from typing import TYPE_CHECKING

from bertlab.data.columns import token_rows
from bertlab.data.errors import DataError
from bertlab.data.report import Notes, Report, counted
from bertlab.data.tags import (
    Scheme,
    check_scheme,
    check_tag,
    detect_scheme,
    invalid_places,
    is_tag,
    to_iob2,
)
from bertlab.data.text_files import read_lines

if TYPE_CHECKING:
    from datasets import Dataset

Path = str | PathLike[str]
Token = tuple[int, str, str]  # its line, itself, its tag

_COMMENT = re.compile(r"#([ \t]|$)|#(begin|end) document\b")
_DOCUMENT = "-DOCSTART-"
_BLANKS = re.compile(r"[ \t]+")


def read_conll(
    path: Path,
    scheme: Scheme | None = None,
    encoding: str = "utf-8",
    report: Report = print,
) -> Dataset:
    """Read sentences of tokens and tags; the tags become IOB2.

    Args:
        path: the file.
        scheme: ``"IOB1"``, ``"IOB2"``, ``"BIOES"`` or ``"BILOU"``; None detects it over the whole
            file (``tags.detect_scheme``).
        encoding: the file's.
        report: takes one line that says what was read, left out, converted and repaired.

    Returns:
        ``tokens`` and ``tags``, lists of strings of one length.

    Raises:
        DataError: with the line, when a line has too few or too many columns, or no tag.
    """
    check_scheme(scheme)
    notes = Notes(os.path.basename(path))
    sentences = _read_sentences(path, encoding, notes)
    tags = convert_tags(
        [[tag for _, _, tag in sentence] for sentence in sentences],
        [[line for line, _, _ in sentence] for sentence in sentences],
        scheme,
        path,
        notes,
    )
    report(notes.line(len(sentences), "sentence{s}"))
    return token_rows([[token for _, token, _ in sentence] for sentence in sentences], tags)


def convert_tags(
    sequences: list[list[str]],
    lines: list[list[int]],
    scheme: Scheme | None,
    path: Path,
    notes: Notes,
) -> list[list[str]]:
    """Return all sentences' tags in IOB2, and note what that changed.

    Args:
        sequences: each sentence's tags.
        lines: the line of each tag.
        scheme: theirs; None to detect it.
        path: the file, for errors.
        notes: where conversions and repairs are counted.
    """
    wrong = {
        tag: expected
        for tag in {tag for tags in sequences for tag in tags}
        if (expected := check_tag(tag, scheme)) is not None
    }
    for tags, places in zip(sequences if wrong else [], lines, strict=False):
        for tag, line in zip(tags, places, strict=True):
            if tag in wrong:
                raise DataError(path=path, line=line, found=f"the tag {tag!r}", expected=wrong[tag])
    scheme = scheme or detect_scheme(sequences)
    odd = f"tag{{s}} out of place in {scheme}, read as conlleval does"
    converted, changed = [], 0
    for tags, places in zip(sequences, lines, strict=True):
        for place in invalid_places(tags, scheme):
            notes.add(odd, places[place])
        new = to_iob2(tags, scheme)
        converted.append(new)
        changed += sum(a != b for a, b in zip(tags, new, strict=True))
    if scheme != "IOB2":
        notes.say(f"{scheme} converted to IOB2: {counted(changed, 'tag{s}')} changed")
    return converted


def _read_sentences(path: Path, encoding: str, notes: Notes) -> list[list[Token]]:
    lines = [line.rstrip(" \t\r\n") for line in read_lines(path, encoding)]
    by_tabs, width = _layout(lines)
    sentences: list[list[Token]] = []
    sentence: list[Token] = []
    for number, line in enumerate(lines, start=1):
        columns = _split(line, by_tabs)
        ends = not line or columns[0].startswith(_DOCUMENT)
        if ends and sentence:
            sentences.append(sentence)
            sentence = []
        if ends:
            notes.add("-DOCSTART- line{s} left out", count=bool(line))
        elif not sentence and _is_comment(line, columns, width):
            notes.add("comment{s} left out", number)
        else:
            _check_columns(columns, width, path, number)
            sentence.append((number, columns[0], columns[-1]))
    if sentence:
        sentences.append(sentence)
    if not sentences:
        raise DataError(path=path, found="no sentence", expected="a token and its tag on each line")
    return sentences


def _layout(lines: list[str]) -> tuple[bool, int]:
    """Tell whether tabs alone part the columns, and how many there are."""
    tokens = [line for line in lines if line and not line.startswith((_DOCUMENT, "#"))]
    tokens = tokens or [line for line in lines if line.startswith("#")]
    widths = {line.count("\t") + 1 for line in tokens}
    if len(widths) == 1 and widths != {1}:
        return True, widths.pop()
    return False, len(_split(tokens[0], by_tabs=False)) if tokens else 0


def _split(line: str, by_tabs: bool) -> list[str]:
    if by_tabs:
        return [column.strip(" ") for column in line.split("\t")]
    return _BLANKS.split(line.lstrip(" \t"))


def _is_comment(line: str, columns: list[str], width: int) -> bool:
    is_token = len(columns) == width and is_tag(columns[-1])
    return not is_token and _COMMENT.match(line) is not None


def _check_columns(columns: list[str], width: int, path: Path, line: int) -> None:
    expected = "a token and its tag, parted by a space or a tab"
    if len(columns) == 1:
        raise DataError(path=path, line=line, found=f"{columns[0]!r} alone", expected=expected)
    if not columns[0]:
        raise DataError(path=path, line=line, found="an empty token", expected=expected)
    if len(columns) != width:
        raise DataError(
            path=path,
            line=line,
            found=counted(len(columns), "column{s}"),
            expected=f"{width}, as in the file's first line of a token",
        )
