"""Find out which chapters use which public names of the package: nothing of it is typed by hand.

A name counts as used where a chapter's code (cells, and fenced Python in its text) reaches it, by
whatever import, and where its text writes it as code: `metrics.squad_scores`. Short words such as
`load` need their room in front, as they have other meanings, too.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import bertlab

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([A-Za-z_][\w.]*)(?:\([^`]*\))?`")


@dataclass(frozen=True)
class Name:
    """A public name, by the shortest path that leads to it."""

    path: str  # bertlab.BertModel, bertlab.metrics.squad_scores
    room: str  # model, metrics

    @property
    def short(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def value(self) -> Any:
        return getattr(import_module(self.path.rpartition(".")[0]), self.short)


@dataclass(frozen=True)
class Chapter:
    """A notebook of the book."""

    number: int
    title: str
    page: str  # book/02_attention
    uses: frozenset[str]  # paths of names


@cache
def public_names() -> tuple[Name, ...]:
    """Return every public name of every room, each once, in the rooms' order."""
    found = {"bertlab.__version__": Name("bertlab.__version__", "bertlab")}
    for room in bertlab._SUBMODULES:
        for short in import_module(f"bertlab.{room}").__all__:
            home = bertlab._HOME.get(short)
            path = f"bertlab.{short}" if home == room else f"bertlab.{room}.{short}"
            found[path] = Name(path, room)
    return tuple(found.values())


@cache
def chapters(root: Path = ROOT) -> tuple[Chapter, ...]:
    """Return the book's chapters in order, with the names that each of them uses."""
    names = public_names()
    return tuple(
        _chapter(path, names) for path in sorted((root / "book").glob("[0-9][0-9]_*.ipynb"))
    )


def chapters_of(name: Name, root: Path = ROOT) -> list[Chapter]:
    """Return the chapters that use a name, the one that has it first at the head."""
    return [chapter for chapter in chapters(root) if name.path in chapter.uses]


def neighbours(name: Name, root: Path = ROOT) -> list[Chapter]:
    """Return the chapters of the names in its file, or else of those in its room."""
    room = [other for other in public_names() if other.room == name.room]
    beside = [other for other in room if _file(other) == _file(name)]
    for group in (beside, room):
        paths = {other.path for other in group}
        if found := [chapter for chapter in chapters(root) if chapter.uses & paths]:
            return found
    return []


def _file(name: Name) -> str:
    return getattr(name.value, "__module__", "")


def _chapter(path: Path, names: tuple[Name, ...]) -> Chapter:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    heading = re.match(r"# (\d+)\. ([^:\n]+)", texts[0][1])
    if heading is None:
        raise ValueError(f"{path.name}: its heading isn't of the form '# 1. Title'")
    code = [text for kind, text in texts if kind == "code"]
    prose = [text for kind, text in texts if kind == "markdown"]
    reached = set(_reached([*code, *(block for text in prose for block in FENCE.findall(text))]))
    written = {span for text in prose for span in CODE.findall(text)}
    uses = {name.path for name in names if _is_used(name, reached, written)}
    return Chapter(int(heading[1]), heading[2], f"book/{path.stem}", frozenset(uses))


def _reached(blocks: list[str]) -> Iterator[str]:
    """Yield the dotted paths into the package that the code follows."""
    known: dict[str, str] = {}  # a local name, and the path that it stands for
    for block in blocks:
        lines = [line for line in block.splitlines() if not line.lstrip().startswith(("%", "!"))]
        try:
            tree = ast.parse("\n".join(lines))
        except SyntaxError:  # a fragment in the text, or output that looks like code
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                known |= {a.asname or a.name.partition(".")[0]: a.name for a in node.names}
            elif isinstance(node, ast.ImportFrom):
                known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
                yield from (f"{node.module}.{a.name}" for a in node.names)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                first, _, rest = ast.unparse(node).partition(".")
                if first in known:
                    yield f"{known[first]}.{rest}"


def _is_used(name: Name, reached: set[str], written: set[str]) -> bool:
    room = f"bertlab.{name.room}"
    own = {name.path, f"{room}.{name.short}"}
    for path in reached:
        at_home = path.startswith(f"{room}.") and name.short in path.split(".")
        if path in own or path.startswith(f"{name.path}.") or at_home:
            return True
    distinct = "_" in name.short or re.search("[a-z][A-Z]", name.short)
    spellings = own | {f"{name.room}.{name.short}"} | ({name.short} if distinct else set())
    return any(
        span in spellings or (span.startswith(f"{name.short}.") and distinct) for span in written
    )
