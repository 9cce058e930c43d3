"""Make the students' version of an assignment from its master, without what they must not see."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from bertlab.files import write_if_new
from bertlab.grading.config import BuildConfig
from bertlab.grading.course import Assignment, generate, names, read
from bertlab.grading.leaks import leaks

_CELL_METADATA = ("cellView", "deletable", "editable", "nbgrader", "tags")
_NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def build(config: BuildConfig) -> None:
    """Make the students' versions and say which of them are new.

    Raises:
        ValueError: when a master is not in order, or students would see what they must not.
    """
    for name in [config.name] if config.name else names(config.assignments):
        assignment = Assignment.find(config.assignments, name)
        changed = write_if_new(assignment.release, students_version(assignment))
        print(f"{assignment.release}: {'written' if changed else 'unchanged'}", flush=True)


def students_version(assignment: Assignment) -> str:
    """Return the text of the students' version; the same at each call.

    Raises:
        ValueError: when the master is not in order, or students would see what they must not.
    """
    with tempfile.TemporaryDirectory(prefix="bertlab-build-") as folder:
        notebook = _normal(read(generate(assignment, Path(folder))), assignment.name)
    refuse_leaks(assignment, notebook)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def refuse_leaks(assignment: Assignment, release: NotebookNode) -> None:
    """Raise if a students' version shows what only the master may.

    Raises:
        ValueError: it names each cell and line.
    """
    if found := leaks(read(assignment.source), release):
        listed = "\n".join(f"  {one}" for one in found)
        raise ValueError(
            f"the students' version of {assignment.source} would show solutions, hidden tests or "
            f"markers. It was not written:\n{listed}\nExpected none of these lines outside of the "
            "solutions and hidden tests in the master: move or reword them there"
        )


def _normal(notebook: NotebookNode, name: str) -> NotebookNode:
    """Leave out what depends on an editor or a moment, and all outputs."""
    cells = []
    for i, cell in enumerate(notebook.cells):
        plain = {
            "cell_type": cell.cell_type,
            "id": f"{name[:58]}-{i:03d}",
            "metadata": {key: cell.metadata[key] for key in _CELL_METADATA if key in cell.metadata},
            "source": cell.source,  # to the letter: nbgrader's checksums are of it
        }
        if cell.cell_type == "code":
            plain |= {"execution_count": None, "outputs": []}
        cells.append(plain)
    return nbformat.from_dict(
        {"cells": cells, "metadata": _NOTEBOOK_METADATA, "nbformat": 4, "nbformat_minor": 5}
    )
