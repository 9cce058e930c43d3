"""JSONL: a record a line, for each of the three tasks."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, get_args

from bertlab.data.columns import classification_rows, token_rows
from bertlab.data.conll import convert_tags
from bertlab.data.csv_files import PAIR, name_a_column
from bertlab.data.errors import DataError
from bertlab.data.json_files import kind, read_objects
from bertlab.data.labels import Label, LabelKind, check_kind, parse_label
from bertlab.data.report import Notes, Report
from bertlab.data.squad import QuestionReader
from bertlab.data.tags import Scheme, check_scheme

if TYPE_CHECKING:
    from datasets import Dataset

Path = str | PathLike[str]
Task = Literal["classification", "ner", "qa"]
Records = Iterator[tuple[int, dict[str, Any]]]

_FORMS = {
    "classification": '{"text": "...", "label": "..."}',
    "ner": '{"tokens": ["..."], "tags": ["O"]}',
    "qa": '{"id": "...", "context": "...", "question": "...", '
    '"answers": {"text": ["..."], "answer_start": [0]}}',
}


def read_jsonl(
    path: Path,
    task: Task | None = None,
    labels: LabelKind | None = "single",
    text: str = "text",
    text_pair: str | None = PAIR,
    label: str = "label",
    scheme: Scheme | None = None,
    encoding: str = "utf-8",
    report: Report = print,
) -> Dataset:
    """Read a JSON object a line.

    - classification: ``text``, ``text_pair`` in all lines or none, ``label``.
    - ner: ``tokens`` and ``tags``, lists of strings of one length; tags become IOB2.
    - qa: ``id``, ``title`` if there is one, ``context``, ``question``, and ``answers`` as
      ``{"text": [], "answer_start": []}`` or as SQuAD has them; checked as ``read_squad`` does.

    Other fields are passed over, as are blank lines, which are counted.

    Args:
        path: the file.
        task: which of them; None tells it by the first line's fields.
        labels: for classification, as in ``read_csv``; None, for every task: no labels, tags or
            answers are needed, and none returned.
        text: the field with the text.
        text_pair: the field with the second text of a pair, if there is one. None: no pairs.
        label: the field with the label: a name or a whole number; for several, a list of them or
            one string with ``|``; for a regression, a number.
        scheme: for ner, as in ``read_conll``.
        encoding: the file's.
        report: takes one line that says what was read.

    Returns:
        The columns of ``read_csv``, ``read_conll`` or ``read_squad``.

    Raises:
        DataError: with the line, when a record isn't so.
    """
    check_kind(labels)
    check_scheme(scheme)
    check_task(task)
    notes = Notes(os.path.basename(path))
    records = read_objects(path, encoding, notes)
    line, first = next(records)
    task = task or _tell_task(first, text, path, line)
    records = itertools.chain([(line, first)], records)
    if task == "qa":
        questions = QuestionReader(path, labels is not None, notes)
        for line, record in records:
            questions.add(record, line)
        return questions.finish(report)
    if task == "ner":
        return _read_tokens(records, labels is not None, scheme, path, notes, report)
    names = (text, text_pair, label)
    return _read_texts(records, first, names, labels, path, notes, report)


def check_task(task: str | None) -> None:
    """Raise a ValueError unless it is a task, or None."""
    if task is not None and task not in get_args(Task):
        raise ValueError(f"task is {task!r}; expected one of {', '.join(get_args(Task))}")


def _tell_task(record: dict[str, Any], text: str, path: Path, line: int) -> Task:
    if "tokens" in record:
        return "ner"
    if "context" in record and "question" in record:
        return "qa"
    if text in record:
        return "classification"
    raise DataError(
        path=path,
        line=line,
        found=f"the fields {', '.join(map(repr, record)) or 'none'}",
        expected=f"one of {'; '.join(_FORMS.values())}; if the text's field has another name, say "
        + name_a_column("text"),
    )


def _read_texts(
    records: Records,
    first: dict[str, Any],
    names: tuple[str, str | None, str],
    labels: LabelKind | None,
    path: Path,
    notes: Notes,
    report: Report,
) -> Dataset:
    text, text_pair, label = names
    paired = text_pair is not None and (text_pair in first or text_pair != PAIR)
    texts: list[str] = []
    pairs: list[str] = []
    parsed: list[Label] = []
    for line, record in records:
        texts.append(_text(record, text, "text", path, line))
        if paired:
            pairs.append(_text(record, str(text_pair), PAIR, path, line))
        elif text_pair in record:
            raise DataError(
                path=path,
                line=line,
                found=f'"{text_pair}", which the first line has not',
                expected="pairs in all lines, or in none",
            )
        if labels is not None:
            if label not in record:
                raise _missing(record, label, "label", path, line)
            parsed.append(parse_label(record[label], labels, path, line, notes))
    report(notes.line(len(texts), "example{s}"))
    return classification_rows(texts, pairs if paired else None, parsed, labels)


def _text(record: dict[str, Any], name: str, argument: str, path: Path, line: int) -> str:
    if name not in record:
        raise _missing(record, name, argument, path, line)
    value = record[name]
    wrong = partial(DataError, path=path, line=line, expected=f'a text, a string, in "{name}"')
    if not isinstance(value, str):
        raise wrong(found=f'"{name}" that is {kind(value)}')
    if not value.strip():
        raise wrong(found=f'an empty "{name}"')
    return value


def _missing(record: dict[str, Any], name: str, argument: str, path: Path, line: int) -> DataError:
    return DataError(
        path=path,
        line=line,
        found=f'no field "{name}" (fields: {", ".join(record) or "none"})',
        expected=f"such as {_FORMS['classification']}; if the field has another name, say "
        + name_a_column(argument),
    )


def _read_tokens(
    records: Records,
    with_tags: bool,
    scheme: Scheme | None,
    path: Path,
    notes: Notes,
    report: Report,
) -> Dataset:
    tokens: list[list[str]] = []
    tags: list[list[str]] = []
    lines: list[int] = []
    for line, record in records:
        lines.append(line)
        tokens.append(_strings(record, "tokens", path, line))
        if with_tags:
            tags.append(_strings(record, "tags", path, line))
            if len(tags[-1]) != len(tokens[-1]):
                raise DataError(
                    path=path,
                    line=line,
                    found=f"{len(tokens[-1])} tokens and {len(tags[-1])} tags",
                    expected="a tag for each token",
                )
    places = [[line] * len(sequence) for line, sequence in zip(lines, tags, strict=False)]
    converted = convert_tags(tags, places, scheme, path, notes) if with_tags else None
    report(notes.line(len(tokens), "sentence{s}"))
    return token_rows(tokens, converted)


def _strings(record: dict[str, Any], name: str, path: Path, line: int) -> list[str]:
    wrong = partial(DataError, path=path, line=line, expected=f"such as {_FORMS['ner']}")
    if name not in record:
        raise wrong(found=f'no field "{name}" (fields: {", ".join(record) or "none"})')
    value = record[name]
    if not isinstance(value, list) or not value:
        raise wrong(found=f'"{name}" that is {kind(value) if value != [] else "an empty list"}')
    for place, part in enumerate(value):
        if not isinstance(part, str):
            raise wrong(found=f'"{name}"[{place}] that is {kind(part)}')
        if not part.strip(" \t\r\n"):
            raise wrong(found=f'"{name}"[{place}] that is empty')
    return value
