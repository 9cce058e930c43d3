"""Read a master without running it, and list what would make it grade wrongly.

nbgrader gives a test cell full points unless it raises. So a test cell ends in something that
raises, and everything in it that looks like a test is one.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from nbformat import NotebookNode
from nbgrader.nbgraderformat import MetadataValidator

from bertlab.grading.course import MANUAL, TEST, Assignment, grade_id, grading, read

SOLUTION, HIDDEN = "SOLUTION", "HIDDEN TESTS"
STUB = "raise NotImplementedError"
_MARKER = re.compile(r"\s*### (BEGIN|END) (SOLUTION|HIDDEN TESTS)\s*")
# Misspelt ones, too. Prose such as "in the end tests pass" is none.
MARKER_LIKE = re.compile(
    r"\b(BEGIN|END)[\s_-]+(SOL|HID|TEST|MARK)|^\s*###\s*(BEGIN|END)\b"
    r"|^\s*#+\s*(?i:begin|end)\s+(?i:sol|hidden)"
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def lint(assignment: Assignment) -> list[str]:
    """Return what is wrong with a master, a sentence each; nothing when it is in order.

    Raises:
        ValueError: when it can't be read.
    """
    notebook = read(assignment.source)
    found = list(_files(assignment)) + list(_notebook(notebook))
    for position, cell in enumerate(notebook.cells):
        where = place(position, cell)
        found += [f"{where}: {problem}" for problem in _cell(notebook, position)]
    return found


def place(position: int, cell: NotebookNode) -> str:
    """Say which cell it is: its position from 0, and its grade_id where it has one."""
    name = grade_id(cell)
    return f"cell {position} ({name})" if name else f"cell {position}"


def split(source: str, kind: str, stub: str = "") -> tuple[str, list[str]]:
    """Return a source without its regions of one kind, and the regions.

    Args:
        kind: SOLUTION or HIDDEN.
        stub: what stands in each region's place.

    Raises:
        ValueError: when markers aren't in pairs.
    """
    kept: list[str] = []
    regions: list[list[str]] = []
    inside = False
    for number, line in enumerate(source.split("\n"), 1):
        marker = _MARKER.fullmatch(line)
        if marker is None or marker[2] != kind:
            (regions[-1] if inside else kept).append(line)
            continue
        if inside == (marker[1] == "BEGIN"):
            raise ValueError(f"line {number}: `{line.strip()}` without the other one of its pair")
        inside = not inside
        if inside:
            regions.append([])
            kept += [line[: len(line) - len(line.lstrip())] + stub] if stub else []
    if inside:
        raise ValueError(f"`### BEGIN {kind}` without `### END {kind}`")
    return "\n".join(kept), ["\n".join(lines) for lines in regions]


def _files(assignment: Assignment) -> Iterator[str]:
    for path in sorted(assignment.source.parent.iterdir()):
        if path != assignment.source and not path.name.startswith("."):
            yield f"{path} is beside the master: students get one notebook, so expected no files"


def _notebook(notebook: NotebookNode) -> Iterator[str]:
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield f"the notebook's kernel is {kernel!r}: expected python3, which Colab has, too"
    ids = Counter(grading(cell)["grade_id"] for cell in notebook.cells if _has_id(cell))
    yield from (
        f"{n} cells have the grade_id {name!r}: one each" for name, n in ids.items() if n > 1
    )
    graded = [cell for cell in notebook.cells if grading(cell).get("grade")]
    manual = [cell for cell in graded if grading(cell).get("solution")]
    if len(manual) != 1:
        yield f"{len(manual)} questions are graded by people: expected one"
    if len(graded) == len(manual):
        yield "no question is graded by tests: expected some"
    try:
        MetadataValidator().validate_nb(notebook)
    except Exception as error:  # several kinds, KeyError among them
        line = str(error).partition("\n")[0]
        yield f"nbgrader can't use the notebook's metadata: {type(error).__name__}: {line}"


def _has_id(cell: NotebookNode) -> bool:
    return "grade_id" in grading(cell)


def _cell(notebook: NotebookNode, position: int) -> Iterator[str]:
    cell = notebook.cells[position]
    noted = grading(cell)
    is_test = bool(noted.get("grade") and not noted.get("solution"))
    is_manual = bool(noted.get("grade") and noted.get("solution"))
    is_answer = bool(noted.get("solution") and not noted.get("grade"))
    yield from _markers(cell.source, solution=is_answer or is_manual, hidden=is_test)
    if noted.get("task"):
        yield "it is one of nbgrader's tasks: expected an answer and a test cell, or manual-NAME"
    if is_test or is_manual:
        yield from _points(noted.get("points"))
    if is_test:
        yield from _test(notebook, position)
    elif is_manual:
        yield from _manual(notebook, position)
    elif is_answer:
        yield from _answer(notebook, position)


def _markers(source: str, *, solution: bool, hidden: bool) -> Iterator[str]:
    for kind, allowed, home in (
        (SOLUTION, solution, "an answer's cell"),
        (HIDDEN, hidden, "a test cell"),
    ):
        try:
            _, regions = split(source, kind)
        except ValueError as error:
            yield str(error)
            continue
        if regions and not allowed:
            yield f"`### BEGIN {kind}` is not in {home}, so it would stay in the students' version"
    for number, line in enumerate(source.split("\n"), 1):
        if MARKER_LIKE.search(line) and not _MARKER.fullmatch(line):
            yield (
                f"line {number}: `{line.strip()}` looks like a marker, but is none: expected "
                "`### BEGIN SOLUTION`, `### END SOLUTION`, `### BEGIN HIDDEN TESTS` or "
                "`### END HIDDEN TESTS`, alone on its line"
            )


def _points(points: object) -> Iterator[str]:
    if isinstance(points, bool) or not isinstance(points, int | float) or not 0 < points < 1000:
        yield f"it gives {points!r} points: expected a number above 0"


def _name(cell_id: str, prefix: str) -> Iterator[str]:
    if not cell_id.startswith(prefix) or not _NAME.fullmatch(cell_id.removeprefix(prefix)):
        yield f"its grade_id is {cell_id!r}: expected {prefix}NAME, such as {prefix}scaled_scores"


def _question_before(notebook: NotebookNode, position: int) -> Iterator[str]:
    for cell in reversed(notebook.cells[:position]):
        if grading(cell).get("grade") or grading(cell).get("solution"):
            break
        if cell.cell_type == "markdown":
            return
    yield "no question stands before it: expected a text cell after the question before"


def _answer(notebook: NotebookNode, position: int) -> Iterator[str]:
    cell = notebook.cells[position]
    answer = grade_id(cell)
    yield from _name(answer, "")
    yield from _question_before(notebook, position)
    if grading(cell).get("locked"):
        yield "it is locked: expected locked to be false, or answers are overwritten"
    if TEST + answer not in map(grade_id, notebook.cells[position:]):
        yield f"it is never tested: expected a cell {TEST}{answer} after it"
    try:
        blank, regions = split(cell.source, SOLUTION, STUB)
        if not regions or not all(region.strip() for region in regions):
            yield "there is no solution between `### BEGIN SOLUTION` and `### END SOLUTION`"
        ast.parse(cell.source)
        ast.parse(blank)
    except SyntaxError as error:
        yield f"line {error.lineno} is no Python, here or with `{STUB}` as its answer: {error.msg}"
    except ValueError:  # the markers, of which _markers tells
        return


def _manual(notebook: NotebookNode, position: int) -> Iterator[str]:
    cell = notebook.cells[position]
    yield from _name(grade_id(cell), MANUAL)
    yield from _question_before(notebook, position)
    if cell.cell_type != "markdown":
        yield "people grade it, but it is code: expected a text cell"
    if grading(cell).get("locked"):
        yield "it is locked: expected locked to be false, or answers are overwritten"


def _test(notebook: NotebookNode, position: int) -> Iterator[str]:
    cell = notebook.cells[position]
    test = grade_id(cell)
    yield from _name(test, TEST)
    answer = test.removeprefix(TEST)
    if not answer or answer not in map(grade_id, notebook.cells[:position]):
        yield f"it tests nothing: expected a cell {answer} before it"
    if not grading(cell).get("locked"):
        yield "it isn't locked: expected locked to be true, or students could change the test"
    try:
        visible, regions = split(cell.source, HIDDEN)
    except ValueError:  # of which _markers tells
        return
    if not regions:
        yield "it has no hidden tests: expected some after the visible ones"
    parts = [("visible", visible), *(("hidden", region) for region in regions)]
    for kind, source in parts:
        yield from _tests(kind, source)
    yield from _last("", cell.source)
    yield from _last(" without the hidden tests", visible)


def _tests(kind: str, source: str) -> Iterator[str]:
    """Look at the statements of a part of a test cell."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        yield (
            f"its {kind} tests are no Python ({error.msg}): expected no magics and no shell "
            "commands, and regions that are whole statements"
        )
        return
    nodes = list(ast.walk(tree))
    asserts = [node for node in nodes if isinstance(node, ast.Assert)]
    checks = [node for node in nodes if _is_check(node)]
    if not asserts and not checks:
        yield f"it has no {kind} test: expected an assert or check(..., strict=True)"
    for node in asserts:
        if isinstance(node.test, ast.Constant | ast.Tuple):
            yield f"`{ast.unparse(node)}` always has the same outcome: expected a comparison"
        elif node.msg is None:
            yield f"`{ast.unparse(node)}` has no message: expected the mistake in words"
    for check in checks:
        if not _is_strict(check):
            yield f"`{ast.unparse(check)}` never fails: expected strict=True in it"


def _last(version: str, source: str) -> Iterator[str]:
    try:
        body = ast.parse(source).body
    except SyntaxError:  # of which _tests tells
        return
    last = body[-1] if body else None
    # A loop over cases that are written out runs; one over what a student returns may not.
    while isinstance(last, ast.For) and getattr(last.iter, "elts", False):
        last = last.body[-1]
    ends_in_check = isinstance(last, ast.Expr) and _is_check(last.value) and _is_strict(last.value)
    if last is not None and not isinstance(last, ast.Assert) and not ends_in_check:
        line = ast.unparse(last).partition("\n")[0]
        yield (
            f"it ends{version} in `{line}`, whose value nbgrader could take for points: expected "
            "an assert or check(..., strict=True)"
        )


def _is_check(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name == "check"


def _is_strict(node: ast.AST) -> bool:
    assert isinstance(node, ast.Call)
    return any(
        word.arg == "strict" and isinstance(word.value, ast.Constant) and word.value.value is True
        for word in node.keywords
    )
