"""The commands ``bertlab assign ...``. nbgrader is imported by those that need it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated

import tyro

from bertlab.grading.config import (
    BuildConfig,
    CheckConfig,
    CollectConfig,
    GradeConfig,
    ReportConfig,
)

app = tyro.extras.SubcommandApp()
_UNNAMED = tyro.conf.arg(name="")


@app.command
def build(config: Annotated[BuildConfig, _UNNAMED]) -> None:
    """Make the students' versions from the masters, without solutions and hidden tests.

    Example: bertlab assign build attention

    It writes no version that shows a line of a solution or a hidden test, and says where it is.
    """
    _require_nbgrader()
    from bertlab.grading.build import build as run

    run(config)


@app.command
def check(config: Annotated[CheckConfig, _UNNAMED]) -> None:
    """Grade the masters and the blanks as if students had handed them in.

    Example: bertlab assign check attention

    Expected are all points for the masters and none for the blanks. Also says which test cells
    could give points for nothing. Exit code 1 if something is wrong.
    """
    _require_nbgrader()
    from bertlab.grading.check import check as run

    if not run(config):
        sys.exit(1)


@app.command
def collect(config: Annotated[CollectConfig, _UNNAMED]) -> None:
    """Sort what Moodle, Canvas, Classroom or Drive gave you into a folder a student.

    Example: bertlab assign collect Downloads/attention.zip --output submissions

    Of several submissions of a student the newest counts. What can't be placed is listed, with
    the reason.
    """
    _require_nbgrader()
    from bertlab.grading.collect import collect as run

    run(config)


@app.command
def grade(config: Annotated[GradeConfig, _UNNAMED]) -> None:
    """Grade a folder of submissions, each apart from the others and within limits.

    Example: bertlab assign grade attention --submissions submissions --output grades.csv

    What can't be graded gets a row without a total that says why. Started again after a stop, it
    goes on where it was.
    """
    _require_nbgrader()
    from bertlab.grading.grade import grade as run

    run(config)


@app.command
def report(config: Annotated[ReportConfig, _UNNAMED]) -> None:
    """Sum up grades: distribution, hardest questions, common mistakes, near-identical answers.

    Example: bertlab assign report grades.csv --submissions submissions
    """
    _require_nbgrader()
    from bertlab.grading.report import report as run

    run(config)


def _require_nbgrader() -> None:
    if find_spec("nbgrader") is None:
        raise ValueError(
            'grading needs nbgrader, which isn\'t installed: pip install "nbgrader>=0.9.5"'
        )
