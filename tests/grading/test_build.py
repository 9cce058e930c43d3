"""The students' version is made from the master, always the same, and shows no solution."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import toy
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from bertlab.grading.build import build, students_version
from bertlab.grading.config import BuildConfig
from bertlab.grading.course import Assignment, read
from bertlab.grading.leaks import leaks

ROOT = Path(__file__).resolve().parents[2]
MASTERS = sorted((ROOT / "assignments" / "source").glob("*/*.ipynb"))
MEAN_SOLUTION = "total = sum(numbers)"
MEAN_HIDDEN = 'assert mean([-4.5, 4.0]) == -0.25, "the mean of -4.5 and 4 is -0.25"'


def write_master(folder: Path, master: NotebookNode) -> BuildConfig:
    toy.write(folder / "source" / "toy" / "toy.ipynb", master)
    return BuildConfig(assignments=folder)


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_the_committed_students_version_is_what_build_makes(path: Path) -> None:
    assignment = Assignment.find(ROOT / "assignments", path.stem)
    assert assignment.release.read_text(encoding="utf-8") == students_version(assignment)


def test_no_database_and_no_other_file_is_left_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    build(write_master(tmp_path / "a", toy.master()))
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"toy.ipynb"}
    assert Path.cwd() == tmp_path


def test_building_again_changes_no_byte_and_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_master(tmp_path, toy.master())
    build(config)
    release = tmp_path / "release" / "toy" / "toy.ipynb"
    before = (release.read_bytes(), release.stat().st_mtime_ns)
    build(config)
    assert (release.read_bytes(), release.stat().st_mtime_ns) == before
    assert capsys.readouterr().out.split("\n")[:2] == [
        f"{release}: written",
        f"{release}: unchanged",
    ]


def test_what_an_editor_noted_in_the_master_changes_nothing(tmp_path: Path) -> None:
    config = write_master(tmp_path, toy.master())
    assignment = Assignment.find(config.assignments, "toy")
    plain = students_version(assignment)
    master = toy.master()
    master.metadata["colab"] = {"provenance": []}
    for i, cell in enumerate(master.cells):
        cell.id = f"other-{i}"
        cell.metadata["colab"] = {"base_uri": "https://localhost:8080/"}
        if cell.cell_type == "code":
            cell.execution_count = i
            cell.outputs = [new_output("stream", text="what the solution printed\n")]
    write_master(tmp_path, master)
    assert students_version(assignment) == plain


def test_students_get_stubs_visible_tests_and_the_cells_marks(toy_assignments: Path) -> None:
    release = read(Assignment.find(toy_assignments, "toy").release)
    sources = {cell.metadata.nbgrader.grade_id: cell.source for cell in release.cells[3:5]}
    assert sources["attention"] == (
        "def attention(query, key, value, mask=None):\n"
        "    raise NotImplementedError  # your code here"
    )
    assert sources["test-attention"].rstrip() == toy.TEST_ATTENTION.split("\n")[0]
    assert release.cells[4].metadata.editable is False
    assert "answer" in release.cells[9].source
    assert [cell.id for cell in release.cells] == [f"toy-{i:03d}" for i in range(10)]
    assert all(not cell.outputs for cell in release.cells if cell.cell_type == "code")


def test_the_cells_that_colab_needs_keep_their_form(tmp_path: Path) -> None:
    master = toy.master()
    form = {"cellView": "form", "tags": ["remove-cell"]}
    master.cells.insert(1, new_code_cell("# @title Install", metadata=form))
    config = write_master(tmp_path, master)
    made = json.loads(students_version(Assignment.find(config.assignments, "toy")))
    assert made["cells"][1]["metadata"] == form


def leak_in_text(master: NotebookNode) -> None:
    master.cells[5].source += f"\n\nHint:\n\n    {MEAN_SOLUTION}"


def leak_in_a_forgotten_cell(master: NotebookNode) -> None:
    master.cells.append(new_code_cell("x = 1\nif True:\n  total=sum( numbers )  # as above"))


def leak_outside_the_markers(master: NotebookNode) -> None:
    master.cells[6].source += "\n" + "\n".join(toy.MEAN.split("\n")[2:4])


def leak_of_a_hidden_test(master: NotebookNode) -> None:
    master.cells[7].source = f"{MEAN_HIDDEN}\n{master.cells[7].source}"


def leak_of_the_manual_answer(master: NotebookNode) -> None:
    master.cells[8].source += "\n" + toy.EXPLAIN


def leak_in_a_tag(master: NotebookNode) -> None:
    master.cells[5].metadata["tags"] = [MEAN_SOLUTION]


@pytest.mark.parametrize(
    ("leak", "expected"),
    [
        (leak_in_text, "cell 5, line 7: a line of the solution 'mean': `total = sum(numbers)`"),
        (leak_in_a_forgotten_cell, "cell 10, line 3: a line of the solution 'mean'"),
        (leak_outside_the_markers, "cell 6 (mean), line 3: a line of the solution 'mean'"),
        (leak_of_a_hidden_test, "cell 7 (test-mean), line 1: a line of the hidden tests in 'test-"),
        (leak_of_the_manual_answer, "cell 8, line 6: a line of the solution 'manual-explain'"),
        (leak_in_a_tag, "cell 5, its metadata: a line of the solution 'mean'"),
    ],
)
def test_a_leak_is_refused_with_its_cell_and_line(
    leak: Callable[[NotebookNode], None], expected: str, tmp_path: Path
) -> None:
    master = toy.master()
    leak(master)
    with pytest.raises(ValueError, match="would show solutions") as error:
        build(write_master(tmp_path, master))
    assert expected in str(error.value)
    assert not (tmp_path / "release").exists()


def test_an_old_students_version_outlives_a_refused_one(tmp_path: Path) -> None:
    build(write_master(tmp_path, toy.master()))
    release = tmp_path / "release" / "toy" / "toy.ipynb"
    before = release.read_bytes()
    master = toy.master()
    leak_in_text(master)
    with pytest.raises(ValueError):
        build(write_master(tmp_path, master))
    assert release.read_bytes() == before


def test_misspelt_markers_are_a_leak(tmp_path: Path) -> None:
    master = toy.master()
    master.cells[7].source = master.cells[7].source.replace("HIDDEN", "HIDEN")
    with pytest.raises(ValueError, match=r"line 2: a marker: `### BEGIN HIDEN TESTS`"):
        build(write_master(tmp_path, master))


def test_unpaired_markers_are_refused(tmp_path: Path) -> None:
    master = toy.master()
    master.cells[7].source = master.cells[7].source.replace("### END HIDDEN TESTS", "")
    with pytest.raises(ValueError, match="No end hidden tests"):
        build(write_master(tmp_path, master))


def test_lines_that_solve_nothing_may_appear_in_the_text(tmp_path: Path) -> None:
    master = toy.master()
    lines = ["import math", "for a, b in zip(x, y, strict=True):", "n = 0", "return weights", ")"]
    master.cells[6].source = toy.MEAN.replace(
        "    total", "    " + "\n    ".join(lines) + "\n    total"
    )
    master.cells[5].source += "\n" + "\n".join(lines)
    build(write_master(tmp_path, master))


def test_outputs_of_solutions_and_tests_are_searched_for_too() -> None:
    master = toy.master()
    printed = "weights: [0.25, 0.5, 0.25]"
    master.cells[6].outputs = [new_output("stream", text=printed + "\n")]
    release = copy.deepcopy(toy.master())
    release.cells = [new_markdown_cell(f"You get:\n\n    {printed}")]
    assert leaks(master, release) == [
        f"cell 0, line 3: a line of the output of 'mean': `{printed}`"
    ]


def test_outputs_attachments_and_metadata_of_the_students_version_are_searched() -> None:
    release = toy.master()
    cell = new_code_cell(
        "x", outputs=[new_output("display_data", data={"text/plain": MEAN_HIDDEN})]
    )
    picture = new_markdown_cell("x", attachments={"a.png": {"text/plain": MEAN_SOLUTION}})
    release.cells = [cell, picture]
    release.metadata["note"] = {"END SOLUTION": [1, "total=sum(numbers)"]}
    assert [found.partition(": ")[0] for found in leaks(toy.master(), release)] == [
        "cell 0, its outputs",
        "cell 1, its attachments",
        "the notebook's metadata",
        "the notebook's metadata",
    ]


def test_an_answer_without_markers_is_replaced_as_a_whole_and_so_all_of_it_is_secret() -> None:
    master = toy.master()
    master.cells[6].source = "def mean(numbers):\n    return math.fsum(numbers) / len(numbers)"
    release = toy.master()
    release.cells = [new_markdown_cell("Use `return math.fsum(numbers) / len(numbers)`.")]
    (found,) = leaks(master, release)
    assert "the solution 'mean'" in found
