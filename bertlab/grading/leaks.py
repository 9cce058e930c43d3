"""Look in a students' version for what only the master may show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nbformat import NotebookNode

from bertlab.grading.course import grading
from bertlab.grading.lint import HIDDEN, MARKER_LIKE, SOLUTION, place, split

_TOKEN = re.compile(r"\w+|[^\w\s]")
_COMMENT = re.compile(r"\s+#\s.*")
_FEWEST_TOKENS, _FEWEST_CHARACTERS = 5, 12


def leaks(master: NotebookNode, release: NotebookNode) -> list[str]:
    """Return where the students' version holds solutions, hidden tests or markers.

    Compared are lines, without their blanks: each line of a solution, of a hidden test and of what
    cells with solutions and tests put out, with every text in the students' version, metadata and
    outputs included. Short lines and such that solve nothing, as ``return x`` and ``for x in y:``,
    may appear.

    Returns:
        A sentence for each, with the cell and the line; nothing when there is none.
    """
    secrets = list(_secrets(master))
    found = []
    for where, line in _lines(release):
        squeezed = _squeeze(line)
        if MARKER_LIKE.search(line):
            found.append(f"{where}: a marker: `{line.strip()}`")
        for what, secret in secrets:
            if secret in squeezed:
                found.append(f"{where}: a line of {what}: `{line.strip()}`")
                break
    return found


def _secrets(master: NotebookNode) -> Iterator[tuple[str, str]]:
    """Yield what may not appear: (what it is, a line without blanks)."""
    for cell in master.cells:
        noted = grading(cell)
        if not noted.get("solution") and not noted.get("grade"):
            continue
        name = noted.get("grade_id")
        kind, what = SOLUTION, f"the solution {name!r}"
        if not noted.get("solution"):
            kind, what = HIDDEN, f"the hidden tests in {name!r}"
        _, regions = split(cell.source, kind)
        if not regions and kind == SOLUTION:  # nbgrader replaces the whole cell
            regions = [cell.source]
        for line in "\n".join(regions).split("\n"):
            for part in {line, _COMMENT.sub("", line)}:
                if _tells(part):
                    yield what, _squeeze(part)
        for line in _texts(cell.get("outputs", [])):
            if _tells(line):
                yield f"the output of {name!r}", _squeeze(line)


def _tells(line: str) -> bool:
    """Whether a line says something about the solution."""
    code = line.strip()
    return (
        len(_TOKEN.findall(code)) >= _FEWEST_TOKENS
        and len(_squeeze(code)) >= _FEWEST_CHARACTERS
        and not code.endswith(":")
        and not code.startswith(("import ", "from "))
    )


def _squeeze(line: str) -> str:
    return "".join(line.split())


def _lines(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """Yield every line of every text in a notebook, with where it is."""
    for position, cell in enumerate(notebook.cells):
        where = place(position, cell)
        for number, line in enumerate(cell.source.split("\n"), 1):
            yield f"{where}, line {number}", line
        for key in sorted(set(cell) - {"source"}):
            for line in _texts(cell[key]):
                yield f"{where}, its {key}", line
    for line in _texts(notebook.metadata):
        yield "the notebook's metadata", line


def _texts(value: Any) -> Iterator[str]:
    """Yield the lines of all texts in a value, names of fields included."""
    if isinstance(value, str):
        yield from value.split("\n")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
