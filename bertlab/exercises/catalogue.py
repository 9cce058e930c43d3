"""The list of exercises as it is shown: plain text in terminals, a table in notebooks."""

from __future__ import annotations

import html
from itertools import groupby

from bertlab.exercises.spec import Exercise


class Catalog(list[Exercise]):
    """Exercises in the order of the book; a list that shows itself as a table."""

    def __str__(self) -> str:
        lines = [self._summary]
        width = max((len(e.name) for e in self), default=0)
        for chapter, group in groupby(self, key=lambda e: e.chapter):
            lines += ["", f"Chapter {chapter}"]
            for e in group:
                mark = "✓" if e.passed else "○"
                line = f"  {mark} {e.name:{width}}  {e.level:6}  {e.minutes:2} minutes"
                lines.append(f"{line}  +" if e.extra else line)
        return "\n".join([*lines, *(["", _EXTRA] if any(e.extra for e in self) else [])])

    __repr__ = __str__

    @property
    def _summary(self) -> str:
        done = sum(e.passed for e in self)
        minutes = sum(e.minutes for e in self if not e.passed)
        left = f"; the others take about {minutes} minutes" if minutes else ""
        return f"{done} of {len(self)} exercises passed on this computer{left}."

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{word}</th>" for word in ("", "exercise", "chapter", "", "minutes"))
        rows = []
        for e in self:
            mark, words = ("✓", "passed") if e.passed else ("○", "not passed yet")
            cells = [
                f'<span title="{words}" aria-label="{words}">{mark}</span>',
                f"<code>{html.escape(e.name)}</code>{' +' if e.extra else ''}",
                str(e.chapter),
                html.escape(e.level),
                str(e.minutes),
            ]
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        note = f"<p>{html.escape(_EXTRA)}</p>" if any(e.extra for e in self) else ""
        return f"<p>{html.escape(self._summary)}</p>{table}{note}"


_EXTRA = '+ More practice: not in the chapter\'s text; exercises.show("name") prints the question.'
