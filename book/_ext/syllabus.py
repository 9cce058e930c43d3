"""Write the instructors' tables: what chapters and assignments teach, and two course plans.

    python book/_ext/syllabus.py          rewrite the tables in book/instructors.md

Nothing is counted by hand. Reading times come from the notebooks' first cells, what one learns from
the introduction's table, exercises and their minutes from the catalogue, questions and points from
the assignments' masters. Only which chapter goes into which week is decided here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertlab import exercises

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("book") / "instructors.md"

# What each week holds: chapters, and the assignment that is handed out when they have been read.
PLANS: dict[str, list[tuple[tuple[int, ...], str | None]]] = {
    "8 weeks": [
        ((1,), None),
        ((2,), None),
        ((3,), "encoder"),
        ((4,), "attention"),
        ((5, 6), None),
        ((7,), "masking"),
        ((8, 9), None),
        ((10,), "finetuning"),
    ],
    "4 weeks": [
        ((1, 2), None),
        ((3, 4), "attention"),
        ((5, 6, 7), "masking"),
        ((8, 9, 10), "finetuning"),
    ],
}


@dataclass(frozen=True)
class Chapter:
    """What a chapter's first cell and the catalogue say about it."""

    number: int
    file: str
    title: str
    goal: str
    reading: int  # minutes
    practice: int  # minutes of the exercises in its text
    exercises: tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """What a master's first cell and its graded cells say about it."""

    name: str
    title: str
    trains: tuple[int, ...]  # chapters
    minutes: str  # such as "60–90"
    questions: tuple[str, ...]
    points: float
    manual_points: float

    @property
    def most_minutes(self) -> int:
        """The longest time that it should take."""
        return int(re.findall(r"\d+", self.minutes)[-1])


def chapters(root: Path = ROOT) -> dict[int, Chapter]:
    """Return all chapters by number."""
    introduction = (root / "book" / "intro.md").read_text(encoding="utf-8")
    goals = dict(re.findall(r"^\| \[.*?\]\((\S+)\) \| (.+) \|$", introduction, re.MULTILINE))
    found = {}
    for path in sorted((root / "book").glob("[0-9][0-9]_*.ipynb")):
        first = _cells(path)[0]["source"]
        number, title = _heading(path, first)
        reading = re.search(r"(\d+) minutes to read", first)
        if reading is None:
            raise ValueError(f"{path.name}: its first cell doesn't say 'N minutes to read'")
        own = [exercise for exercise in exercises.catalog() if exercise.chapter == number]
        found[number] = Chapter(
            number=number,
            file=path.name,
            title=title,
            goal=goals[path.name],
            reading=int(reading[1]),
            practice=sum(exercise.minutes for exercise in own if not exercise.extra),
            exercises=tuple(f"`{e.name}`{'†' * e.extra} ({e.level}, {e.minutes} min)" for e in own),
        )
    return found


def assignments(root: Path = ROOT) -> dict[str, Assignment]:
    """Return all assignments by name, in the order in which a course needs them."""
    folder = root / "assignments" / "source"
    names = [name for _, name in PLANS["8 weeks"] if name]
    missing = {path.name for path in folder.iterdir() if path.is_dir()} ^ set(names)
    if missing:
        raise ValueError(f"{', '.join(sorted(missing))}: in a plan or in {folder}, but not in both")
    return {name: _assignment(folder / name / f"{name}.ipynb") for name in names}


def _assignment(path: Path) -> Assignment:
    cells = _cells(path)
    first = cells[0]["source"]
    minutes = re.search(r"(\d+[–-]\d+|\d+) minutes", first)
    if minutes is None:
        raise ValueError(f"{path.name}: its first cell doesn't say how many minutes it takes")
    marks = [cell["metadata"].get("nbgrader", {}) for cell in cells]
    graded = [mark for mark in marks if mark.get("grade")]
    return Assignment(
        name=path.stem,
        title=first.splitlines()[0].removeprefix("# Assignment: ").strip(),
        trains=tuple(sorted({int(n) for n in re.findall(r"/(\d\d)_\w+\.html", first)})),
        minutes=minutes[1],
        questions=tuple(
            re.sub("^(test|manual)-", "", mark["grade_id"]) + ("*" if mark["solution"] else "")
            for mark in graded
        ),
        points=sum(mark["points"] for mark in graded),
        manual_points=sum(mark["points"] for mark in graded if mark["solution"]),
    )


