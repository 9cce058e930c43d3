"""Every command on the instructors' page exists with its options, and together they work."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rehearsal
import tyro

from bertlab.grading import config
from bertlab.grading.course import Assignment, names
from bertlab.grading.grade import _KILLED
from bertlab.grading.handed_in import LARGEST
from bertlab.grading.records import COLUMNS, GRADED
from bertlab.grading.sandbox import Limits

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
CONFIGS = {
    "build": config.BuildConfig,
    "check": config.CheckConfig,
    "collect": config.CollectConfig,
    "grade": config.GradeConfig,
    "report": config.ReportConfig,
}


def commands() -> list[str]:
    """Return the page's shell commands in their order."""
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", "").splitlines() if line]


def assign() -> list[str]:
    return [command for command in commands() if command.startswith("bertlab assign ")]


@pytest.mark.parametrize("command", assign())
def test_a_command_has_only_options_that_exist(command: str) -> None:
    _, _, name, *arguments = shlex.split(command)
    tyro.cli(CONFIGS[name], args=arguments, config=(tyro.conf.FlagCreatePairsOff,))


def test_every_command_of_assign_is_on_the_page() -> None:
    assert {shlex.split(command)[2] for command in assign()} == set(CONFIGS)


def test_the_rehearsals_options_exist() -> None:
    (command,) = (c for c in commands() if "rehearsal.py" in c)
    python, script, *arguments = shlex.split(command)
    assert python == "python"
    assert (ROOT / script).samefile(str(rehearsal.__file__))
    assert rehearsal.parser().parse_args(arguments).assignment in names(ROOT / "assignments")


def test_the_commands_that_are_not_ours_are_these() -> None:
    others = [c for c in commands() if c not in assign() and "rehearsal.py" not in c]
    assert [shlex.split(command)[0] for command in others] == [
        "git",
        "python3",
        ".venv/bin/pip",
        "source",
        "cp",
        "jupyter",
    ]


def test_files_and_names_in_the_text_exist() -> None:
    for path in re.findall(r"blob/main/(assignments/\S+\.ipynb)", PAGE):
        assert (ROOT / path).is_file(), path
    for path in re.findall(r"`(assignments/[\w/.]+)`", PAGE):
        assert (ROOT / path).exists(), path
    known = {f"q:{q.name}" for n in names(ROOT / "assignments") for q in _find(n).questions()}
    (head,) = re.findall(r"^student,(q:\w+)$", PAGE, re.MULTILINE)
    assert head in known


def _find(name: str) -> Assignment:
    return Assignment.find(ROOT / "assignments", name)


def test_every_status_that_the_code_gives_is_explained_and_no_other() -> None:
    given = {*GRADED, *_KILLED}
    for path in (ROOT / "bertlab" / "grading").glob("*.py"):
        code = path.read_text(encoding="utf-8")
        given |= set(re.findall(r'(?:NotGradable\(\s*|run\.failure = )"(\w+)"', code))
    table = PAGE.partition("| Status | What happened")[2].partition("\n\n")[0]
    firsts = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert {name for first in firsts for name in re.findall(r"`(\w+)`", first)} == given


def test_every_column_of_the_grades_is_explained() -> None:
    table = PAGE.partition("| Column | What it says")[2].partition("\n\n")[0]
    firsts = [line.split("|")[1] for line in table.splitlines()[2:]]
    explained = [name for first in firsts for name in re.findall(r"`([\w:]+)`", first)]
    assert explained == [*COLUMNS, "q:NAME"]


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    limits, needed = Limits(), {"submissions": Path("s"), "output": Path("g")}
    grade = config.GradeConfig(name="attention", **needed)
    for words in (
        f"`--limit` ({grade.limit:g} seconds)",
        f"`--cell-limit` ({grade.cell_limit:g} seconds)",
        f"`--memory` ({grade.memory} megabytes)",
        f"more than {limits.processes} processes",
        f"more than {limits.disk} megabytes, or {limits.files:,} files",
        f"more than {LARGEST // 2**20} megabytes",
    ):
        assert words in PAGE


@pytest.mark.slow
def test_the_afternoon_goes_from_downloads_to_marks_with_the_commands_as_they_stand(
    tmp_path: Path,
) -> None:
    """In a copy of the clone's assignments, with a class of eight in ../course."""
    clone, here = tmp_path / "clone", tmp_path / "course" / "attention"
    kept = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "assignments", clone / "assignments", ignore=kept)
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    program = scripts / "bertlab"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m bertlab.cli "$@"\n')
    program.chmod(0o755)
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    variables["PATH"] = os.pathsep.join([str(scripts), variables["PATH"]])

    assignment = Assignment.find(clone / "assignments", "attention")
    group = rehearsal.students(assignment, 8)
    rehearsal.write_downloads(group, "attention", here / "downloads")
    for command in commands():
        if not command.startswith(("bertlab", "cp")):
            continue
        if "manual.csv" in command and not (here / "manual.csv").exists():
            rehearsal.write_manual_points(assignment, here)
        done = subprocess.run(
            command, shell=True, cwd=clone, env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert not rehearsal.compare(group, assignment, rehearsal.read_rows(here / "grades.csv"))
    assert list((here / "feedback").rglob("*.html"))
