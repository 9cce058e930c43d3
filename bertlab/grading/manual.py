"""Points that people give: a CSV file with the columns student, question, points."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

from bertlab.data.errors import DataError
from bertlab.grading.course import Question

_COLUMNS = ("student", "question", "points")


def read_points(
    path: Path, students: Collection[str], questions: Sequence[Question]
) -> dict[str, dict[str, float]]:
    """Return the points of a file by student and question.

    Args:
        path: a row for each student and question: ``ann,explain_scores,2.5``.
        students: those that there are.
        questions: of the assignment; also those with tests, whose points the file replaces.

    Raises:
        DataError: with the line, when a student or question isn't known, given twice, or its
            points are no number from 0 to the most that the question gives.
    """
    most = {question.name: question.points for question in questions}
    found: dict[str, dict[str, float]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise _wrong(path, 1, f"the columns {rows.fieldnames}", ", ".join(_COLUMNS))
        for row in rows:
            line = rows.line_num
            student, question, points = (row[name] or "" for name in _COLUMNS)
            if student not in students:
                raise _wrong(path, line, f"the student {student!r}", "one who handed in")
            if question not in most:
                raise _wrong(path, line, f"the question {question!r}", "one of " + ", ".join(most))
            if question in found.get(student, {}):
                raise _wrong(path, line, f"points of {student} for {question}, again", "them once")
            found.setdefault(student, {})[question] = _number(path, line, points, most[question])
    return found


def _number(path: Path, line: int, points: str, most: float) -> float:
    try:
        value = float(points)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise _wrong(path, line, f"the points {points!r}", f"a number from 0 to {most:g}")
    return value


def _wrong(path: Path, line: int, found: str, expected: str) -> DataError:
    return DataError(path=path, line=line, found=found, expected=expected)
