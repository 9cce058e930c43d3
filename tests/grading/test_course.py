"""Assignments on the disk, and the throw-away courses that nbgrader works in."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import toy
from nbformat.v4 import new_code_cell

from bertlab.grading.course import (
    Assignment,
    Question,
    generate,
    names,
    nbgrader_config,
    read,
    settings,
    throw_away_course,
)

ROOT = Path(__file__).resolve().parents[2]


def test_questions_come_from_the_masters_metadata_in_order(toy_assignments: Path) -> None:
    assert Assignment.find(toy_assignments, "toy").questions() == [
        Question("attention", "test-attention", 2.0, False),
        Question("mean", "test-mean", 1.0, False),
        Question("explain", "manual-explain", 3.0, True),
    ]


def test_an_assignment_is_found_by_its_name_and_others_are_told_what_there_is(
    light_assignments: Path,
) -> None:
    found = Assignment.find(light_assignments, "toy")
    assert found.source.is_file()
    assert found.release.is_file()
    for name in ("attention", "../toy", ""):
        with pytest.raises(ValueError, match=r"no assignment .* expected one of toy$"):
            Assignment.find(light_assignments, name)


def test_only_notebooks_named_as_their_folder_are_masters(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no assignments: expected .*--assignments DIR"):
        names(tmp_path)
    for path in ("b/b.ipynb", "a/a.ipynb", "a/draft.ipynb", ".hidden/.hidden.ipynb", "c/C.ipynb"):
        toy.write(tmp_path / "source" / path, toy.master(torch=False))
    assert names(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nbformat": 4}', '{"nbformat": 4, "cells": 1}'])
def test_a_damaged_master_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "source" / "toy" / "toy.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ValueError, match=r"toy\.ipynb can't be read as a notebook"):
        Assignment.find(tmp_path, "toy").questions()
    with pytest.raises(ValueError, match=r"none\.ipynb can't be read"):
        read(tmp_path / "none.ipynb")


@pytest.fixture(scope="module")
def course(light_assignments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throw-away course, made as without an activated environment.

    nbgrader starts the program alembic, which is on the PATH in an activated one only.
    """
    folder = tmp_path_factory.mktemp("new") / "somewhere"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/bin:/bin")
        made = throw_away_course(Assignment.find(light_assignments, "toy"), folder)
        assert os.environ["PATH"] == "/usr/bin:/bin", "the variables are as they were"
    return made


def test_a_throw_away_course_has_the_database_and_not_the_master(course: Path) -> None:
    assert {path.name for path in course.iterdir()} == {"gradebook.db", "release"}
    with sqlite3.connect(course / "gradebook.db") as database:
        cells = dict(database.execute("select name, source from source_cell"))
    assert set(cells) == {"mean", "test-mean", "manual-explain"}
    assert "HIDDEN" in cells["test-mean"]
    assert "sum(" not in cells["mean"]


def test_nothing_in_a_course_says_where_it_was_made(course: Path) -> None:
    assert b"somewhere" not in (course / "gradebook.db").read_bytes()


def test_what_nbgrader_refuses_is_an_error_of_the_master(tmp_path: Path) -> None:
    master = toy.master(torch=False)
    master.cells.append(toy.answer_cell("mean", "x = 1"))
    master.cells[-1].id = "mean-again"
    toy.write(tmp_path / "source" / "toy" / "toy.ipynb", master)
    (tmp_path / "course").mkdir()
    with pytest.raises(ValueError, match=r"toy\.ipynb: .*metadata may be corrupted"):
        generate(Assignment.find(tmp_path, "toy"), tmp_path / "course")


def test_the_settings_hold_what_was_measured_to_matter(tmp_path: Path) -> None:
    config = nbgrader_config(tmp_path)
    assert config.OverwriteCells.add_missing_cells is True
    assert config.IgnorePattern.enabled is True
    assert config.IgnorePattern.pattern == "."
    assert config.Execute.timeout == 60
    assert config.CourseDirectory.root == str(tmp_path)


def test_nbgraders_own_commands_have_the_same_settings() -> None:
    from traitlets.config import PyFileConfigLoader

    file = PyFileConfigLoader("nbgrader_config.py", str(ROOT / "assignments"))
    assert file.load_config() == settings()


def test_grading_is_imported_by_nothing_but_the_command_line() -> None:
    """Learners don't have nbgrader."""
    code = "import sys, bertlab.cli, bertlab.exercises, bertlab.tasks.run\n"
    code += "assert not any(name.startswith('nbgrader') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_toy_s_answers_are_the_masters_without_markers(light_assignments: Path) -> None:
    notebook = toy.submission(light_assignments)
    assert "    total = sum(numbers)" in notebook.cells[3].source
    assert "###" not in "".join(cell.source for cell in notebook.cells)
    assert notebook.cells[3].cell_type == new_code_cell().cell_type
