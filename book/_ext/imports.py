"""Who imports whom: the rooms of the package, and their arrows, as the code itself has them.

A room is a folder of ``bertlab/`` or a file beside them. ``bertlab/__init__.py`` is none: it only
hands names on, and so do the rooms' own, when a name is first used. Imports for type checkers
alone don't count, since nothing of them happens when the code runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import bertlab

ROOT = Path(__file__).resolve().parents[2]
Arrows = dict[str, set[str]]  # a room, and the rooms that it imports


def rooms(root: Path = ROOT) -> list[str]:
    """Return the names of all rooms, sorted."""
    package = root / "bertlab"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    files = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    return sorted(folders | files)


def arrows(root: Path = ROOT) -> Arrows:
    """Return the rooms that each room imports, at the top of its files or in a function."""
    known, package = rooms(root), root / "bertlab"
    found: Arrows = {room: set() for room in known}
    for path in sorted(package.rglob("*.py")):
        room = path.relative_to(package).with_suffix("").parts[0]
        if room in found:
            parts = {name.split(".")[1] for name in imports(path) if "." in name}
            targets = {bertlab._HOME.get(part, part) for part in parts}  # handed on by the front
            found[room] |= targets.intersection(known) - {room}
    return found


def imports(path: Path) -> set[str]:
    """Return the modules of bertlab that a file imports, by their dotted names."""
    nodes = _run(ast.parse(path.read_text(encoding="utf-8")))
    return {name for node in nodes for name in _modules(node) if name.split(".")[0] == "bertlab"}


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below one, but those that only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from [other, *_run(other)]
        else:
            yield from [child, *_run(child)]


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.level:
            raise ValueError("relative imports are not used in bertlab, and not followed here")
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def floors(links: Mapping[str, set[str]]) -> dict[str, int]:
    """Return each room's floor: above all that it imports, and right below who imports it.

    Raises:
        graphlib.CycleError: when rooms import each other in a circle.
    """
    order = list(TopologicalSorter(links).static_order())
    height: dict[str, int] = {}
    for room in order:
        height[room] = 1 + max((height[other] for other in links[room]), default=-1)
    for room in reversed(order):
        above = [height[other] for other in order if room in links[other]]
        if above:
            height[room] = min(above) - 1
    return height


def needed(links: Mapping[str, set[str]]) -> Arrows:
    """Return the arrows without those that follow from others: A to C, where A to B to C are."""

    def below(room: str) -> set[str]:
        return {end for other in links[room] for end in {other, *below(other)}}

    return {
        room: {end for end in ends if not any(end in below(other) for other in ends - {end})}
        for room, ends in links.items()
    }
