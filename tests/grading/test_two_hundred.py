"""A whole class is graded in time: 200 submissions on two cores in 20 minutes."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
import pytest
import toy
from classroom import Class, make, master
from submissions import Submission, Work

from bertlab.grading.course import Assignment

STUDENTS = 200
MINUTES = 20
WORK = 3.0  # seconds that a submission computes, at most


def students(assignments: Path, count: int) -> dict[str, Submission]:
    """Return right answers, each after up to 3 seconds of work."""
    found = Assignment.find(assignments, toy.NAME)
    release, right = (nbformat.read(path, 4) for path in (found.release, found.source))
    code = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end:\n    pass"
    return {
        f"student-{number:03d}": Submission(
            Work(release, right).before(code.format(WORK * (number % 4) / 3)).bytes()
        )
        for number in range(count)
    }


def grade(folder: Path, assignments: Path, count: int) -> None:
    """Grade so many; expect full marks for all, and no more time than so many may take."""
    group = Class(folder, assignments)
    group.join(students(assignments, count))
    questions = Assignment.find(assignments, toy.NAME).questions()
    points = sum(question.points for question in questions if not question.manual)
    start = time.monotonic()

    rows = group.grade(memory=2048, cell_limit=60.0)

    seconds = time.monotonic() - start
    assert len(rows) == count
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert {float(row["total"]) for row in rows.values()} == {points}
    assert seconds < MINUTES * 60 * count / STUDENTS
    assert group.processes() == []
    assert group.files() == set()


def test_eight_submissions_take_their_share_of_the_time(tmp_path: Path) -> None:
    grade(tmp_path / "class", make(tmp_path / "assignments", master()), 8)


@pytest.mark.slow
def test_two_hundred_submissions_are_graded_in_twenty_minutes(tmp_path: Path) -> None:
    grade(tmp_path / "class", make(tmp_path / "assignments", toy.master()), STUDENTS)
