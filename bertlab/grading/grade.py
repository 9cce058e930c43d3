"""``bertlab assign grade``: every submission in a sandbox of its own, a row for each."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

import bertlab
from bertlab.grading import sandbox
from bertlab.grading.config import GradeConfig
from bertlab.grading.course import Assignment, Question, grade_id, read, throw_away_course
from bertlab.grading.feedback import write_feedback
from bertlab.grading.handed_in import HandedIn, handed_in
from bertlab.grading.manual import read_points
from bertlab.grading.records import (
    GRADED,
    Record,
    as_line,
    beside,
    read_records,
    write_grades,
    write_records,
)
from bertlab.grading.restore import NotGradable
from bertlab.grading.sandbox import Limits
from bertlab.grading.warm import Warm
from bertlab.grading.worker import Job

_KILLED = {
    "timeout": "it took longer than {seconds:g} s in all: look for slow cells, or raise --limit",
    "out_of_memory": "it held more than {memory} MB: look for what grows, or raise --memory",
    "too_many_processes": "it started more than {processes} processes: look for what starts them",
    "disk_full": "it wrote more than {disk} MB or {files} files: look for what writes",
}
_LOOK = "look at this notebook: {}"
_ISOLATION = {
    "full": "",
    "network": "This system lets no program hide the machine's files: submissions could read them, "
    "the master included. They had no network.",
    "none": "This system isolates no program: submissions could use the network and read the "
    "machine's files, the master included. Grade in a container or on Linux to prevent it.",
}


@dataclass(frozen=True)
class Setting:
    """All that grading one submission takes, the same for everybody.

    Args:
        assignment: that is graded.
        questions: of it.
        stubs: what the answer cells hold when they are handed out, by grade id.
        course: the pristine course folder.
        work: the folder in which each submission gets its own.
        limits: of a submission.
        cell_limit: of a cell, in seconds.
        level: of isolation.
        hidden: folders that no submission must see.
        version: what a key depends on beside the submission.
        stop: set when grading is to end.
        warm: starts workers.
    """

    assignment: Assignment
    questions: list[Question]
    stubs: dict[str, str]
    course: Path
    work: Path
    limits: Limits
    cell_limit: float
    level: str
    hidden: tuple[Path, ...]
    version: str
    stop: threading.Event
    warm: Warm


def grade(config: GradeConfig) -> list[Record]:
    """Grade every submission in a folder and write the CSV file.

    What was graded before, with the same assignment and limits, is taken from the file beside it.

    Returns:
        A record for each student, sorted.

    Raises:
        ValueError: when the assignment isn't there or not in order, or the submissions aren't.
        DataError: when the file with points by hand is wrong.
    """
    assignment = Assignment.find(config.assignments, config.name)
    everybody = handed_in(config.submissions)
    questions = assignment.questions()
    students = [one.student for one in everybody]
    by_hand = read_points(config.manual, students, questions) if config.manual else {}
    config.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bertlab-", dir=sandbox.short_folder()) as work:
        whole = _prepare(config, assignment, questions, Path(work).resolve())
        try:
            records = _grade_all(config, whole, everybody)
        finally:
            whole.warm.close()
    write_records(beside(config.output), records)
    write_grades(config.output, records, questions, by_hand)
    if config.feedback:
        write_feedback(config.feedback, assignment, records, questions, by_hand)
    _say(config, records, whole.level)
    return records


def _prepare(
    config: GradeConfig, assignment: Assignment, questions: list[Question], work: Path
) -> Setting:
    course = throw_away_course(assignment, work / "course")
    release = read(course / "release" / config.name / f"{config.name}.ipynb")
    limits = Limits(config.limit, config.memory)
    settings = [bertlab.__version__, asdict(limits), config.cell_limit]
    version = hashlib.sha256(assignment.source.read_bytes() + json.dumps(settings).encode())
    hidden = [config.assignments, config.submissions, work / "course"]
    return Setting(
        assignment=assignment,
        questions=questions,
        stubs={grade_id(cell): cell.source for cell in release.cells if grade_id(cell)},
        course=course,
        work=work,
        limits=limits,
        cell_limit=config.cell_limit,
        level=sandbox.isolation(),
        hidden=(*hidden, *([config.feedback] if config.feedback else [])),
        version=version.hexdigest(),
        stop=threading.Event(),
        warm=Warm(sandbox.environment(work / "warm", work.name)),
    )


def _grade_all(config: GradeConfig, whole: Setting, everybody: list[HandedIn]) -> list[Record]:
    """Grade those whose record isn't there yet; each is kept as soon as it is known."""
    file = beside(config.output)
    before = {} if config.overwrite else read_records(file)
    keys = {one.student: _key(one, whole) for one in everybody}
    done = {
        student: before[student]
        for student, key in keys.items()
        # An error may be ours, and gone by now.
        if student in before and before[student].key == key and before[student].status != "error"
    }
    write_records(file, done.values())
    lock = threading.Lock()

    def work(one: HandedIn) -> None:
        record = _grade_one(one, keys[one.student], whole)
        with lock, file.open("a", encoding="utf-8") as kept:
            kept.write(as_line(record))
        done[one.student] = record

    bar = tqdm(total=len(everybody), initial=len(done), desc=config.name, unit="notebook")
    with bar, ThreadPoolExecutor(config.jobs or os.cpu_count() or 1) as pool:
        waiting = [pool.submit(work, one) for one in everybody if one.student not in done]
        try:
            for future in as_completed(waiting):
                future.result()
                bar.update()
        except BaseException:
            whole.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [done[one.student] for one in everybody]


