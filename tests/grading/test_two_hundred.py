"""A whole class is graded in time: 200 submissions on two cores in 20 minutes."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
import pytest
import toy
from classroom import Class, make, master
from submissions import Submission, Work

pytest.importorskip("nbgrader")

from bertlab.grading.course import Assignment


def students(assignments: Path, count: int, work: float) -> dict[str, Submission]:
    """Return right answers, each after up to so many seconds of work."""
    found = Assignment.find(assignments, toy.NAME)
    release, right = (nbformat.read(path, 4) for path in (found.release, found.source))
    code = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end:\n    pass"
    return {
        f"student-{number:03d}": Submission(
            Work(release, right).before(code.format(work * (number % 4) / 3)).bytes()
        )
        for number in range(count)
    }


def grade(folder: Path, assignments: Path, *, count: int, work: float, most: float) -> None:
    """Grade so many; expect full marks for all within so many seconds."""
    group = Class(folder, assignments)
    group.join(students(assignments, count, work))
    questions = Assignment.find(assignments, toy.NAME).questions()
    points = sum(question.points for question in questions if not question.manual)
    start = time.monotonic()

    rows = group.grade(memory=2048, cell_limit=60.0)

    seconds = time.monotonic() - start
    assert len(rows) == count
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert {float(row["total"]) for row in rows.values()} == {points}
    assert seconds < most
    assert group.processes() == []
    assert group.files() == set()


def test_eight_submissions_are_graded_in_a_moment(tmp_path: Path) -> None:
    assignments = make(tmp_path / "assignments", master())
    grade(tmp_path / "class", assignments, count=8, work=0.3, most=120)  # on a busy machine


@pytest.mark.slow
def test_two_hundred_submissions_are_graded_in_twenty_minutes(tmp_path: Path) -> None:
    assignments = make(tmp_path / "assignments", toy.master())
    grade(tmp_path / "class", assignments, count=200, work=3.0, most=20 * 60)
