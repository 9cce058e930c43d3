"""An assignment on the disk, and the throw-away nbgrader courses that work on it.

A master is ``source/NAME/NAME.ipynb``; ``release/NAME/NAME.ipynb`` is made from it. The graded
cells of a question Q have the ids ``Q`` (the answer) and ``test-Q``, or ``manual-Q`` where people
grade. nbgrader's database is only ever made in temporary folders.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sysconfig
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import SaveCells
from traitlets.config import Config

TEST, MANUAL = "test-", "manual-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Question:
    """A graded question.

    Args:
        name: its short name, such as ``scaled_scores``; also the id of the cell with the answer.
        grade_id: of the cell that has the points: ``test-`` or ``manual-`` before the name.
        points: the most that it gives.
        manual: whether people grade it.
    """

    name: str
    grade_id: str
    points: float
    manual: bool


@dataclass(frozen=True)
class Assignment:
    """A master and the students' version of it, which may not be there yet."""

    name: str
    source: Path
    release: Path

    @classmethod
    def find(cls, assignments: Path, name: str) -> Assignment:
        """Return an assignment by its name.

        Raises:
            ValueError: when there is no master of this name.
        """
        known = names(assignments)
        if name not in known:
            raise ValueError(
                f"there is no assignment {name!r} in {assignments / 'source'}: expected one of "
                f"{', '.join(known)}"
            )
        source, release = (
            assignments / step / name / f"{name}.ipynb" for step in ("source", "release")
        )
        return cls(name, source, release)

    def questions(self) -> list[Question]:
        """Return the graded questions in their order, as the master's metadata has them.

        Raises:
            ValueError: when the master can't be read.
        """
        return [question for cell in read(self.source).cells if (question := _question(cell))]


def names(assignments: Path) -> list[str]:
    """Return the names of all assignments, sorted.

    Raises:
        ValueError: when there is none.
    """
    masters = sorted((assignments / "source").glob("*/*.ipynb"))
    found = [path.stem for path in masters if path.stem == path.parent.name]
    found = [name for name in found if _NAME.fullmatch(name)]
    if not found:
        raise ValueError(
            f"{assignments} holds no assignments: expected notebooks source/NAME/NAME.ipynb in it. "
            "Run this in the repository, or give --assignments DIR"
        )
    return found


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook that we wrote.

    Raises:
        ValueError: when it isn't one.
    """
    try:
        with warnings.catch_warnings():  # cells' own ids don't matter: ours are nbgrader's
            warnings.simplefilter("ignore")
            notebook = nbformat.read(path, as_version=4)
            nbformat.validate(notebook)
    except Exception as error:  # nbformat lets many kinds through
        line = str(error).partition("\n")[0]
        raise ValueError(f"{path} can't be read as a notebook: {line}") from None
    return notebook


def grading(cell: nbformat.NotebookNode) -> dict[str, Any]:
    """Return what nbgrader noted in a cell: its id, its points, what it is for; or nothing."""
    noted = cell.metadata.get("nbgrader", {})
    return noted if isinstance(noted, dict) else {}


def grade_id(cell: nbformat.NotebookNode) -> str:
    """Return the id by which nbgrader knows a cell; empty when it doesn't."""
    return str(grading(cell).get("grade_id", ""))


def _question(cell: nbformat.NotebookNode) -> Question | None:
    noted = grading(cell)
    if not noted.get("grade"):
        return None
    cell_id, manual = grade_id(cell), bool(noted.get("solution"))
    name = cell_id.removeprefix(MANUAL if manual else TEST)
    return Question(name, cell_id, float(noted.get("points", 0)), manual)


def settings() -> Config:
    """Return the settings of nbgrader with which no submission is scored wrongly in silence."""
    c = Config()
    c.CourseDirectory.course_id = "bertlab"
    c.ClearSolutions.code_stub = {"python": "raise NotImplementedError  # your code here"}
    c.ClearSolutions.text_stub = "*Your answer here.*"
    # A deleted test cell would cost its points, stripped metadata all of them, without a word.
    c.OverwriteCells.add_missing_cells = True
    # A warning on stderr would fail the test cell that it appears in.
    c.IgnorePattern.enabled = True
    c.IgnorePattern.pattern = r"."
    c.Execute.timeout = 60
    return c


def nbgrader_config(root: Path) -> Config:
    """Return the settings for a course in this folder; for autograding, add the student."""
    c = settings()
    c.CourseDirectory.root = str(root.resolve())
    return c


def listening() -> tuple[logging.Logger, list[str]]:
    """Return a logger for nbgrader, and the list to which it adds the errors' last lines."""
    said: list[str] = []
    logger, handler = logging.Logger("nbgrader"), logging.Handler(logging.ERROR)

    def hear(record: logging.LogRecord) -> None:
        lines = record.getMessage().strip().splitlines() or ["an unknown error"]
        if not lines[0].startswith("There was an error processing"):
            said.append(lines[-1])

    handler.emit = hear  # type: ignore[method-assign]
    logger.addHandler(handler)
    return logger, said


def generate(assignment: Assignment, folder: Path, *, database: bool = False) -> Path:
    """Let nbgrader make the students' version in a course folder.

    Args:
        folder: an empty one. ``source/`` and ``release/`` will be in it.
        database: also make ``gradebook.db``, which takes seconds.

    Returns:
        The students' version, as nbgrader wrote it.

    Raises:
        ValueError: when nbgrader can't, such as for a solution without an end.
    """
    master = folder / "source" / assignment.name / assignment.source.name
    master.parent.mkdir(parents=True)
    shutil.copyfile(assignment.source, master)
    config = nbgrader_config(folder)
    config.CourseDirectory.assignment_id = assignment.name
    converter = GenerateAssignment(coursedir=CourseDirectory(config=config), config=config)
    converter.log, said = listening()
    if not database:
        converter.no_database = True
        converter.preprocessors = [p for p in converter.preprocessors if p is not SaveCells]
    # nbgrader starts the program "alembic" that is among the scripts. (Its own setenv would remove
    # PATH at the end, and whoever starts a program next would not find it.)
    places = [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
    try:
        with patch.dict(os.environ, PATH=os.pathsep.join(places)):
            converter.start()
    except (Exception, SystemExit):
        raise ValueError(
            f"nbgrader can't make the students' version of {assignment.source}: {'; '.join(said)}"
        ) from None
    return folder / "release" / assignment.name / assignment.source.name


def throw_away_course(assignment: Assignment, folder: Path) -> Path:
    """Make a course folder with all that autograding a submission needs, and not the master.

    A submission is to be put into ``submitted/STUDENT/NAME/NAME.ipynb``. The folder may be copied:
    nothing in it knows where it is.

    Args:
        folder: a new or empty one.

    Returns:
        The folder.

    Raises:
        ValueError: when the master is not in order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generate(assignment, folder, database=True)
    shutil.rmtree(folder / "source")
    return folder
