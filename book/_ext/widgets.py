"""Put the interactive figures on the site, each behind a cell of its chapter.

The notebooks know nothing of them: which widget follows which cell is written down here. A widget
is HTML with its numbers in it (see ``widget_data.py``), so it needs no kernel and no request.
Without JavaScript it is a sentence that points to the chapter's own figure. Only the site's pages
have widgets: the book in one page and the PDF have the chapters' figures.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from widget_captions import attention_caption, spans_caption

FOLDER = Path(__file__).resolve().parents[1] / "_static" / "widgets"
BUILDERS = ("html", "dirhtml")


@dataclass(frozen=True)
class Widget:
    """An interactive figure.

    Attributes:
        name: of its files in ``_static/widgets``: NAME.json, NAME.js and NAME.css.
        cell: the id of the cell that it follows.
        paragraphs: how many of the paragraphs after that cell come first.
        title: what stands above it.
        static: what stands there without JavaScript.
        caption: makes two texts, in HTML, of the data: what to try, and what is to be seen.
    """

    name: str
    cell: str
    paragraphs: int
    title: str
    static: str
    caption: Callable[[dict[str, Any]], tuple[str, str]]


WIDGETS = {
    "book/04_looking_inside": Widget(
        name="attention",
        cell="ch04-008",
        paragraphs=0,
        title="Try it: where does a token look?",
        static="With JavaScript, a figure to explore stands here. The maps above show the same.",
        caption=attention_caption,
    ),
    "book/10_question_answering": Widget(
        name="spans",
        cell="ch10-017",
        paragraphs=1,
        title="Try it: windows, spans, and the best of them",
        static="With JavaScript, a figure to explore stands here. The two maps above show all "
        "spans of one question in windows of 128 tokens.",
        caption=spans_caption,
    ),
}


def data_of(widget: Widget) -> dict[str, Any]:
    """Return the numbers that a widget shows."""
    data: dict[str, Any] = json.loads((FOLDER / f"{widget.name}.json").read_text(encoding="utf-8"))
    return data


def as_html(widget: Widget) -> str:
    """Return a widget with its numbers, as HTML."""
    data = data_of(widget)
    attempt, finding = widget.caption(data)
    # "<" would be read as a tag's beginning in a script element.
    numbers = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    name = f"widget-{widget.name}"
    return f"""\
<figure class="widget" id="{name}" data-widget="{widget.name}" aria-labelledby="{name}-title">
<p class="widget-title" id="{name}-title">{html.escape(widget.title)}</p>
<p class="widget-static">{html.escape(widget.static)}</p>
<div class="widget-live"></div>
<figcaption><p class="widget-try">{attempt}</p><p>{finding}</p></figcaption>
<script type="application/json">{numbers}</script>
</figure>
"""


def cell_index(notebook: Path, identifier: str) -> int:
    """Return a cell's place in its notebook.

    Raises:
        ValueError: when no cell has this id.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    for index, cell in enumerate(cells):
        if cell.get("id") == identifier:
            return index
    raise ValueError(f"{notebook.name} has no cell {identifier}: change WIDGETS in widgets.py")


def place(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Insert a page's widget."""
    widget = WIDGETS.get(name)
    if widget is None or app.builder.name not in BUILDERS:
        return
    index = cell_index(Path(app.env.doc2path(name)), widget.cell)
    cell = next(n for n in doctree.findall(nodes.container) if n.get("cell_index") == index)
    after = cell.parent.index(cell) + 1
    skipped = cell.parent[after : after + widget.paragraphs]
    if any(not isinstance(node, nodes.paragraph) for node in skipped):
        raise ValueError(f"{name}: fewer than {widget.paragraphs} paragraphs after {widget.cell}")
    raw = nodes.raw("", as_html(widget), format="html")
    cell.parent.insert(after + widget.paragraphs, raw)


def load_files(app: Sphinx, name: str, template: str, context: object, doctree: object) -> None:
    """Let only pages with a widget load its script and styles."""
    widget = WIDGETS.get(name)
    if widget is not None and app.builder.name in BUILDERS:
        app.add_css_file("widgets/widgets.css")
        app.add_css_file(f"widgets/{widget.name}.css")
        app.add_js_file(f"widgets/{widget.name}.js", loading_method="defer")


def remember_data(app: Sphinx, doctree: nodes.document) -> None:
    """Let a change of its numbers rebuild a page."""
    if widget := WIDGETS.get(app.env.docname):
        app.env.note_dependency(str(FOLDER / f"{widget.name}.json"))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", remember_data)
    app.connect("doctree-resolved", place)
    app.connect("html-page-context", load_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