def _cells(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        cell["source"] = "".join(cell["source"])
    return cells


def _heading(path: Path, first: str) -> tuple[int, str]:
    heading = re.match(r"# (\d+)\. ([^:\n]+): ", first)
    if heading is None:
        raise ValueError(f"{path.name}: its heading isn't of the form '# 1. Title: about'")
    return int(heading[1]), heading[2]


def chapters_table(root: Path = ROOT) -> str:
    """Return the table of chapters: what each teaches, how long it takes."""
    rows = ["| Chapter | Students learn to | Reading | Exercises |", "|:--|:--|--:|:--|"]
    reading = practice = 0
    for chapter in chapters(root).values():
        reading, practice = reading + chapter.reading, practice + chapter.practice
        link = f"[{chapter.number}. {chapter.title}]({chapter.file})"
        listed = ", ".join(chapter.exercises)
        rows.append(f"| {link} | {chapter.goal} | {chapter.reading} min | {listed} |")
    count = sum(not exercise.extra for exercise in exercises.catalog())
    rows.append(
        f"| All | | {hours(reading)} | {count}, and † for more practice: {hours(practice)} |"
    )
    return "\n".join(rows)


def assignments_table(root: Path = ROOT) -> str:
    """Return the table of assignments: what each asks, for how many points."""
    rows = [
        "| Assignment | Trains chapters | Minutes | Points (by hand) | What it asks |",
        "|:--|:--|--:|--:|:--|",
    ]
    for one in assignments(root).values():
        asked = ", ".join(f"`{q.rstrip('*')}`{'*' * q.endswith('*')}" for q in one.questions)
        points = f"{one.points:g} ({one.manual_points:g})"
        trains = ", ".join(map(str, one.trains))
        parts = [f"`{one.name}`: {one.title}", trains, one.minutes, points, asked]
        rows.append(f"| {' | '.join(parts)} |")
    return "\n".join(rows)


def plan_table(plan: str, root: Path = ROOT) -> str:
    """Return a course plan: a row for each week, with the hours that a student works."""
    book, work = chapters(root), assignments(root)
    rows = [
        "| Week | Chapters | Assignment | Reading | Exercises | Assignment, at most | In all |",
        "|--:|:--|:--|--:|--:|--:|--:|",
    ]
    whole = 0
    for week, (numbers, name) in enumerate(PLANS[plan], 1):
        reading = sum(book[number].reading for number in numbers)
        practice = sum(book[number].practice for number in numbers)
        graded = work[name].most_minutes if name else 0
        total = reading + practice + graded
        whole += total
        titles = ", ".join(f"{number}. {book[number].title}" for number in numbers)
        own = f"`{name}`" if name else ""
        parts = [hours(reading), hours(practice), hours(graded) if graded else "", hours(total)]
        rows.append(f"| {week} | {titles} | {own} | {' | '.join(parts)} |")
    rows.append(f"| | | | | | | {hours(whole)} |")
    return "\n".join(rows)


def hours(minutes: int) -> str:
    """Return minutes as hours, rounded to halves where there is at least one hour."""
    return f"{minutes} min" if minutes < 60 else f"{round(minutes / 30) / 2:g} h"


def tables(root: Path = ROOT) -> dict[str, str]:
    """Return all tables by the name that the page's markers give them."""
    return {
        "chapters": chapters_table(root),
        "assignments": assignments_table(root),
        **{plan: plan_table(plan, root) for plan in PLANS},
    }


def with_tables(page: str, new: dict[str, str]) -> str:
    """Put tables between the page's markers ``<!-- table: NAME -->`` and ``<!-- end -->``.

    Raises:
        ValueError: when the page has no place, or several, for a table.
    """
    for name, text in new.items():
        place = re.compile(rf"(<!-- table: {re.escape(name)} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        filled = [f"{match[1]}{text}{match[2]}" for match in place.finditer(page)]
        if len(filled) != 1:
            raise ValueError(f"{len(filled)} places for the table {name!r}, expected 1")
        page = place.sub(lambda _, filled=filled: filled[0], page)
    return page


if __name__ == "__main__":
    path = ROOT / PAGE
    path.write_text(with_tables(path.read_text(encoding="utf-8"), tables()), encoding="utf-8")
