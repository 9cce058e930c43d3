"""A visit to each page of the site, wide and narrow, light and dark: what was seen there.

Loading a page and asking axe-core about it takes seconds, so each page is visited once, and the
tests judge what the visits brought home.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, TimeoutError

FACTS = (Path(__file__).parent / "page_facts.js").read_text(encoding="utf-8")
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}

# The page is at rest: formulas are set, and bertviz has drawn its views.
AT_REST = """async () => {
    if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
    for (const image of document.images) image.loading = "eager";
    const views = () => [...document.querySelectorAll("[id^=bertviz]")];
    const end = performance.now() + 15000;
    while (views().some(v => !v.querySelector("svg")) && performance.now() < end)
        await new Promise(done => setTimeout(done, 50));
}"""
# The colours of code depend on a token's class, and a chapter has ten thousand tokens. Where all of
# a listing's classes stand in two listings before it, it becomes plain text, so that axe-core is
# done in a fifth of the time.
THIN_CODE = """() => {
    const seen = {};
    for (const pre of document.querySelectorAll("div.highlight pre")) {
        const classes = new Set([...pre.querySelectorAll("span")].map(s => s.className));
        if ([...classes].every(c => (seen[c] || 0) >= 2)) pre.textContent = pre.textContent;
        else for (const c of classes) seen[c] = (seen[c] || 0) + 1;
    }
}"""
SET_THEME = """theme => {
    document.documentElement.dataset.theme = theme;
    document.documentElement.dataset.mode = theme;
}"""
# The theme lets Tab reach listings that scroll, a moment after the window has changed.
SCROLLED_BOXES_FOCUSABLE = """() => ![...document.querySelectorAll("pre")].some(
    pre => pre.scrollWidth > pre.clientWidth && pre.tabIndex < 0)"""
AXE = "options => axe.run(document, {resultTypes: ['violations'], preload: false, ...options})"
# What may differ in the other colours, and on a phone.
COLOURS = ["color-contrast", "link-in-text-block"]
LAYOUT = ["scrollable-region-focusable", "button-name", "link-name", "aria-hidden-focus"]


@dataclass
class Visit:
    """What one page showed.

    Attributes:
        page: its path below the site's first folder.
        load: milliseconds from the request to the end of the load event, with an empty cache.
        noise: errors of its scripts, requests that failed.
        foreign: addresses that it asked for on other hosts.
        facts: of ``page_facts.js``, on a laptop.
        phone: the same on a phone.
        paper: the same, printed.
        violations: axe-core's, each with ``impact``, ``id``, ``help``, ``theme`` and ``nodes``.
    """

    page: str
    load: float = 0.0
    noise: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    phone: dict[str, Any] = field(default_factory=dict)
    paper: dict[str, Any] = field(default_factory=dict)
    violations: list[dict[str, Any]] = field(default_factory=list)


class Site(NamedTuple):
    """The built site: its folder and its address, which ends in a slash."""

    folder: Path
    address: str

    def pages(self) -> list[str]:
        """Return the paths of all pages below the folder but those that only lead to another."""
        found = (p.relative_to(self.folder) for p in self.folder.rglob("*.html"))
        names = sorted(p.as_posix() for p in found if "_static" not in p.parts)
        return [name for name in names if not self.leads_on(name)]

    def leads_on(self, name: str) -> bool:
        """Return whether a page is a redirection, as index.html is."""
        text = (self.folder / name).read_text(encoding="utf-8")
        return 'http-equiv="refresh"' in text[:1000].lower()


def listen(page: Page, visit: Visit, address: str) -> None:
    """Note what goes wrong on a page while it loads, and while it is looked at."""
    page.on(
        "console",
        lambda m: visit.noise.append(f"console: {m.text}") if m.type == "error" else None,
    )
    page.on("pageerror", lambda error: visit.noise.append(f"script: {error}"))
    page.on("requestfailed", lambda r: visit.noise.append(f"failed: {r.url} ({r.failure})"))
    page.on(
        "response",
        lambda r: visit.noise.append(f"status {r.status}: {r.url}") if r.status >= 400 else None,
    )
    page.on(
        "request",
        lambda r: (
            visit.foreign.append(r.url)
            if r.url.startswith("http") and not r.url.startswith(address)
            else None
        ),
    )


def load_time(page: Page) -> float:
    """Return the milliseconds that the page took until its load event had ended."""
    return float(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))


def accuse(page: Page, visit: Visit, theme: str, options: dict[str, Any]) -> None:
    """Add axe-core's violations on the page as it stands."""
    for violation in page.evaluate(AXE, options)["violations"]:
        visit.violations.append({**violation, "theme": theme})


def look(browser: Browser, address: str, name: str, axe: str, pictures: Path) -> Visit:
    """Visit a page with an empty cache, and tell what was seen.

    Args:
        browser: Chromium.
        address: the site's, with a slash at its end.
        name: the page's path below it.
        axe: axe-core's source.
        pictures: a folder for the page's first screen: wide and phone, light and dark.
    """
    visit = Visit(name)
    stem = name.removesuffix(".html").replace("/", "-")
    context = browser.new_context(viewport=WIDE, color_scheme="light", reduced_motion="reduce")
    try:
        page = context.new_page()
        listen(page, visit, address)
        page.goto(address + name, wait_until="load")
        visit.load = load_time(page)
        page.evaluate(AT_REST)
        visit.facts = page.evaluate(FACTS, False)
        page.screenshot(path=pictures / f"{stem}-wide-light.png")
        page.evaluate(SET_THEME, "dark")
        page.screenshot(path=pictures / f"{stem}-wide-dark.png")
        page.set_viewport_size(PHONE)
        with suppress(TimeoutError):  # then axe-core says where
            page.wait_for_function(SCROLLED_BOXES_FOCUSABLE, timeout=2000)
        visit.phone = page.evaluate(FACTS, False)
        page.screenshot(path=pictures / f"{stem}-phone-dark.png")
        page.evaluate(SET_THEME, "light")
        page.screenshot(path=pictures / f"{stem}-phone-light.png")
        page.emulate_media(media="print")
        visit.paper = page.evaluate(FACTS, True)
        page.emulate_media(media="screen")
        page.evaluate(THIN_CODE)
        page.evaluate(axe)
        accuse(page, visit, "light", {"runOnly": LAYOUT})
        page.set_viewport_size(WIDE)
        accuse(page, visit, "light", {})
        page.evaluate(SET_THEME, "dark")
        accuse(page, visit, "dark", {"runOnly": COLOURS})
    finally:
        context.close()
    return visit


def busy() -> float:
    """Return by how much other work slows this machine down: 1 if quiet, at most 3."""
    waiting = os.getloadavg()[0] if hasattr(os, "getloadavg") else 1.0
    return min(3.0, max(1.0, waiting / (os.cpu_count() or 1)))
