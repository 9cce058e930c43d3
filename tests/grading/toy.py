"""A tiny assignment, and submissions to it, for the tests of everything that grades."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

NAME = "toy"
ATTENTION = """\
def attention(query, key, value, mask=None):
    ### BEGIN SOLUTION
    scores = query @ key.transpose(-2, -1) / query.size(-1) ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    weights = scores.softmax(-1)
    return weights @ value, weights
    ### END SOLUTION"""
TEST_ATTENTION = """\
exercises.check("attention", attention, strict=True, seed=1)
### BEGIN HIDDEN TESTS
exercises.check("attention", attention, strict=True, seed=2)
### END HIDDEN TESTS"""
MEAN = """\
def mean(numbers):
    ### BEGIN SOLUTION
    total = sum(numbers)
    return total / len(numbers)
    ### END SOLUTION"""
TEST_MEAN = """\
assert mean([1, 2, 6]) == 3, "the mean of 1, 2 and 6 is 3"
### BEGIN HIDDEN TESTS
assert mean([-4.5, 4.0]) == -0.25, "the mean of -4.5 and 4 is -0.25"
### END HIDDEN TESTS"""
EXPLAIN = "Each row of the weights sums to 1, since the softmax makes it so."


def graded(cell: NotebookNode, grade_id: str, **noted: Any) -> NotebookNode:
    """Mark a cell for nbgrader: grade, solution, points."""
    plain = {"grade": False, "grade_id": grade_id, "locked": False, "solution": False}
    cell.metadata["nbgrader"] = {**plain, "schema_version": 3, "task": False, **noted}
    cell.id = grade_id.replace("_", "-")
    return cell


def answer_cell(name: str, source: str) -> NotebookNode:
    return graded(new_code_cell(source), name, solution=True)


def checking_cell(name: str, source: str, points: float) -> NotebookNode:
    return graded(new_code_cell(source), f"test-{name}", grade=True, locked=True, points=points)


def manual_cell(name: str, source: str, points: float) -> NotebookNode:
    cell = new_markdown_cell(source)
    return graded(cell, f"manual-{name}", grade=True, solution=True, points=points)


def master(*, torch: bool = True) -> NotebookNode:
    """Return a master: three questions with 2, 1 and 3 points, the last graded by people.

    Args:
        torch: without it, the first question and so the seconds that torch needs are left out.
    """
    imports = new_code_cell("from bertlab import exercises" if torch else "import math")
    cells = [new_markdown_cell("# A toy\n\nThree questions, a minute."), imports]
    if torch:
        cells += [
            new_markdown_cell("## Attention\n\nWrite `attention(query, key, value, mask)`."),
            answer_cell("attention", ATTENTION),
            checking_cell("attention", TEST_ATTENTION, 2),
        ]
    cells += [
        new_markdown_cell("## Mean\n\nWrite `mean(numbers)`."),
        answer_cell("mean", MEAN),
        checking_cell("mean", TEST_MEAN, 1),
        new_markdown_cell("## Explain\n\nWhat do the rows sum to, and why?\n\nRubric: 1 + 2."),
        manual_cell("explain", EXPLAIN, 3),
    ]
    for i, cell in enumerate(cells):
        cell.id = cell.id if "nbgrader" in cell.metadata else f"toy-{i:03d}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def write(path: Path, notebook: NotebookNode) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def make_toy(folder: Path, *, torch: bool = True) -> Path:
    """Write the toy's master and its students' version; return the folder of assignments."""
    # Here, since files of tests are imported where the extra may be missing.
    from bertlab.grading.build import build
    from bertlab.grading.config import BuildConfig

    assignments = folder / "assignments"
    write(assignments / "source" / NAME / f"{NAME}.ipynb", master(torch=torch))
    build(BuildConfig(assignments=assignments))
    return assignments


def solutions(notebook: NotebookNode) -> dict[str, str]:
    """Return the answers in a master, without markers: grade_id -> source."""
    noted = [(cell.metadata.get("nbgrader", {}), cell.source) for cell in notebook.cells]
    return {
        note["grade_id"]: "\n".join(line for line in source.split("\n") if "###" not in line)
        for note, source in noted
        if note.get("solution")
    }


def submission(
    assignments: Path, answers: Mapping[str, str] | None = None, *, name: str = NAME
) -> NotebookNode:
    """Return the students' version with these answers filled in, by grade_id.

    By default all the right ones; an empty mapping gives the blank.
    """
    if answers is None:
        answers = solutions(nbformat.read(assignments / "source" / name / f"{name}.ipynb", 4))
    notebook = copy.deepcopy(nbformat.read(assignments / "release" / name / f"{name}.ipynb", 4))
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = answers.get(grade_id, cell.source)
    return notebook


def hand_in(folder: Path, student: str, notebook: NotebookNode, *, name: str = NAME) -> Path:
    """Write a submission as ``collect`` does: STUDENT/NAME.ipynb."""
    return write(folder / student / f"{name}.ipynb", notebook)
