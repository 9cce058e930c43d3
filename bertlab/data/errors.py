"""The one error for data that isn't as it should be."""

from __future__ import annotations

import os
from os import PathLike
from typing import Any


class DataError(ValueError):
    """A file, or another source of data, doesn't hold what was expected.

    Args:
        found: what is there, as a phrase: ``'no field "text"'``.
        expected: what should be there, and what to do about it.
        path: the file, or the name of another source; None where there is neither.
        line: the line's number, counted from 1; None where it is about the whole file.
    """

    def __init__(
        self,
        *,
        found: str,
        expected: str,
        path: str | PathLike[str] | None = None,
        line: int | None = None,
    ) -> None:
        self.path = None if path is None else os.fspath(path)
        self.line = line
        self.found = found
        self.expected = expected
        place = [self.path] if self.path is not None else []
        place += [f"line {line}"] if line is not None else []
        start = f"{', '.join(place)}: " if place else ""
        super().__init__(f"{start}found {found}; expected {expected}")

    def __reduce__(self) -> tuple[Any, ...]:  # so that it can leave a worker process
        return _rebuild, (self.found, self.expected, self.path, self.line)


def _rebuild(found: str, expected: str, path: str | None, line: int | None) -> DataError:
    return DataError(found=found, expected=expected, path=path, line=line)
