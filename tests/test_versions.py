"""The sites of all versions side by side: each stays reachable and knows the way to the newest."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import pytest
import versions

PAGE = """<html><head><title>{name}</title></head><body>
<div id="pst-skip-link"><a href="#main">Skip</a></div><main id="main">{name}</main>
<footer><div class="bd-footer-content__inner container"></div></footer></body></html>"""


def make_site(folder: Path, *names: str) -> Path:
    for name in names:
        page = folder / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(PAGE.format(name=name), encoding="utf-8")
    return folder


def pack(site: Path, version: str) -> Path:
    archive = site.parent / f"bertlab-{version}-site.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(site, ".")
    return archive


@pytest.fixture
def all_versions(tmp_path: Path) -> Path:
    newest = make_site(tmp_path / "newest", "index.html", "404.html", "book/one.html")
    old = make_site(tmp_path / "old", "index.html", "book/one.html", "book/gone.html")
    first = make_site(tmp_path / "first", "index.html")
    archives = [pack(old, "0.9.2"), pack(first, "0.9.1"), pack(first, "0.10.0")]
    assert versions.assemble(newest, archives, tmp_path / "all") == ["0.10", "0.9"]
    return tmp_path / "all"


def links(page: Path) -> list[str]:
    return re.findall(r'href="([^"#]+)"', page.read_text(encoding="utf-8"))


def test_each_version_has_its_folder_with_its_last_patch(all_versions: Path) -> None:
    assert (all_versions / "v0.9" / "book" / "gone.html").is_file()
    assert (all_versions / "v0.10" / "index.html").is_file()
    assert not (all_versions / "v0.10" / "book").exists()
    assert not (all_versions / "book" / "gone.html").exists()


def test_every_link_that_was_put_in_leads_to_a_page(all_versions: Path) -> None:
    pages = sorted(all_versions.rglob("*.html"))
    assert len(pages) == 7
    for page in pages:
        for link in links(page):
            assert (page.parent / link).resolve().is_file(), f"{page}: {link}"


def test_every_page_lists_the_versions_and_does_not_link_to_its_own(all_versions: Path) -> None:
    for folder, own in {"": "newest", "v0.10": "0.10", "v0.9": "0.9"}.items():
        text = (all_versions / folder / "index.html").read_text(encoding="utf-8")
        (listed,) = re.findall(r"<p>Versions: (.*?)</p>", text)
        assert re.sub(r"<[^>]+>", "", listed) == "newest · 0.10 · 0.9"
        assert re.findall(r'<span aria-current="true">(.*?)</span>', listed) == [own]


def test_a_releases_page_leads_to_the_same_page_of_the_newest_site(all_versions: Path) -> None:
    one = (all_versions / "v0.9" / "book" / "one.html").read_text(encoding="utf-8")
    assert 'version 0.9. <a href="../../book/one.html">' in one
    gone = (all_versions / "v0.9" / "book" / "gone.html").read_text(encoding="utf-8")
    assert 'version 0.9. <a href="../../index.html">' in gone
    assert one.index("Skip") < one.index("This is the book of")
    assert 'content="noindex"' in one


def test_the_newest_site_has_no_banner_and_its_404_page_is_left_as_it_is(
    all_versions: Path,
) -> None:
    for name in ("index.html", "book/one.html"):
        text = (all_versions / name).read_text(encoding="utf-8")
        assert "This is the book of" not in text
        assert "noindex" not in text
    page = (all_versions / "404.html").read_text(encoding="utf-8")
    assert page == PAGE.format(name="404.html")


def test_an_archive_of_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"other\.tar\.gz: expected a name like"):
        versions.latest([tmp_path / "other.tar.gz"])


def test_the_themes_pages_have_the_places_for_both(site: Path) -> None:
    """On the real site; a new version of the theme may change its pages."""
    pages = sorted((site / "book").glob("*.html"))
    assert pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert len(versions.TOP.findall(text)) == 1, page.name
        assert len(versions.FOOTER.findall(text)) == 1, page.name
