"""Links between chapters work in Colab, and on every copy of the site."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml
from conftest import CHAPTERS, ROOT

SITE = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]["baseurl"]
ASSIGNMENTS = sorted((ROOT / "assignments").glob("*/*/*.ipynb"))
TEXTS = [
    *CHAPTERS,
    *ASSIGNMENTS,
    *ROOT.glob("*.md"),
    *(ROOT / "book").rglob("*.md"),
    *(ROOT / "bertlab").rglob("*.py"),
]
# Any address that could be meant for the site, with a slip in it or not.
ADDRESS = re.compile(
    r"https?://(?:www\.)?[\w-]*bertlab[\w-]*\.(?:github\.io|readthedocs\.io)[^\s)\"'>`\\]*"
)


def test_the_site_has_one_address_and_the_pages_linked_to() -> None:
    found = [
        (path, address)
        for path in TEXTS
        for address in ADDRESS.findall(path.read_text(encoding="utf-8"))
    ]
    assert len({path for path, _ in found}) >= len(CHAPTERS) + len(ASSIGNMENTS)
    for path, address in found:
        assert address.startswith(SITE), f"{path}: {address}, expected {SITE}..."
        stem = address.removeprefix(SITE).split("#")[0].rstrip(".,").removesuffix(".html")
        there = not stem or any((ROOT / f"{stem}{end}").is_file() for end in (".ipynb", ".md"))
        assert there, f"{path}: the site has no page for {address}"


def build(folder: Path, *links: str) -> subprocess.CompletedProcess[str]:
    """Build a site of two notebooks, of which one has the links."""
    see = ", ".join(f"[there]({link})" for link in links)
    (folder / "book").mkdir()
    first = f"# First\n\nSee {see}.\n\n```{{toctree}}\nsecond\n```"
    pages = {"first": first, "second": "# Second\n\n## A part's name"}
    for name, text in pages.items():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
        (folder / "book" / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (folder / "conf.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})\n"
        "extensions = ['myst_nb', 'chapter_links']\n"
        f"html_baseurl = {SITE!r}\nnb_execution_mode = 'off'\nroot_doc = 'book/first'\n"
    )
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    return subprocess.run(
        [*command, str(folder), str(folder / "out")], capture_output=True, text=True, check=False
    )


def test_a_link_to_the_site_becomes_relative_and_keeps_its_anchor(tmp_path: Path) -> None:
    result = build(tmp_path, f"{SITE}book/second.html#a-part-s-name")
    assert result.returncode == 0, result.stderr
    html = (tmp_path / "out" / "book" / "first.html").read_text(encoding="utf-8")
    assert 'class="reference internal" href="second.html#a-part-s-name"' in html
    assert f'href="{SITE}book/second' not in html


def test_broken_links_fail_the_build(tmp_path: Path) -> None:
    broken = {
        "book/third.html": "the site has no page 'book/third.html'",
        "book/second": "the site has no page 'book/second'",
        "book/second.html#nothing": "the page 'book/second.html' has no anchor 'nothing'",
    }
    result = build(tmp_path, *(SITE + link for link in broken))
    assert result.returncode != 0
    for complaint in broken.values():
        assert complaint in result.stderr
