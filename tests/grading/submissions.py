"""Hostile and broken submissions, made out of any assignment's master and its student version.

``submissions(...)`` returns them by name, each with what grading it must give. Those that say
nothing of points answer everything rightly, and must get full marks for it.
"""

from __future__ import annotations

import ast
import copy
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import attacks
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

NOTHING, FIRST, EVERYTHING = "nothing", "the first question", "everything"
SPECIAL = ("folder", "pipe", "link")
_MARKERS = ("### BEGIN SOLUTION", "### END SOLUTION")


@dataclass(frozen=True)
class Submission:
    """What a student hands in, and what becomes of it.

    Args:
        content: the notebook file.
        status: what the row must say.
        lost: the autograded questions without points; None: the total must be empty.
        mistakes: ids that the row must name for the first question.
        name: the file's name without .ipynb, where it isn't the assignment's.
        files: more files, put beside it.
        padding: blanks that the file ends in.
        special: what stands in the file's place: a "folder", a "pipe", or a "link" to another's.
    """

    content: bytes
    status: str = "ok"
    lost: str | None = NOTHING
    mistakes: tuple[str, ...] = ()
    name: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    padding: int = 0
    special: str = ""

    def write(self, folder: Path, assignment: str) -> None:
        folder.mkdir(parents=True)
        path = folder / f"{self.name or assignment}.ipynb"
        if self.special:
            self._write_special(path)
        else:
            path.write_bytes(self.content + b" " * self.padding)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)

    def _write_special(self, path: Path) -> None:
        if self.special == "folder":
            path.mkdir()
        elif self.special == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(path.parent.parent / "perfect" / path.name)


class Work:
    """A student's notebook in the making: everything is answered rightly to begin with."""

    def __init__(self, release: nbformat.NotebookNode, master: nbformat.NotebookNode) -> None:
        self.book = copy.deepcopy(release)
        for number, cell in enumerate(self.book.cells):
            cell.id = f"cell-{number}"
        self.solutions = {i: c.source for i, c in _graded(master) if c.metadata.nbgrader.solution}
        self.cells = dict(_graded(self.book))
        # The autograded questions, by the ids of their two cells.
        self.answers = [i for i in self.cells if f"test-{i}" in self.cells]
        self.stubs = {name: self.cells[name].source for name in self.answers}
        for name in self.answers:
            self.answer(name, self.solution(name))
        for cell in self.cells.values():
            if cell.cell_type == "markdown":
                cell.source = "Because the weights are an average, and averages keep the scale."

    @property
    def first(self) -> str:
        return self.answers[0]

    def solution(self, name: str) -> str:
        lines = self.solutions[name].split("\n")
        return "\n".join(line for line in lines if line.strip() not in _MARKERS)

    def answer(self, name: str, source: str) -> Work:
        self.cells[name].source = source
        return self

    def before(self, code: str, name: str = "") -> Work:
        """Put code before a right answer, in the same cell."""
        name = name or self.first
        return self.answer(name, f"{code}\n\n{self.solution(name)}")

    def after(self, code: str, name: str = "") -> Work:
        name = name or self.first
        return self.answer(name, f"{self.solution(name)}\n\n{code}")

    def inside(self, code: str, name: str = "") -> Work:
        """Put code into the function that the answer defines."""
        name = name or self.first
        function = defined(self.solution(name))
        body = "\n".join(f"    {line}" for line in code.split("\n"))
        return self.after(
            f"_right = {function}\n\n\ndef {function}(*arguments, **options):\n{body}\n"
            f"    return _right(*arguments, **options)",
            name,
        )

    def start(self, code: str) -> Work:
        """Put a cell before all others."""
        self.book.cells.insert(0, new_code_cell(code, id="extra-start"))
        return self

    def end(self, code: str) -> Work:
        self.book.cells.append(new_code_cell(code, id="extra-end"))
        return self

    def at(self, name: str) -> int:
        return next(i for i, cell in enumerate(self.book.cells) if cell is self.cells[name])

    def drop(self, *names: str) -> Work:
        for name in names:
            del self.book.cells[self.at(name)]
        return self

    def twice(self, name: str) -> Work:
        again = copy.deepcopy(self.cells[name])
        again.id += "-again"
        self.book.cells.insert(self.at(name) + 1, again)
        return self

    def strip(self, *names: str) -> Work:
        for name in names:
            self.cells[name].metadata = nbformat.NotebookNode()
        return self

    def unanswered(self) -> Work:
        for name, stub in self.stubs.items():
            self.answer(name, stub)
        return self

    def wrong(self) -> Work:
        """Answer with functions that exist and return nothing."""
        for name in self.answers:
            function = defined(self.solution(name))
            self.answer(name, f"def {function}(*arguments, **options):\n    return None")
        return self

    def noted(self, **more: Any) -> Work:
        """Change what nbgrader noted in all test cells."""
        for name in self.answers:
            self.cells[f"test-{name}"].metadata.nbgrader.update(more)
        return self

    def bytes(self) -> bytes:
        return json.dumps(self.book, indent=1).encode()  # nbformat would repair it


