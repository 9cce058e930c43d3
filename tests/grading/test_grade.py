"""A whole class is graded: rows, resuming, points by hand, feedback, and nothing left behind."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

pytest.importorskip("nbgrader")

import toy

from bertlab.data.errors import DataError
from bertlab.grading import grade as grading
from bertlab.grading import sandbox
from bertlab.grading.config import GradeConfig
from bertlab.grading.course import Assignment, Question, grade_id
from bertlab.grading.feedback import hidden_lines, write_feedback
from bertlab.grading.grade import grade
from bertlab.grading.handed_in import LARGEST, HandedIn, handed_in
from bertlab.grading.manual import read_points
from bertlab.grading.records import Record, beside, read_records
from bertlab.grading.restore import NotGradable

PEEK = "def mean(numbers):\n    raise AssertionError(In[-1])"
CHECKED = "def mean(numbers):\n    raise AssertionError('✗ mean: wrong axis + too slow\\n\\nMore.')"
LATER = "def mean(numbers):\n    return sum(numbers) / len(numbers)"
ANSWERS: dict[str, dict[str, str] | None] = {
    "ann": None,
    "blank": {},
    "checked": {"mean": CHECKED},
    "dead": {"mean": "import os\ndef mean(numbers):\n    os._exit(0)"},
    "peek": {"mean": PEEK, "manual-explain": "Since <they> are normalised."},
}
QUESTIONS = [
    Question("mean", "test-mean", 1, False),
    Question("explain", "manual-explain", 3, True),
]


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def graded(light_assignments: Path, tmp_path_factory: pytest.TempPathFactory) -> GradeConfig:
    """A small class, graded once. Tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("class")
    for student, answers in ANSWERS.items():
        toy.hand_in(folder / "in", student, toy.submission(light_assignments, answers))
    (folder / "in" / "none").mkdir()
    elsewhere = toy.submission(light_assignments, {})
    place = next(i for i, cell in enumerate(elsewhere.cells) if grade_id(cell) == "mean")
    elsewhere.cells.insert(place + 1, nbformat.v4.new_code_cell(LATER))
    toy.write(folder / "in" / "elsewhere" / "Copy of toy (1).ipynb", elsewhere)
    config = GradeConfig(
        name=toy.NAME,
        submissions=folder / "in",
        output=folder / "out" / "grades.csv",
        assignments=light_assignments,
        jobs=2,
        limit=240,
    )
    grade(config)
    return config


def changed(config: GradeConfig, folder: Path, only: str = "*", **more: Any) -> GradeConfig:
    """Return a copy of a graded class, or of one student, in another folder."""
    for path in config.submissions.glob(only):
        shutil.copytree(path, folder / "in" / path.name)
    shutil.copytree(config.output.parent, folder / "out")
    settings = {name: getattr(config, name) for name in ("name", "assignments", "limit", "jobs")}
    settings |= {"submissions": folder / "in", "output": folder / "out" / "grades.csv"}
    return GradeConfig(**settings | more)


def test_everybody_has_a_row_and_only_grades_have_totals(graded: GradeConfig) -> None:
    found = rows(graded.output)
    assert list(found) == sorted([*ANSWERS, "none", "elsewhere"])
    said = {name: (row["status"], row["total"]) for name, row in found.items()}
    assert said == {
        "ann": ("ok", "1"),
        "blank": ("ok", "0"),
        "checked": ("ok", "0"),
        "dead": ("kernel_died", ""),
        "elsewhere": ("ok", "1"),
        "none": ("no_notebook", ""),
        "peek": ("ok", "0"),
    }
    assert {row["max"] for row in found.values()} == {"4"}
    assert (found["ann"]["q:mean"], found["ann"]["q:explain"]) == ("1", "")
    assert (found["dead"]["q:mean"], found["dead"]["q:explain"]) == ("", "")
    assert found["ann"]["needs_manual"] == "explain"
    assert found["blank"]["needs_manual"] == ""
    assert found["checked"]["mistakes"] == "mean:wrong-axis+too-slow"


