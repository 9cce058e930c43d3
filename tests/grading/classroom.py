"""Classes of students whose submissions are graded, and what is watched meanwhile."""

from __future__ import annotations

import csv
import os
import socket
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

import attacks
import nbformat
import psutil
import pytest
import toy
from nbformat.v4 import new_markdown_cell
from submissions import Submission

NAME = toy.NAME
SPREAD = """\
def spread(numbers):
    ### BEGIN SOLUTION
    return max(numbers) - min(numbers)
    ### END SOLUTION"""
TEST_SPREAD = """\
assert spread([1, 5, 3]) == 4, "from 1 to 5"
### BEGIN HIDDEN TESTS
assert spread([2]) == 0, "from 2 to 2"
### END HIDDEN TESTS"""


def master() -> nbformat.NotebookNode:
    """Return the toy without torch, but with another question."""
    book = toy.master(torch=False)
    book.cells += [
        new_markdown_cell("## Spread\n\nWrite `spread(numbers)`.", id="toy-spread"),
        toy.answer_cell("spread", SPREAD),
        toy.checking_cell("spread", TEST_SPREAD, 2),
    ]
    return book


def make(assignments: Path, book: nbformat.NotebookNode) -> Path:
    """Write a master and its students' version; return the folder of assignments."""
    # Here, since files of tests are imported where the extra may be missing.
    from bertlab.grading.build import build
    from bertlab.grading.config import BuildConfig

    toy.write(assignments / "source" / NAME / f"{NAME}.ipynb", book)
    build(BuildConfig(assignments=assignments))
    return assignments


class Server:
    """Listens on this machine, and counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:  # closed
                return
            self.visits += 1
            connection.close()


@dataclass
class Class:
    """A folder with everything around the grading of a class."""

    folder: Path
    assignments: Path
    students: dict[str, Submission] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in (self.scratch, self.submissions):
            part.mkdir(parents=True)

    @property
    def scratch(self) -> Path:
        """Where temporary files go."""
        return self.folder / "scratch"

    @property
    def submissions(self) -> Path:
        return self.folder / "submissions"

    @property
    def output(self) -> Path:
        return self.folder / "grades.csv"

    def join(self, students: dict[str, Submission]) -> None:
        for student, submission in students.items():
            submission.write(self.submissions / student, NAME)
        self.students |= students

    def grade(self, **options: object) -> dict[str, dict[str, str]]:
        """Grade all; return the rows by student."""
        from bertlab.grading.config import GradeConfig
        from bertlab.grading.grade import grade

        limits = {"jobs": 2, "limit": 300.0, "cell_limit": 6.0, "memory": 700}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", str(self.scratch))
            patch.setattr(tempfile, "tempdir", None)
            grade(
                GradeConfig(
                    name=NAME,
                    submissions=self.submissions,
                    output=self.output,
                    assignments=self.assignments,
                    **{**limits, **options},
                )
            )
        return self.rows()

    def rows(self) -> dict[str, dict[str, str]]:
        with self.output.open(encoding="utf-8", newline="") as file:
            return {row["student"]: row for row in csv.DictReader(file)}

    def processes(self) -> list[str]:
        """Return all processes that come from here, as far as one can see."""
        found = []
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), process.cwd(), *process.environ().values()]
            except psutil.Error:
                continue
            marks = attacks.TOKEN, str(self.folder)
            if process.pid != os.getpid() and any(mark in w for mark in marks for w in words):
                found.append(" ".join(process.cmdline()) or str(process.pid))
        return found

    def files(self) -> set[Path]:
        """Return all files but the notebooks, and the grades with what is kept beside them."""
        kept = self.output, self.folder / "grades.answers.jsonl"
        here = {path for path in self.folder.rglob("*") if path.is_file()}
        near = {p for p in self.folder.parent.iterdir() if attacks.TOKEN in p.name}
        return (here | near) - {*self.submissions.rglob("*"), *kept}
