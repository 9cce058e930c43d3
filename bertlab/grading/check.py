"""Grade masters and blanks as if students had handed them in: all points, and none."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

from bertlab.grading.build import students_version
from bertlab.grading.config import CheckConfig, GradeConfig
from bertlab.grading.course import Assignment, Question, names
from bertlab.grading.grade import grade
from bertlab.grading.lint import lint
from bertlab.grading.records import Record

MASTER, BLANK = "master", "blank"


def check(config: CheckConfig) -> bool:
    """Check assignments, and print a table of points and what is wrong.

    Returns:
        Whether all is in order.

    Raises:
        ValueError: when there is no such assignment, or a master can't be read.
    """
    wrong = 0
    for name in [config.name] if config.name else names(config.assignments):
        assignment = Assignment.find(config.assignments, name)
        print(f"{name}\n", flush=True)
        found = lint(assignment)
        try:
            release = students_version(assignment)
        except ValueError as error:
            found.append(str(error))
        else:
            found += _release(assignment, release)
            graded = _graded(config.assignments, assignment, release)
            print(f"{_table(assignment.questions(), graded)}\n")
            found += _points(assignment.questions(), graded)
        print("".join(f"✗ {problem}\n" for problem in found) or "In order\n", flush=True)
        wrong += len(found)
    return not wrong


def _release(assignment: Assignment, release: str) -> list[str]:
    path = assignment.release
    if path.is_file() and path.read_text(encoding="utf-8") == release:
        return []
    what = "isn't what the master gives" if path.exists() else "isn't there"
    return [f"{path} {what}: expected it from bertlab assign build {assignment.name}"]


def _graded(assignments: Path, assignment: Assignment, release: str) -> dict[str, Record]:
    """Grade the master and the blank as ``bertlab assign grade`` does."""
    with tempfile.TemporaryDirectory(prefix="bertlab-check-") as folder:
        submissions = Path(folder) / "submissions"
        texts = {MASTER: assignment.source.read_text(encoding="utf-8"), BLANK: release}
        for student, text in texts.items():
            (submissions / student).mkdir(parents=True)
            path = submissions / student / f"{assignment.name}.ipynb"
            path.write_text(text, encoding="utf-8")
        settings = GradeConfig(
            name=assignment.name,
            submissions=submissions,
            output=Path(folder) / "grades.csv",
            assignments=assignments,
        )
        with contextlib.redirect_stdout(io.StringIO()):
            records = grade(settings)
    return {record.student: record for record in records}


def _table(questions: list[Question], graded: dict[str, Record]) -> str:
    """Return a line for each question: its points, the master's, the blank's."""
    rows = [("question", "points", MASTER, BLANK)]
    for question in questions:
        full, none = (_shown(graded[student], question) for student in (MASTER, BLANK))
        rows.append((question.name, f"{question.points:g}", full, none))
    rows.append(("total", f"{sum(question.points for question in questions):g}", "", ""))
    width = max(len(row[0]) for row in rows)
    lines = [f"{row[0]:{width}}  {row[1]:>6}  {row[2]:>6}  {row[3]:>5}".rstrip() for row in rows]
    return "\n".join([*lines, f"({MASTER} graded in {graded[MASTER].seconds:.0f} s)"])


def _shown(record: Record, question: Question) -> str:
    points = record.points.get(question.name)
    if points is not None:
        return f"{points:g}"
    return "hand" if question.manual and record.points else "-"


def _points(questions: list[Question], graded: dict[str, Record]) -> list[str]:
    """Say where the master and the blank didn't get what they should."""
    found = []
    for student, record in graded.items():
        if record.status != "ok":
            found.append(f"the {student} can't be graded: {record.status}: {record.detail}")
        found += [f"the {student}: {words}" for words in record.suspicious]
    for question in questions:
        cell = question.grade_id
        full, none = (graded[student].points.get(question.name) for student in (MASTER, BLANK))
        if not question.manual and full is not None and full != question.points:
            said = graded[MASTER].failures.get(question.name, "").strip().replace("\n", "\n    ")
            found.append(
                f"{cell}: the master gets {full:g} of {question.points:g} points. Its test says: "
                f"{said}"
            )
        if none:
            found.append(
                f"{cell}: the blank gets {none:g} of {question.points:g} points: its tests pass "
                "without an answer"
            )
    return found
