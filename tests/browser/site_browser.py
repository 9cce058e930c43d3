"""Fixtures for tests in a real browser: the site that needs no network, a server, Chromium.

Without npm or Chromium the tests are skipped with the reason; where the variable CI is set they
fail. ``BERTLAB_BROWSER`` names the browser's file, ``BERTLAB_SCREENSHOTS`` the folder for the
pages' first screens, and ``BERTLAB_SITE`` a site that ``make book OFFLINE=1`` has built (otherwise
it is built here from the notebooks' outputs).
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import pytest
from browser import NoBrowserError, launch
from conftest import ROOT
from offline_assets import NoAssetsError, install
from playwright.sync_api import Browser, BrowserContext, Error, expect, sync_playwright
from site_survey import PHONE, WIDE, Site, Visit, look

PREFIX = "/bertlab/"  # the site's folder on GitHub Pages, which the 404 page's links hold
# No name leads anywhere, so a page that asks another host fails in its tests.
NO_HOSTS = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def give_up(reason: str) -> NoReturn:
    """Skip, or fail on CI, where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} CI must have it.", pytrace=False)
    pytest.skip(reason)


class Handler(SimpleHTTPRequestHandler):
    """Serves the site below ``PREFIX``, with its own page for what isn't there."""

    protocol_version = "HTTP/1.1"

    def translate_path(self, path: str) -> str:
        return super().translate_path("/" + path.removeprefix(PREFIX))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file():
            return super().send_error(code, message, explain)
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(page.stat().st_size))
        self.end_headers()
        self.wfile.write(page.read_bytes())
        return None

    def handle(self) -> None:
        with suppress(ConnectionError):  # the browser has left the page
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def node_modules() -> Path:
    try:
        return install()
    except NoAssetsError as error:
        give_up(f"The browser tests need npm: {error}.")


@pytest.fixture(scope="session")
def site_folder(node_modules: Path, request: pytest.FixtureRequest) -> Path:
    """The site that all tests read, or the one that is there."""
    if built := os.environ.get("BERTLAB_SITE"):
        return Path(built).resolve()
    return Path(request.getfixturevalue("site"))


@pytest.fixture(scope="module")
def served(site_folder: Path) -> Iterator[Site]:
    handler = partial(Handler, directory=str(site_folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(site_folder, f"http://127.0.0.1:{server.server_port}{PREFIX}")
        server.shutdown()


@pytest.fixture(scope="module")  # while Playwright runs, no other test can start an event loop
def browser() -> Iterator[Browser]:
    """Chromium, for which no other host exists."""
    with sync_playwright() as playwright:
        try:
            chromium = launch(playwright, NO_HOSTS)
        except (NoBrowserError, Error) as error:
            give_up(f"{error}.")
        expect.set_options(timeout=20_000)  # for machines that are busy with other tests
        yield chromium
        chromium.close()


@pytest.fixture
def laptop(browser: Browser) -> Iterator[BrowserContext]:
    """A reader with a wide screen who has never been here."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    yield context
    context.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    yield context
    context.close()


@pytest.fixture(scope="module")
def survey(served: Site, browser: Browser, node_modules: Path) -> dict[str, Visit]:
    """A visit to each page; pictures of them, and what was found, are kept in a folder."""
    default = ROOT / "_build" / "screenshots"
    pictures = Path(os.environ.get("BERTLAB_SCREENSHOTS") or default)
    pictures.mkdir(parents=True, exist_ok=True)
    axe = (node_modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    visits = {p: look(browser, served.address, p, axe, pictures) for p in served.pages()}
    record = [asdict(visit) for visit in visits.values()]
    for visit in record:
        for facts in (visit["facts"], visit["phone"]):
            del facts["links"], facts["ids"]
    words = json.dumps(record, indent=1, ensure_ascii=False)
    (pictures / "visits.json").write_text(words + "\n", encoding="utf-8")
    return visits
