"""The chapters keep their promises: they read the same everywhere, and their claims are checked."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import itertools
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nbformat
import normal_form
import notebooks
import psutil
import pytest
from conftest import CHAPTERS, ROOT, load_notebook

from bertlab import exercises

mpl.use("Agg")

each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
Cell = dict[str, Any]

# What MyST alone understands: fenced directives, colon fences, roles.
MYST = re.compile(r"^\s*(```|~~~)\{|^\s*:::|\{[a-z][\w:-]*\}`", re.MULTILINE)
HEADING = re.compile(r"^(#+) +(.+?)\s*$", re.MULTILINE)
TAG = re.compile(r"\\tag\{([^}]*)\}")
EXERCISE = re.compile(r"Exercise (\d+\.\d+): (\w+) · (\w+) · (\d+) minutes")
SECTIONS = ["Exercises", "Mistakes you'll meet", "Summary", "Further reading"]


def markdown(cells: list[Cell]) -> Iterator[str]:
    return (cell["source"] for cell in cells if cell["cell_type"] == "markdown")


def without_code(source: str) -> str:
    """Leave out fenced code and inline code, in which anything may stand."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", source, flags=re.M | re.S))


def headings(cells: list[Cell]) -> list[tuple[int, str]]:
    found = (HEADING.findall(without_code(source)) for source in markdown(cells))
    return [(len(marks), text) for cell in found for marks, text in cell]


def next_code(cells: list[Cell], position: int, count: int = 2) -> list[str]:
    later = (cell["source"] for cell in cells[position + 1 :] if cell["cell_type"] == "code")
    return [source for _, source in zip(range(count), later, strict=False)]


