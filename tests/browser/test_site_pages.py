"""Each page of the built site, seen in a real browser with the network cut, on laptop and phone."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest
from conftest import CHAPTERS, load_notebook
from playwright.sync_api import Browser
from site_survey import Site, Visit, busy, load_time

pytest_plugins = ["site_browser"]

Survey = dict[str, Visit]

LIMIT_HTML = 1_500_000  # bytes of a page's own HTML
LIMIT_LOAD = 2_000  # milliseconds on two quiet cores; other work on them stretches it (busy())
TRIES = 3  # a page that loads too slowly is loaded again: what it waits for may not be its own


def tell(problems: Iterable[str], what_to_do: str) -> None:
    """Fail with a line for each problem and a word on how to mend it."""
    lines = list(dict.fromkeys(problems))
    if lines:
        more = f"\n  ... and {len(lines) - 30} more" if len(lines) > 30 else ""
        listed = "\n  ".join(lines[:30])
        pytest.fail(f"{what_to_do}\n  {listed}{more}", pytrace=False)


def facts(survey: Survey, name: str) -> Iterable[str]:
    """Return the entries in a list of ``page_facts.js``, each with its page before it."""
    for page, visit in survey.items():
        for entry in (*visit.facts[name], *visit.phone[name]):
            yield f"{page}: {entry}"


def test_every_chapter_and_page_was_visited(survey: Survey) -> None:
    pages = set(survey)
    assert {f"book/{chapter.stem}.html" for chapter in CHAPTERS} < pages
    assert {"book/intro.html", "404.html", "search.html", "genindex.html"} < pages
    assert {visit.facts["theme"] for visit in survey.values()} == {"light"}
    assert {visit.phone["theme"] for visit in survey.values()} == {"dark"}


def test_no_page_has_errors_or_failed_requests(survey: Survey) -> None:
    noise = (f"{visit.page}: {line}" for visit in survey.values() for line in visit.noise)
    tell(noise, "Scripts or requests failed. Open the page with the browser's console.")


def test_no_page_of_the_offline_site_asks_another_host(survey: Survey) -> None:
    foreign = (f"{visit.page}: {url}" for visit in survey.values() for url in visit.foreign)
    tell(foreign, "With OFFLINE=1 nothing may be fetched from elsewhere: serve it from the site.")


def test_formulas_are_set_and_without_errors(survey: Survey) -> None:
    formulas = {page: visit.facts["formulas"] for page, visit in survey.items()}
    for chapter in CHAPTERS:
        assert formulas[f"book/{chapter.stem}.html"] > 0, f"no formula in {chapter.stem}"
    tell(facts(survey, "unrendered"), "Formulas that MathJax left as they were:")
    tell(facts(survey, "mathErrors"), "Formulas in which MathJax found an error:")
    tell(facts(survey, "raw"), "TeX that shows as text:")


def test_every_picture_is_shown(survey: Survey) -> None:
    for chapter in CHAPTERS:
        drawn = json.dumps(load_notebook(chapter)).count('"image/png"')
        assert survey[f"book/{chapter.stem}.html"].facts["images"] >= drawn > 0
    tell(facts(survey, "missing"), "Pictures that did not load:")


def test_headings_begin_with_one_title_and_skip_no_level(survey: Survey) -> None:
    problems = []
    for visit in survey.values():
        headings: list[tuple[int, str]] = visit.phone["headings"] or [(0, "")]
        titles = [text for level, text in headings if level == 1]
        if len(titles) != 1 or headings[0][0] != 1:
            problems.append(f"{visit.page}: begins with {headings[:1]}, has the titles {titles}")
        for (before, _), (level, text) in pairwise(headings):
            if level > before + 1:
                problems.append(f"{visit.page}: from level {before} to {level} at '{text}'")
    tell(problems, "A page has one title (#), and below ## comes ###:")


def test_ids_are_given_once(survey: Survey) -> None:
    tell(facts(survey, "repeated"), "Ids that several elements have, so links may miss:")


def test_nothing_is_wider_than_the_screen(survey: Survey) -> None:
    tell(
        facts(survey, "wide"),
        "The page scrolls sideways. Put wide things into a box with overflow-x: auto:",
    )


def test_nothing_moves_for_readers_who_ask_for_less_motion(survey: Survey) -> None:
    tell(facts(survey, "moving"), "Animated in spite of prefers-reduced-motion (bertlab.css):")


def test_every_link_and_anchor_on_the_live_pages_leads_somewhere(
    survey: Survey, served: Site
) -> None:
    """Scripts make links and ids as well, which tests/test_book.py does not see."""
    problems, counted = [], 0
    for page, visit in survey.items():
        for link in visit.facts["links"]:
            address, fragment = urldefrag(link)
            if not address.startswith(served.address):
                continue
            counted += 1
            target = unquote(address.removeprefix(served.address)).partition("?")[0] or "index.html"
            if not (served.folder / target).is_file():
                problems.append(f"{page}: {link} is not there")
            elif fragment and target in survey:
                ids = survey[target].facts["ids"]
                if unquote(fragment) not in ids:
                    problems.append(f"{page}: {target} has no anchor #{fragment}")
    assert counted > 500
    tell(problems, "Links that lead nowhere:")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_violation(survey: Survey, theme: str) -> None:
    serious, others = [], []
    for visit in survey.values():
        for violation in visit.violations:
            if violation["theme"] == theme:
                grave = violation["impact"] in ("serious", "critical")
                (serious if grave else others).extend(described(visit, violation))
    if others:
        listed = "\n  ".join(dict.fromkeys(others))
        warnings.warn(f"axe-core, moderate or minor, {theme}:\n  {listed}", stacklevel=1)
    tell(serious, "axe-core (book/_ext/accessibility.py mends what the theme writes):")


def described(visit: Visit, violation: dict[str, Any]) -> list[str]:
    """Return a line for each kind of place where axe-core found a rule broken, three at most."""
    lines = []
    for node in violation["nodes"][:3]:
        reason = node["failureSummary"].splitlines()[1].strip()
        where = " ".join(str(part) for part in node["target"])
        lines.append(f"{visit.page}: {violation['id']} at {where}: {reason}")
    if (more := len(violation["nodes"]) - 3) > 0:
        lines.append(f"{visit.page}: {violation['id']} at {more} more places")
    return lines


def test_print_shows_the_text_and_no_furniture(survey: Survey) -> None:
    papers = [(visit.page, visit.paper) for visit in survey.values()]
    tell(
        (f"{page}: {place}" for page, paper in papers for place in paper["furniture"]),
        "Hide what is of no use on paper (bertlab.css, @media print):",
    )
    tell(
        (f"{page}: {place}" for page, paper in papers for place in paper["folded"]),
        "Hints and solutions that stay folded on paper, where nobody can open them:",
    )


def test_no_page_is_heavy(served: Site) -> None:
    sizes = {page: (served.folder / page).stat().st_size for page in served.pages()}
    heavy = [f"{page}: {size:,} bytes" for page, size in sizes.items() if size > LIMIT_HTML]
    tell(heavy, f"HTML above {LIMIT_HTML:,} bytes:")


def test_no_page_is_slow(survey: Survey, served: Site, browser: Browser) -> None:
    """From an empty cache, the best of a few loads; the limit holds as it is if all is quiet."""
    slow = []
    for visit in survey.values():
        best, tries = visit.load, 1
        while best > LIMIT_LOAD and tries < TRIES:
            context = browser.new_context()
            page = context.new_page()
            page.goto(served.address + visit.page)
            best, tries = min(best, load_time(page)), tries + 1
            context.close()
        if best > LIMIT_LOAD * busy():
            slow.append(f"{visit.page}: {best:,.0f} ms (the machine is busy {busy():.1f} times)")
    tell(slow, f"The load event took longer than {LIMIT_LOAD:,} ms on two cores:")
