"""A page for each student: points, what the tests said, and the answers. No test's source.

nbgrader's own feedback shows the hidden tests. Here nothing is shown that a cell printed, and no
line of a test, wherever it comes from: a submission could have printed it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from bertlab.files import write_text
from bertlab.grading.course import TEST, Assignment, Question, grade_id, read
from bertlab.grading.records import GRADED, Record

_SHORTEST = 12  # characters of a line of tests that is hidden; shorter ones say nothing
_SHOWN = 3_000
_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 48em; margin: 2em auto; padding: 0 1em;
  color: #1a1a1a; background: #fff }
pre { background: #f4f4f4; padding: .7em; overflow-x: auto; white-space: pre-wrap }
table { border-collapse: collapse } td, th { padding: .2em .8em; border: 1px solid #999 }"""


def write_feedback(
    folder: Path,
    assignment: Assignment,
    records: Sequence[Record],
    questions: Sequence[Question],
    by_hand: Mapping[str, Mapping[str, float]],
) -> None:
    """Write ``STUDENT.html`` for each student into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = hidden_lines(assignment)
    for record in records:
        page = _page(assignment.name, record, questions, by_hand.get(record.student, {}), secret)
        write_text(folder / f"{record.student}.html", page)


def hidden_lines(assignment: Assignment) -> set[str]:
    """Return the lines of the master's test cells that students haven't got."""
    lines: list[set[str]] = []
    for path in (assignment.source, assignment.release):
        cells = read(path).cells if path.exists() else []
        tests = [cell.source for cell in cells if grade_id(cell).startswith(TEST)]
        lines.append({line.strip() for test in tests for line in test.splitlines()})
    return {line for line in lines[0] - lines[1] if len(line) >= _SHORTEST}


def _page(
    name: str,
    record: Record,
    questions: Sequence[Question],
    by_hand: Mapping[str, float],
    secret: Collection[str],
) -> str:
    points = record.points_with(by_hand, questions)
    rows = [
        f"<tr><td>{html.escape(one.name)}</td><td>{_number(points[one.name])} of "
        f"{one.points:g}</td></tr>"
        for one in questions
    ]
    parts = [f"<h1>{html.escape(name)}: {html.escape(record.student)}</h1>"]
    if record.status not in GRADED:
        parts.append(
            f"<p><strong>Not graded ({html.escape(record.status)}):</strong> "
            f"{html.escape(record.detail)}</p>"
        )
    elif record.detail:
        parts.append(f"<p>{html.escape(record.detail)}</p>")
    parts.append(f"<table><tr><th>question</th><th>points</th></tr>{''.join(rows)}</table>")
    for one in questions:
        parts.append(f"<h2>{html.escape(one.name)}</h2>")
        if answer := record.answers.get(one.name):
            parts.append(f"<pre>{html.escape(_without(answer, secret))}</pre>")
        if failure := record.failures.get(one.name):
            words = _without(failure[:_SHOWN], secret)
            parts.append(f"<p>The tests said:</p><pre>{html.escape(words)}</pre>")
    title = f"{name}: {record.student}"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _without(words: str, secret: Collection[str]) -> str:
    """Take out the lines of hidden tests, also where their line ends were written as ``\\n``."""
    for line in sorted(secret, key=len, reverse=True):
        if line in words:
            words = words.replace(line, "[a line of a test]")
    return re.sub(r"### (BEGIN|END) HIDDEN TESTS", "", words)
