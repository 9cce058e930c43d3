"""The settings of the commands ``bertlab assign ...``. Imports nothing heavy.

Fields stand in the order in which ``--help`` shows them: what goes in and out, how it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

# What the help shows in place of a type, and nothing in place of "(default: None)".
_NAME: Any = arg(metavar="NAME", help_behavior_hint="")
_MAYBE_NAME: Any = arg(metavar="[NAME]", help_behavior_hint="")
_FILE: Any = arg(metavar="FILE", help_behavior_hint="")
_FOLDER: Any = arg(metavar="DIR", help_behavior_hint="")
_OUTPUT: Any = arg(metavar="FILE")
_DIR: Any = arg(metavar="DIR")
_SECONDS: Any = arg(metavar="SECONDS")
_MEGABYTES: Any = arg(metavar="MB")

ASSIGNMENTS = Path("assignments")


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """Everything that ``bertlab assign build`` can be told.

    Attributes:
        name: the assignment, such as attention; by default all of them.
        assignments: the folder with source/NAME/NAME.ipynb, the masters. The students' versions
            are written to release/NAME/NAME.ipynb in it.
    """

    name: Annotated[Positional[str | None], _MAYBE_NAME] = None
    assignments: Annotated[Path, _DIR] = ASSIGNMENTS

    def __post_init__(self) -> None:
        _expand(self, "assignments")


@dataclass(frozen=True, kw_only=True)
class CheckConfig:
    """Everything that ``bertlab assign check`` can be told.

    Attributes:
        name: the assignment, such as attention; by default all of them.
        assignments: the folder with source/NAME/NAME.ipynb and release/NAME/NAME.ipynb.
    """

    name: Annotated[Positional[str | None], _MAYBE_NAME] = None
    assignments: Annotated[Path, _DIR] = ASSIGNMENTS

    def __post_init__(self) -> None:
        _expand(self, "assignments")


@dataclass(frozen=True, kw_only=True)
class CollectConfig:
    """Everything that ``bertlab assign collect`` can be told.

    Attributes:
        downloads: the folder with what Moodle, Canvas, Classroom or Drive gave you, zip files or
            unpacked; or one zip file. Nothing in it is changed.
        output: the folder to sort into: STUDENT/NAME.ipynb. What is there already stays, unless
            something newer of the same student comes.
        assignment: collect this assignment only; by default all that are found.
        assignments: the folder with the masters, by which a notebook's assignment is recognised.
    """

    downloads: Annotated[Positional[Path], _DIR]
    output: Annotated[Path, _DIR]
    assignment: Annotated[str | None, _NAME] = None
    assignments: Annotated[Path, _DIR] = ASSIGNMENTS

    def __post_init__(self) -> None:
        _expand(self, "downloads", "output", "assignments")


@dataclass(frozen=True, kw_only=True)
class GradeConfig:
    """Everything that ``bertlab assign grade`` can be told.

    Attributes:
        name: the assignment, such as attention.
        submissions: the folder with STUDENT/NAME.ipynb, as bertlab assign collect makes it.
        output: the CSV file to write: a row a student, also for those that can't be graded. If it
            is there, only what is new or has changed since is graded.
        feedback: also write an HTML page a student to this folder. It shows no tests.
        manual: a CSV file with points that people give: student, question, points; or student and
            columns q:NAME.
        jobs: submissions graded at the same time; by default one a processor core.
        limit: seconds that a submission may take on the clock.
        cell_limit: seconds that a cell may take.
        memory: megabytes that all processes of a submission may hold together.
        overwrite: grade everything again.
        assignments: the folder with source/NAME/NAME.ipynb, the master.

    Raises:
        ValueError: when a limit isn't above 0.
    """

    name: Annotated[Positional[str], arg(metavar="NAME")]
    submissions: Annotated[Path, _DIR]
    output: Annotated[Path, _OUTPUT]
    feedback: Annotated[Path | None, _FOLDER] = None
    manual: Annotated[Path | None, _FILE] = None
    jobs: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    limit: Annotated[float, _SECONDS] = 300.0
    cell_limit: Annotated[float, _SECONDS] = 60.0
    memory: Annotated[int, _MEGABYTES] = 4096
    overwrite: bool = False
    assignments: Annotated[Path, _DIR] = ASSIGNMENTS

    def __post_init__(self) -> None:
        _expand(self, "submissions", "output", "feedback", "manual", "assignments")
        for name in ("jobs", "limit", "cell_limit", "memory"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} is {value}: expected a number above 0")


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Everything that ``bertlab assign report`` can be told.

    Attributes:
        grades: the CSV file that bertlab assign grade wrote.
        submissions: the folder that was graded. Near-identical answers are looked for in it if
            the file that grade keeps beside the CSV file is gone.
        assignments: the folder with the masters.
    """

    grades: Annotated[Positional[Path], _OUTPUT]
    submissions: Annotated[Path | None, _FOLDER] = None
    assignments: Annotated[Path, _DIR] = ASSIGNMENTS

    def __post_init__(self) -> None:
        _expand(self, "grades", "submissions", "assignments")


def _expand(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None:
            object.__setattr__(config, name, Path(value).expanduser())
