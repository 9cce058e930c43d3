"""Every source leads somewhere, and every paper that the book links to is among the sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import CHAPTERS, ROOT, load_notebook
from pybtex.database import Entry, parse_file
from pybtex.plugin import find_plugin

ENTRIES = dict(parse_file(str(ROOT / "book" / "references.bib")).entries)
# The journal's DOIs don't hold the anthology's numbers; neither do those of old volumes.
ANTHOLOGY = {
    "2020.tacl-1.5": "10.1162/tacl_a_00300",
    "2020.tacl-1.54": "10.1162/tacl_a_00349",
    "W03-0419": "10.3115/1119176.1119195",
}
LINK = re.compile(
    r"https://(?:arxiv\.org/abs/(?P<arxiv>[\d.]+\d)"
    r"|aclanthology\.org/(?P<acl>[\w.-]+\w)"
    r"|doi\.org/(?P<doi>[^\s)]+)"
    r"|openreview\.net/forum\?id=(?P<review>[\w-]+))"
)


def pages() -> dict[str, str]:
    """The text of each chapter and page."""
    found: dict[str, str] = {}
    for path in CHAPTERS:
        cells = load_notebook(path)["cells"]
        found[path.name] = "\n".join(c["source"] for c in cells if c["cell_type"] == "markdown")
    for path in Path(ROOT / "book").glob("*.md"):
        found[path.name] = path.read_text(encoding="utf-8")
    return found


def known() -> set[str]:
    """All numbers by which papers are known."""
    numbers: set[str] = set()
    for entry in ENTRIES.values():
        doi, url = entry.fields.get("doi", ""), entry.fields.get("url", "")
        numbers |= {entry.fields.get("eprint", ""), doi, doi.removeprefix("10.18653/v1/")}
        numbers |= {doi.removeprefix("10.48550/arXiv."), url.split("id=")[-1]}
        numbers.add(url.removeprefix("https://aclanthology.org/").rstrip("/"))
    return numbers


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_source_has_a_doi_an_arxiv_number_or_an_address(entry: Entry) -> None:
    fields = entry.fields
    assert {"doi", "eprint", "url"} & set(fields)
    if doi := fields.get("doi"):
        assert re.fullmatch(r"10\.\d{4,5}/\S+", doi)
    if eprint := fields.get("eprint"):
        assert re.fullmatch(r"\d{4}\.\d{4,5}", eprint)
    if url := fields.get("url"):
        assert url.startswith("https://")
    assert entry.persons["author"]
    assert 1950 < int(fields["year"]) < 2027
    assert fields.get("booktitle") or fields.get("journal")
    if number := re.search(r"arXiv:([\d.]+)", fields.get("journal", "")):
        assert doi == f"10.48550/arXiv.{number[1]}"


def test_no_source_is_there_twice() -> None:
    titles = [re.sub(r"\W", "", e.fields["title"]).lower() for e in ENTRIES.values()]
    assert len(set(titles)) == len(titles)
    for field in ("doi", "eprint", "url"):
        values = [e.fields[field] for e in ENTRIES.values() if field in e.fields]
        assert len(set(values)) == len(values)


def test_every_paper_that_the_book_links_to_is_a_source() -> None:
    numbers = known()
    links = 0
    for name, text in pages().items():
        for match in LINK.finditer(text):
            number = next(filter(None, match.groups()))
            links += 1
            assert ANTHOLOGY.get(number, number) in numbers, f"{name}: {match[0]}"
    assert links > 100


def test_every_citation_on_a_page_is_a_source() -> None:
    cited = re.findall(r"\{cite\}`([^`]+)`", "\n".join(pages().values()))
    assert cited
    assert {key.strip() for group in cited for key in group.split(",")} <= set(ENTRIES)


def test_dois_and_arxiv_numbers_become_links() -> None:
    style = find_plugin("pybtex.style.formatting", "alpha")()
    backend = find_plugin("pybtex.backends", "html")()
    for key, entry in ENTRIES.items():
        html = style.format_entry("1", entry).text.render(backend)
        if doi := entry.fields.get("doi"):
            assert f'href="https://doi.org/{doi}"' in html, key
        if eprint := entry.fields.get("eprint"):
            assert f'href="https://arxiv.org/abs/{eprint}"' in html, key