def asserted(source: str) -> set[str]:
    """Return the numbers in comments beside assertions: `assert ...` or `assert_close(...)`."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        call = node.value.func if is_call(node) else None
        name = getattr(call, "attr", getattr(call, "id", ""))
        if isinstance(node, ast.Assert) or name.startswith("assert_"):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = (t for t in tokens if t.type == tokenize.COMMENT and t.start[0] in lines)
    return {number for t in comments for number in re.findall(r"\((\d+\.\d+)\)", t.string)}


def is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def solutions(cells: list[Cell]) -> dict[str, str]:
    """Return the folded solution's code for each exercise's name."""
    text = "\n\n".join(markdown(cells))
    parts = re.split(r"^### (?=Exercise )", text, flags=re.MULTILINE)[1:]
    found = {}
    for part in parts:
        match = EXERCISE.match(part)
        assert match, f"expected 'Exercise N.k: name · level · M minutes', found {part[:60]!r}"
        folded = part.split("<summary>Solution</summary>")
        assert len(folded) == 2, f"exercise {match[2]} has no folded solution, or several"
        blocks = re.findall(r"^```python\n(.*?)^```", folded[1].split("</details>")[0], re.M | re.S)
        assert blocks, f"exercise {match[2]}: the solution has no block of Python"
        found[match[2]] = "\n".join(blocks)
    return found


# ---------------------------------------------------------------------------------------------
# Form


@each_chapter
def test_a_chapter_is_executed_and_in_normal_form(path: Path) -> None:
    notebooks.check_file(path)


@each_chapter
def test_markdown_uses_only_what_colab_and_github_render(path: Path) -> None:
    for source in markdown(load_notebook(path)["cells"]):
        match = MYST.search(re.sub(r"(`+)(?!`).*?\1", "", source)) or MYST.search(source)
        assert not match, f"MyST, which Colab shows raw: {match and match[0]!r} in {source[:200]!r}"


@each_chapter
def test_display_formulas_stand_on_lines_of_their_own(path: Path) -> None:
    for source in markdown(load_notebook(path)["cells"]):
        lines = ["", *source.splitlines(), ""]
        fences = [i for i, line in enumerate(lines) if "$$" in line]
        assert len(fences) % 2 == 0, f"a $$ is not closed: {source[:200]!r}"
        for start, end in zip(fences[::2], fences[1::2], strict=True):
            assert lines[start].strip() == lines[end].strip() == "$$", lines[start : end + 1]
            assert not lines[start - 1].strip(), f"no blank line before {lines[start + 1]!r}"
            assert not lines[end + 1].strip(), f"no blank line after {lines[end - 1]!r}"


@each_chapter
def test_headings_are_in_order_and_the_sections_are_there(path: Path) -> None:
    found = headings(load_notebook(path)["cells"])
    number = int(path.stem.split("_")[0])
    assert found[0][0] == 1
    assert found[0][1].startswith(f"{number}. ")
    assert ": " in found[0][1]
    assert [level for level, _ in found].count(1) == 1
    for (before, _), (level, text) in itertools.pairwise(found):
        assert level <= before + 1, f"{text!r} skips a level"
    texts = [text for _, text in found]
    assert len(set(texts)) == len(texts), "two headings are equal, so their anchors clash"
    assert [text for text in texts if text in SECTIONS] == sorted(SECTIONS, key=texts.index)
    assert set(SECTIONS) <= set(texts)


@each_chapter
def test_the_first_cell_says_what_one_learns_and_how_long_it_takes(path: Path) -> None:
    first = load_notebook(path)["cells"][0]["source"]
    goals = first.split("**You will be able to**")[1]
    assert 3 <= len(re.findall(r"^- ", goals, re.MULTILINE)) <= 6
    claimed = re.search(r"Time: about (\d+) s to run on two cores", first)
    assert claimed
    record = json.loads((ROOT / "results" / "chapters.json").read_text(encoding="utf-8"))
    measured = record["seconds"][path.stem]
    assert measured / 2 <= int(claimed[1]) <= max(2 * measured, measured + 5)
    assert measured <= 60


@each_chapter
def test_every_picture_has_words_for_those_who_do_not_see_it(path: Path) -> None:
    for i, cell in enumerate(load_notebook(path)["cells"]):
        if cell["cell_type"] == "markdown":
            images = re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", cell["source"])
            assert all(len(alt) >= 20 for alt, _ in images), f"cell {i}"
            assert "<img" not in cell["source"], f"cell {i}: write ![alt text](file)"
            continue
        pictures = [o for o in cell["outputs"] if "image/png" in o.get("data", {})]
        alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        assert len(pictures) <= 1, f"cell {i}: one alternative text for {len(pictures)} pictures"
        assert bool(pictures) == (len(alt) >= 40), f"cell {i}: picture and alternative text"


@each_chapter
def test_pictures_and_files_are_modest(path: Path) -> None:
    assert path.stat().st_size < 1_500_000
    for i, cell in enumerate(load_notebook(path)["cells"]):
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                png = base64.b64decode("".join(output["data"]["image/png"]))
                width = int.from_bytes(png[16:20], "big")
                assert width <= 1000, f"cell {i}: {width} pixels wide"
                assert len(png) <= 150_000, f"cell {i}: {len(png)} bytes"


@each_chapter
def test_links_lead_somewhere_in_colab_too(path: Path) -> None:
    """A relative link leads nowhere there: see book/_ext/chapter_links.py."""
    for source in markdown(load_notebook(path)["cells"]):
        for target in re.findall(r"\]\(([^)\s]+)\)", without_code(source)):
            assert target.startswith(("https://", "#", "mailto:")), target


# ---------------------------------------------------------------------------------------------
# Claims


@each_chapter
def test_formulas_are_numbered_in_order(path: Path) -> None:
    number = int(path.stem.split("_")[0])
    tags = [tag for source in markdown(load_notebook(path)["cells"]) for tag in TAG.findall(source)]
    assert tags
    assert tags == [f"{number}.{k}" for k in range(1, len(tags) + 1)]


@each_chapter
def test_every_formula_is_asserted_in_the_next_two_code_cells(path: Path) -> None:
    cells = load_notebook(path)["cells"]
    for i, cell in enumerate(cells):
        if cell["cell_type"] != "markdown" or "$$" not in cell["source"]:
            continue
        tags = set(TAG.findall(cell["source"]))
        assert tags, f"cell {i} derives something, but has no tagged result"
        checked = set().union(*map(asserted, next_code(cells, i)))
        assert tags <= checked, f"cell {i}: no assertion has the comment {sorted(tags - checked)}"


@each_chapter
def test_the_solutions_pass_the_checks_and_the_stubs_do_not(path: Path) -> None:
    cells = load_notebook(path)["cells"]
    setup = next(
        c["source"] for c in cells if c["cell_type"] == "code" and "PROFILE" in c["source"]
    )
    code = [c["source"] for c in cells if c["cell_type"] == "code"]
    found = solutions(cells)
    assert found
    for name, solution in found.items():
        (stub,) = (source for source in code if f'exercises.check("{name}"' in source)
        assert stub.rstrip().splitlines()[-1] == f'exercises.check("{name}", {name})'
        namespace: dict[str, Any] = {}
        exec(setup, namespace)
        exec(re.sub(r"^exercises\.check.*", "", stub, flags=re.MULTILINE), namespace)
        assert not exercises.check(name, namespace.pop(name)).passed
        exec(solution, namespace)
        result = exercises.check(name, namespace[name])
        assert result.passed, f"{name}: {result.message}"


@each_chapter
def test_the_exercises_are_those_of_the_catalogue(path: Path) -> None:
    number = int(path.stem.split("_")[0])
    text = "\n".join(
        f"### {t}" for level, t in headings(load_notebook(path)["cells"]) if level == 3
    )
    in_chapter = [(name, level, int(minutes)) for _, name, level, minutes in EXERCISE.findall(text)]
    listed = [e for e in exercises.catalog() if e.chapter == number and not e.extra]
    catalogue = [(e.name, e.level, e.minutes) for e in listed]
    assert sorted(in_chapter) == sorted(catalogue)
    numbers = [number for number, *_ in EXERCISE.findall(text)]
    assert numbers == [f"{number}.{k}" for k in range(1, len(numbers) + 1)]


def test_a_comment_counts_only_beside_an_assertion() -> None:
    """Otherwise a formula's number beside any line of code would pass for a check."""
    assert asserted("x = 1  # (2.1)\nprint(x)  # (2.2)\n# (2.3)\nassert x  # (2.4)") == {"2.4"}
    assert asserted("torch.testing.assert_close(\n    a,\n    b,  # (2.5), as before\n)") == {"2.5"}


