"""Find the files in a download: in folders, in zip files, in zip files within zip files.

Nothing is unpacked to the disk, so no name in a zip file can lead anywhere. A zip file counts as a
folder.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

LARGEST = 100 * 2**20  # bytes of a file; a notebook beyond that has run wild
_DEEPEST = 4  # zip files within zip files
_NOTEBOOKS = (".ipynb", ".json", ".txt")  # as which browsers save notebooks, too
_ARCHIVES = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz")
_NOISE = ("__MACOSX", ".ipynb_checkpoints", "__pycache__", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Found:
    """A file in a download.

    Args:
        parts: the way to it: folders, zip files, its name.
        time: when it was changed last, in seconds since 1970.
        content: None where it wasn't read.
        problem: why not.
    """

    parts: tuple[str, ...]
    time: float = 0.0
    content: bytes | None = None
    problem: str = ""

    @property
    def path(self) -> str:
        return "/".join(self.parts)


def walk(downloads: Path, leave_out: Path | None = None) -> Iterator[Found]:
    """Yield what is in a folder or in a zip file, sorted; what systems and editors leave isn't.

    Args:
        downloads: the folder or the zip file.
        leave_out: a folder that may be in it, and is no part of it.

    Raises:
        FileNotFoundError: when there is no such folder or file.
        ValueError: when it is a file, but no zip file.
    """
    if downloads.is_dir():
        yield from _folder(downloads, (), leave_out and leave_out.resolve())
    elif not downloads.exists():
        raise FileNotFoundError(f"there is no folder or zip file {downloads}")
    elif not zipfile.is_zipfile(downloads):
        raise ValueError(f"{downloads} is a file: expected a folder or a zip file")
    else:
        with downloads.open("rb") as file:
            yield from _zip(file, (), 1)


def _folder(folder: Path, parts: tuple[str, ...], leave_out: Path | None) -> Iterator[Found]:
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        here = (*parts, path.name)
        if _is_noise(path.name) or path.resolve() == leave_out:
            continue
        if path.is_symlink():
            yield Found(here, problem="a link, which is not followed: put the file itself there")
        elif path.is_dir():
            yield from _folder(path, here, leave_out)
        elif path.is_file():
            status = path.stat()
            opening: Callable[[], IO[bytes]] = partial(path.open, "rb")  # type: ignore[assignment]
            yield from _file(here, status.st_mtime, status.st_size, opening, 0)


def _file(
    parts: tuple[str, ...],
    changed: float,
    size: int,
    open_file: Callable[[], IO[bytes]],
    depth: int,
) -> Iterator[Found]:
    """Yield a file, or what is in it."""
    name = parts[-1].lower()
    problem, content = "", None
    if name.endswith(_ARCHIVES):
        problem = "an archive of another kind than zip: unpack it"
    elif ".ipynb" not in name and not name.endswith((".zip", *_NOTEBOOKS)):
        problem = "no notebook"
    elif size > LARGEST and (depth or not name.endswith(".zip")):
        problem = f"it has {size / 2**20:.0f} MB: expected less than {LARGEST / 2**20:.0f}"
    else:
        try:
            with open_file() as file:
                if name.endswith(".zip"):
                    yield from _zip(io.BytesIO(_read(file)) if depth else file, parts, depth + 1)
                    return
                content = _read(file)
        except Exception as error:  # zipfile lets many kinds through, RuntimeError for a password
            problem = f"it can't be read ({str(error) or type(error).__name__})"
    yield Found(parts, changed, content, problem)


def _zip(file: IO[bytes], parts: tuple[str, ...], depth: int) -> Iterator[Found]:
    if depth > _DEEPEST:
        yield Found(parts, problem=f"more than {_DEEPEST} zip files within each other: unpack it")
        return
    with zipfile.ZipFile(file) as archive:
        for info in sorted(archive.infolist(), key=_name):
            inside = tuple(part for part in _name(info).split("/") if part not in ("", ".", ".."))
            if info.is_dir() or not inside or any(_is_noise(part) for part in inside):
                continue

            opening = partial(archive.open, info)
            yield from _file(
                (*parts, *inside),
                time.mktime((*info.date_time, 0, 0, -1)),
                info.file_size,
                opening,
                depth,
            )


def _name(info: zipfile.ZipInfo) -> str:
    """Return a member's name. Macs write UTF-8 without saying so; it is read as code page 437."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _read(file: IO[bytes]) -> bytes:
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it has more than {LARGEST / 2**20:.0f} MB, and says less")
    return content


def _is_noise(name: str) -> bool:
    return name in _NOISE or name.startswith((".", "~$"))
