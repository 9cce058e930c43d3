"""The rehearsal finds in a class that doesn't exist what was planted there."""

from __future__ import annotations

from pathlib import Path

import fake_class
import nbformat
import pytest
import rehearsal
import toy
from wrong_answers import WRONG, Wrong

from bertlab.grading.course import TEST, Assignment, grading, names, read
from bertlab.grading.restore import answers as submitted
from bertlab.grading.similarity import alike

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / "assignments"


@pytest.fixture
def light(light_assignments: Path) -> Assignment:
    return Assignment.find(light_assignments, toy.NAME)


def test_a_class_of_any_size_is_the_same_each_time_and_no_name_occurs_twice(
    light: Assignment,
) -> None:
    group = fake_class.students(light, 100)
    assert group == fake_class.students(light, 100)
    assert len({student.name for student in group}) == 100
    assert group[:8] == fake_class.students(light, 8)


def test_thirty_students_hand_in_every_kind_of_work(light: Assignment) -> None:
    group = fake_class.students(light, 30)
    assert {student.platform for student in group} == set(fake_class.PLATFORMS)
    kinds = {student.planted.kind for student in group}
    assert kinds >= {"perfect", "wrong", "blank", "corrupt", "late", "resubmitted", "copied"}
    assert len({student.files for student in group if student.planted.kind == "copied"}) == 1


def test_only_who_copied_has_the_answers_of_another() -> None:
    group = fake_class.students(Assignment.find(REAL, "attention"), 30)
    broken = ("corrupt", "empty", "not a notebook", "stripped", "blank")
    given = {
        student.name: submitted(nbformat.reads(student.files[-1][1].decode(), as_version=4))
        for student in group
        if student.planted.kind not in broken
    }
    (copied,) = (student.name for student in group if student.planted.kind == "copied")
    (pair,) = alike(given)
    assert copied in pair.students


@pytest.mark.parametrize("name", WRONG)
def test_each_planted_mistake_fails_its_test_and_is_named(name: str) -> None:
    """And fits into the master's answer as it stands, in at least four questions."""
    assignment = Assignment.find(REAL, name)
    answers, cells = fake_class.answers(assignment), read(assignment.source).cells
    tests = {grading(cell).get("grade_id"): cell.source for cell in cells}
    start: dict[str, object] = {}
    for cell in cells:
        if cell.cell_type == "code" and not grading(cell) and "%pip" not in cell.source:
            exec(cell.source, start)
    for wrong in WRONG[name]:
        values = {**start}
        exec(wrong.planted_in(answers[wrong.question]), values)
        with pytest.raises(AssertionError) as failure:
            exec(tests[f"{TEST}{wrong.question}"], values)
        found = str(failure.value).splitlines()[0]
        words = " + ".join(wrong.mistake.replace("-", " ").split("+"))
        expected = f"✗ {wrong.question}: {words}" if wrong.mistake else ""
        assert (found if "✗" in found else "") == expected, wrong
    assert len({wrong.question for wrong in WRONG[name]}) >= 4


def test_every_assignment_has_mistakes_to_plant() -> None:
    assert set(WRONG) == set(names(REAL))


def test_a_mistake_that_no_longer_fits_the_master_says_so() -> None:
    wrong = Wrong("mean", "/ len(numbers)", "", "sum-not-mean")
    assert wrong.planted_in("return total / len(numbers)") == "return total "
    with pytest.raises(ValueError, match="the answer to mean, expected once: the master has"):
        wrong.planted_in("return total")


def test_a_short_class_goes_from_downloads_to_marks(
    light: Assignment, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "class"
    where = ["--assignments", str(light.source.parents[2]), "--assignment", light.name]
    assert rehearsal.main(["--students", "6", "--folder", str(folder), *where]) == 0
    shown = capfd.readouterr().out
    assert "6 of 6 are as planted." in shown
    for name in ("collect", "grade", "report"):
        assert f"$ bertlab assign {name} " in shown
    rows = {row["student"]: row for row in rehearsal.read_rows(folder / "grades.csv")}
    assert len(rows) == 6
    assert any(row["q:explain"] for row in rows.values())
    assert list((folder / "feedback").rglob("*.html"))


def test_a_folder_that_isnt_empty_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert rehearsal.main(["--folder", str(tmp_path)]) == 2
    assert "isn't empty: give a new folder" in capsys.readouterr().err


def test_wrong_marks_are_noticed(light: Assignment, capsys: pytest.CaptureFixture[str]) -> None:
    """Of every kind: a status, points, a total, a row too many or too few."""
    group = fake_class.students(light, 30)
    kinds = {student.planted.kind: student for student in group}
    right = {"status": "ok", "total": "1", "max": "4", "mistakes": "", "q:mean": "1"}

    def problems(kind: str, row: dict[str, str] | None) -> list[str]:
        return rehearsal.differences(kinds[kind], light, row)

    assert problems("perfect", right) == []
    assert problems("perfect", {**right, "q:mean": "0"}) == ["mean: 0 points, expected 1"]
    assert problems("perfect", None) == ["collected, or not"]
    assert problems("not a notebook", None) == []
    assert problems("not a notebook", right) == ["collected, or not"]
    assert problems("corrupt", right) == ["status ok, expected unreadable"]
    unreadable = {**right, "status": "unreadable"}
    assert problems("corrupt", unreadable) == ["a total of 1, expected none"]
    assert problems("corrupt", {**unreadable, "total": ""}) == []
    assert rehearsal.compare(group[:1], light, [{**right, "student": "Someone Else"}]) == 1
    assert "NOT AS PLANTED: collected, or not" in capsys.readouterr().out


def test_a_mistake_that_is_not_named_is_noticed(light: Assignment) -> None:
    planted = fake_class.Planted("wrong", {"mean": "sum-not-mean"})
    student = fake_class.Student(0, "Ada Lovelace", "moodle", planted, ())
    row = {"status": "ok", "total": "0", "max": "4", "mistakes": "mean:other", "q:mean": "0"}
    said = rehearsal.differences(student, light, row)
    assert said == ["mean: the mistake sum-not-mean isn't named"]
    named = {**row, "mistakes": "mean:other;mean:sum-not-mean"}
    assert rehearsal.differences(student, light, named) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", names(REAL) if (REAL / "source").is_dir() else [])
def test_a_class_of_thirty_goes_from_downloads_to_marks(name: str, tmp_path: Path) -> None:
    assert rehearsal.main(["--assignment", name, "--folder", str(tmp_path / "class")]) == 0
