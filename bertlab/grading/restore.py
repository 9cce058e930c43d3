"""Put an assignment's own cells back into a submission, as they were handed out.

Students edit, delete and move test cells, mostly by accident. What they may write are the answers
and cells of their own; all else comes from the assignment.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from bertlab.grading.course import grade_id

_NEW = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}

# What no answer needs, and code does that deceives tests or looks for a way out.
_ODD = re.compile(
    r"\b(?:__eq__|__builtins__|builtins|_SPECS|exercises\.engine|import engine|_getframe|settrace"
    r"|ast_transformers|input_transformers\w*|displayhook|showtraceback|get_objects|ctypes|socket"
    r"|subprocess|os\.(?:fork|kill|_exit|exec\w*))\b"
)


class NotGradable(Exception):
    """A submission that can't be graded: its status, and one line for a person."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True)
class Restored:
    """A submission with the assignment's cells in it.

    Args:
        notebook: it, without outputs and without metadata that isn't the assignment's.
        notes: what was put right, in words.
        answers: the source of each answer cell by its grade id; missing ones are left out.
        suspicious: what a person should look at.
    """

    notebook: NotebookNode
    notes: list[str]
    answers: dict[str, str]
    suspicious: list[str]


def answers(notebook: NotebookNode) -> dict[str, str]:
    """Return the source of each answer cell by its grade id."""
    noted = [(cell, grade_id(cell)) for cell in notebook.cells]
    return {name: cell.source for cell, name in noted if name and not _locked(cell)}


def restore(submission: NotebookNode, release: NotebookNode) -> Restored:
    """Combine the answers of a submission with all else of the version that was handed out.

    Raises:
        NotGradable: when it has none of the assignment's cells, or one of them twice.
    """
    own = {grade_id(cell): cell for cell in release.cells if grade_id(cell)}
    found = [grade_id(cell) for cell in submission.cells]
    _check(found, list(own))
    notes = [f"not handed in: the cell {name}" for name in own if _lost(name, own, found)]
    back = [name for name in own if name not in found and not _lost(name, own, found)]
    if back:
        notes.append(f"deleted and put back: {', '.join(back)}")
    edited = [
        grade_id(cell)
        for cell in submission.cells
        if grade_id(cell) in own and _locked(own[grade_id(cell)]) and _differs(cell, own)
    ]
    if edited:
        notes.append(f"edited and restored: {', '.join(edited)}")

    segments = _segments(submission.cells, own)
    order = [name for name in own if name in found]
    if [name for name, _ in segments if name] != order:
        notes.append("cells were moved: they are back in the assignment's order")
    by_name = {name: cells for name, cells in segments if name}
    cells = next((cells for name, cells in segments if not name), [])
    for name in own:
        if name in by_name:
            cells += by_name[name]
        elif not _lost(name, own, found):
            cells.append(_canonical(own[name], own[name].source))
    notebook = new_notebook(cells=cells, metadata=from_dict(dict(release.metadata)))
    odd = sorted(_odd(submission.cells) - _odd(release.cells))
    suspicious = [f"its code uses {', '.join(odd)}, which no answer needs"] if odd else []
    return Restored(notebook, notes, answers(notebook), suspicious)


def _odd(cells: Iterable[NotebookNode]) -> set[str]:
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    return {found for source in code for found in _ODD.findall(source)}


def _check(found: Sequence[str], own: Sequence[str]) -> None:
    """Raise when nothing of the assignment is there, or something twice."""
    twice = [name for name, count in Counter(found).items() if count > 1 and name in own]
    if twice:
        places = [str(place) for place, name in enumerate(found, 1) if name == twice[0]]
        more = f", and {len(twice) - 1} more" if len(twice) > 1 else ""
        raise NotGradable(
            "duplicate_cells",
            f"the cell {twice[0]} is there {len(places)} times (cells {', '.join(places)}){more}: "
            "decide which one counts, delete the others and grade again",
        )
    if not set(found) & set(own):
        others = sorted({name for name in found if name})
        what = (
            f"its graded cells belong to another assignment ({', '.join(others[:3])})"
            if others
            else "it has no graded cells: their metadata was stripped, or it is another notebook"
        )
        raise NotGradable(
            "no_questions_found",
            f"{what}. Ask for the notebook that was handed out, with the answers in it",
        )


def _lost(name: str, own: dict[str, NotebookNode], found: Sequence[str]) -> bool:
    """Tell whether a cell is missing that only its author could write again."""
    noted = own[name].metadata.nbgrader
    return name not in found and not noted.get("grade") and not noted.get("locked")


def _locked(cell: NotebookNode) -> bool:
    noted = cell.metadata.nbgrader
    return not noted.get("solution") and bool(noted.get("grade") or noted.get("locked"))


def _differs(cell: NotebookNode, own: dict[str, NotebookNode]) -> bool:
    theirs, ours = cell.source, own[grade_id(cell)].source
    return [line.rstrip() for line in theirs.strip().splitlines()] != [
        line.rstrip() for line in ours.strip().splitlines()
    ]


def _segments(
    cells: Sequence[NotebookNode], own: dict[str, NotebookNode]
) -> list[tuple[str, list[NotebookNode]]]:
    """Divide cells at each that is the assignment's; students' own stay with the one before."""
    segments: list[tuple[str, list[NotebookNode]]] = [("", [])]
    for cell in cells:
        name = grade_id(cell)
        if name in own:
            source = own[name].source if _locked(own[name]) else cell.source
            segments.append((name, [_canonical(own[name], source)]))
        else:
            segments[-1][1].append(_NEW[cell.cell_type](cell.source))
    return segments


def _canonical(own: NotebookNode, source: str) -> NotebookNode:
    metadata = {"nbgrader": from_dict(dict(own.metadata.nbgrader))}
    return _NEW[own.cell_type](source, metadata=from_dict(metadata))
