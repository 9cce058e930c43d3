"""The browser that prints the book and tests its pages: Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoBrowserError(Exception):
    """There is no Chromium. Says where it was looked for, and what to do."""


def launch(playwright: Playwright, *flags: str) -> Browser:
    """Start Chromium without a window, with these flags besides the usual ones.

    It is the one that the environment variable ``BERTLAB_BROWSER`` names, otherwise the one that
    ``playwright install chromium`` brought, otherwise the first on the PATH.

    Raises:
        NoBrowserError: when none of them is there.
    """
    path = os.environ.get("BERTLAB_BROWSER")
    if path and not Path(path).is_file():
        raise NoBrowserError(f"BERTLAB_BROWSER is {path}: there is no such file")
    if not path and not Path(playwright.chromium.executable_path).is_file():
        path = next((found for name in NAMES if (found := shutil.which(name))), None)
        if path is None:
            raise NoBrowserError(
                "Chromium is missing: run `playwright install chromium`, install it with the "
                "system's package manager, or name one in BERTLAB_BROWSER"
            )
    # As root, as in containers, Chromium starts only without its sandbox; the pages are our own.
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    sandbox = ["--no-sandbox"] if root else []
    return playwright.chromium.launch(executable_path=path or None, args=[*FLAGS, *flags, *sandbox])
