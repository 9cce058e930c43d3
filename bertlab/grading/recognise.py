"""Recognise which assignment a notebook belongs to: by its cells' ids, its texts, its name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertlab.grading.course import Assignment, grading, names, read

# What Drive, Colab (with underscores) and file managers add.
_COPY = re.compile(
    r"^(?:(?:copy[\s_]of|kopie[\s_]von|copie[\s_]de|c[oó]pia[\s_]de)[\s_]+)+"
    r"|[\s_]*\(\d+\)|[\s_-]+copy$",
    re.I,
)
_ENDINGS = re.compile(r"(?:\.ipynb|\.json|\.txt)+$", re.I)


@dataclass(frozen=True)
class Known:
    """What an assignment's notebooks are recognised by."""

    name: str
    ids: frozenset[str]
    texts: frozenset[str]


def known(assignments: Path) -> list[Known]:
    """Read all masters.

    Raises:
        ValueError: when there is none, or one can't be read.
    """
    found = []
    for name in names(assignments):
        cells = read(Assignment.find(assignments, name).source).cells
        ids = frozenset(grading(cell)["grade_id"] for cell in cells if grading(cell))
        texts = (cell.source for cell in cells if cell.cell_type == "markdown")
        found.append(Known(name, ids, frozenset(map(_squeeze, texts))))
    return found


def by_content(content: bytes, assignments: list[Known]) -> str | None:
    """Return the assignment with which a notebook has most in common; None if that is too little.

    A notebook is one whose ids are mostly the assignment's. Where there are none, as an editor
    may have dropped them, a third of the texts must be there.
    """
    cells = _cells(content)
    ids = {str(_noted(cell).get("grade_id")) for cell in cells if _noted(cell).get("grade_id")}
    texts = {_squeeze(_source(cell)) for cell in cells}
    shares = {one.name: len(ids & one.ids) / max(1, len(ids)) for one in assignments}
    best = max(shares, key=lambda name: shares[name])
    if shares[best] > 0.5:
        return best
    shares = {one.name: len(texts & one.texts) / max(1, len(one.texts)) for one in assignments}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= 1 / 3 else None


def by_name(file: str, assignments: list[Known]) -> str | None:
    """Return the assignment whose name is a word of a file's name, if it is only one's."""
    words = re.split(r"[\W_]+", title(file).casefold())
    found = [one.name for one in assignments if one.name.casefold() in words]
    return found[0] if len(found) == 1 else None


def is_notebook(content: bytes) -> bool:
    """Tell whether a file's content is a notebook, whatever its name."""
    return bool(_cells(content))


def title(file: str) -> str:
    """Return a file's name without endings and what copying adds: "Copy of ", " (1)"."""
    return _COPY.sub("", _ENDINGS.sub("", file)).strip()


def copy_number(file: str) -> int:
    """Return the 2 in "attention (2).ipynb" and in Canvas's "attention-2.ipynb", or 0."""
    found = re.search(r"(?:\((\d{1,3})\)|-(\d{1,3}))$", _ENDINGS.sub("", file))
    return int(found[1] or found[2]) if found else 0


def _cells(content: bytes) -> list[dict[str, Any]]:
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
        return [cell for cell in cells if isinstance(cell, dict)]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return []


def _noted(cell: dict[str, Any]) -> dict[str, Any]:
    metadata = cell.get("metadata")
    noted = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return noted if isinstance(noted, dict) else {}


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _squeeze(text: str) -> str:
    return "".join(text.split())
