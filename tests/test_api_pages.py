"""The API reference holds every public name, with its chapters and its lines, and nothing else."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import api
import command_help
import name_chapters
import pytest
import source_lines
from conftest import ROOT

import bertlab

NAMES = name_chapters.public_names()
REPOSITORY = "https://github.com/bertlab/bertlab"


class Entries(HTMLParser):
    """The names that a page documents: the text of each signature, and the links in each entry."""

    def __init__(self, pages: list[Path]) -> None:
        super().__init__()
        self.signatures: dict[str, str] = {}
        self.links: dict[str, list[str]] = {}
        for page in pages:
            self.current, self.inside = "", False
            self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "dt" and "sig-object" in (values.get("class") or ""):
            self.inside = True
            if values.get("id"):  # a function's other signatures have none
                self.current = values["id"] or ""
                self.signatures[self.current], self.links[self.current] = "", []
        if tag == "a" and self.current and (href := values.get("href")):
            self.links[self.current].append(href)

    def handle_endtag(self, tag: str) -> None:
        if tag == "dt":
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.signatures[self.current] += data


@cache
def entries(site: Path) -> Entries:
    return Entries(sorted((site / "book" / "api").glob("*.html")))


def test_every_room_says_which_of_its_names_are_public() -> None:
    """And no other part of the package has a list of public names, which the pages would miss."""
    with_list = {
        path.parent.name
        for path in (ROOT / "bertlab").glob("*/__init__.py")
        if "__all__" in path.read_text(encoding="utf-8")
    }
    assert with_list == set(bertlab._SUBMODULES) == set(api.ROOMS) - {"bertlab"}
    for room in bertlab._SUBMODULES:
        module = import_module(f"bertlab.{room}")
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            assert not name.startswith("_")
            assert getattr(module, name) is not None


def test_every_public_name_has_one_entry_and_no_other_name_has_one(site: Path) -> None:
    documented = entries(site).signatures
    top = {path for path in documented if not any(path.startswith(f"{n.path}.") for n in NAMES)}
    assert top == {name.path for name in NAMES}
    private = [path for path in documented if re.search(r"\._(?!_version)", path)]
    assert not private


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.path)
def test_an_entry_shows_the_signature_and_links_to_the_definition(
    name: name_chapters.Name, site: Path
) -> None:
    signature = entries(site).signatures[name.path]
    assert name.short in signature
    own = callable(name.value) and (inspect.isroutine(name.value) or "__init__" in vars(name.value))
    if own and not getattr(name.value, "_is_protocol", False):
        assert "(" in signature
    (link,) = [href for href in entries(site).links[name.path] if "/blob/" in href]
    found = re.fullmatch(rf"{REPOSITORY}/blob/(\w+)/(bertlab/[\w/]+\.py)#L(\d+)-L(\d+)", link)
    assert found, link
    lines = (ROOT / found[2]).read_text(encoding="utf-8").splitlines()
    text = "\n".join(lines[int(found[3]) - 1 : int(found[4])])
    assert re.search(rf"^(@.*\n)*((def|class) {name.short}\b|.*\b{name.short} = )", text), text[
        :200
    ]


@pytest.mark.parametrize("name", NAMES[1:], ids=lambda name: name.path)
def test_an_entry_links_to_a_chapter_that_has_the_name(
    name: name_chapters.Name, site: Path
) -> None:
    chapters = name_chapters.chapters_of(name) or name_chapters.neighbours(name)
    targets = [f"../{Path(chapter.page).name}.html" for chapter in chapters]
    assert targets
    assert [href for href in entries(site).links[name.path] if href in targets] == targets
    for chapter in name_chapters.chapters_of(name):
        notebook = (ROOT / f"{chapter.page}.ipynb").read_text(encoding="utf-8")
        assert re.search(rf"\b{name.short}\b", notebook)


def test_chapters_are_found_whatever_way_a_name_is_imported() -> None:
    blocks = [
        "%pip install x\nimport bertlab\nfrom bertlab import metrics as m, data",
        "bertlab.BertModel.from_pretrained('x')\nm.squad_scores(a, b)",
        "from bertlab.training.batching import EpochBatches\nload = 3",
    ]
    reached = set(name_chapters._reached(blocks))
    used = {name.path for name in NAMES if name_chapters._is_used(name, reached, set())}
    assert used == {
        "bertlab.BertModel",
        "bertlab.metrics.squad_scores",
        "bertlab.training.EpochBatches",
    }
    written = {"load", "mask_tokens", "plots.confusion"}
    named = {name.path for name in NAMES if name_chapters._is_used(name, set(), written)}
    assert named == {"bertlab.pretraining.mask_tokens", "bertlab.plots.confusion"}


def test_the_table_has_a_row_for_each_name_with_a_sentence(site: Path) -> None:
    rows = api.table().splitlines()[2:]
    assert len(rows) == len(NAMES)
    for row in rows:
        assert re.fullmatch(r"\| \{py:obj\}`[\w.]+` \| [A-Z`].*[.:] \| .* \|", row), row


def test_the_command_page_shows_what_the_commands_print(site: Path) -> None:
    shown = dict(command_help.commands())
    assert {"bertlab", "bertlab finetune", "bertlab assign", "bertlab assign grade"} <= set(shown)
    page = (site / "book" / "api" / "command_line.html").read_text(encoding="utf-8")
    for command in shown:
        assert f">{command}<" in page
    start = [sys.executable, "-c", "from bertlab.cli import main; main()"]
    for command in ("bertlab predict", "bertlab assign report"):
        words = [*start, *command.split()[1:], "--help"]
        environment = {**os.environ, "COLUMNS": command_help.WIDTH, "PYTHONUTF8": "1"}
        real = subprocess.run(words, capture_output=True, encoding="utf-8", env=environment)
        assert (
            re.findall(r"[\w.,-]+\w", real.stdout)[1:]
            == re.findall(r"[\w.,-]+\w", re.sub("-{9,}", "", shown[command]))[1:]
        )


def test_a_source_link_names_the_release_where_the_site_is_of_one() -> None:
    link = source_lines.address(REPOSITORY, "v1.2.3", "bertlab", "BertModel.forward")
    assert link
    assert link.startswith(f"{REPOSITORY}/blob/v1.2.3/bertlab/model/bert.py#L")
    assert source_lines.address(REPOSITORY, "main", "bertlab", "BertModel.eval") is None  # torch's
