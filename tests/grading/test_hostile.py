"""A class of hostile and broken submissions: each gets its row, and nothing of it is left."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import attacks
import nbformat
import pytest
import submissions
import toy
from classroom import NAME, Class, Server, make, master
from submissions import EVERYTHING, FIRST, NOTHING, Submission

from bertlab.grading.course import Assignment

# What `make test` grades; the others take some minutes.
SOME = (
    "perfect",
    "blank",
    "noise",
    "test_deleted",
    "question_deleted",
    "tests_weakened",
    "answer_twice",
    "metadata_gone",
    "empty",
    "truncated",
    "tests_skipped",
    "points_displayed",
    "loop",
    "loop_that_swallows_interrupts",
    "exit_in_the_function",
    "much_memory",
    "many_processes",
    "process_left_behind",
    "connects",
    "reads_master",
    "writes_beside",
)


@pytest.fixture(scope="module")
def assignments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("assignments"), master())


@pytest.fixture(scope="module")
def heavy_assignments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("assignments"), toy.master())


def _everything(
    folder: Path, assignments: Path, port: int
) -> tuple[dict[str, Submission], list[Path]]:
    """Return all submissions to an assignment, and the files that some try to write."""
    found = Assignment.find(assignments, NAME)
    release, right = (nbformat.read(path, 4) for path in (found.release, found.source))
    other = folder / "submissions" / "perfect" / f"{NAME}.ipynb"
    canaries = {"beside": folder / attacks.TOKEN, "grades": folder / "grades.csv.new"}
    aimed = submissions.targeted(
        release,
        right,
        port=port,
        files={"master": found.source, "other_submission": other},
        canaries=canaries,
    )
    return {**submissions.submissions(release, right), **aimed}, list(canaries.values())


@dataclass
class Graded:
    """A class after it was graded."""

    group: Class
    rows: dict[str, dict[str, str]]
    canaries: list[Path]
    visits: int
    seconds: float


def _grade(folder: Path, assignments: Path, *, slow: bool) -> Graded:
    group, server = Class(folder, assignments), Server()
    everything, canaries = _everything(folder, assignments, server.port)
    group.join({name: s for name, s in everything.items() if (name not in SOME) == slow})
    start = time.monotonic()
    rows = group.grade()
    server.socket.close()
    return Graded(group, rows, canaries, server.visits, time.monotonic() - start)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory, assignments: Path) -> Graded:
    return _grade(tmp_path_factory.mktemp("some"), assignments, slow=False)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory, assignments: Path) -> Graded:
    return _grade(tmp_path_factory.mktemp("others"), assignments, slow=True)


def names(*, slow: bool) -> list[str]:
    everything = list(submissions.submissions(master(), master()))
    everything += ["connects", "reads_master", "reads_other_submission"]
    everything += ["writes_beside", "writes_grades"]
    assert set(SOME) <= set(everything)
    return [name for name in everything if (name not in SOME) == slow]


def check_row(graded: Graded, name: str) -> None:
    """Compare a row with what its submission must get."""
    submission, row = graded.group.students[name], graded.rows[name]
    questions = Assignment.find(graded.group.assignments, NAME).questions()
    points = {q.name: q.points for q in questions if not q.manual}
    assert row["status"] == submission.status, row
    if submission.lost is None:
        assert row["total"] == "", row
        assert row["detail"], row
        assert not any(row[f"q:{question}"] for question in points), row
        return
    first = next(iter(points))
    lost = {NOTHING: set(), FIRST: {first}, EVERYTHING: set(points)}[submission.lost]
    expected = {name: 0.0 if name in lost else full for name, full in points.items()}
    assert {name: float(row[f"q:{name}"]) for name in points} == expected, row
    assert float(row["total"]) == sum(expected.values()), row
    named = row["mistakes"].split(";")
    assert all(f"{first}:{mistake}" in named for mistake in submission.mistakes), row


@pytest.mark.parametrize("name", names(slow=False))
def test_each_submission_gets_its_row(some: Graded, name: str) -> None:
    check_row(some, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", names(slow=True))
def test_each_other_submission_gets_its_row(others: Graded, name: str) -> None:
    check_row(others, name)


def check_nothing_left(graded: Graded) -> None:
    assert graded.rows.keys() == graded.group.students.keys()
    assert graded.group.processes() == []
    assert graded.group.files() == set()
    assert not [path for path in graded.canaries if path.exists()]
    assert graded.visits == 0


def test_no_process_and_no_file_is_left(some: Graded) -> None:
    check_nothing_left(some)


@pytest.mark.slow
def test_no_process_and_no_file_is_left_of_the_others(others: Graded) -> None:
    check_nothing_left(others)
