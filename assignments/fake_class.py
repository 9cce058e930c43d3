"""A class that doesn't exist: what thirty students might hand in.

The answers are the master's; the mistakes are planted, so that it is known what grading must find.
Used by ``rehearsal.py``.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode
from wrong_answers import WRONG

from bertlab.grading import course

_NAMES = """Amara Okafor, Bjørn Lund, Chiara De Luca, Dmitri Orlov, Elif Yılmaz, Farid Haddad,
Grace O'Neill, Hana Sato, Ivo Horvat, Jamila Mwangi, Kofi Mensah, Lucía Ortega, Mei Chen,
Nadia Rahmani, Oskar Nowak, Priya Iyer, Quinn Baker, Rosa Jiménez-Ruiz, Sanjay Patel, Tomoko Mori,
Umar Siddiqui, Vera Lund, Wanjiru Kamau, Xavier Dubois, Yusuf Demir, Zoë van der Berg, Aoife Byrne,
Bruno Costa, Carmen Vega, Dilan Kaya"""
PLATFORMS = ("moodle", "canvas", "classroom")

# What the students of a class of thirty hand in; a smaller class takes the first ones.
_KINDS = """perfect, wrong, partly, corrupt, blank, resubmitted, wrong, copied, late, noisy, loop,
perfect, wrong, deleted test, stripped, wrong, dies, partly, wrong, renamed, perfect, empty, wrong,
late, not a notebook, resubmitted, wrong, partly, wrong, perfect"""


_STATUSES = {
    "loop": ("cell_timeout",),
    "dies": ("kernel_died",),
    "stripped": ("no_questions_found",),
}


@dataclass(frozen=True)
class Planted:
    """What was planted in one student's work, and so what grading must find.

    Args:
        mistakes: question -> the id of the planted mistake; "" where nothing was answered.
        statuses: any of these is right.
        placed: whether ``collect`` can place it.
    """

    kind: str
    mistakes: dict[str, str] = field(default_factory=dict)
    statuses: tuple[str, ...] = ("ok",)
    placed: bool = True


@dataclass(frozen=True)
class Student:
    """Somebody who doesn't exist."""

    number: int
    name: str
    platform: str
    planted: Planted
    files: tuple[tuple[str, bytes], ...]  # their names, as the student gave them; the oldest first


def students(assignment: course.Assignment, count: int) -> list[Student]:
    """Return a class for an assignment; the same at each call.

    Args:
        assignment: its master has the answers, its students' version is what is filled in.
        count: how many students.

    Raises:
        DataError: when the students' version can't be read.
    """
    work = _Work(assignment)
    return [
        work.of(number, name, kind)
        for number, name, kind in zip(
            range(count), _names(), itertools.cycle(_list(_KINDS)), strict=False
        )
    ]


def _list(text: str) -> list[str]:
    return text.replace("\n", " ").split(", ")


def _names() -> Iterator[str]:
    """Combine first and last names: thirty as they stand, then others, no name twice."""
    first, last = zip(*(name.split(" ", 1) for name in _list(_NAMES)), strict=True)
    for shift in range(len(last)):
        for i, name in enumerate(first):
            yield f"{name} {last[(i + shift) % len(last)]}"


