"""Mends what the theme and bertviz write into pages that some readers could not use.

Screen readers need names that agree with what is written, keyboards need to reach whatever
scrolls, and a formula must not turn into an error. ``tests/browser`` finds such places with
axe-core; here they are mended once for all pages.
"""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

# What stands in the built HTML, what shall stand there, and why.
MENDS = (
    # A button whose name leaves out what is written on it can't be spoken to by voice.
    (
        r'(<button class="btn search-button-field [^>]*?) title="Search" aria-label="Search"',
        r"\1",
    ),
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    # The arrow that unfolds a part of the menu has no words.
    (
        r'<summary><span class="toctree-toggle"',
        '<summary aria-label="Pages below"><span class="toctree-toggle"',
    ),
    # The colour button's icons repeat what it says, in other words.
    (r'(<i class="theme-switch [^>]*?) title="[^"]*"', r"\1"),
    # The book's name and the menu below it are a landmark.
    (
        r'<div id="pst-primary-sidebar" class',
        '<div id="pst-primary-sidebar" role="region" aria-label="Book" class',
    ),
    # References: a list's children must be items, and the items' role is a deprecated one.
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
    (r'(<div class="citation"[^>]*?) role="doc-biblioentry"', r"\1"),
    # A table's empty corner is no heading.
    (r'<th class="head([^"]*)"><p></p></th>', r'<td class="head\1"></td>'),
    # bertviz: after seven seconds it would give up the libraries that a slow network brings.
    (r"require\.config\(\{", "require.config({waitSeconds: 0,"),
    # Its menus have no names, and its views scroll.
    (r'<select id="(layer|filter)">', r'<select id="\1" aria-label="\1">'),
    (
        r'<div style="overflow-x: auto; background: white; color: black;">',
        '<div tabindex="0" role="group" aria-label="Attention, interactive view" '
        'style="overflow-x: auto; background: white; color: black;">',
    ),
)
# A signature's parameters stand in lines, for which Sphinx writes a list without terms.
PARAMETERS = re.compile(r"<dl>\n((?:<dd><em class=\"sig-param\">.*?</dd>\n)+)</dl>", re.DOTALL)
COMPILED = tuple((re.compile(pattern), words) for pattern, words in MENDS)


def mended(page: str) -> str:
    """Return a page's HTML with all that is known to be wrong mended."""
    for pattern, words in COMPILED:
        page = pattern.sub(words, page)
    return PARAMETERS.sub(lines_of_parameters, page)


def lines_of_parameters(found: re.Match[str]) -> str:
    """Return a signature's parameters as lines, styled by ``bertlab.css``, in place of a list."""
    return found[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")


def keep_tags(app: Sphinx, doctree: nodes.document, name: str) -> None:
    r"""Leave formulas with a number of their own as they are.

    Sphinx wraps a formula that has a line break (``\\``) into ``split``, where MathJax allows
    no ``\tag``. The breaks of such formulas stand in environments of their own.
    """
    if app.builder.format != "html":
        return
    for formula in doctree.findall(nodes.math_block):
        text = formula.astext()
        if r"\tag{" in text and r"\\" in text and not formula.get("nowrap"):
            formula.children[:] = [nodes.Text(rf"\[{text}\]")]
            formula["nowrap"] = True


def mend_pages(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        old = page.read_text(encoding="utf-8")
        if (new := mended(old)) != old:
            page.write_text(new, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-resolved", keep_tags)
    app.connect("build-finished", mend_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
