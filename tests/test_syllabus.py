"""The instructors' tables say what notebooks, catalogue and masters say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import syllabus
from conftest import ROOT

from bertlab import exercises

PAGE = (ROOT / syllabus.PAGE).read_text(encoding="utf-8")


def test_the_committed_tables_are_those_that_the_script_writes() -> None:
    assert syllabus.with_tables(PAGE, syllabus.tables()) == PAGE


@pytest.mark.parametrize(("plan", "weeks"), [("8 weeks", 8), ("4 weeks", 4)])
def test_a_plan_holds_every_chapter_in_order(plan: str, weeks: int) -> None:
    assert len(syllabus.PLANS[plan]) == weeks
    numbers = [number for chapters, _ in syllabus.PLANS[plan] for number in chapters]
    assert numbers == list(syllabus.chapters())


def test_eight_weeks_have_every_assignment_and_four_leave_out_the_one_that_the_page_names() -> None:
    longer, shorter = (
        [name for _, name in syllabus.PLANS[plan] if name] for plan in ("8 weeks", "4 weeks")
    )
    assert longer == list(syllabus.assignments())
    named = re.search(r"It leaves out the assignment `(\w+)`", PAGE)
    assert named
    assert shorter == [name for name in longer if name != named[1]]


def test_no_assignment_comes_before_a_chapter_that_it_trains() -> None:
    for weeks in syllabus.PLANS.values():
        for week, (_, name) in enumerate(weeks):
            read = {number for numbers, _ in weeks[: week + 1] for number in numbers}
            if name:
                path = ROOT / "assignments" / "source" / name / f"{name}.ipynb"
                first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
                trained = {int(number) for number in re.findall(r"/(\d\d)_\w+\.html", first)}
                assert trained, name
                assert trained <= read, name


def test_a_chapters_row_has_all_its_exercises_and_their_minutes() -> None:
    rows = syllabus.chapters_table().splitlines()
    for exercise in exercises.catalog():
        (row,) = (row for row in rows if f"`{exercise.name}`" in row)
        assert row.startswith(f"| [{exercise.chapter}. ")
        mark = "†" if exercise.extra else ""
        assert f"`{exercise.name}`{mark} ({exercise.level}, {exercise.minutes} min)" in row
    minutes = [exercise.minutes for exercise in exercises.catalog() if not exercise.extra]
    assert f"| {len(minutes)}, " in rows[-1]
    assert rows[-1].endswith(f": {syllabus.hours(sum(minutes))} |")


def notebook(path: Path, *cells: tuple[str, dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = [{"source": source.splitlines(True), "metadata": noted} for source, noted in cells]
    path.write_text(json.dumps({"cells": made}), encoding="utf-8")


def graded(grade_id: str, points: float, *, manual: bool = False) -> tuple[str, dict[str, Any]]:
    noted = {"grade_id": grade_id, "grade": True, "points": points, "solution": manual}
    return "", {"nbgrader": noted}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A book of ten chapters, 20 minutes each, and the four assignments."""
    goals = "".join(f"| [x]({n:02}_x.ipynb) | learn {n} |\n" for n in range(1, 11))
    for n in range(1, 11):
        text = f"# {n}. Title {n}: about\n\nTime: 3 s · 20 minutes to read"
        notebook(tmp_path / "book" / f"{n:02}_x.ipynb", (text, {}))
    (tmp_path / "book" / "intro.md").write_text(goals, encoding="utf-8")
    for name in ("attention", "encoder", "masking", "finetuning"):
        notebook(
            tmp_path / "assignments" / "source" / name / f"{name}.ipynb",
            (f"# Assignment: on {name}\n\n[x](/02_x.html), [y](/04_y.html). 60–90 minutes.", {}),
            ("", {"nbgrader": {"grade_id": "softmax", "grade": False, "solution": True}}),
            graded("test-softmax", 2),
            graded("manual-why", 3.5, manual=True),
        )
    return tmp_path


def test_an_assignments_row_has_its_questions_and_points(repository: Path) -> None:
    rows = syllabus.assignments_table(repository).splitlines()[2:]
    assert len(rows) == 4
    assert rows[1] == "| `attention`: on attention | 2, 4 | 60–90 | 5.5 (3.5) | `softmax`, `why`* |"


def test_a_plan_adds_up_reading_exercises_and_the_time_of_assignments(repository: Path) -> None:
    rows = syllabus.plan_table("8 weeks", repository).splitlines()[2:]
    practice = dict.fromkeys(range(1, 11), 0)
    for exercise in exercises.catalog():
        practice[exercise.chapter] += 0 if exercise.extra else exercise.minutes
    expected = [syllabus.hours(n) for n in (20, practice[3], 90, 20 + practice[3] + 90)]
    assert rows[2] == f"| 3 | 3. Title 3 | `encoder` | {' | '.join(expected)} |"
    whole = 10 * 20 + sum(practice.values()) + 4 * 90
    assert rows[-1].endswith(f"| {syllabus.hours(whole)} |")


@pytest.mark.parametrize(
    ("minutes", "words"), [(0, "0 min"), (59, "59 min"), (60, "1 h"), (80, "1.5 h"), (150, "2.5 h")]
)
def test_minutes_become_hours_from_one_hour_on(minutes: int, words: str) -> None:
    assert syllabus.hours(minutes) == words


def test_what_a_first_cell_lacks_is_said(repository: Path) -> None:
    chapter = repository / "book" / "03_x.ipynb"
    notebook(chapter, ("# 3. Title: about", {}))
    with pytest.raises(ValueError, match=r"03_x\.ipynb: .*minutes to read"):
        syllabus.chapters(repository)
    notebook(chapter, ("# Title", {}))
    with pytest.raises(ValueError, match=r"03_x\.ipynb: its heading"):
        syllabus.chapters(repository)
    master = repository / "assignments" / "source" / "masking" / "masking.ipynb"
    notebook(master, ("# No time", {}))
    with pytest.raises(ValueError, match=r"masking\.ipynb: .*how many minutes"):
        syllabus.assignments(repository)


def test_an_assignment_without_a_week_is_an_error(repository: Path) -> None:
    (repository / "assignments" / "source" / "more").mkdir()
    with pytest.raises(ValueError, match="more: in a plan or in"):
        syllabus.assignments(repository)


def test_a_table_goes_where_the_page_has_its_place() -> None:
    page = "a\n<!-- table: one -->\nold\n<!-- end -->\nb"
    assert syllabus.with_tables(page, {"one": "| \\1 |"}) == page.replace("old", "| \\1 |")
    for wrong in ("no place", page + page):
        with pytest.raises(ValueError, match="places for the table 'one'"):
            syllabus.with_tables(wrong, {"one": "new"})