def _graded(book: nbformat.NotebookNode) -> Iterator[tuple[str, nbformat.NotebookNode]]:
    for cell in book.cells:
        if "nbgrader" in cell.metadata:
            yield cell.metadata.nbgrader.grade_id, cell


def defined(source: str) -> str:
    """Return the name of the last function or class that code defines."""
    kinds = ast.FunctionDef, ast.ClassDef
    return [node.name for node in ast.parse(source).body if isinstance(node, kinds)][-1]


def submissions(
    release: nbformat.NotebookNode, master: nbformat.NotebookNode
) -> dict[str, Submission]:
    """Return all those that need to know nothing but the assignment."""

    def work() -> Work:
        return Work(release, master)

    def full(made: Work, **more: Any) -> Submission:
        return Submission(made.bytes(), **more)

    def zero(made: Work) -> Submission:
        return full(made, lost=EVERYTHING)

    return {
        **_honest(work, full),
        **_broken(work, full),
        **_files(work, full),
        **_dying(work, full),
        **_leaving(work, full),
        **_noted(work, zero),
    }


Maker = Callable[[], Work]
Making = Callable[..., Submission]


def _honest(work: Maker, full: Making) -> dict[str, Submission]:
    nothing = work()
    for cell in nothing.cells.values():
        if cell.cell_type == "markdown":
            cell.source = ""
    return {
        "perfect": full(work()),
        "blank": full(work().unanswered(), lost=EVERYTHING),
        "wrong": full(work().wrong(), lost=EVERYTHING),
        "nothing_written": full(nothing),
        "own_cells": full(work().start("mine = 1").end("mine + 1")),
        "noise": full(work().before(attacks.NOISE).inside(attacks.NOISE)),
        "import_error_at_the_start": full(work().start(attacks.IMPORT_ERROR)),
        "import_error": full(work().before(attacks.IMPORT_ERROR), lost=FIRST),
        "syntax_error": full(work().before("def ("), lost=FIRST),
        "system_exit": full(work().before(attacks.SYSTEM_EXIT), lost=FIRST),
        "input": full(work().before(attacks.INPUT), lost=FIRST),
        "other_folder": full(work().before(attacks.OTHER_FOLDER)),
        "folder_deleted": full(work().before(attacks.FOLDER_DELETED)),
        "random_numbers": full(work().before(attacks.RANDOM_NUMBERS)),
        "shell_magic": full(work().before(attacks.SHELL_MAGIC)),
        "script_magic": full(work().start(attacks.SCRIPT_MAGIC)),
        "captured_cell": full(work().start(attacks.CAPTURED_CELL)),
        "reset_at_the_end": full(work().end(attacks.RESET_MAGIC)),
        "huge_output": full(work().before(attacks.HUGE_OUTPUT)),
        "output_of_many_lines": full(work().before(attacks.FLOOD_OF_LINES)),
        "stdout_closed": full(work().before(attacks.STDOUT_CLOSED)),
    }


def _broken(work: Maker, full: Making) -> dict[str, Submission]:
    """Cells that are not what and where they were."""
    first = work().first
    test = f"test-{first}"
    edited, weakened = work(), work().wrong()
    edited.cells[test].source = "assert False"
    for name in weakened.answers:
        weakened.cells[f"test-{name}"].source = "pass"
    backwards, late = work(), work()
    cells = [(late.cells[name], late.cells[f"test-{name}"]) for name in late.answers]
    late.book.cells = [c for c in late.book.cells if c not in [a for a, _ in cells]]
    late.book.cells += [answer for answer, _ in cells]
    order = [
        i for name in backwards.answers for i in (backwards.at(name), backwards.at(f"test-{name}"))
    ]
    pairs = [order[i : i + 2] for i in range(0, len(order), 2)]
    moved = [backwards.book.cells[i] for pair in reversed(pairs) for i in pair]
    for place, cell in zip(order, moved, strict=True):
        backwards.book.cells[place] = cell
    every = list(work().cells)
    tests = [f"test-{name}" for name in work().answers]
    raw = work()
    raw.cells[test].cell_type = "raw"
    for key in ("outputs", "execution_count"):
        del raw.cells[test][key]
    same = work()
    for cell in same.book.cells:
        cell.id = "the-same"
    return {
        "test_deleted": full(work().drop(test)),
        "all_tests_deleted": full(work().drop(*tests)),
        "answer_deleted": full(work().drop(first), lost=FIRST),
        "question_deleted": full(work().drop(first, test), lost=FIRST),
        "test_edited": full(edited),
        "tests_weakened": full(weakened, lost=EVERYTHING),
        "test_made_raw": full(raw),
        "answer_twice": full(work().twice(first), status="duplicate_cells", lost=None),
        "test_twice": full(work().twice(test), status="duplicate_cells", lost=None),
        "questions_backwards": full(backwards),
        "answers_after_tests": full(late),
        "metadata_gone": full(work().strip(*every), status="no_questions_found", lost=None),
        "metadata_of_an_answer_gone": full(work().strip(first)),
        "metadata_of_a_test_gone": full(work().strip(test)),
        "metadata_of_a_question_gone": full(work().strip(first, test)),
        "same_cell_ids": full(same),
    }


