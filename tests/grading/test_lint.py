"""What would make a master grade wrongly is found without running it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import toy
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from bertlab.grading.course import Assignment
from bertlab.grading.lint import lint, split

ROOT = Path(__file__).resolve().parents[2]
MASTERS = sorted((ROOT / "assignments" / "source").glob("*/*.ipynb"))
# Positions in the toy's master.
ANSWER, TEST, MANUAL = 6, 7, 9


def lint_of(folder: Path, master: NotebookNode) -> list[str]:
    toy.write(folder / "source" / "toy" / "toy.ipynb", master)
    return lint(Assignment.find(folder, "toy"))


def test_the_toy_is_in_order(toy_assignments: Path) -> None:
    assert lint(Assignment.find(toy_assignments, "toy")) == []


def set_source(position: int, source: str) -> Callable[[NotebookNode], None]:
    def change(master: NotebookNode) -> None:
        master.cells[position].source = source

    return change


def note(position: int, **noted: object) -> Callable[[NotebookNode], None]:
    def change(master: NotebookNode) -> None:
        master.cells[position].metadata["nbgrader"].update(noted)

    return change


def both(visible: str, hidden: str = "assert mean([2]) == 2, 'm'") -> str:
    return f"{visible}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"


GOOD = "assert mean([1]) == 1, 'm'"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: m.metadata.kernelspec.update(name="ir"), "kernel is 'ir'"),
        (note(TEST, grade_id="mean"), "2 cells have the grade_id 'mean'"),
        (lambda m: m.cells.pop(MANUAL), "0 questions are graded by people"),
        (lambda m: [m.cells.pop(i) for i in (7, 6, 4, 3)], "no question is graded by tests"),
        (lambda m: m.cells.pop(TEST), "never tested: expected a cell test-mean after it"),
        (lambda m: m.cells.pop(ANSWER), "tests nothing: expected a cell mean before it"),
        (lambda m: m.cells.insert(5, m.cells.pop(ANSWER)), "no question stands before it"),
        (lambda m: m.cells.insert(0, m.cells.pop(ANSWER)), "cell 0 (mean): no question stands"),
        (lambda m: m.cells.pop(MANUAL - 1), "cell 8 (manual-explain): no question stands before"),
        (note(ANSWER, locked=True), "cell 6 (mean): it is locked"),
        (note(MANUAL, locked=True), "cell 9 (manual-explain): it is locked"),
        (note(TEST, locked=False), "isn't locked"),
        (note(TEST, points=0), "gives 0 points"),
        (note(TEST, points=True), "gives True points"),
        (note(MANUAL, points="3"), "gives '3' points"),
        (note(TEST, grade_id="tests-mean"), "its grade_id is 'tests-mean': expected test-NAME"),
        (note(MANUAL, grade_id="explain"), "expected manual-NAME"),
        (note(ANSWER, grade_id="Mean 2"), "its grade_id is 'Mean 2'"),
        (note(MANUAL, task=True, grade=False, solution=False), "nbgrader's tasks"),
        (
            lambda m: m.cells[TEST].metadata.nbgrader.pop("locked"),
            "'locked' is a required property",
        ),
        (note(TEST, schema_version=2), "metadata: SchemaTooOldError"),
        (
            lambda m: m.cells[MANUAL].update(new_code_cell(metadata=m.cells[MANUAL].metadata)),
            "but it is code",
        ),
        # answers
        (set_source(ANSWER, "def mean(numbers):\n    return 1"), "there is no solution between"),
        (
            set_source(ANSWER, "def mean(n):\n    ### BEGIN SOLUTION\n\n    ### END SOLUTION"),
            "there is no solution between",
        ),
        (
            set_source(ANSWER, "def mean(n):\n### BEGIN SOLUTION\n    return 1\n### END SOLUTION"),
            "line 2 is no Python, here or with `raise NotImplementedError`",
        ),
        # tests
        (set_source(TEST, GOOD), "has no hidden tests"),
        (set_source(TEST, both("mean([1])")), "has no visible test"),
        (set_source(TEST, both("")), "has no visible test"),
        (set_source(TEST, both(GOOD, "pass")), "has no hidden test"),
        (set_source(TEST, both("assert (mean([1]) == 1, 'm')")), "always has the same"),
        (set_source(TEST, both("assert True, 'm'")), "always has the same outcome"),
        (set_source(TEST, both("assert mean([1]) == 1")), "has no message"),
        (set_source(TEST, both("%timeit mean([1])\n" + GOOD)), "expected no magics"),
        (set_source(TEST, both("for x in 1, 2:", "    " + GOOD)), "tests are no Python"),
        (
            set_source(TEST, both("exercises.check('mean', mean)")),
            "`exercises.check('mean', mean)` never fails",
        ),
        (
            set_source(TEST, both("check('mean', mean, strict=0 == 0)")),
            "never fails: expected strict=True",
        ),
        (set_source(TEST, both(GOOD + "\nmean([1])")), "ends without the hidden tests in"),
        (set_source(TEST, both(GOOD, GOOD + "\nmean([1])")), "it ends in `mean([1])`"),
        (set_source(TEST, both(GOOD) + "\nfunctions[0]()"), "it ends in `functions[0]()`"),
        # markers
        (set_source(TEST, GOOD + "\n### BEGIN HIDDEN TESTS\n" + GOOD), "without `### END HIDDEN"),
        (set_source(TEST, GOOD + "\n### END HIDDEN TESTS"), "line 2: `### END HIDDEN TESTS` with"),
        (set_source(ANSWER, "### BEGIN SOLUTION\n### BEGIN SOLUTION\nx = 1"), "line 2: `### BEGIN"),
        (set_source(5, "### BEGIN SOLUTION\nx\n### END SOLUTION"), "is not in an answer's cell"),
        (set_source(ANSWER, both(toy.MEAN)), "is not in a test cell"),
        (set_source(TEST, GOOD + "\n# BEGIN HIDDEN TESTS"), "line 2: `# BEGIN HIDDEN TESTS` looks"),
        (set_source(TEST, GOOD + "\n### BEGIN HIDEN TESTS"), "looks like a marker"),
        (set_source(ANSWER, "### Begin Solution\nx = 1\n### end solution"), "looks like a marker"),
    ],
)
def test_each_mistake_of_an_author_is_named(
    change: Callable[[NotebookNode], None], expected: str, tmp_path: Path
) -> None:
    master = toy.master()
    change(master)
    found = lint_of(tmp_path, master)
    assert any(expected in problem for problem in found), found


def test_a_check_in_any_spelling_may_end_a_test_cell(tmp_path: Path) -> None:
    master = toy.master()
    for call in ("check", "exercises.check", "bertlab.exercises.check"):
        last = f"{call}('mean', mean, seed=3, strict=True)"
        master.cells[TEST].source = both(f"if mean:\n    {GOOD}\n{last}", last)
        assert lint_of(tmp_path, master) == []


def test_a_loop_over_written_out_cases_may_end_a_test_cell_and_no_other_loop(
    tmp_path: Path,
) -> None:
    master = toy.master()
    for cases, expected in (("[1, 2]", 0), ("(1,)", 0), ("mean([1])", 2), ("[]", 2)):
        loop = f"for case in {cases}:\n    {GOOD}"
        master.cells[TEST].source = both(f"{GOOD}\n{loop}", loop)
        assert len(lint_of(tmp_path, master)) == expected


def test_prose_about_ends_and_tests_is_no_marker(tmp_path: Path) -> None:
    master = toy.master()
    prose = "## End of the tests\n\nIn the end tests pass. ### Begin here: begin testing."
    master.cells.insert(5, new_markdown_cell(prose))
    assert lint_of(tmp_path, master) == []


def test_files_beside_the_master_would_be_handed_out(tmp_path: Path) -> None:
    lint_of(tmp_path, toy.master())
    folder = tmp_path / "source" / "toy"
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "solutions.py").touch()
    (problem,) = lint(Assignment.find(tmp_path, "toy"))
    assert "solutions.py is beside the master" in problem


def test_regions_are_taken_out_and_replaced() -> None:
    source = (
        "def f():\n    ### BEGIN SOLUTION\n    a\n    b\n    ### END SOLUTION\n"
        "    x\n### BEGIN SOLUTION\n### END SOLUTION"
    )
    assert split(source, "SOLUTION", "stub") == (
        "def f():\n    stub\n    x\nstub",
        ["    a\n    b", ""],
    )
    assert split(source, "SOLUTION") == ("def f():\n    x", ["    a\n    b", ""])
    assert split(source, "HIDDEN TESTS") == (source, [])


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_the_masters_are_in_order(path: Path) -> None:
    assert lint(Assignment.find(ROOT / "assignments", path.stem)) == []
