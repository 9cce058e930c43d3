"""A class of hostile and broken submissions: each gets its row, and nothing of it is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import attacks
import nbformat
import pytest
import submissions
import toy
from classroom import NAME, Class, Server, make, master
from killing import wait_for
from submissions import EVERYTHING, FIRST, NOTHING, Submission

pytest.importorskip("nbgrader")

from bertlab.grading import sandbox
from bertlab.grading.course import Assignment
from bertlab.grading.handed_in import handed_in
from bertlab.grading.restore import NotGradable

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

# What only walls between a submission and the machine prevent.
WALLED = (
    *("connects", "reads_master", "reads_other_submission", "writes_beside", "writes_grades"),
    *("system_opened", "master_searched", "database_searched", "kills_the_worker"),
)


@pytest.fixture(scope="module")
def assignments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("assignments"), master())


@pytest.fixture(scope="module")
def heavy_assignments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("assignments"), toy.master())


def books(assignments: Path) -> tuple[nbformat.NotebookNode, nbformat.NotebookNode]:
    """Return the students' version and the master."""
    found = Assignment.find(assignments, NAME)
    return nbformat.read(found.release, 4), nbformat.read(found.source, 4)


def _everything(
    folder: Path, assignments: Path, port: int
) -> tuple[dict[str, Submission], list[Path]]:
    """Return all submissions to an assignment, and the files that some try to write."""
    release, right = books(assignments)
    found = Assignment.find(assignments, NAME)
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
    if name in WALLED and sandbox.isolation() != "full":
        pytest.skip("this system lets no program have its own files and network")
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
    if sandbox.isolation() != "full":  # what is written elsewhere stays
        assert graded.group.files() <= set(graded.canaries)
        return
    assert graded.group.files() == set()
    assert not [path for path in graded.canaries if path.exists()]
    assert graded.visits == 0


def test_no_process_and_no_file_is_left(some: Graded) -> None:
    check_nothing_left(some)


@pytest.mark.slow
def test_no_process_and_no_file_is_left_of_the_others(others: Graded) -> None:
    check_nothing_left(others)


def test_a_long_path_of_temporary_files_is_no_hindrance(tmp_path: Path, assignments: Path) -> None:
    folder = tmp_path / ("long" * 20)
    group = Class(folder, assignments)
    group.join({"perfect": Submission(submissions.Work(*books(assignments)).bytes())})
    assert group.grade(cell_limit=60.0)["perfect"]["status"] == "ok"


def test_pipes_and_files_that_may_not_be_read_stop_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "secret.ipynb").write_text("{}")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # whoever runs the tests
    for one, status in zip(handed_in(tmp_path), ("no_notebook", "unreadable"), strict=True):
        with pytest.raises(NotGradable) as problem:
            one.notebook(NAME)
        assert problem.value.status == status


@pytest.mark.slow
def test_grading_twice_gives_the_same_but_for_the_seconds(some: Graded) -> None:
    again = some.group.grade(overwrite=True)
    for rows in (some.rows, again):
        for row in rows.values():
            row["seconds"] = ""
    assert again == some.rows


def test_a_killed_grader_goes_on_where_it_was(
    tmp_path_factory: pytest.TempPathFactory, assignments: Path
) -> None:
    group = Class(tmp_path_factory.mktemp("c"), assignments)
    right = submissions.Work(*books(assignments)).bytes()
    group.join({f"student{number}": Submission(right) for number in range(5)})
    kept = group.folder / "grades.answers.jsonl"
    code = "from bertlab.cli import main; main()"
    words = [NAME, "--submissions", group.submissions, "--output", group.output, "--jobs", "1"]
    words += ["--assignments", assignments]
    grader = subprocess.Popen(
        [sys.executable, "-c", code, "assign", "grade", *map(str, words)],
        env={**os.environ, "TMPDIR": str(group.scratch)},
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: kept.exists() and len(kept.read_text().splitlines()) == 2)
    grader.kill()
    grader.wait()
    wait_for(lambda: not group.processes())
    assert not group.output.exists()
    done = [json.loads(line) for line in kept.read_text().splitlines()][:2]

    rows = group.grade(cell_limit=60.0, memory=4096, jobs=2)  # the defaults, as before

    assert {row["status"] for row in rows.values()} == {"ok"}
    assert len(rows) == 5
    for record in done:
        assert float(rows[record["student"]]["seconds"]) == record["seconds"]


def check_mistakes(folder: Path, assignments: Path, count: int | None) -> None:
    """Grade so many of the answers that show a known mistake."""
    group = Class(folder, assignments)
    known = list(submissions.known_mistakes(*books(assignments)).items())
    group.join(dict(known[:count]))
    graded = Graded(group, group.grade(cell_limit=60.0, memory=2048), [], 0, 0.0)
    for name in group.students:
        check_row(graded, name)
    check_nothing_left(graded)


def test_a_known_mistake_is_named_in_its_row(
    tmp_path_factory: pytest.TempPathFactory, heavy_assignments: Path
) -> None:
    check_mistakes(tmp_path_factory.mktemp("m"), heavy_assignments, 2)


@pytest.mark.slow
def test_every_known_mistake_is_named_in_its_row(
    tmp_path_factory: pytest.TempPathFactory, heavy_assignments: Path
) -> None:
    check_mistakes(tmp_path_factory.mktemp("m"), heavy_assignments, None)


@pytest.mark.slow
@pytest.mark.parametrize("torch", [False, True])
def test_who_deceives_the_tests_is_pointed_out(
    tmp_path_factory: pytest.TempPathFactory,
    assignments: Path,
    heavy_assignments: Path,
    torch: bool,
) -> None:
    group = Class(tmp_path_factory.mktemp("c"), heavy_assignments if torch else assignments)
    group.join(submissions.patched(*books(group.assignments)))
    rows = group.grade(cell_limit=30.0, memory=2048)
    passed = [row for row in rows.values() if row["total"] not in ("", "0")]
    assert passed
    for row in passed:
        assert "look at this notebook" in row["detail"], row
    assert group.processes() == []
