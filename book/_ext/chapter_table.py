"""Write the README's table of chapters from the notebooks and their measured running times.

    python book/_ext/chapter_table.py          rewrite the table in README.md

A chapter's title is its first heading, what it is about its text after the colon; the seconds
come from ``results/chapters.json``, which ``make times`` writes.
"""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- chapters: written by `make times` -->", "<!-- end of chapters -->"


def title(notebook: Path) -> str:
    """Return the first heading of a notebook, without its mark."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "".join(cells[0]["source"]).splitlines()[0].removeprefix("# ").strip()


def table(root: Path = ROOT) -> str:
    """Return the table as Markdown, markers included."""
    record = json.loads((root / "results" / "chapters.json").read_text(encoding="utf-8"))
    rows = ["| Chapter | What it is about | Seconds to run |", "|:--|:--|--:|"]
    total = 0.0
    for notebook in sorted((root / "book").glob("[0-9][0-9]_*.ipynb")):
        name, _, about = title(notebook).partition(": ")
        seconds = record["seconds"][notebook.stem]
        total += seconds
        about = about[:1].upper() + about[1:]
        rows.append(f"| [{name}](book/{notebook.name}) | {about} | {seconds:.0f} |")
    rows.append(f"| | The whole book | {total:.0f} |")
    where = f"Measured on {record['cores']} cores with Python {record['python']}, no GPU."
    return "\n".join([BEGIN, *rows, "", where, END])


def with_table(readme: str, new: str) -> str:
    """Put a table in the place of the one that the README has."""
    before, rest = readme.split(BEGIN)
    return before + new + rest.split(END)[1]


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_table(path.read_text(encoding="utf-8"), table()), encoding="utf-8")
