"""What a reader tells of a file: one line with counts, and where to look.

``train.jsonl: 4,373 questions, 3 offsets repaired (lines 12, 40, 91), 1 excluded (line 17)``
"""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str], object]
"""Where the line goes: ``print``, a logger's method, a list's ``append``."""

_SHOWN = 3  # places named; the rest is "and N more"


class Notes:
    """Counts of what was amiss, each with the places where it was.

    Args:
        name: of what is read: a file's without its folders; it begins the line.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._counts: dict[str, int] = {}
        self._places: dict[str, list[int | str]] = {}
        self._remarks: list[str] = []

    def __bool__(self) -> bool:
        """Tell whether there is anything to say."""
        return bool(self._counts or self._remarks)

    def say(self, remark: str) -> None:
        """Add a remark that counts nothing."""
        self._remarks.append(remark)

    def add(self, what: str, place: int | str | None = None, count: int = 1) -> None:
        """Count something.

        Args:
            what: its name, with ``{s}`` where the plural has an s: ``"offset{s} repaired"``.
            place: a line's number, or the id of a record; None where it is about the whole file.
            count: how many.
        """
        if count:
            self._counts[what] = self._counts.get(what, 0) + count
            places = self._places.setdefault(what, [])
            if place is not None and (not places or places[-1] != place):
                places.append(place)

    def line(self, count: int, noun: str) -> str:
        """Say all in one line.

        Args:
            count: of the records that the reader returns.
            noun: what they are, such as ``"question{s}"``.
        """
        parts = [counted(count, noun), *self._remarks]
        for what, number in self._counts.items():
            parts.append(counted(number, what) + _list(self._places[what]))
        return f"{self.name}: {', '.join(parts)}"


def counted(count: int, what: str) -> str:
    """Say a number of things: ``counted(2, "line{s}")`` is ``"2 lines"``."""
    return f"{count:,} {what.format(s='' if count == 1 else 's')}"


def _list(places: list[int | str]) -> str:
    if not places:
        return ""
    noun = "line" if isinstance(places[0], int) else "id"
    shown = ", ".join(str(place) for place in places[:_SHOWN])
    more = len(places) - _SHOWN
    rest = f" and {more:,} more" if more > 0 else ""
    return f" ({noun}{'s' if len(places) > 1 else ''} {shown}{rest})"
