"""Labels as files have them, to labels as tasks take them.

``"single"``: a name. ``"multi"``: a list of names, maybe empty. ``"regression"``: a number.
"""

from __future__ import annotations

import json
import math
import re
from functools import partial
from os import PathLike
from typing import Any, Literal, get_args

from bertlab.data.errors import DataError
from bertlab.data.report import Notes

LabelKind = Literal["single", "multi", "regression"]
Label = str | list[str] | float

# float() also takes "1_000", "nan" and "infinity".
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def check_kind(labels: str | None) -> None:
    """Raise a ValueError unless it is a kind of label, or None for no labels."""
    if labels is not None and labels not in get_args(LabelKind):
        raise ValueError(
            f"labels is {labels!r}; expected 'single', 'multi', 'regression', or None where there "
            "are none"
        )


def parse_label(
    value: Any, kind: LabelKind, path: str | PathLike[str], line: int | None, notes: Notes
) -> Label:
    """Return a label.

    Args:
        value: the cell of a table, a string; or what JSON has.
        kind: what the labels are.
        path: the file, for errors.
        line: the line.
        notes: where trimmed and doubled names are counted.

    Raises:
        DataError: when it is empty or of another kind.
    """
    wrong = partial(DataError, path=path, line=line)
    if kind == "regression":
        return _number(value, wrong)
    if kind == "single":
        return _name(value, wrong, notes, line)
    names = [_name(part, wrong, notes, line) for part in _parts(value, wrong)]
    unique = list(dict.fromkeys(names))
    notes.add("label{s} given twice", line, count=len(names) - len(unique))
    notes.add("without labels", count=not names)
    return unique


def _number(value: Any, wrong: partial[DataError]) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise wrong(
        found=f"the label {value!r}",
        expected='a finite number with a decimal point, such as 3.5; for names, labels="single"',
    )


def _parts(value: Any, wrong: partial[DataError]) -> list[Any]:
    """Return several labels' names: a list, a list in JSON, or parts between bars."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise wrong(
                found=f"the label {value!r}, which begins like a JSON list and isn't one",
                expected='names joined by bars, such as "food|price", or a JSON list',
            ) from error
    if isinstance(value, str):
        return value.split("|") if value.strip() else []
    if isinstance(value, list):
        return value
    raise wrong(
        found=f"the label {value!r}",
        expected='several labels: a list of names, or one string such as "food|price"',
    )


def _name(value: Any, wrong: partial[DataError], notes: Notes, line: int | None) -> str:
    if value is None:
        raise wrong(found="the label null", expected="a name")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        raise wrong(
            found=f"the label {value!r}, a list", expected='one name; for several, labels="multi"'
        )
    if isinstance(value, float):
        raise wrong(
            found=f"the label {value!r}, a number that isn't whole",
            expected='a name or a whole number; for amounts, labels="regression"',
        )
    if not isinstance(value, str):
        raise wrong(found=f"the label {value!r}, an object", expected="a name")
    name = value.strip()
    if not name:
        raise wrong(found="an empty label", expected="a name")
    notes.add("label{s} with blanks around, taken off", line, count=name != value)
    return name
