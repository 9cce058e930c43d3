"""``bertlab assign report``: what a class could do, what it couldn't, and what to look at."""

from __future__ import annotations

import contextlib
import csv
import shutil
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bertlab.grading.config import ReportConfig
from bertlab.grading.records import COLUMNS, Record, beside, read_records
from bertlab.grading.similarity import alike

_BINS = 10
_MOST = 10  # mistakes and pairs that are listed
_UNTRIED = "not-attempted"


@dataclass(frozen=True)
class Row:
    """A row of the CSV file."""

    student: str
    status: str
    detail: str
    total: float | None
    most: float
    needs_manual: str
    mistakes: list[tuple[str, str]]
    points: dict[str, float | None]


def report(config: ReportConfig) -> str:
    """Print what ``grades.csv`` says about the class, and return it.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when ``grade`` didn't write it.
    """
    rows = read_grades(config.grades)
    records = read_records(beside(config.grades))
    width = max(40, min(88, shutil.get_terminal_size().columns))
    sections = [
        ("Grades", _distribution(rows, width)),
        ("Hardest questions, by share of points", _questions(rows, records)),
        ("Mistakes that checks named, by students", _mistakes(rows)),
        ("Not graded: no total", _ungraded(rows)),
        ("Points by hand still missing", _waiting(rows)),
        ("Near-identical answers: read both first", _alike(config, records)),
        ("Suspicious: look at these notebooks", _suspicious(rows, records)),
    ]
    lines: list[str] = []
    for title, found in sections:
        lines += ["", title, "-" * len(title)]
        for line in found or ["none"]:
            lines += textwrap.wrap(line, width, subsequent_indent="    ")
    text = "\n".join(lines[1:]) + "\n"
    print(text, end="")
    return text


def read_grades(path: Path) -> list[Row]:
    """Read the file that ``grade`` wrote.

    Raises:
        FileNotFoundError: when there is none.
        ValueError: with the line, when it isn't such a file.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (lines.fieldnames or ())]
        if missing:
            raise ValueError(
                f"{path} has no column {missing[0]}: expected the file that `bertlab assign grade` "
                "wrote"
            )
        found = []
        for line in lines:
            try:
                found.append(_row(line))
            except (ValueError, TypeError, AttributeError):
                raise ValueError(
                    f"{path}, line {lines.line_num}: a number or a column is missing. Expected the "
                    "file as `bertlab assign grade` wrote it"
                ) from None
    return found


def _row(line: dict[str, str]) -> Row:
    points = {name[2:]: value for name, value in line.items() if name.startswith("q:")}
    named = [one.partition(":") for one in line["mistakes"].split(";") if one]
    return Row(
        student=line["student"],
        status=line["status"],
        detail=line["detail"],
        total=float(line["total"]) if line["total"] else None,
        most=float(line["max"]),
        needs_manual=line["needs_manual"],
        mistakes=[(question, mistake) for question, _, mistake in named],
        points={name: float(value) if value else None for name, value in points.items()},
    )


def _distribution(rows: Sequence[Row], width: int) -> list[str]:
    totals = sorted(row.total for row in rows if row.total is not None)
    said = [f"{len(rows)} students, {len(totals)} graded"]
    if not totals:
        return said
    most = max(row.most for row in rows)
    middle = (totals[(len(totals) - 1) // 2] + totals[len(totals) // 2]) / 2
    mean = sum(totals) / len(totals)
    said.append(
        f"of {most:g} points: mean {mean:.1f}, median {middle:g}, lowest {totals[0]:g}, highest "
        f"{totals[-1]:g}"
    )
    counts = Counter(min(int(_BINS * total / most), _BINS - 1) for total in totals)
    longest = max(counts.values())
    room = width - 20
    for place in range(_BINS):
        low, high = most * place / _BINS, most * (place + 1) / _BINS
        bar = "#" * -(-counts[place] * min(room, longest) // longest)
        said.append(f"{low:5.4g} – {high:<5.4g} {counts[place]:4}  {bar}".rstrip())
    return said


def _questions(rows: Sequence[Row], records: dict[str, Record]) -> list[str]:
    """Return the questions by the share of their points that the graded students got."""
    graded = [row for row in rows if row.total is not None]
    most = next((record.most for record in records.values() if record.most), {})
    shares = []
    for name in graded[0].points if graded else ():
        given = [value for row in graded if (value := row.points[name]) is not None]
        if best := most.get(name, max(given, default=0)):
            nothing = sum(value == 0 for value in given)
            share = sum(given) / (best * max(1, len(given)))
            shares.append((share, name, nothing, len(given)))
    return [
        f"{share:4.0%}  {name} ({nothing} of {count} without points)"
        for share, name, nothing, count in sorted(shares)
        if count
    ]


def _mistakes(rows: Sequence[Row]) -> list[str]:
    counts = Counter(
        (question, one)
        for row in rows
        for question, mistake in row.mistakes
        for one in mistake.split("+")
        if one != _UNTRIED
    )
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = [f"{count:4}  {question}: {mistake}" for (question, mistake), count in common[:_MOST]]
    more = len(common) - _MOST
    return listed + ([f"      and {more} more in the column mistakes"] if more > 0 else [])


def _ungraded(rows: Sequence[Row]) -> list[str]:
    return [f"{row.student}: {row.status}: {row.detail}" for row in rows if row.total is None]


def _waiting(rows: Sequence[Row]) -> list[str]:
    counts = Counter(name for row in rows for name in row.needs_manual.split(";") if name)
    return [f"{count:4}  {name}" for name, count in sorted(counts.items())]


def _alike(config: ReportConfig, records: dict[str, Record]) -> list[str]:
    answers = {student: record.answers for student, record in records.items()}
    if not records and config.submissions:
        answers = _read_answers(config)
    if not answers:
        kept = beside(config.grades).name
        return [f"no answers to compare: expected {kept} beside the grades, or --submissions DIR"]
    pairs = alike(answers)
    listed = [
        f"{pair.students[0]} and {pair.students[1]}: {', '.join(pair.questions)}"
        for pair in pairs[:_MOST]
    ]
    return listed + ([f"and {len(pairs) - _MOST} pairs more"] if len(pairs) > _MOST else [])


def _read_answers(config: ReportConfig) -> dict[str, dict[str, str]]:
    """Return the answers in the notebooks themselves, without what was handed out."""
    from bertlab.grading import course
    from bertlab.grading.handed_in import handed_in
    from bertlab.grading.restore import NotGradable, answers
    from bertlab.grading.worker import read_notebook

    assert config.submissions
    found, blank = {}, set()
    for name in course.names(config.assignments):
        release = course.Assignment.find(config.assignments, name).release
        blank |= set(answers(course.read(release)).items()) if release.exists() else set()
    for one in handed_in(config.submissions):
        with contextlib.suppress(NotGradable):
            given = answers(read_notebook(one.notebook("")))
            found[one.student] = {
                name: text for name, text in given.items() if (name, text) not in blank
            }
    return found


def _suspicious(rows: Sequence[Row], records: dict[str, Record]) -> list[str]:
    return [
        f"{row.student}: {'; '.join(records[row.student].suspicious)}"
        for row in rows
        if row.student in records and records[row.student].suspicious
    ]
