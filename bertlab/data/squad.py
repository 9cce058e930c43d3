"""Questions about contexts: SQuAD's own JSON, versions 1.1 and 2.0.

Source: Rajpurkar et al. 2016 and 2018; chapter 10.
"""

from __future__ import annotations

import os
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

from bertlab.data.answers import check_answers, parse_answers
from bertlab.data.columns import question_rows
from bertlab.data.errors import DataError
from bertlab.data.json_files import JSONL_SUFFIXES, kind, read_json
from bertlab.data.labels import LabelKind
from bertlab.data.report import Notes, Report

if TYPE_CHECKING:
    from datasets import Dataset

Path = str | PathLike[str]


def read_squad(
    path: Path,
    answers: bool = True,
    encoding: str = "utf-8",
    report: Report = print,
) -> Dataset:
    """Read a file of articles, paragraphs and questions; or, named .jsonl, a question a line.

    Every answer is checked against its context: see ``answers.find_answer`` for what is repaired,
    and ``answers.check_answers`` for what is excluded. ``plausible_answers`` (version 2.0) are no
    answers; they are passed over.

    Args:
        path: the file, ``{"data": [{"title", "paragraphs": [{"context", "qas": [...]}]}]}``, or
            lines as in ``read_jsonl``.
        answers: whether answers are needed; False leaves them out.
        encoding: the file's.
        report: takes one line that says what was read, repaired and excluded.

    Returns:
        ``id``, ``title``, ``context``, ``question`` and ``answers``, a dict of two lists, ``text``
        and ``answer_start``, both empty for a question that has no answer in its context.

    Raises:
        DataError: when the file isn't built so; the place is named as a path, such as
            ``data[3].paragraphs[2].qas[0]``.
    """
    if os.fspath(path).lower().endswith(JSONL_SUFFIXES):
        from bertlab.data.jsonl import read_jsonl  # which reads questions with this file's reader

        labels: LabelKind | None = "single" if answers else None
        return read_jsonl(path, "qa", labels, encoding=encoding, report=report)
    notes = Notes(os.path.basename(path))
    top = read_json(path, encoding, notes)
    questions = QuestionReader(path, answers, notes)
    if isinstance(top, dict) and "data" not in top and "question" in top:
        raise DataError(
            path=path,
            found="one question, not a file of articles",
            expected="SQuAD's JSON; for a question a line, name the file .jsonl",
        )
    for place, article in _members(top, "", "data", path):
        title = article.get("title", "")
        for paragraph_place, paragraph in _members(article, place, "paragraphs", path):
            context = paragraph.get("context")
            for question_place, question in _members(paragraph, paragraph_place, "qas", path):
                record = {"title": title, "context": context, **question}
                questions.add(record, question_place)
    return questions.finish(report)