class _Work:
    """Makes what the students hand in."""

    def __init__(self, assignment: course.Assignment) -> None:
        self.name = assignment.name
        self.blank = course.read(assignment.release)
        questions = assignment.questions()
        self.automatic = [question.name for question in questions if not question.manual]
        self.answers = answers(assignment)
        # The mistakes that are known for this assignment; each student makes the next two.
        self.wrong = itertools.cycle(WRONG.get(self.name, ()) or [None])
        self.skipped = itertools.cycle(self.automatic)
        # What the last student with mistakes handed in, for the one who copies it.
        self.copied: tuple[NotebookNode, dict[str, str]] | None = None

    def of(self, number: int, name: str, kind: str) -> Student:
        """Return one student with what he or she hands in."""
        platform = PLATFORMS[number % len(PLATFORMS)]
        if kind == "late":
            platform = "canvas"  # the only one that says so
        planted, files = self._work(number, kind)
        return Student(number, name, platform, planted, files)

    def _work(self, number: int, kind: str) -> tuple[Planted, tuple[tuple[str, bytes], ...]]:
        usual = f"{self.name}.ipynb"
        notebook, mistakes = self._notebook(number, kind)
        data = _to_bytes(notebook)
        if kind == "resubmitted":
            before, _ = self._notebook(number, "wrong")
            return Planted(kind), ((usual, _to_bytes(before)), (usual, data))
        if kind == "renamed":
            return Planted(kind), (("my homework FINAL v2.ipynb", data),)
        if kind == "corrupt":
            return Planted(kind, statuses=("unreadable",)), ((usual, data[: len(data) // 2]),)
        if kind == "empty":
            return Planted(kind, statuses=("unreadable",)), ((usual, b""),)
        if kind == "not a notebook":
            return Planted(kind, placed=False), (("homework.pdf", b"%PDF-1.7\n"),)
        statuses = _STATUSES.get(kind, ("ok",))
        return Planted(kind, mistakes, statuses), ((usual, data),)

    def _notebook(self, number: int, kind: str) -> tuple[NotebookNode, dict[str, str]]:
        """Return a notebook, and what grading must find in it."""
        notebook = copy.deepcopy(self.blank)
        if kind == "blank":
            return notebook, dict.fromkeys(self.automatic, "")
        if kind == "copied" and self.copied is not None:
            return copy.deepcopy(self.copied[0]), dict(self.copied[1])
        answers, mistakes = dict(self.answers), {}
        if kind in ("wrong", "late"):
            for _ in range(2):
                self._plant(answers, mistakes)
        if kind == "partly":
            for _ in range(3):
                answers.pop(question := next(self.skipped), None)
                mistakes[question] = ""
        _fill(notebook, {name: _own_words(code, number) for name, code in answers.items()})
        if kind == "wrong":
            self.copied = (copy.deepcopy(notebook), dict(mistakes))
        change = _CHANGES.get(kind)
        if change:
            mistakes |= change(notebook, self.automatic)
        return notebook, mistakes

    def _plant(self, answers: dict[str, str], mistakes: dict[str, str]) -> None:
        """Put the next known mistake into an answer; leave a question out where none is known."""
        wrong = next(self.wrong)
        if wrong is None:
            question = next(self.skipped)
            answers.pop(question, None)
            mistakes[question] = ""
        elif wrong.question not in mistakes:
            answers[wrong.question] = wrong.planted_in(self.answers[wrong.question])
            mistakes[wrong.question] = wrong.mistake


def answers(assignment: course.Assignment) -> dict[str, str]:
    """Return the master's answers by question, without the marks around them."""
    found = {}
    for cell in course.read(assignment.source).cells:
        noted = course.grading(cell)
        if noted.get("solution"):
            lines = [line for line in cell.source.splitlines() if not _MARK.match(line)]
            found[noted["grade_id"]] = "\n".join(lines)
    return found


_MARK = re.compile(r"\s*### (BEGIN|END) SOLUTION")


def _fill(notebook: NotebookNode, answers: dict[str, str]) -> None:
    for cell in notebook.cells:
        noted = course.grading(cell)
        if noted.get("solution") and noted["grade_id"] in answers:
            cell.source = answers[noted["grade_id"]]


def _own_words(code: str, number: int) -> str:
    """Put a line of notes into each function, so that only who copies has another's answers."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # an answer in prose
        return code
    notes = [(31 * number + 7 * i**2) % 1009 for i in range(16)]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.body[:0] = ast.parse(f"tried = {notes}").body
    return ast.unparse(tree)


def _to_bytes(notebook: NotebookNode) -> bytes:
    return nbformat.writes(notebook).encode()


# What befalls a notebook whose answers are right; each says what grading must find.
def _noisy(notebook: NotebookNode, questions: list[str]) -> dict[str, str]:
    """A warning on stderr in an answer's cell; it must not cost a point."""
    cell = _cell(notebook, questions[0])
    cell.source += "\n\nimport warnings\n\nwarnings.warn('this is deprecated')"
    return {}


def _loop(notebook: NotebookNode, questions: list[str]) -> dict[str, str]:
    """An answer that never ends: its question is lost, the others count."""
    _cell(notebook, questions[-1])["source"] = "while True:\n    pass"
    return {questions[-1]: ""}


def _dies(notebook: NotebookNode, questions: list[str]) -> dict[str, str]:
    """An answer that ends the kernel."""
    _cell(notebook, questions[-1])["source"] = "import os\n\nos._exit(1)"
    return {}


def _deleted_test(notebook: NotebookNode, questions: list[str]) -> dict[str, str]:
    """A test cell is gone; grading puts it back."""
    notebook.cells.remove(_cell(notebook, course.TEST + questions[0]))
    return {}


def _stripped(notebook: NotebookNode, questions: list[str]) -> dict[str, str]:
    """Some program has thrown the cells' metadata away, and with it what marks the answers."""
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
    return {}


def _cell(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if course.grading(cell).get("grade_id") == grade_id)


_CHANGES: dict[str, Callable[[NotebookNode, list[str]], dict[str, str]]] = {
    "noisy": _noisy,
    "loop": _loop,
    "dies": _dies,
    "deleted test": _deleted_test,
    "stripped": _stripped,
}
