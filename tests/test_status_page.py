"""The page on the state of the book: figures come from the files, and unknown ones stay unknown."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import notebooks
import pytest
import status_page
import torch
from conftest import CHAPTERS, ROOT

PAGE = (ROOT / "book" / "status.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two chapters, one of them measured before versions were recorded."""
    (tmp_path / "book").mkdir()
    (tmp_path / "results").mkdir()
    figure = {"output_type": "display_data", "data": {"image/png": "AAAA"}}
    for name, figures in (("01_one", 2), ("02_two", 0)):
        cells: list[dict[str, Any]] = [
            {"cell_type": "markdown", "source": [f"# {name[1]}. Title {name}: about\n"]},
            {"cell_type": "code", "source": [], "outputs": [figure] * figures},
        ]
        text = json.dumps({"cells": cells})
        (tmp_path / "book" / f"{name}.ipynb").write_text(text, encoding="utf-8")
    record = {
        "cores": 7,
        "python": "3.99",
        "seconds": {"01_one": 1.4, "02_two": 20.5},
        "last_run": {
            "01_one": {"date": "2031-02-03", "python": "3.99.1", "torch": "9.8.7"},
            "02_two": {"date": "2030-12-31"},
        },
    }
    (tmp_path / "results" / "chapters.json").write_text(json.dumps(record), encoding="utf-8")
    return tmp_path


def as_if_run_with(folder: Path, chapter: str, other: str) -> None:
    """Record the same last run for a chapter as for another one."""
    path = folder / "results" / "chapters.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["last_run"][chapter] = record["last_run"][other]
    path.write_text(json.dumps(record), encoding="utf-8")


def test_a_run_has_its_day_and_its_versions_or_says_that_they_are_unknown(folder: Path) -> None:
    text = status_page.runs(folder).replace("\u00a0", " ")
    assert "7 cores with Python 3.99" in text
    assert (
        "| [1. Title 01_one](01_one.ipynb) | 1 | 03 Feb 2031 | Python 3.99.1, torch 9.8.7 |" in text
    )
    assert "| [2. Title 02_two](02_two.ipynb) | 20 | 31 Dec 2030 | not recorded |" in text
    assert "| The whole book | 22 |" in text
    assert "the day is that of the commit" in text


def test_where_no_versions_are_known_there_is_no_column_for_them(folder: Path) -> None:
    as_if_run_with(folder, "01_one", "02_two")
    text = status_page.runs(folder)
    assert "| Chapter | Seconds | Last run |\n" in text
    assert "not recorded" not in text
    assert "older than the recording of versions" in text


def test_nothing_is_said_of_unknown_versions_where_all_are_known(folder: Path) -> None:
    as_if_run_with(folder, "02_two", "01_one")
    assert "recorded" not in status_page.runs(folder)


def test_cells_figures_and_exercises_are_counted(folder: Path) -> None:
    rows = status_page.contents(folder).splitlines()
    own = [e for e in status_page.exercises.catalog() if e.chapter == 1 and not e.extra]
    assert f"| [1. Title 01_one](01_one.ipynb) | 2 | 1 | 2 | {len(own)} | 0 kB |" in rows
    assert any(row.startswith("| [2. Title 02_two](02_two.ipynb) | 2 | 1 | 0 |") for row in rows)


def test_the_book_has_a_row_for_every_chapter() -> None:
    for table in (status_page.runs(), status_page.contents()):
        linked = re.findall(r"\]\((\d\d_\w+\.ipynb)\)", table)
        assert linked == [path.name for path in CHAPTERS]


def test_the_committed_runs_have_a_day_that_is_not_to_come() -> None:
    record = json.loads((ROOT / "results" / "chapters.json").read_text(encoding="utf-8"))
    assert set(record["last_run"]) == set(record["seconds"]) == {path.stem for path in CHAPTERS}
    for run in record["last_run"].values():
        assert date(2026, 1, 1) < date.fromisoformat(run["date"]) <= datetime.now(UTC).date()


def test_measuring_records_the_day_and_the_versions_of_these_chapters_only(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    old = {"seconds": {"a": 1.0, "b": 2.0}, "last_run": {"a": {"date": "2020-02-02"}}}
    path.write_text(json.dumps(old), encoding="utf-8")
    notebooks.record_times(path, {"b": 3.14159})
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["seconds"] == {"a": 1.0, "b": 3.1}
    assert record["last_run"]["a"] == {"date": "2020-02-02"}
    run = record["last_run"]["b"]
    assert date.fromisoformat(run["date"]) <= datetime.now(UTC).date()
    assert run["python"] == ".".join(map(str, sys.version_info[:3]))
    assert run["torch"] == torch.__version__
    assert record["python"] == ".".join(map(str, sys.version_info[:2]))


def test_what_is_tested_is_told_in_one_place_only() -> None:
    """The page takes the README's section, between headings that the README has."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start, end = re.findall(r'^:(?:start-after|end-before): "(.+)"$', PAGE, re.MULTILINE)
    assert readme.count(start) == readme.count(end) == 1
    section = readme.split(start)[1].split(end)[0]
    assert "Untested" in section
    assert "\n## " not in section


def test_both_kinds_of_build_have_their_words() -> None:
    assert "{only} executed" in PAGE
    assert "{only} not executed" in PAGE
    assert PAGE.index("{only} executed") < PAGE.index("{nb-exec-table}") < PAGE.index("{only} not")
