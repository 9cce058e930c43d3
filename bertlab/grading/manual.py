"""Points that people give: a CSV file with the columns student, question, points.

Or with student and a column q:NAME for each question, as in the file that ``grade`` writes.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

from bertlab.data.errors import DataError
from bertlab.grading.course import Question


def read_points(
    path: Path, students: Collection[str], questions: Sequence[Question]
) -> dict[str, dict[str, float]]:
    """Return the points of a file by student and question.

    Args:
        path: of the file; in columns ``q:NAME``, an empty field gives no points.
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
        columns = list(rows.fieldnames or ())
        wide = [name for name in columns if name.startswith("q:")]
        if "student" not in columns or not (wide or {"question", "points"} <= set(columns)):
            raise _wrong(path, 1, f"the columns {', '.join(columns)}", "student, question, points")
        for row in rows:
            line, student = rows.line_num, row["student"] or ""
            if student not in students:
                raise _wrong(path, line, f"the student {student!r}", "one who handed in")
            given = {name[2:]: row[name] or "" for name in wide if row[name]}
            given = given if wide else {row["question"] or "": row["points"] or ""}
            for question, points in given.items():
                if question not in most:
                    known = "one of " + ", ".join(most)
                    raise _wrong(path, line, f"the question {question!r}", known)
                if question in found.get(student, {}):
                    again = f"points of {student} for {question}, again"
                    raise _wrong(path, line, again, "them once")
                value = _number(path, line, points, most[question])
                found.setdefault(student, {})[question] = value
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