def _members(owner: Any, place: str, name: str, path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the objects of a list in a field, each with its place."""
    wrong = partial(DataError, path=path)
    if not isinstance(owner, dict):
        raise wrong(
            found=f"{kind(owner)} at {place or 'the top'}",
            expected=f'an object with the field "{name}", as SQuAD\'s files have; '
            "for other records, a .jsonl file with an object a line",
        )
    here = f"{place}.{name}" if place else name
    members = owner.get(name)
    if not isinstance(members, list):
        found = f"{here}, {kind(members)}" if name in owner else f'no field "{name}"'
        if name not in owner:
            found += f" at {place or 'the top'} (fields: {', '.join(owner) or 'none'})"
        raise wrong(found=found, expected=f'a list in "{name}", as SQuAD\'s files have')
    for number, member in enumerate(members):
        if not isinstance(member, dict):
            raise wrong(found=f"{kind(member)} at {here}[{number}]", expected="an object")
    return [(f"{here}[{number}]", member) for number, member in enumerate(members)]


class QuestionReader:
    """Takes one question after the other, checks it, and keeps it or counts it out.

    Args:
        path: the file.
        answers: whether answers are needed and kept.
        notes: the report.
    """

    def __init__(self, path: Path, answers: bool, notes: Notes) -> None:
        self.path = path
        self.answers = answers
        self.notes = notes
        self._records: list[dict[str, Any]] = []
        self._excluded: list[int | str] = []
        self._seen: dict[str, int | str] = {}

    def add(self, record: dict[str, Any], place: int | str) -> None:
        """Take a question.

        Args:
            record: its fields.
            place: its line, or its path in the file.

        Raises:
            DataError: when a field is missing or of the wrong type, or its id was there before.
        """
        if isinstance(place, int):
            wrong, where = partial(DataError, path=self.path, line=place), ""
        else:
            wrong, where = partial(DataError, path=self.path), f" at {place}"
        for name in ("context", "question", "title"):
            self._check_text(record, name, wrong, where)
        identity = self._identify(record, place, wrong, where)
        self.notes.add(
            "empty question{s} kept",
            place if isinstance(place, int) else identity,
            count=not record["question"].strip(),
        )
        row: dict[str, Any] = {
            "id": identity,
            "title": record.get("title") or "",
            "context": record["context"],
            "question": record["question"],
        }
        if self.answers:
            given = self._parse(record, wrong, where)
            shown = place if isinstance(place, int) else identity
            impossible = record.get("is_impossible")
            checked = check_answers(row["context"], given, impossible, shown, self.notes)
            if checked is None:
                self._excluded.append(shown)
                return
            row["answers"] = {"text": checked.texts, "answer_start": checked.starts}
        self._records.append(row)

    def finish(self, report: Report) -> Dataset:
        """Return all questions, and report."""
        for place in self._excluded:  # last, so that the line ends with what is lost
            self.notes.add("excluded", place)
        if not self._records:
            raise DataError(
                path=self.path,
                found=self.notes.line(0, "question{s}").partition(": ")[2],
                expected="questions whose answers stand in their contexts",
            )
        report(self.notes.line(len(self._records), "question{s}"))
        return question_rows(self._records, self.answers)

    def _check_text(
        self, record: dict[str, Any], name: str, wrong: partial[DataError], where: str
    ) -> None:
        value = record.get(name)
        if name == "title" and value is None:
            return
        if not isinstance(value, str):
            found = f'"{name}"{where} that is {kind(value)}'
            if value is None:
                found = f'no "{name}"{where} (fields: {", ".join(record)})'
            raise wrong(found=found, expected=f'a string in "{name}"')
        if name == "context" and not value.strip():
            raise wrong(found=f"an empty context{where}", expected="the text that is asked about")

    def _identify(
        self, record: dict[str, Any], place: int | str, wrong: partial[DataError], where: str
    ) -> str:
        value = record.get("id")
        if value is None and isinstance(place, int):
            value = f"line {place}"
            self.notes.add("without an id, named by line", place)
        if not isinstance(value, (str, int)) or isinstance(value, bool) or value == "":
            raise wrong(found=f"the id {value!r:.60}{where}", expected="a string of its own")
        identity = str(value)
        if identity in self._seen:
            first = self._seen[identity]
            before = f"line {first}" if isinstance(first, int) else first
            raise wrong(
                found=f"the id {identity!r}{where}, which {before} has too",
                expected="an id of its own for each question: scores are counted by it",
            )
        self._seen[identity] = place
        return identity

    def _parse(self, record: dict[str, Any], wrong: partial[DataError], where: str) -> Any:
        impossible = record.get("is_impossible")
        if impossible is not None and not isinstance(impossible, bool):
            raise wrong(
                found=f'"is_impossible"{where} that is {impossible!r:.60}',
                expected="true or false",
            )
        if "answers" not in record and impossible:
            return parse_answers([], wrong)
        if "answers" not in record:
            raise wrong(
                found=f'no "answers"{where} (fields: {", ".join(record)})',
                expected='answers: {"text": ["..."], "answer_start": [0]}',
            )

        def placed(found: str, expected: str) -> DataError:
            return wrong(found=f"{found}{where}", expected=expected)

        return parse_answers(record["answers"], partial(placed))
