"""Arrows point one way: the rooms import each other as the page on the architecture says."""

from __future__ import annotations

import re
import subprocess
import sys
from graphlib import CycleError
from html.parser import HTMLParser
from pathlib import Path

import architecture
import imports
import pytest
from conftest import ROOT

PICTURE = (ROOT / architecture.PICTURE).read_text(encoding="utf-8")
PAGE = (ROOT / architecture.PAGE).read_text(encoding="utf-8")
LINKS = imports.arrows()
AGAIN = "the code's imports have changed: run `make architecture`, and look at the picture"


def all_below(room: str) -> set[str]:
    """Return the rooms that a room imports, and those that they import."""
    return {end for other in LINKS[room] for end in {other, *all_below(other)}}


def test_the_picture_shows_what_the_code_imports() -> None:
    assert architecture.picture(LINKS) == PICTURE, AGAIN


def test_the_page_has_the_table_and_the_words_of_the_picture() -> None:
    assert architecture.page(PAGE, LINKS) == PAGE, AGAIN


def test_every_room_is_told_and_drawn_once() -> None:
    assert sorted(architecture.ROOMS) == imports.rooms()
    assert sorted(re.findall(r'font-weight="bold"[^>]*>(\w+)<', PICTURE)) == imports.rooms()


def test_rooms_stand_on_each_other_without_a_circle() -> None:
    height = imports.floors(LINKS)  # raises for a circle
    assert all(height[room] > height[end] for room in LINKS for end in LINKS[room])


def test_tasks_and_pretraining_stand_on_training_and_training_on_the_model() -> None:
    for room in ("tasks", "pretraining"):
        assert {"training", "model"} <= LINKS[room]
    assert "model" in LINKS["training"]
    assert not LINKS["training"] & {"tasks", "pretraining", "data", "metrics", "tokenization"}
    assert not {"tasks", "pretraining", "training", "data", "tokenization"} & all_below("model")
    assert "pretraining" not in LINKS["tasks"]


def test_data_and_metrics_know_nothing_of_models() -> None:
    for room in ("data", "metrics"):
        assert not {"model", "tokenization", "training", "tasks", "pretraining"} & all_below(room)


def test_plots_and_exercises_know_nothing_of_the_other_rooms() -> None:
    for room in ("plots", "exercises"):
        assert not LINKS[room]
        assert not [other for other in LINKS if room in LINKS[other]]


def test_nothing_imports_the_command_line_and_only_that_imports_grading() -> None:
    assert not [room for room in LINKS if "cli" in LINKS[room]]
    assert [room for room in LINKS if "grading" in LINKS[room]] == ["cli"]


def test_imports_for_type_checkers_also_point_down_or_stay_out() -> None:
    """They are not drawn; but a room that needs the types of one above it belongs elsewhere."""
    height = imports.floors(LINKS)
    for path in sorted((ROOT / "bertlab").rglob("*.py")):
        room = path.relative_to(ROOT / "bertlab").with_suffix("").parts[0]
        if room in height:
            for name in re.findall(
                r"^\s+from bertlab\.(\w+)", path.read_text("utf-8"), re.MULTILINE
            ):
                assert name == room or height.get(name, -1) < height[room], path


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / "bertlab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "__init__.py": "from bertlab.model import BertModel\n",
            "model/__init__.py": "",
            "model/deep/er.py": "import bertlab.data.errors as e, os\n",
            "data/__init__.py": "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from bertlab.model import x\n",
            "tasks/__init__.py": "def f():\n    from bertlab import data, BertModel\n",
            "cli.py": "try:\n    from bertlab.tasks import run\nexcept ImportError:\n    pass\n",
        },
    )
    assert imports.arrows(root) == {
        "cli": {"tasks"},
        "data": set(),
        "model": {"data"},
        "tasks": {"data", "model"},
    }


def test_a_circle_is_refused_and_what_follows_is_left_out() -> None:
    with pytest.raises(CycleError):
        imports.floors({"a": {"b"}, "b": {"a"}})
    links = {"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"c"}}
    assert imports.needed(links) == {"a": {"b"}, "b": {"c"}, "c": set(), "d": {"c"}}
    assert imports.floors(links) == {"a": 2, "b": 1, "c": 0, "d": 1}


class Boxes(HTMLParser):
    """Top and bottom of each box, and where each arrow begins and ends."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.boxes: list[tuple[float, float, float, float]] = []
        self.arrows: list[tuple[float, float, float, float]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "rect" and "x" in values:
            x, y, w, h = (float(values[name]) for name in ("x", "y", "width", "height"))
            self.boxes.append((x, y, x + w, y + h))
        if tag == "path" and "marker-end" in values:
            begin = re.match(r"M(\d+) (\d+)", values["d"])
            end = re.search(r"(?:V(\d+)|(\d+) (\d+))$", values["d"])
            assert begin
            assert end
            x, y = float(begin[1]), float(begin[2])
            at = (x, float(end[1])) if end[1] else (float(end[2]), float(end[3]))
            self.arrows.append((x, y, *at))


def test_in_the_picture_every_arrow_points_down_and_no_boxes_overlap() -> None:
    drawn = Boxes(PICTURE)
    assert len(drawn.boxes) == len(LINKS)
    assert len(drawn.arrows) == sum(len(ends) for ends in imports.needed(LINKS).values())
    for x, y, to_x, to_y in drawn.arrows:
        assert y < to_y
        assert any(box[0] < x < box[2] and box[3] == y for box in drawn.boxes)
        assert any(box[0] < to_x < box[2] and box[1] - 2 == to_y for box in drawn.boxes)
    for a in drawn.boxes:
        for b in drawn.boxes:
            assert a == b or a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]


def test_the_code_on_the_page_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"\['\S+', '\S+', '\S+'\]", result.stdout.strip())


def test_files_and_folders_that_the_page_names_are_there() -> None:
    for name in re.findall(r"`((?:bertlab|tests|training)/[\w/.]*)`", PAGE):
        path = ROOT / name if not name.startswith("training/") else ROOT / "bertlab" / name
        assert path.exists(), name
    for name in re.findall(r"`(\w+\.py)`", PAGE):
        assert list((ROOT / "bertlab").rglob(name)), name
