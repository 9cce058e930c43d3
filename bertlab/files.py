"""Files that are written whole, or not at all. Imports nothing heavy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file elsewhere, put it on the disk, and rename it to ``path``.

    Whatever happens in between, ``path`` is the old file or the new one. It is made in a folder of
    its own, so that ``leftovers`` finds what a killed process left: safetensors writes to a file
    of a random name first. Devices and pipes, such as ``/dev/null``, are written to directly.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        write(path)
        return
    folder = path.with_name(f".{path.name}.{os.getpid()}")
    folder.mkdir(exist_ok=True)
    temporary = folder / path.name
    try:
        temporary.touch()
        mode = temporary.stat().st_mode  # as a user's files are; safetensors' are readable by one
        write(temporary)
        temporary.chmod(mode)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text as ``write_whole`` does, in UTF-8; the same bytes on every system."""
    write_whole(path, lambda to: to.write_text(text, encoding="utf-8", newline="\n"))


def write_if_new(path: Path, text: str) -> bool:
    """Write a text, with the folder for it, unless the file holds it already; say whether."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return True


def leftovers(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return the folders in which a killed ``write_whole`` was making files of these names."""
    found = [path for name in names for path in folder.glob(f".{name}.*")]
    return [path for path in found if path.suffix[1:].isdigit() and path.is_dir()]