def test_points_without_an_answer_are_suspicious(graded: GradeConfig) -> None:
    records = read_records(beside(graded.output))
    assert records["elsewhere"].suspicious == ["points without an answer in its cell: mean"]
    assert "look at this notebook: points without" in rows(graded.output)["elsewhere"]["detail"]
    assert not records["ann"].suspicious


def test_a_second_run_runs_nothing_and_writes_the_same_bytes(
    graded: GradeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = changed(graded, tmp_path)
    before = again.output.read_bytes(), beside(again.output).read_bytes()
    monkeypatch.setattr(grading, "_run", pytest.fail)
    grade(again)
    assert (again.output.read_bytes(), beside(again.output).read_bytes()) == before


def test_what_has_changed_is_graded_again_and_what_is_gone_has_no_row(
    graded: GradeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = changed(graded, tmp_path)
    shutil.rmtree(again.submissions / "peek")
    toy.hand_in(again.submissions, "blank", toy.submission(again.assignments))
    ran = []

    def run(notebook: Path, *_: object) -> dict[str, Any]:
        ran.append(notebook.parent.name)
        answers = {"mean": "def mean(numbers):\n    return 3"}
        points = {"test-mean": 0.5}
        return {"status": "ok", "detail": "two\nlines", "points": points, "answers": answers}

    monkeypatch.setattr(grading, "_run", run)
    grade(again)
    assert ran == ["blank"]
    assert rows(again.output)["blank"]["total"] == "0.5"
    assert rows(again.output)["blank"]["detail"] == "two lines"
    assert "peek" not in rows(again.output)


def test_other_limits_and_overwrite_grade_everybody_again(
    graded: GradeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Path] = []

    def run(notebook: Path, *_: object) -> dict[str, Any]:
        ran.append(notebook)
        return {"status": "ok", "detail": "", "points": {}}

    monkeypatch.setattr(grading, "_run", run)
    grade(changed(graded, tmp_path / "a", cell_limit=30.0))
    assert len(ran) == 6  # of seven, one has no notebook
    grade(changed(graded, tmp_path / "b", overwrite=True))
    assert len(ran) == 12


def test_an_error_of_ours_is_tried_again(
    graded: GradeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = changed(graded, tmp_path, "ann", overwrite=True)

    def broken(*_: object) -> dict[str, Any]:
        raise NotGradable("error", "the disk was full")

    monkeypatch.setattr(grading, "_run", broken)
    grade(again)
    assert rows(again.output)["ann"]["status"] == "error"
    fine = {"status": "ok", "detail": "", "points": {"test-mean": 1.0}}
    monkeypatch.setattr(grading, "_run", lambda *_: fine)
    grade(changed(again, tmp_path / "again"))
    assert rows(tmp_path / "again" / "out" / "grades.csv")["ann"]["status"] == "ok"


def test_an_interrupted_run_goes_on_where_it_was(
    graded: GradeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = changed(graded, tmp_path, overwrite=True, jobs=1)
    ran: list[str] = []

    def run(notebook: Path, *_: object) -> dict[str, Any]:
        ran.append(notebook.parent.name)
        if len(ran) == 3 and again.overwrite:
            object.__setattr__(again, "overwrite", False)
            raise KeyboardInterrupt
        return {"status": "ok", "detail": "", "points": {"test-mean": 1.0}}

    monkeypatch.setattr(grading, "_run", run)
    with pytest.raises(KeyboardInterrupt):
        grade(again)
    with beside(again.output).open("a") as file:
        file.write('{"student": "torn')
    first, ran[:] = ran[:2], []
    grade(again)
    assert not set(first) & set(ran)
    assert rows(again.output)["ann"]["total"] == "1"


def test_what_was_killed_says_what_for(
    graded: GradeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = changed(graded, tmp_path, "ann", overwrite=True, memory=900)
    monkeypatch.setattr(sandbox, "watch", lambda process, *_: process.kill() or "out_of_memory")
    grade(again)
    row = rows(again.output)["ann"]
    assert (row["status"], row["total"]) == ("out_of_memory", "")
    assert "more than 900 MB" in row["detail"]


def test_a_worker_that_ends_without_a_result_is_an_error(
    graded: GradeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = changed(graded, tmp_path, "ann", overwrite=True)
    monkeypatch.setattr(sandbox, "watch", lambda process, *_: process.kill())
    grade(again)
    row = rows(again.output)["ann"]
    assert (row["status"], row["total"]) == ("error", "")
    assert "grading ended early" in row["detail"]


def test_weak_isolation_is_said(
    graded: GradeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sandbox, "isolation", lambda: "none")
    again = changed(graded, tmp_path)
    shutil.rmtree(again.submissions)
    toy.hand_in(again.submissions, "zoe", toy.submission(again.assignments))
    (record,) = grade(again)
    assert (record.status, record.points["mean"]) == ("ok", 1.0)
    assert "This system isolates no program" in capsys.readouterr().out


def test_the_summary_counts_and_names(
    graded: GradeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grade(changed(graded, tmp_path))
    said = capsys.readouterr()
    assert "5 of 7 graded" in said.out
    assert "1 kernel_died: no total" in said.out
    assert "1 to look at: elsewhere" in said.out
    assert "7/7" in said.err


def test_points_by_hand_are_added_and_replace_others(graded: GradeConfig, tmp_path: Path) -> None:
    given = (
        "student,question,points\nann,explain,2.5\ndead,mean,1\ndead,explain,3\nblank,mean,0.5\n"
    )
    (tmp_path / "manual.csv").write_text(given)
    again = changed(graded, tmp_path, manual=tmp_path / "manual.csv")
    grade(again)
    found = rows(again.output)
    assert (found["ann"]["total"], found["ann"]["needs_manual"]) == ("3.5", "")
    assert (found["dead"]["total"], found["dead"]["status"]) == ("4", "kernel_died")
    assert found["blank"]["total"] == "0.5"


def test_points_may_stand_in_columns(tmp_path: Path) -> None:
    path = tmp_path / "manual.csv"
    path.write_text("\ufeffstudent,total,q:explain,q:mean\nann,9,2,\nbob,,,1\n")
    assert read_points(path, ["ann", "bob"], QUESTIONS) == {
        "ann": {"explain": 2.0},
        "bob": {"mean": 1.0},
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name,points\n", "line 1: found the columns name, points"),
        ("student,question,points\nzoe,explain,1\n", "line 2: found the student 'zoe'"),
        ("student,question,points\nann,explian,1\n", "line 2: found the question 'explian'"),
        ("student,question,points\nann,explain,4\n", "points '4'; expected a number from 0 to 3"),
        ("student,question,points\nann,explain,-1\n", "points '-1'"),
        ("student,question,points\nann,explain,nan\n", "points 'nan'"),
        ("student,question,points\nann,explain,two\n", "points 'two'"),
        ("student,question,points\nann,explain,1\nann,explain,2\n", "line 3: .* again"),
    ],
)
def test_wrong_points_by_hand_are_refused_with_their_line(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "manual.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=said):
        read_points(path, ["ann"], QUESTIONS)


def test_feedback_shows_answers_and_what_tests_said_and_no_hidden_test(
    graded: GradeConfig, tmp_path: Path
) -> None:
    grade(changed(graded, tmp_path, feedback=tmp_path / "feedback"))
    pages = {path.stem: path.read_text() for path in (tmp_path / "feedback").iterdir()}
    assert set(pages) == set(rows(graded.output))
    hidden = hidden_lines(Assignment.find(graded.assignments, toy.NAME))
    assert any("-0.25" in line for line in hidden)
    for page in pages.values():
        assert not any(line in page for line in hidden)
        assert "HIDDEN" not in page
    assert "[a line of a test]" in pages["peek"]
    assert "Since &lt;they&gt; are" in pages["peek"]
    assert "1 of 1" in pages["ann"]
    assert "wrong axis + too slow" in pages["checked"]
    assert "Not graded (kernel_died)" in pages["dead"]


def test_feedback_shows_notes_on_graded_work(light_assignments: Path, tmp_path: Path) -> None:
    assignment = Assignment.find(light_assignments, toy.NAME)
    record = Record("ann", "k", "ok", "edited and restored: test-mean", points={"mean": 1.0})
    write_feedback(tmp_path, assignment, [record], QUESTIONS, {"ann": {"explain": 2}})
    page = (tmp_path / "ann.html").read_text()
    assert "<p>edited and restored: test-mean</p>" in page
    assert "2 of 3" in page


def test_students_are_folders_or_notebooks(tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir()
    (tmp_path / ".git").mkdir()
    for name in ("ann.ipynb", "readme.txt"):
        (tmp_path / name).write_text("{}")
    found = handed_in(tmp_path)
    assert [one.student for one in found] == ["ann", "bob"]
    assert found[0].notebook("toy") == tmp_path / "ann.ipynb"


def test_folders_that_hold_no_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        handed_in(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no submissions"):
        handed_in(tmp_path)
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann.ipynb").write_text("{}")
    with pytest.raises(ValueError, match="both ann and"):
        handed_in(tmp_path)


def test_the_notebook_with_the_assignment_s_name_counts(tmp_path: Path) -> None:
    for name in ("toy.ipynb", "other.ipynb", ".ipynb_checkpoints/toy.ipynb"):
        path = tmp_path / "ann" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    ann = HandedIn("ann", tmp_path / "ann")
    assert ann.notebook("toy") == tmp_path / "ann" / "toy.ipynb"
    with pytest.raises(NotGradable, match=r"2 notebooks \(other.ipynb, toy.ipynb\)"):
        ann.notebook("attention")


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.ipynb").write_text("{}")
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "toy.ipynb").symlink_to(tmp_path / "secret.ipynb")
    with pytest.raises(NotGradable, match=r"no .ipynb file"):
        HandedIn("ann", tmp_path / "ann").notebook("toy")


def test_a_file_can_be_too_large(tmp_path: Path) -> None:
    with (tmp_path / "ann.ipynb").open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(NotGradable, match="outputs cleared") as no:
        HandedIn("ann", tmp_path / "ann.ipynb").notebook("toy")
    assert no.value.status == "too_large"


def _busy(word: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(word in argument for argument in process.info["cmdline"] or ()):
            found.append(process)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_stopping_leaves_no_process(
    light_assignments: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    number: signal.Signals,
) -> None:
    if number == signal.SIGKILL and sandbox.isolation() == "none":
        pytest.skip("only Linux ends what a killed process started")
    endless = {"mean": "import time\ndef mean(numbers):\n    time.sleep(600)"}
    toy.hand_in(tmp_path / "in", "ann", toy.submission(light_assignments, endless))
    config = {
        "name": toy.NAME,
        "submissions": str(tmp_path / "in"),
        "output": str(tmp_path / "grades.csv"),
        "assignments": str(light_assignments),
    }
    code = (
        "import json, sys; from bertlab.grading.config import GradeConfig as C; "
        "from bertlab.grading.grade import grade; grade(C(**json.loads(sys.argv[1])))"
    )
    # Not in tmp_path: that is too long for the kernels' sockets.
    folder = Path(tempfile.mkdtemp(prefix="t-", dir=sandbox.short_folder()))
    request.addfinalizer(lambda: shutil.rmtree(folder, ignore_errors=True))
    started = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(config)],
        env={**os.environ, "TMPDIR": str(folder)},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    word = f"{folder}/"
    while not _busy("ipykernel_launcher") or not _busy(word):
        assert time.monotonic() < deadline
        assert started.poll() is None
        time.sleep(0.2)
    started.send_signal(number)
    started.wait(60)
    while _busy(word):
        assert time.monotonic() < deadline, [one.cmdline() for one in _busy(word)]
        time.sleep(0.2)
    if number == signal.SIGINT:
        assert not list(folder.glob("bertlab-*"))
