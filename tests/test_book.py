"""The site builds without a warning, and what its pages link to is there.

It is built from the notebooks' committed outputs, which test_isolation.py compares with a run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import build
import offline_assets
import pypdf
import pytest
import yaml
from conftest import CHAPTERS, ROOT, load_notebook, run


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


def test_pages_load_no_script_that_they_do_not_use(site: Path) -> None:
    with_math = set()
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "thebe" not in text, page.name
        assert "fontawesome.js" not in text, page.name
        assert ("searchindex.js" in text) == (page.name == "search.html"), page.name
        assert ("tex-mml-chtml.js" in text) == ('class="math' in text), page.name
        if "tex-mml-chtml.js" in text:
            with_math.add(page.stem)
    assert {chapter.stem for chapter in CHAPTERS} <= with_math
    assert "intro" not in with_math


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_begins_with_its_times_and_the_ways_to_open_it(chapter: Path, site: Path) -> None:
    text = (site / "book" / f"{chapter.stem}.html").read_text(encoding="utf-8")
    facts = re.search(r'<p class="chapter-facts">(.*?)</p>', text)
    assert facts
    cells = load_notebook(chapter)["cells"]
    times = json.loads((ROOT / "results" / "chapters.json").read_text(encoding="utf-8"))
    assert f"{times['seconds'][chapter.stem]:.0f} s to run" in facts[1]
    time = re.search(r"^Time: about [^·]* · (.*)$", cells[0]["source"], re.MULTILINE)
    assert time
    assert time[1] in facts[1]
    exercises = sum(
        len(re.findall(r"^#+ Exercise \d", cell["source"], re.MULTILINE))
        for cell in cells
        if cell["cell_type"] == "markdown"
    )
    assert f"· {exercises} exercises" in facts[1]
    assert text.count("Time: about") == 0, "the line of times stands twice"
    bar = re.search(r'<p class="chapter-links">(.*?)</p>', text, re.DOTALL)
    assert bar
    assert re.findall(r">([^<]+)</a>", bar[1]) == [
        "Open in Colab",
        "Open in Binder",
        "Open in Kaggle",
        "Download the notebook",
        "Edit this page",
    ]
    assert re.search(r'</h1>\s*<div class="chapter-bar', text), "the bar is not below the title"


def test_the_page_for_wrong_addresses_works_at_any_depth(site: Path) -> None:
    page = parse(site / "404.html")
    inner = [link for link in page.links if not urlsplit(link).scheme and link[0] != "#"]
    assert len(inner) > len(CHAPTERS)
    for link in inner:
        assert link.startswith("/bertlab/"), f"{link} would depend on the wrong address"
        path = unquote(urlsplit(link).path).removeprefix("/bertlab/")
        assert (site / path).is_file(), link


def test_the_site_is_built_without_a_warning(site: Path) -> None:
    assert "WARNING" not in (site.parent / "book.log").read_text(encoding="utf-8")


def test_an_offline_site_asks_nobody_else(site: Path) -> None:
    if shutil.which("npm") is None and "CI" not in os.environ:
        pytest.skip("needs npm, which comes with Node.js")
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)\b[^>]*\bsrc="([^"]*)"', text)
        loaded += re.findall(r'<link rel="stylesheet"[^>]*\bhref="([^"]*)"', text)
        loaded += re.findall(r"(?:d3|jquery): '([^']*)'", text)  # what require.js fetches
        for address in loaded:
            assert "//" not in address, f"{path.name} loads {address}"
    chapter = (site / "book" / "04_looking_inside.html").read_text(encoding="utf-8")
    assert "_static/vendor/mathjax/tex-mml-chtml.js" in chapter
    assert "d3: '../_static/vendor/d3.min'" in chapter
    for library in ("require.js", "d3.min.js", "jquery.min.js", "mathjax/tex-mml-chtml.js"):
        assert (site / "_static" / "vendor" / library).stat().st_size > 10_000


def test_without_npm_the_pages_take_what_they_need_from_cdns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(offline_assets, "FOLDER", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.offline_assets() is None
    said = capsys.readouterr().out
    assert "from CDNs" in said
    assert "npm is not on the PATH" in said


def test_a_failing_npm_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'no such host' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setattr(offline_assets, "FOLDER", tmp_path / "packages")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(offline_assets.NoAssetsError, match="no such host"):
        offline_assets.install()
    assert not list((tmp_path / "packages").iterdir())


@pytest.mark.slow
def test_the_whole_book_is_printed_with_its_outline(tmp_path: Path) -> None:
    tool = str(ROOT / "book" / "_ext" / "pdf.py")
    result = run([sys.executable, tool, "--committed", "--output", str(tmp_path)])
    if "Chromium is missing" in result.stdout and "CI" not in os.environ:
        pytest.skip("needs Chromium: playwright install chromium")
    assert result.returncode == 0, result.stdout
    pdf = pypdf.PdfReader(tmp_path / "_build" / "bertlab.pdf")
    text = "\n".join(page.extract_text() for page in pdf.pages)
    assert "not allowed in" not in text, "a formula that MathJax could not read"
    headings = str(pdf.outline)
    for chapter in CHAPTERS:
        title = load_notebook(chapter)["cells"][0]["source"].splitlines()[0].removeprefix("# ")
        assert title.split(":")[0] in headings, title


@pytest.mark.slow
def test_make_book_executes_every_chapter(tmp_path: Path) -> None:
    tool = str(ROOT / "book" / "_ext" / "build.py")
    result = run([sys.executable, tool, "--output", str(tmp_path)])
    assert result.returncode == 0, result.stdout
    for chapter in CHAPTERS:
        assert f"chapter: book/{chapter.stem} executed in" in result.stdout
