"""The README and its companions: every link, command and number in them holds."""

from __future__ import annotations

import re
import tomllib

import chapter_table
import pytest
from conftest import CHAPTERS, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", "RELEASING.md", "CHANGELOG.md"]
PAGES += sorted(f"book/{page.name}" for page in (ROOT / "book").glob("*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_to_files(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        if not re.match(r"https?:|#", target):
            assert ((ROOT / page).parent / target.split("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_targets_that_make_has(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    text = (ROOT / page).read_text(encoding="utf-8")
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^```\w+\n(.*?)^```", text, re.M | re.S)
    for command in re.findall(r"^\s*make((?: [a-z-]+)+)", "\n".join(code), re.MULTILINE):
        assert set(command.split()) <= targets, f"make{command}"


def test_every_target_is_explained_and_phony() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    explained = set(re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)
    assert phony
    assert targets == explained == set(phony[1].split())


def test_the_table_of_chapters_is_complete_and_from_the_measured_times() -> None:
    assert chapter_table.with_table(README, chapter_table.table()) == README
    for chapter in CHAPTERS:
        assert f"(book/{chapter.name})" in README


def test_the_extras_that_are_named_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for extras in re.findall(r"\.\[([\w,]+)\]", text):
            assert set(extras.split(",")) <= set(project["optional-dependencies"]), page
