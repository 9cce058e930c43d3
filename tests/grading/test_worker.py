"""The worker: what is read, what is put right, what each way of failing is called."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("nbgrader")

import toy
from nbformat.v4 import new_code_cell

from bertlab.grading import sandbox, worker
from bertlab.grading.course import Assignment, grade_id, throw_away_course
from bertlab.grading.restore import NotGradable, restore
from bertlab.grading.sandbox import Limits
from bertlab.grading.worker import Job, Result, read_notebook

TEST = "assert mean([1, 2, 6]) == 3"


@pytest.fixture(scope="module")
def course(light_assignments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    return throw_away_course(Assignment.find(light_assignments, toy.NAME), folder / "course")


@pytest.fixture
def release(light_assignments: Path) -> nbformat.NotebookNode:
    return nbformat.read(light_assignments / "release" / toy.NAME / f"{toy.NAME}.ipynb", 4)


def work(
    course: Path, folder: Path, notebook: nbformat.NotebookNode, cell_limit: float = 30
) -> Result:
    """Have a submission graded by a worker in this process."""
    shutil.copytree(course, folder / "course")
    job = Job(
        name=toy.NAME,
        notebook=str(toy.write(folder / "handed-in.ipynb", notebook)),
        course=str(folder / "course"),
        folder=str(folder / "k" / "box"),
        result=str(folder / "result.json"),
        command=sandbox.confined(
            [sys.executable],
            folder / "k",
            mark=folder.name,
            level=sandbox.isolation(),
            limits=Limits(),
            hidden=(),
        ),
        cell_limit=cell_limit,
    )
    (folder / "job.json").write_text(json.dumps(asdict(job)))
    with pytest.MonkeyPatch.context() as here:  # the process that is to be changed isn't this one
        here.setattr(worker, "die_with_parent", lambda: None)
        here.setattr(worker, "adopt_orphans", lambda: None)
        worker.main(str(folder / "job.json"))
    return Result(**json.loads(Path(job.result).read_text()))


def cell(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    return next(one for one in notebook.cells if grade_id(one) == name)


def test_right_answers_get_their_points_and_people_the_rest(
    course: Path, light_assignments: Path, tmp_path: Path
) -> None:
    result = work(course, tmp_path, toy.submission(light_assignments))
    assert (result.status, result.detail) == ("ok", "")
    assert result.points == {"test-mean": 1.0, "manual-explain": None}
    assert "total" in result.answers["mean"]
    assert not result.failures
    assert not result.suspicious


def test_a_failed_test_says_why_and_the_notebook_runs_on(
    course: Path, light_assignments: Path, tmp_path: Path
) -> None:
    answers = {"mean": "def mean(numbers):\n    return 3", "manual-explain": "Because."}
    result = work(course, tmp_path, toy.submission(light_assignments, answers))
    assert result.points == {"test-mean": 0.0, "manual-explain": None}
    assert result.failures == {"test-mean": "the mean of -4.5 and 4 is -0.25"}


def test_a_number_that_a_test_cell_displays_gives_no_points(
    course: Path, light_assignments: Path, tmp_path: Path
) -> None:
    code = "def mean(numbers):\n    get_ipython().displayhook(1)\n    return 0"
    result = work(course, tmp_path, toy.submission(light_assignments, {"mean": code}))
    assert result.points["test-mean"] == 0.0


def test_a_long_output_is_cut_and_its_error_kept(
    course: Path, light_assignments: Path, tmp_path: Path
) -> None:
    code = "def mean(numbers):\n    print('x' * 3_000_000, flush=True)\n    return 0"
    result = work(course, tmp_path, toy.submission(light_assignments, {"mean": code}))
    assert result.points["test-mean"] == 0.0
    assert "too much output, cut: cell 5 (test-mean)" in result.detail


def test_an_interrupted_cell_loses_its_points_and_the_rest_is_graded(
    course: Path, light_assignments: Path, tmp_path: Path
) -> None:
    notebook = toy.submission(light_assignments)
    notebook.cells.insert(0, new_code_cell("while True:\n    pass"))
    result = work(course, tmp_path, notebook, cell_limit=2)
    assert result.status == "cell_timeout"
    assert result.points["test-mean"] == 1.0
    assert result.detail == "interrupted after 2 s: cell 1. The rest was graded"


def test_a_cell_that_cannot_be_interrupted_is_named(
    course: Path, light_assignments: Path, tmp_path: Path
) -> None:
    loop = (
        "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except BaseException: pass"
    )
    result = work(course, tmp_path, toy.submission(light_assignments, {"mean": loop}), 2)
    assert result.status == "cell_timeout_unkillable"
    assert not result.points
    assert "cell 4 (mean)" in result.detail


def test_a_dead_kernel_gives_no_points_and_the_cell(
    course: Path, light_assignments: Path, tmp_path: Path
) -> None:
    code = "import os\ndef mean(numbers):\n    os._exit(0)"
    result = work(course, tmp_path, toy.submission(light_assignments, {"mean": code}))
    assert result.status == "kernel_died"
    assert not result.points
    assert "cell 5 (test-mean)" in result.detail


def test_a_kernel_that_never_starts_is_an_error_of_ours(
    course: Path, light_assignments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "k" / "box").mkdir(parents=True)
    monkeypatch.setattr(sandbox, "confined", lambda *_, **__: ["false"])
    result = work(course, tmp_path, toy.submission(light_assignments))
    assert result.status == "error"
    assert "the start" in result.detail


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("get_ipython().input_transformers_cleanup.append(lambda _: ['pass'])", "can't fail"),
        ("import builtins\nbuiltins.abs = lambda x: 0", "replaced abs"),
        ("def all(x):\n    return True", "replaced all"),
    ],
)
def test_who_disables_tests_is_noticed(
    course: Path, light_assignments: Path, tmp_path: Path, code: str, said: str
) -> None:
    notebook = toy.submission(light_assignments)
    notebook.cells.insert(0, new_code_cell(code))
    *_, found = work(course, tmp_path, notebook).suspicious
    assert said in found


def test_an_untouched_submission_comes_back_as_it_was(
    release: nbformat.NotebookNode, light_assignments: Path
) -> None:
    notebook = toy.submission(light_assignments)
    restored = restore(notebook, release)
    assert not restored.notes
    assert [one.source for one in restored.notebook.cells] == [one.source for one in notebook.cells]
    assert set(restored.answers) == {"mean", "manual-explain"}


def test_edited_tests_are_restored(release: nbformat.NotebookNode) -> None:
    notebook = copy.deepcopy(release)
    cell(notebook, "test-mean").source = "pass"
    restored = restore(notebook, release)
    assert cell(restored.notebook, "test-mean").source.startswith(TEST)
    assert restored.notes == ["edited and restored: test-mean"]


def test_blanks_at_the_ends_of_lines_are_no_edit(release: nbformat.NotebookNode) -> None:
    notebook = copy.deepcopy(release)
    cell(notebook, "test-mean").source += "  \n"
    assert not restore(notebook, release).notes


def test_deleted_tests_are_put_back_after_their_answers(release: nbformat.NotebookNode) -> None:
    notebook = copy.deepcopy(release)
    notebook.cells.remove(cell(notebook, "test-mean"))
    restored = restore(notebook, release)
    names = [name for one in restored.notebook.cells if (name := grade_id(one))]
    assert names == ["mean", "test-mean", "manual-explain"]
    assert restored.notes == ["deleted and put back: test-mean"]


def test_a_deleted_answer_is_told_and_not_invented(release: nbformat.NotebookNode) -> None:
    notebook = copy.deepcopy(release)
    notebook.cells.remove(cell(notebook, "mean"))
    restored = restore(notebook, release)
    assert restored.notes == ["not handed in: the cell mean"]
    assert "mean" not in restored.answers


def test_moved_cells_go_back_and_take_the_student_s_own_with_them(
    release: nbformat.NotebookNode,
) -> None:
    notebook = copy.deepcopy(release)
    test = cell(notebook, "test-mean")
    notebook.cells.remove(test)
    notebook.cells[1:1] = [test, new_code_cell("mine = 1")]
    restored = restore(notebook, release)
    sources = [one.source for one in restored.notebook.cells]
    place = sources.index("mine = 1")
    assert grade_id(restored.notebook.cells[place - 1]) == "test-mean"
    assert grade_id(restored.notebook.cells[place - 2]) in ("mean", "")
    assert restored.notes == ["cells were moved: they are back in the assignment's order"]


def test_metadata_that_is_not_the_assignment_s_is_dropped(release: nbformat.NotebookNode) -> None:
    notebook = copy.deepcopy(release)
    cell(notebook, "test-mean").metadata.update({"tags": ["skip-execution"]})
    cell(notebook, "test-mean").metadata.nbgrader.update(points=1000, solution=True)
    strange = new_code_cell("1")
    strange.metadata["nbgrader"] = "no dictionary"
    notebook.cells.append(strange)
    restored = restore(notebook, release)
    noted = cell(release, "test-mean").metadata.nbgrader
    assert cell(restored.notebook, "test-mean").metadata == {"nbgrader": noted}
    assert restored.notebook.cells[-1].metadata == {}


def test_a_cell_that_is_there_twice_is_not_graded(release: nbformat.NotebookNode) -> None:
    notebook = copy.deepcopy(release)
    notebook.cells += [cell(notebook, "mean"), cell(notebook, "test-mean")]
    with pytest.raises(
        NotGradable, match=r"mean is there 2 times \(cells 4, 8\), and 1 more"
    ) as no:
        restore(notebook, release)
    assert no.value.status == "duplicate_cells"


@pytest.mark.parametrize(("name", "said"), [("", "stripped"), ("other", "another assignment")])
def test_without_any_graded_cell_there_is_no_grade(
    release: nbformat.NotebookNode, name: str, said: str
) -> None:
    notebook = copy.deepcopy(release)
    for one in notebook.cells:
        one.metadata = nbformat.from_dict({"nbgrader": {"grade_id": name}} if name else {})
    with pytest.raises(NotGradable, match=said) as no:
        restore(notebook, release)
    assert no.value.status == "no_questions_found"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b'{"cells": [', "no JSON from line 1 on"),
        (b"[1, 2]", "no notebook"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"nbformat": 5, "cells": []}', "format 5"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "cells are missing"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": "no"}', "malformed"),
        ("Fräulein".encode("latin-1"), "not text in UTF-8"),
        (
            b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": '
            b'[{"cell_type": "x", "metadata": {}, "source": ""}]}',
            "unknown kind 'x'",
        ),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_what_is_no_notebook_is_unreadable_and_says_what_it_is(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(content)
    with pytest.raises(NotGradable, match=said) as no:
        read_notebook(path)
    assert no.value.status == "unreadable"
    assert "another copy" in no.value.detail


def test_a_byte_order_mark_and_lines_in_lists_are_read(
    tmp_path: Path, release: nbformat.NotebookNode
) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(b"\xef\xbb\xbf" + nbformat.writes(release).encode())
    assert [one.source for one in read_notebook(path).cells] == [
        one.source for one in release.cells
    ]


def test_code_that_no_answer_needs_is_pointed_out(light_assignments: Path) -> None:
    release = nbformat.read(light_assignments / "release" / "toy" / "toy.ipynb", 4)
    notebook = toy.submission(light_assignments)
    assert not restore(notebook, release).suspicious
    notebook.cells.append(new_code_cell("class A:\n    def __eq__(self, b): return True"))
    assert restore(notebook, release).suspicious == ["its code uses __eq__, which no answer needs"]
    # What was handed out is nobody's fault.
    release.cells.append(new_code_cell("A.__eq__"))
    assert not restore(notebook, release).suspicious