# ---------------------------------------------------------------------------------------------
# The tool that writes the notebooks


def make(path: Path, *sources: str, **metadata: Any) -> Path:
    cells = [nbformat.v4.new_code_cell(source, metadata=metadata) for source in sources]
    path.write_text(json.dumps(nbformat.v4.new_notebook(cells=cells)), encoding="utf-8")
    return path


def test_a_second_run_changes_no_byte(tmp_path: Path) -> None:
    """A figure, streams that interleave and a result: what differs from run to run is left out."""
    drawing = "import matplotlib.pyplot as plt\nplt.plot([0, 1])\nplt.show()"
    printing = "import os\nprint(os.listdir('.'))\nprint('more')\n6 * 7"
    path = make(tmp_path / "n.ipynb", drawing, printing)
    assert notebooks.main(["run", str(path)]) == 0
    first = path.read_bytes()
    assert b"42" in first
    assert json.loads(first)["cells"][1]["outputs"][0]["text"] == ["[]\n", "more\n"]
    assert notebooks.main(["run", str(path)]) == 0
    assert path.read_bytes() == first
    assert notebooks.main(["check", str(path)]) == 0


def test_an_error_names_file_cell_and_reason_and_leaves_the_file_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path / "n.ipynb", "x = 1", "raise ValueError('no such luck')")
    before = path.read_bytes()
    assert notebooks.main(["run", str(path)]) == 1
    assert path.read_bytes() == before
    assert re.search(r"n\.ipynb, cell 1 \(.+\): ValueError: no such luck", capsys.readouterr().err)


@pytest.mark.parametrize("last", ["1 + 1", "raise ValueError"])
def test_the_kernel_ends_with_its_notebook(tmp_path: Path, last: str) -> None:
    path = make(tmp_path / "n.ipynb", "import os\nprint(os.getpid())", last)
    notebook = notebooks.read(path)
    with contextlib.suppress(notebooks.NotebookError):
        notebooks.execute(notebook, path.name)
    kernel = int(notebook.cells[0].outputs[0].text)
    assert not psutil.pid_exists(kernel)


def test_the_normal_form_repairs_ids_and_drops_what_editors_add() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"{i}") for i in range(4)])
    for cell, identity in zip(notebook.cells, ["kept", "kept", "not valid!", "x-3"], strict=True):
        cell["id"] = identity
    notebook.cells[0].metadata = {"tags": ["a"], "execution": {"busy": "12:00"}, "outputId": "7"}
    notebook.metadata = {"colab": {"name": "x"}, "language_info": {"version": "3.11.7"}}
    result = normal_form.normalise(notebook)
    assert [cell.id for cell in result.cells] == ["kept", "kept-2", "cell-002", "x-3"]
    assert result.cells[0].metadata == {"tags": ["a"]}
    assert result.metadata == normal_form.NOTEBOOK_METADATA
    assert normal_form.to_text(normal_form.normalise(result)) == normal_form.to_text(result)


def test_the_check_finds_stderr_addresses_and_cells_that_never_ran(tmp_path: Path) -> None:
    noisy = "import sys\nprint('careful', file=sys.stderr)"
    for source, complaint in [(noisy, "stderr"), ("object()", "memory address")]:
        path = make(tmp_path / "n.ipynb", source)
        with pytest.raises(normal_form.NotebookError, match="never executed"):
            notebooks.check_file(path)
        assert notebooks.main(["run", str(path)]) == 1
        with pytest.raises(normal_form.NotebookError, match=complaint):
            notebooks.check_file(path)


def test_an_edit_after_the_run_is_found(tmp_path: Path) -> None:
    path = make(tmp_path / "n.ipynb", "1 + 1")
    assert notebooks.main(["run", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"execution_count": 1', '"execution_count": 9'), encoding="utf-8")
    with pytest.raises(normal_form.NotebookError, match="not in normal form"):
        notebooks.check_file(path)