def _key(one: HandedIn, whole: Setting) -> str:
    """Return what tells a submission, its assignment and its limits from all others."""
    key = hashlib.sha256(whole.version.encode())
    try:
        key.update(one.notebook(whole.assignment.name).read_bytes())
    except NotGradable as problem:
        key.update(str(problem).encode())
    return key.hexdigest()


def _grade_one(one: HandedIn, key: str, whole: Setting) -> Record:
    start = time.monotonic()
    folder = Path(tempfile.mkdtemp(dir=whole.work))
    try:
        outcome = _run(one.notebook(whole.assignment.name), folder, whole)
    except NotGradable as problem:
        outcome = {"status": problem.status, "detail": problem.detail}
    finally:
        sandbox.remove(folder)
    record = _record(one.student, key, outcome, whole)
    return replace(record, seconds=round(time.monotonic() - start, 1))


def _run(notebook: Path, folder: Path, whole: Setting) -> dict[str, Any]:
    """Run a worker and return its result, or what became of it."""
    shutil.copytree(whole.course, folder / "course")
    command = sandbox.confined(
        [sys.executable],
        folder / "kernel",
        mark=folder.name,
        level=whole.level,
        limits=whole.limits,
        hidden=whole.hidden,
    )
    job = Job(
        name=whole.assignment.name,
        notebook=str(notebook.resolve()),
        course=str(folder / "course"),
        folder=str(folder / "kernel" / "box"),
        result=str(folder / "result.json"),
        command=command,
        cell_limit=whole.cell_limit,
    )
    (folder / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
    environment = sandbox.environment(folder / "worker", folder.name)
    worker = whole.warm.start(folder / "job.json", environment, folder / "said.txt")
    killed = worker and sandbox.watch(worker, folder, whole.limits, whole.stop)
    if killed in _KILLED:
        raise NotGradable(killed, _KILLED[killed].format(**asdict(whole.limits)))
    try:
        result: dict[str, Any] = json.loads(Path(job.result).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = folder / "said.txt"
        last = said.read_text(errors="replace").splitlines()[-1:] if said.exists() else []
        raise NotGradable("error", f"grading ended early: {' '.join(last)[:300]}") from None
    return result


def _record(student: str, key: str, outcome: dict[str, Any], whole: Setting) -> Record:
    """Put a worker's result in terms of questions."""
    by_id = {one.grade_id: one.name for one in whole.questions}
    given = outcome.get("points", {}) if outcome["status"] in GRADED else {}
    answers = {
        one.name: source
        for one in whole.questions
        if (
            source := outcome.get("answers", {}).get(
                cell := one.grade_id if one.manual else one.name
            )
        )
        and source.strip() != whole.stubs[cell].strip()
    }
    points = {one.name: given[one.grade_id] for one in whole.questions if one.grade_id in given}
    suspicious = list(outcome.get("suspicious", []))
    automatic = [one.name for one in whole.questions if not one.manual]
    if unwritten := [name for name in automatic if points.get(name) and name not in answers]:
        suspicious.append(f"points without an answer in its cell: {', '.join(unwritten)}")
    return Record(
        student=student,
        key=key,
        status=outcome["status"],
        detail=_one_line(
            "; ".join(filter(None, [outcome["detail"], *map(_LOOK.format, suspicious)]))
        ),
        points=points,
        failures={by_id[name]: words for name, words in outcome.get("failures", {}).items()},
        answers=answers,
        suspicious=suspicious,
        most={one.name: one.points for one in whole.questions},
    )


def _one_line(words: str) -> str:
    return "".join(mark for mark in " ".join(words.split()) if mark.isprintable())


def _say(config: GradeConfig, records: list[Record], level: str) -> None:
    counts = Counter(record.status for record in records)
    graded = sum(counts[status] for status in GRADED)
    print(f"{config.output}: {graded} of {len(records)} graded")
    for status, count in sorted(counts.items()):
        if status not in GRADED:
            print(f"  {count} {status}: no total, see the column detail")
    if suspicious := [record.student for record in records if record.suspicious]:
        print(f"  {len(suspicious)} to look at: {', '.join(suspicious)}")
    if _ISOLATION[level]:
        print(f"Note: {_ISOLATION[level]}")
