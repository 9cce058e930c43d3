"""Find what the package's files say of a name: its lines, their address on GitHub, comments."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import textwrap
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from name_chapters import ROOT


def place(module: str, qualified: str) -> tuple[Path, int, int]:
    """Return the file that defines a name, and its first and last line there.

    Raises:
        LookupError: when it isn't written in the package's files, such as an inherited method.
    """
    value: Any = import_module(module)
    for part in qualified.split("."):
        value = (
            inspect.getattr_static(value, part) if inspect.isclass(value) else getattr(value, part)
        )
    value = getattr(value, "fget", None) or getattr(value, "__func__", value)
    if inspect.isclass(value) or inspect.isroutine(value):
        value = inspect.unwrap(value)
        path = Path(inspect.getfile(value))
        lines, first = inspect.getsourcelines(value)
        if path.is_relative_to(ROOT / "bertlab"):
            return path, first, first + len(lines) - 1
    elif "." not in qualified:
        return _assignment(module, qualified)
    raise LookupError(f"{module}.{qualified} is not written in the package's files")


def _assignment(module: str, name: str) -> tuple[Path, int, int]:
    folder = Path(import_module(module).__file__ or "").parent
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return path, node.lineno, node.end_lineno or node.lineno
    raise LookupError(f"no file of {module} assigns {name}")


@cache
def version(branch: str) -> str:
    """Return the commit that the site is built from, so that its line numbers stay right.

    A site of a release has the release's tag in place of the branch main, and keeps that; so does
    a site that is built without git.
    """
    if branch != "main":
        return branch
    try:
        command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return branch


def address(repository: str, branch: str, module: str, qualified: str) -> str | None:
    """Return the address of a name's lines on GitHub; None where they aren't ours."""
    try:
        path, first, last = place(module, qualified)
    except (LookupError, AttributeError, OSError, TypeError):
        return None
    file = path.relative_to(ROOT).as_posix()
    return f"{repository}/blob/{version(branch)}/{file}#L{first}-L{last}"


def comment_above(module: str, name: str) -> list[str]:
    """Return the lines of the comment above a constant: its documentation."""
    path, first, _ = place(module, name)
    above: list[str] = []
    for line in reversed(path.read_text(encoding="utf-8").splitlines()[: first - 1]):
        if not line.startswith("# "):
            break
        above.insert(0, line.removeprefix("# "))
    return above


def fields(cls: type) -> list[tuple[str, str]]:
    """Return name and comment of each public field that a class's body declares."""
    source = textwrap.dedent(inspect.getsource(cls))
    lines, found = source.splitlines(), []
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            comment = re.search(r"  # (.*)$", lines[(node.end_lineno or 0) - 1])
            found.append((node.target.id, comment[1] if comment else ""))
    return [field for field in found if not field[0].startswith("_")]
