"""Find the notebook of each student in a folder of submissions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bertlab.grading.restore import NotGradable

LARGEST = 50 * 2**20  # bytes; notebooks with many pictures have a tenth


@dataclass(frozen=True)
class HandedIn:
    """What a student handed in: a folder with a notebook in it, or a notebook."""

    student: str
    path: Path

    def notebook(self, name: str) -> Path:
        """Return the notebook to grade: the assignment's, or the only one by whatever name.

        Raises:
            NotGradable: when it isn't clear which, or it is no file to be read.
        """
        found = _notebooks(self.path) if self.path.is_dir() else [self.path]
        found = [path for path in found if path.is_file()]  # a pipe would be read for ever
        named = [path for path in found if path.name == f"{name}.ipynb"]
        if not found:
            raise NotGradable("no_notebook", "no .ipynb file: ask for it")
        if len(found) > 1 and len(named) != 1:
            listed = ", ".join(str(path.relative_to(self.path)) for path in found[:5])
            raise NotGradable(
                "several_notebooks",
                f"{len(found)} notebooks ({listed}): keep one, or name the right one {name}.ipynb",
            )
        path = named[0] if len(named) == 1 else found[0]
        if not os.access(path, os.R_OK):
            raise NotGradable("unreadable", "you may not read the file: change its permissions")
        if path.stat().st_size > LARGEST:
            raise NotGradable(
                "too_large",
                f"{path.stat().st_size / 2**20:.0f} MB, more than {LARGEST / 2**20:.0f}: ask for "
                "the notebook with its outputs cleared",
            )
        return path


def _notebooks(folder: Path) -> list[Path]:
    """Return the notebooks in a folder; not Jupyter's copies, and no links to elsewhere."""
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [Path(where) / name for name in sorted(names) if not name.startswith(".")]
        found += [
            path
            for path in paths
            if path.suffix == ".ipynb" and path.is_file() and not path.is_symlink()
        ]
    return found


def handed_in(folder: Path) -> list[HandedIn]:
    """Return what students handed in, sorted by their names.

    Args:
        folder: with STUDENT/….ipynb, or STUDENT.ipynb, in it.

    Raises:
        FileNotFoundError: when there is no such folder.
        ValueError: when it is empty, or has a student twice.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: expected the submissions in it")
    found: dict[str, HandedIn] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not (path.is_dir() or path.suffix == ".ipynb"):
            continue
        student = path.name if path.is_dir() else path.stem
        if student in found:
            raise ValueError(f"{folder} has both {student} and {student}.ipynb: keep one of them")
        found[student] = HandedIn(student, path)
    if not found:
        raise ValueError(
            f"{folder} holds no submissions: expected STUDENT/NAME.ipynb, as `bertlab assign "
            "collect` makes them"
        )
    return [found[student] for student in sorted(found)]
