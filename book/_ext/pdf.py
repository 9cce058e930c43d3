"""Print the whole book into one PDF, with outline and page numbers.

    python book/_ext/pdf.py                executes the chapters, then prints
    python book/_ext/pdf.py --committed    prints the outputs that the notebooks hold

Sphinx puts the book into one page and Chromium prints it: `make pdf` writes ``_build/bertlab.pdf``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from browser import NoBrowserError, launch
from build import ROOT, build, offline_assets, say_end_of_log
from playwright.sync_api import Error, sync_playwright

FOOTER = (
    '<div style="width: 100%; text-align: center; font: 8px sans-serif">'
    '<span class="pageNumber"></span></div>'
)
# Formulas are set, pictures are there, and what is folded on the screen is open on paper.
READY = """async () => {
  await MathJax.startup.promise;
  document.querySelectorAll("details").forEach(one => { one.open = true; });
  document.querySelectorAll("img").forEach(one => { one.loading = "eager"; });
  await Promise.all([...document.images].map(one => one.decode().catch(() => null)));
}"""
MILLISECONDS = 600_000  # that each step may take on a slow machine


def print_page(page: Path, target: Path) -> None:
    """Print an HTML page on A4.

    Raises:
        NoBrowserError: without Chromium.
        playwright.sync_api.Error: when the page can't be loaded or printed.
    """
    with sync_playwright() as playwright:
        browser = launch(playwright)
        tab = browser.new_page(color_scheme="light")
        tab.set_default_timeout(MILLISECONDS)
        tab.goto(page.as_uri())
        tab.evaluate(READY)
        part = target.with_name(f"{target.name}.part")
        tab.pdf(
            path=part,
            format="A4",
            scale=0.75,  # a line of code of a hundred characters fits
            outline=True,
            tagged=True,  # for screen readers
            print_background=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
            margin={"top": "16mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
        )
        os.replace(part, target)
        browser.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Print the book into one PDF.")
    parser.add_argument("--committed", action="store_true", help="do not execute the chapters")
    parser.add_argument("--output", type=Path, default=ROOT, help="_build is made in this folder")
    options = parser.parse_args()

    output = options.output.resolve()
    print("Putting the book into one page ...", flush=True)
    if status := build(output, options.committed, offline_assets(), "singlehtml"):
        say_end_of_log(output)
        return status
    target = output / "_build" / "bertlab.pdf"
    print("Printing; this takes about a minute ...", flush=True)
    try:
        print_page(output / "_build" / "singlehtml" / "index.html", target)
    except (NoBrowserError, Error) as error:
        print(f"The book was not printed. {error}", file=sys.stderr)
        return 1
    print(f"The book is ready. Open {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
