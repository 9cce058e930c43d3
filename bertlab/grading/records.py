"""What is known of each graded submission: kept beside the CSV file, from which it is written."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bertlab.files import write_text, write_whole
from bertlab.grading.course import Question

GRADED = ("ok", "cell_timeout")  # the statuses with points
COLUMNS = ("student", "status", "detail", "total", "max", "needs_manual", "seconds", "mistakes")
_CHECKED = re.compile(r"✗ [^:\n]*: ([^\n]+)")  # what a CheckResult begins with


@dataclass(frozen=True)
class Record:
    """A submission's result, by the questions' names.

    Args:
        student: whose it is.
        key: of the submission, the assignment and the limits: with the same one nothing changed.
        status: ``ok``, or what happened.
        detail: that in a line, with what to do.
        points: of each question; None where a person has to grade.
        failures: what the failed tests said.
        answers: what the student wrote, where it differs from what was handed out.
        suspicious: what a person should look at.
        most: the most points that each question gives.
        seconds: on the clock.
    """

    student: str
    key: str
    status: str
    detail: str
    points: dict[str, float | None] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    suspicious: list[str] = field(default_factory=list)
    most: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def points_with(
        self, by_hand: Mapping[str, float], questions: Sequence[Question]
    ) -> dict[str, float | None]:
        """Return the points of every question; those that people gave count before others."""
        return {one.name: by_hand.get(one.name, self.points.get(one.name)) for one in questions}

    def mistakes(self) -> dict[str, str]:
        """Return the mistakes that checks named, by question; several are joined by "+"."""
        named = {name: _CHECKED.match(words) for name, words in self.failures.items()}
        return {
            name: "+".join("-".join(one.split()) for one in found[1].split(" + "))
            for name, found in named.items()
            if found
        }


def beside(output: Path) -> Path:
    """Return the file that keeps the records of a CSV file."""
    return output.with_name(f"{output.stem}.answers.jsonl")


def read_records(path: Path) -> dict[str, Record]:
    """Return the records of a file by student, as far as it is whole; none if it isn't there."""
    found: dict[str, Record] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                record = Record(**json.loads(line))
            except (ValueError, TypeError):  # the last line of a run that was killed
                continue
            found[record.student] = record
    return found


def as_line(record: Record) -> str:
    """Return a record as a line of its file."""
    return json.dumps(asdict(record), ensure_ascii=True) + "\n"


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write a file of records whole."""
    write_text(path, "".join(map(as_line, records)))


def write_grades(
    path: Path,
    records: Sequence[Record],
    questions: Sequence[Question],
    by_hand: Mapping[str, Mapping[str, float]],
) -> None:
    """Write the CSV file whole.

    Args:
        path: of the file.
        records: a row each, in this order.
        questions: of the assignment.
        by_hand: points that people gave, by student and question; they count before others.
    """

    def write(to: Path) -> None:
        with to.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow([*COLUMNS, *(f"q:{question.name}" for question in questions)])
            for record in records:
                rows.writerow(_row(record, questions, by_hand.get(record.student, {})))

    write_whole(path, write)


def _row(
    record: Record, questions: Sequence[Question], by_hand: Mapping[str, float]
) -> list[str | float]:
    points = record.points_with(by_hand, questions)
    given = [value for value in points.values() if value is not None]
    # Without a grade there is no total, unless people gave all the points.
    graded = record.status in GRADED or len(given) == len(questions)
    waiting = [name for name, value in points.items() if value is None] if graded else []
    mistakes = ";".join(f"{name}:{mistake}" for name, mistake in record.mistakes().items())
    return [
        record.student,
        record.status,
        record.detail,
        f"{sum(given):g}" if graded else "",
        f"{sum(question.points for question in questions):g}",
        ";".join(waiting),
        f"{record.seconds:.1f}",
        mistakes,
        *("" if value is None else f"{value:g}" for value in points.values()),
    ]
