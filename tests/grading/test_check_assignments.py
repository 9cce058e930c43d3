"""Masters must score all points and blanks none, graded as students' notebooks are."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy
from nbformat import NotebookNode

from bertlab import cli
from bertlab.grading import check as checking
from bertlab.grading.build import build
from bertlab.grading.check import check
from bertlab.grading.config import BuildConfig, CheckConfig, GradeConfig
from bertlab.grading.records import Record

ROOT = Path(__file__).resolve().parents[2]
MASTERS = sorted((ROOT / "assignments" / "source").glob("*/*.ipynb"))
MEAN, TEST_MEAN = 3, 4  # positions in the toy's master without torch


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A master with a wrong solution, and a test that passes without an answer."""
    folder = tmp_path_factory.mktemp("broken")
    master = toy.master(torch=False)
    master.cells[MEAN].source = toy.MEAN.replace("len(numbers)", "2")
    more = toy.master(torch=False).cells[2:5]
    for cell in more:
        cell.id += "-2"
        cell.source = cell.source.replace("mean", "other")
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader["grade_id"] += "_2"
    more[1].source = more[1].source.replace("numbers)", "n, *numbers)")
    more[2].source = (
        'assert True is not None, "m"\n### BEGIN HIDDEN TESTS\nassert 1 < 2, "m"\n'
        "### END HIDDEN TESTS"
    )
    master.cells[5:5] = more
    toy.write(folder / "source" / "toy" / "toy.ipynb", master)
    build(BuildConfig(assignments=folder))
    return folder


def test_a_good_assignment_is_in_order(
    light_assignments: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(CheckConfig(assignments=light_assignments)) is True
    said = capsys.readouterr().out
    assert re.findall(r"^(?:mean|explain|total) .*", said, re.M) == [
        "mean           1       1      0",
        "explain        3    hand      0",
        "total          4",
    ]
    assert said.endswith("In order\n\n")


def test_a_wrong_master_and_a_test_that_passes_for_nothing_are_named(
    broken: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["bertlab", "assign", "check", "toy", "--assignments", str(broken)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1
    said = capsys.readouterr().out
    assert "✗ test-mean: the master gets 0 of 1 points. Its test says: the mean of 1, 2 and" in said
    assert "✗ test-mean_2: the blank gets 1 of 1 points: its tests pass without an answer" in said
    assert "In order" not in said


def graded_as(**records: dict[str, Any]) -> Callable[[GradeConfig], list[Record]]:
    """Stand for ``grade`` where what it would find can't be made in a second."""

    def grade(config: GradeConfig) -> list[Record]:
        assert {path.name for path in config.submissions.iterdir()} == set(records)
        usual = {"key": "", "status": "ok", "detail": ""}
        return [Record(**{"student": name, **usual, **r}) for name, r in records.items()]

    return grade


def test_what_could_not_be_graded_or_looks_wrong_is_said(
    light_assignments: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    grade = graded_as(
        master={"status": "timeout", "detail": "it took longer"},
        blank={"points": {"mean": 0.0, "explain": 0.0}, "suspicious": ["replaced abs"]},
    )
    monkeypatch.setattr(checking, "grade", grade)
    assert check(CheckConfig(name="toy", assignments=light_assignments)) is False
    said = capsys.readouterr().out
    assert "✗ the master can't be graded: timeout: it took longer\n" in said
    assert "✗ the blank: replaced abs\n" in said
    assert "mean           1       -      0\n" in said


def prepared(folder: Path, change: Callable[[NotebookNode], object]) -> CheckConfig:
    """Build the toy, then change its master."""
    master = toy.master(torch=False)
    path = toy.write(folder / "source" / "toy" / "toy.ipynb", master)
    build(BuildConfig(assignments=folder))
    change(master)
    toy.write(path, master)
    return CheckConfig(assignments=folder)


def test_an_old_or_missing_students_version_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = {"points": {"mean": 1.0, "explain": None}}
    none = {"points": {"mean": 0.0, "explain": 0.0}}
    monkeypatch.setattr(checking, "grade", graded_as(master=full, blank=none))
    config = prepared(tmp_path, lambda master: master.cells[0].update(source="# Another title"))
    assert check(config) is False
    said = capsys.readouterr().out
    assert "toy.ipynb isn't what the master gives: expected it from bertlab assign build" in said
    (tmp_path / "release" / "toy" / "toy.ipynb").unlink()
    assert check(config) is False
    assert "toy.ipynb isn't there: expected it from" in capsys.readouterr().out
    build(BuildConfig(assignments=tmp_path))
    assert check(config) is True


def test_lint_is_told_also_where_nothing_can_be_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_it(master: NotebookNode) -> None:
        cell = master.cells[TEST_MEAN]
        cell.source = cell.source.replace("### END HIDDEN TESTS", "mean([1])")

    assert check(prepared(tmp_path, break_it)) is False
    said = capsys.readouterr().out
    assert "✗ cell 4 (test-mean): `### BEGIN HIDDEN TESTS` without `### END HIDDEN TESTS`" in said
    assert "✗ nbgrader can't make the students' version" in said


@pytest.mark.slow
@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_every_assignment_is_in_order(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = check(CheckConfig(name=path.stem, assignments=ROOT / "assignments"))
    assert good, capsys.readouterr().out
