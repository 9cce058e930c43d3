"""Grade one submission: ``python -m bertlab.grading.worker JOB.json``, a process for each.

It reads what a student wrote and never runs it: that happens in the kernel, which is confined. The
answer is a JSON file where no kernel can write.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory

from bertlab.grading.confine import adopt_orphans, die_with_parent
from bertlab.grading.course import grade_id, listening, nbgrader_config
from bertlab.grading.execution import Run, executor, settings
from bertlab.grading.restore import NotGradable, restore

STUDENT = "student"
_TEXT = 4_000  # characters of a failed test's message that are kept
_LONGEST = 50_000  # characters of an answer that are kept for the report


@dataclass(frozen=True)
class Job:
    """What a worker is told.

    Args:
        name: the assignment.
        notebook: the submission.
        course: a course folder of its own, with the database.
        folder: that the kernel can write to.
        result: the file to write.
        command: that confines a kernel.
        cell_limit: seconds for a cell.
    """

    name: str
    notebook: str
    course: str
    folder: str
    result: str
    command: list[str]
    cell_limit: float


@dataclass
class Result:
    """What a worker found out.

    Args:
        status: ``ok`` and ``cell_timeout`` have points, the others don't.
        detail: one line for a person.
        points: by the grade ids of tests and manual answers; None where people grade.
        failures: what failed test cells said, by grade id.
        answers: the source of the answer cells, by grade id.
        suspicious: what a person should look at.
    """

    status: str = "ok"
    detail: str = ""
    points: dict[str, float | None] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    suspicious: list[str] = field(default_factory=list)


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a submission.

    Raises:
        NotGradable: when it isn't a notebook.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        content = json.loads(text)
        if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
            raise ValueError("a JSON file, but no notebook")
        if not 3 <= content["nbformat"] <= 4:
            raise ValueError(f"a notebook of format {content['nbformat']}: expected 4")
        logging.getLogger("nbformat").disabled = True  # what matters is checked here
        notebook = nbformat.reads(text, as_version=4)
        for cell in notebook["cells"]:
            if cell["cell_type"] not in ("code", "markdown", "raw"):
                raise ValueError(f"a cell is of the unknown kind {str(cell['cell_type'])[:40]!r}")
            cell["source"] = "".join(cell["source"])
            cell["metadata"] = nbformat.from_dict(dict(cell.get("metadata", {})))
    except Exception as error:
        raise NotGradable("unreadable", _unreadable(path, error)) from None
    return notebook


def _unreadable(path: Path, error: Exception) -> str:
    if not path.stat().st_size:
        return "the file is empty: ask for another copy"
    if isinstance(error, json.JSONDecodeError):
        what = f"no JSON from line {error.lineno} on: it is damaged, or only a part of a download"
    elif isinstance(error, UnicodeDecodeError):
        what = "not text in UTF-8"
    elif isinstance(error, RecursionError):
        what = "nested too deeply for a notebook"
    elif isinstance(error, KeyError | TypeError | AttributeError | nbformat.ValidationError):
        what = "no notebook: its cells are missing or malformed"
    else:
        what = str(error).partition("\n")[0][:200]
    return f"{what}. Ask for another copy"


def grade(job: Job) -> Result:
    """Grade a submission, with nbgrader."""
    course, run = Path(job.course), Run(job.command, Path(job.folder), job.cell_limit)
    release = course / "release" / job.name / f"{job.name}.ipynb"
    result = Result()
    try:
        restored = restore(read_notebook(Path(job.notebook)), nbformat.read(release, as_version=4))
        result.answers = {name: text[:_LONGEST] for name, text in restored.answers.items()}
        submitted = course / "submitted" / STUDENT / job.name / f"{job.name}.ipynb"
        submitted.parent.mkdir(parents=True)
        nbformat.write(restored.notebook, submitted)
        _autograde(job.name, course, run)
    except NotGradable as problem:
        result.status, result.detail = problem.status, problem.detail
        return result
    graded = nbformat.read(
        course / "autograded" / STUDENT / job.name / f"{job.name}.ipynb", as_version=4
    )
    result.points = _points(job.name, course)
    result.failures = {
        grade_id(cell): _message(cell) for cell in graded.cells if grade_id(cell) and _message(cell)
    }
    result.suspicious = [*restored.suspicious, *run.suspicious]
    notes = [*restored.notes]
    if run.slow:
        result.status = "cell_timeout"
        slow = ", ".join(run.slow)
        notes.insert(0, f"interrupted after {job.cell_limit:g} s: {slow}. The rest was graded")
    if run.cut:
        notes.append(f"too much output, cut: {', '.join(run.cut)}")
    result.detail = "; ".join(notes)
    return result


def _autograde(name: str, course: Path, run: Run) -> None:
    config = nbgrader_config(course)
    config.CourseDirectory.assignment_id = name
    config.CourseDirectory.student_id = STUDENT
    settings(config, run)
    # Here, since nbclient reads the configuration again when it starts to execute.
    config.Execute.timeout = max(1, round(run.cell_limit))
    converter = Autograde(coursedir=CourseDirectory(config=config), config=config)
    converter.log, said = listening()
    converter.autograde_preprocessors = [
        executor(run) if one.__name__ == "Execute" else one
        for one in converter.autograde_preprocessors
    ]
    try:
        converter.start()
    except (Exception, SystemExit):
        raise _stopped(run, said) from None


def _stopped(run: Run, said: list[str]) -> NotGradable:
    """Say why execution couldn't go on to the end."""
    if run.failure == "kernel_died":
        return NotGradable(
            run.failure,
            f"Python ended in {run.at}: look there for exit(), os._exit, a crash in a library; "
            "repair it and grade again, or grade by hand",
        )
    if run.failure:
        return NotGradable(
            run.failure,
            f"{run.at} ran on after {run.cell_limit:g} s although it was interrupted: look there "
            "for a loop with `except:` in it; repair it and grade again, or grade by hand",
        )
    return NotGradable("error", f"grading failed at {run.at}: {' '.join(said)[:300]}")


def _points(name: str, course: Path) -> dict[str, float | None]:
    with Gradebook(f"sqlite:///{course.resolve() / 'gradebook.db'}") as book:
        grades = book.find_submission_notebook(name, name, STUDENT).grades
        return {grade.name: grade.auto_score for grade in sorted(grades, key=lambda g: g.name)}


def _message(cell: nbformat.NotebookNode) -> str:
    """Return what the last error of a test cell said; empty when there was none."""
    if not cell.metadata.nbgrader.get("grade") or cell.cell_type != "code":
        return ""
    errors = [f"{o.ename}: {o.evalue}" for o in cell.outputs if o.output_type == "error"]
    return errors[-1].removeprefix("AssertionError: ")[:_TEXT] if errors else ""


def main(path: str) -> None:
    """Do the job that a JSON file describes, and write the result."""
    die_with_parent()
    adopt_orphans()
    told: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    job = Job(**told)
    result = grade(job)
    unfinished = Path(f"{job.result}.part")
    unfinished.write_text(json.dumps(asdict(result)), encoding="utf-8")
    os.replace(unfinished, job.result)


if __name__ == "__main__":
    main(sys.argv[1])