def _files(work: Maker, full: Making) -> dict[str, Submission]:
    """Files that are not what they should be."""

    def bad(content: bytes, status: str = "unreadable") -> Submission:
        return Submission(content, status=status, lost=None)

    right = work().bytes()
    attached = work()
    attached.book.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    attached.book.metadata["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    picture = new_markdown_cell("![p](attachment:p.png)", id="extra-picture")
    picture["attachments"] = {"p.png": {"image/png": "iVBORw0KGgo="}}
    attached.book.cells.append(picture)
    plain = json.loads(right)
    older = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": [], "metadata": {}}],
    }
    many = work()
    many.book.cells += [new_code_cell("1 + 1", id=f"extra-{i}") for i in range(200)]
    return {
        "empty": bad(b""),
        "corrupt": bad(right.replace(b'"cells"', b'"cells', 1)),
        "truncated": bad(right[: len(right) // 2]),
        "a_list": bad(b"[1, 2, 3]"),
        "no_cells": bad(b'{"metadata": {}, "nbformat": 4, "nbformat_minor": 5}'),
        "cells_are_text": bad(json.dumps({**plain, "cells": "none"}).encode()),
        "deeply_nested": bad(b"[" * 100_000 + b"]" * 100_000),
        "not_text": bad(bytes(range(256)) * 10),
        "nbformat_3": bad(json.dumps(older).encode(), "no_questions_found"),
        "nbformat_5": bad(json.dumps({**plain, "nbformat": 5}).encode()),
        "latin_1": bad(right.replace(b"Because", "Während".encode("latin-1"))),
        "byte_order_mark": Submission(b"\xef\xbb\xbf" + right),
        "huge_file": Submission(right, status="too_large", lost=None, padding=101 << 20),
        **{name: Submission(b"", "no_notebook", None, special=name) for name in SPECIAL},
        "widgets_and_attachments": full(attached),
        "many_cells": full(many),
        "renamed": full(work(), name="Copy of my homework (1)"),
        "modules_beside_it": full(
            work(),
            files={
                "bertlab.py": b"raise SystemExit('this is not bertlab')",
                "torch.py": b"raise SystemExit('this is not torch')",
                "sitecustomize.py": b"raise SystemExit('this should not run')",
                "nbgrader_config.py": b"raise SystemExit('this should not run')",
            },
        ),
    }


def _dying(work: Maker, full: Making) -> dict[str, Submission]:
    """Code that doesn't end, or ends too much."""

    def dead(made: Work, status: str) -> Submission:
        return full(made, status=status, lost=None)

    tested = work()
    tested.cells[f"test-{tested.first}"].source += f"\n{attacks.EXIT}"
    return {
        "loop": full(work().after(attacks.LOOP), status="cell_timeout"),
        "loop_in_the_function": full(
            work().inside(attacks.LOOP), status="cell_timeout", lost=FIRST
        ),
        "loop_that_swallows_interrupts": dead(
            work().after(attacks.LOOP_THAT_SWALLOWS_INTERRUPTS), "cell_timeout_unkillable"
        ),
        "signals_ignored": dead(work().after(attacks.SIGNALS_IGNORED), "cell_timeout_unkillable"),
        "exit_at_the_start": dead(work().start(attacks.EXIT), "kernel_died"),
        "exit_in_the_function": dead(work().inside(attacks.EXIT), "kernel_died"),
        "exit_in_a_test": full(tested),
        "ipython_exit": dead(work().before(attacks.IPYTHON_EXIT), "kernel_died"),
        "kills_itself": dead(work().before(attacks.KILL_ITSELF), "kernel_died"),
        "kills_the_worker": full(work().before(attacks.KILL_THE_WORKER)),
        "much_memory": dead(work().before(attacks.MUCH_MEMORY), "out_of_memory"),
        "too_many_processes": dead(work().before(attacks.processes(250)), "too_many_processes"),
        "full_disk": dead(work().before(attacks.FULL_DISK), "disk_full"),
        "many_files": dead(work().before(attacks.MANY_FILES), "disk_full"),
        "much_memory_of_children": dead(work().before(attacks.MEMORY_OF_CHILDREN), "out_of_memory"),
    }


def _leaving(work: Maker, full: Making) -> dict[str, Submission]:
    """Code that leaves something behind."""
    return {
        "many_processes": full(work().before(attacks.processes(100))),
        "process_left_behind": full(work().before(attacks.PROCESS_LEFT_BEHIND)),
        "thread_left_behind": full(work().before(attacks.THREAD_LEFT_BEHIND)),
        "at_exit": full(work().before(attacks.AT_EXIT)),
        "poisoned_folder": full(work().before(attacks.POISONED_FOLDER)),
        "database_changed": full(
            work().unanswered().start(attacks.DATABASE_CHANGED), lost=EVERYTHING
        ),
        "system_opened": full(work().before(attacks.SYSTEM_OPENED)),
        "master_searched": full(work().before(attacks.loot("*.ipynb", "BEGIN HIDDEN TESTS"))),
        "database_searched": full(work().before(attacks.loot("*.db", "BEGIN HIDDEN TESTS"))),
    }


def _noted(work: Maker, zero: Making) -> dict[str, Submission]:
    """Wrong answers with changes to what no student sees: the metadata."""
    skipped, dead = work().wrong(), work().wrong()
    for name in skipped.answers:
        skipped.cells[f"test-{name}"].metadata["tags"] = ["skip-execution"]
        dead.cells[f"test-{name}"].metadata.nbgrader["grade_id"] += "-no-more"
    return {
        "tests_skipped": zero(skipped),
        "tests_renamed": zero(dead),
        "tests_are_no_tests": zero(work().wrong().noted(grade=False)),
        "tests_are_answers": zero(work().wrong().noted(solution=True, locked=False)),
        "tests_are_tasks": zero(work().wrong().noted(task=True, grade=False)),
        "tests_are_worth_more": zero(work().wrong().noted(points=1000)),
        "points_displayed": zero(_points_displayed(work())),
    }


def _always_equal(made: Work) -> Work:
    for name in made.answers:
        made.answer(name, f"{attacks.ALWAYS_EQUAL}\n\n\n{defined(made.solution(name))} = Always()")
    return made


def _points_displayed(made: Work) -> Work:
    """A cell's value counts as its points, if it comes before the error."""
    for name in made.answers:
        made.answer(
            name,
            f"def {defined(made.solution(name))}(*arguments, **options):\n"
            "    get_ipython().displayhook(1)\n",
        )
    return made


def targeted(
    release: nbformat.NotebookNode,
    master: nbformat.NotebookNode,
    *,
    port: int,
    files: dict[str, Path],
    canaries: dict[str, Path],
) -> dict[str, Submission]:
    """Return submissions that try to get at something outside, and know where it is.

    Args:
        port: of a server on this machine.
        files: what they try to read.
        canaries: what they try to write.
    """
    codes = {"connects": attacks.connect(port)}
    codes |= {f"reads_{name}": attacks.read(str(path)) for name, path in files.items()}
    codes |= {f"writes_{name}": attacks.write(str(path)) for name, path in canaries.items()}
    return {
        name: Submission(Work(release, master).before(code).bytes()) for name, code in codes.items()
    }


def patched(release: nbformat.NotebookNode, master: nbformat.NotebookNode) -> dict[str, Submission]:
    """Return wrong answers with code that makes tests pass, which a kernel can't be kept from.

    What they lose is not said here. If it is less than everything, they must be pointed out.
    """
    return {
        "always_equal": Submission(_always_equal(Work(release, master)).bytes()),
        **{
            name: Submission(Work(release, master).wrong().start(code).bytes())
            for name, code in attacks.PATCHED.items()
        },
    }


def known_mistakes(
    release: nbformat.NotebookNode, master: nbformat.NotebookNode
) -> dict[str, Submission]:
    """Return a submission for each known mistake of the first question's exercise."""
    from bertlab.exercises import _SPECS

    made = {}
    spec = _SPECS[Work(release, master).first]
    for number, mistake in enumerate(spec.mistakes):
        work = Work(release, master)
        work.answer(
            work.first,
            "from functools import partial\n\nfrom bertlab.exercises import _SPECS\n\n"
            f"_compute = _SPECS[{spec.exercise.name!r}].compute\n"
            f"{defined(work.solution(work.first))} = partial(_compute, **{mistake.flags!r})",
        )
        made[f"mistake_{number}_{mistake.name}"] = Submission(
            work.bytes(), lost=FIRST, mistakes=(mistake.name,)
        )
    return made
