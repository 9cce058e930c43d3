"""The site builds without a warning, and what its pages link to is there.

It is built from the notebooks' committed outputs, which test_isolation.py compares with a run.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from conftest import CHAPTERS, ROOT, run


class Page(HTMLParser):
    """What a page offers as anchors, what it links to, and its images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors.update(v for name in ("id", "name") if (v := values.get(name)))
        if tag == "a" and (href := values.get("href")):
            self.links.append(href)
        if tag == "img":
            self.images.append(values)
        if tag in ("img", "script") and (source := values.get("src")):
            self.links.append(source)
        if tag == "link" and values.get("rel") != "canonical" and (href := values.get("href")):
            self.links.append(href)


@cache
def parse(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("site")
    tool = str(ROOT / "book" / "_ext" / "build.py")
    result = run([sys.executable, tool, "--committed", "--output", str(output)])
    assert result.returncode == 0, result.stdout
    assert "The book is ready" in result.stdout
    log = (output / "_build" / "book.log").read_text(encoding="utf-8")
    assert "WARNING" not in log
    return output / "_build" / "html"


def pages(site: Path) -> list[Path]:
    found = sorted((site / "book").rglob("*.html"))
    assert len(found) >= len(CHAPTERS) + 4
    return found


def test_every_chapter_and_page_is_in_the_table_of_contents() -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    entries = [entry for part in toc["parts"] for entry in part["chapters"]]
    entries += [section for entry in entries for section in entry.get("sections", [])]
    listed = [toc["root"], *(entry["file"] for entry in entries)]
    markdown = [*(ROOT / "book").glob("*.md"), *(ROOT / "book" / "api").glob("*.md")]
    paths = [path.relative_to(ROOT) for path in [*CHAPTERS, *markdown]]
    written = {path.with_suffix("").as_posix() for path in paths}
    assert set(listed) == written
    chapters = [name for name in listed if re.match(r"book/\d\d_", name)]
    assert chapters == sorted(chapters)


def test_links_and_anchors_lead_somewhere(site: Path) -> None:
    for page in pages(site):
        for link in parse(page).links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link == "#":
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.is_file(), f"{page.name} links to {link}, which is not there"
            if parts.fragment and target.suffix == ".html":
                anchors = parse(target).anchors
                assert unquote(parts.fragment) in anchors, f"{page.name}: no anchor for {link}"


def test_every_image_has_an_alternative_text(site: Path) -> None:
    for page in pages(site):
        for image in parse(page).images:
            if "logo" not in (image.get("class") or ""):  # the book's name stands beside the logo
                assert image.get("alt"), f"{page.name}: {image.get('src')}"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_shows_its_figures_and_offers_colab_and_binder(chapter: Path, site: Path) -> None:
    text = (site / "book" / f"{chapter.stem}.html").read_text(encoding="utf-8")
    figures = [i for i in parse(site / "book" / f"{chapter.stem}.html").images if i.get("alt")]
    assert len(figures) >= chapter.read_text(encoding="utf-8").count('"image/png"') > 0
    colab = "https://colab.research.google.com/github/bertlab/bertlab/blob/main/book/"
    assert f"{colab}{chapter.name}" in text
    assert "https://mybinder.org/v2/gh/bertlab/bertlab/main" in text
    assert "%pip install" not in text, "the install cell is for Colab and hidden on the site"
    assert "traceback" not in text.lower()


def test_the_site_opens_on_the_landing_page_with_its_picture(site: Path) -> None:
    assert "book/intro.html" in (site / "index.html").read_text(encoding="utf-8")
    sources = [image.get("src") or "" for image in parse(site / "book" / "intro.html").images]
    assert any("path.svg" in source for source in sources)


@pytest.mark.slow
def test_make_book_executes_every_chapter(tmp_path: Path) -> None:
    tool = str(ROOT / "book" / "_ext" / "build.py")
    result = run([sys.executable, tool, "--output", str(tmp_path)])
    assert result.returncode == 0, result.stdout
    for chapter in CHAPTERS:
        assert f"chapter: book/{chapter.stem} executed in" in result.stdout
