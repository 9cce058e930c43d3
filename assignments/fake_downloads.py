"""What a fake class handed in, laid out as Moodle, Canvas and Google Classroom give it."""

from __future__ import annotations

import os
import re
import zipfile
from datetime import datetime
from pathlib import Path
from zipfile import ZipInfo

from fake_class import Student


def write_downloads(group: list[Student], name: str, folder: Path) -> None:
    """Lay the students' files out as the platforms give them to an instructor.

    Moodle gives a zip file with a folder a student, Canvas one with all files side by side,
    Classroom a folder of Drive with the students' names before the files'.

    Args:
        group: the students.
        name: the assignment's.
        folder: a new one.
    """
    folder.mkdir(parents=True)
    with (
        zipfile.ZipFile(folder / f"NLP101-{name}-4711.zip", "w") as moodle,
        zipfile.ZipFile(folder / "submissions.zip", "w") as canvas,
    ):
        for student in group:
            for again, (file, data) in enumerate(student.files):
                handed_in = (2026, 3, 2 + again, 12, 0, 0)
                if student.platform == "moodle":
                    moodle.writestr(ZipInfo(_moodle(student, file, again), handed_in), data)
                elif student.platform == "canvas":
                    canvas.writestr(ZipInfo(_canvas(student, file, again), handed_in), data)
                else:
                    path = folder / "Classroom" / _classroom(student, file, again)
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(data)
                    seconds = datetime(*handed_in).timestamp()
                    os.utime(path, (seconds, seconds))


def _moodle(student: Student, file: str, again: int) -> str:
    number = 310000 + student.number
    return f"{student.name}_{number}_assignsubmission_file_/{_counted(file, again, ' ({})')}"


def _canvas(student: Student, file: str, again: int) -> str:
    first, _, last = student.name.partition(" ")
    letters = re.sub(r"\W", "", f"{last}{first}").lower()
    late = "_LATE" if student.planted.kind == "late" else ""
    ids = f"{52000 + student.number}_{880000 + 100 * again + student.number}"
    return f"{letters}{late}_{ids}_{_counted(file, again, '-{}')}"


def _classroom(student: Student, file: str, again: int) -> str:
    return _counted(f"{student.name} - {file}", again, " ({})")


def _counted(file: str, again: int, form: str) -> str:
    """Return a file's name with the number that a second one of the same name gets."""
    stem, dot, ending = file.rpartition(".")
    return f"{stem}{form.format(again)}{dot}{ending}" if again else file
