"""The tables of the page on the state of the book: made when the site is built, so never stale.

The directive ``chapter-status`` has two kinds: ``runs`` says how long each chapter took, when and
with which versions, out of ``results/chapters.json``, which ``make times`` writes; ``contents``
counts what the notebooks hold. The tag ``executed`` tells pages whether this build ran them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from chapter_table import title
from docutils import nodes
from docutils.parsers.rst.directives import choice
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

from bertlab import exercises

ROOT = Path(__file__).resolve().parents[2]


def chapters(root: Path) -> list[Path]:
    """Return the notebooks in their order."""
    return sorted((root / "book").glob("[0-9][0-9]_*.ipynb"))


def runs(root: Path = ROOT) -> str:
    """Return, as Markdown, when each chapter was last measured, and the seconds that it took."""
    record = json.loads((root / "results" / "chapters.json").read_text(encoding="utf-8"))
    rows = []
    known, unknown = False, False
    for notebook in chapters(root):
        run = record["last_run"][notebook.stem]
        found = [
            f"{'Python' if name == 'python' else name} {number}"
            for name, number in run.items()
            if name != "date"
        ]
        known, unknown = known or bool(found), unknown or not found
        seconds = f"{record['seconds'][notebook.stem]:.0f}"
        day = f"{date.fromisoformat(run['date']):%d\u00a0%b\u00a0%Y}"  # in one piece on a phone
        rows.append([_link(notebook), seconds, day, ", ".join(found) or "not recorded"])
    total = sum(record["seconds"][notebook.stem] for notebook in chapters(root))
    rows.append(["The whole book", f"{total:.0f}", "", ""])
    text = (
        f"Seconds to execute each chapter from its first cell to its last, start of the kernel "
        f"included, by `make times` on {record['cores']} cores with Python {record['python']}, no "
        "GPU. Days are UTC."
    )
    if unknown:
        which = "Where versions are not recorded, the run is" if known else "These runs are"
        text += (
            f" {which} older than the recording of versions, and the day is that of the commit "
            "with the figure."
        )
    columns = 4 if known else 3
    head = ["Chapter", "Seconds", "Last run", "Versions"][:columns]
    marks = [":--", "--:", ":--", ":--"][:columns]
    return f"{text}\n\n{_table(head, marks, [row[:columns] for row in rows])}"


def contents(root: Path = ROOT) -> str:
    """Return, as Markdown, how much each notebook holds."""
    rows = []
    for notebook in chapters(root):
        text = notebook.read_text(encoding="utf-8")
        cells = json.loads(text)["cells"]
        figures = [
            output
            for cell in cells
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]
        own = [
            e for e in exercises.catalog() if e.chapter == int(notebook.name[:2]) and not e.extra
        ]
        code = sum(cell["cell_type"] == "code" for cell in cells)
        size = notebook.stat().st_size / 1000
        numbers = (len(cells), code, len(figures), len(own))
        rows.append([_link(notebook), *map(str, numbers), f"{size:,.0f} kB"])
    head = ["Chapter", "Cells", "of code", "Figures", "Exercises", "Notebook"]
    text = "Notebooks are counted with their outputs, exercises without those for more practice."
    return f"{text}\n\n{_table(head, [':--', *['--:'] * 5], rows)}"


TABLES = {"runs": runs, "contents": contents}


def _link(notebook: Path) -> str:
    return f"[{title(notebook).partition(': ')[0]}]({notebook.name})"


def _table(head: Sequence[str], marks: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, marks, *rows))


class ChapterStatus(SphinxDirective):
    """A table of all chapters, with what it says and where its figures come from."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = choice(self.arguments[0], tuple(TABLES))
        for file in (*chapters(ROOT), ROOT / "results" / "chapters.json"):
            self.env.note_dependency(str(file))
        place = nodes.Element()
        lines = TABLES[kind]().splitlines()
        self.state.nested_parse(StringList(lines, source=__file__), self.content_offset, place)
        return place.children


def say_whether_executed(app: Sphinx, config: Config) -> None:
    """Set the tag ``executed`` unless the committed outputs are used: see bertlab_site.py."""
    if os.environ.get("BERTLAB_EXECUTE") != "off":
        app.tags.add("executed")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("chapter-status", ChapterStatus)
    app.connect("config-inited", say_whether_executed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
