"""JSON as it should be: no doubled names, no NaN, no half characters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from os import PathLike
from typing import Any

from bertlab.data.errors import DataError
from bertlab.data.report import Notes
from bertlab.data.text_files import read_lines, read_text

JSONL_SUFFIXES = (".jsonl", ".ndjson")
_SURROGATES = re.compile("[\ud800-\udfff]")
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}


_A_LINE = 'a JSON object on each line, such as {"text": "...", "label": "..."}'


def kind(value: object) -> str:
    """Name a value's type in JSON's words."""
    return _KINDS[type(value)]


def read_json(path: str | PathLike[str], encoding: str, notes: Notes) -> Any:
    """Return what a JSON file holds.

    Raises:
        DataError: when it isn't JSON, with line and column.
    """
    text = read_text(path, encoding)
    if not text.strip():
        raise DataError(path=path, found="an empty file", expected="JSON")
    return parse_json(text, path, None, notes)


def read_objects(
    path: str | PathLike[str], encoding: str, notes: Notes
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield a JSONL file's objects with their lines; blank lines are counted.

    Raises:
        DataError: when a line holds no JSON object, or none does.
    """
    number = 0
    empty = True
    for number, line in enumerate(read_lines(path, encoding), start=1):
        if not line.strip():
            notes.add("blank line{s} skipped", number)
            continue
        value = parse_json(line.rstrip("\r\n"), path, number, notes)
        if not isinstance(value, dict):
            raise DataError(path=path, line=number, found=kind(value), expected=_A_LINE)
        empty = False
        yield number, value
    if empty:
        raise DataError(path=path, found="an empty file", expected=_A_LINE)


def parse_json(text: str, path: str | PathLike[str], line: int | None, notes: Notes) -> Any:
    """Return what a piece of JSON says.

    Args:
        text: the JSON.
        path: the file, for errors.
        line: its line; None where the text is the whole file.
        notes: where half characters, which no file can hold, are counted. JSON can escape half of
            a surrogate pair; each becomes U+FFFD, so that offsets stay.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        whole_line = line is not None
        found = f"no valid JSON: {error.msg.removesuffix(' at')} at column {error.colno}"
        if line is None:
            line = error.lineno
        elif error.pos >= len(text.rstrip()):
            found += ", the line's end"
        expected = _A_LINE if whole_line else "JSON"
        raise DataError(path=path, line=line, found=found, expected=expected) from error
    except RecursionError as error:
        raise DataError(
            path=path, line=line, found="JSON nested too deeply", expected="plain JSON"
        ) from error
    except ValueError as error:  # of _object and _constant; numbers too long for Python
        raise DataError(path=path, line=line, found=str(error), expected="plain JSON") from error
    return _mend(value, notes, line) if "\\ud" in text or "\\uD" in text else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'an object with "{twice}" twice')
    return result


def _constant(name: str) -> Any:
    raise ValueError(f"{name}, which is no number in JSON")


def _mend(value: Any, notes: Notes, line: int | None) -> Any:
    if isinstance(value, str):
        value, count = _SURROGATES.subn("\ufffd", value)
        notes.add("half character{s} replaced by U+FFFD", line, count)
        return value
    if isinstance(value, list):
        return [_mend(part, notes, line) for part in value]
    if isinstance(value, dict):
        return {_mend(name, notes, line): _mend(v, notes, line) for name, v in value.items()}
    return value
