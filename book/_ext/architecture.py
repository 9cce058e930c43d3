"""Draw the package's rooms and their arrows, and write them into the page about the architecture.

    python book/_ext/architecture.py       write book/_static/architecture.svg and the page's parts

What is drawn is what the code imports (``imports.py``). Only what a room is for, in two or three
words, is written here. An arrow that follows from others is left out of the picture; the page's
table has them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from itertools import pairwise, permutations
from pathlib import Path

from imports import ROOT, Arrows, arrows, floors, needed

PICTURE = Path("book") / "_static" / "architecture.svg"
PAGE = Path("book") / "architecture.md"
# What a room is for: in the picture, and in the table.
ROOMS = {
    "cli": ("the commands", "the command line `bertlab`"),
    "tasks": ("BERT at work", "fine-tuning: each task is whole in one file"),
    "pretraining": ("text to BERT", "masked words, sentence pairs, and the run"),
    "grading": ("assignments", "what teachers need: student versions, grades, reports"),
    "training": ("the loop", "one loop for pretraining and all tasks"),
    "data": ("files to records", "readers that say what is wrong with a file; the bundled sets"),
    "tokenization": ("text to ids", "WordPiece: to read, and to use"),
    "metrics": ("scores", "what predictions are worth; those of any program"),
    "model": ("BERT itself", "BERT from scratch, one file a box of the paper's figure"),
    "files": ("write files", "files that are written whole or not at all"),
    "hub": ("find weights", "from a checkpoint's name to its files"),
    "plots": ("figures", "the book's figures; draws plain numbers"),
    "exercises": ("self-checks", "exercises that name the mistake"),
}
WIDTH, LEFT, BOX_WIDTH, BOX_HEIGHT, STOREY, TOP = 540, 3, 120, 50, 100, 12
PASSING = 14  # the width that an arrow takes where it passes a floor between two boxes
NOTE = "No arrows: these import none of the others, and none imports them"
FILL, LINE, TEXT, QUIET = "#e8f1f8", "#0072b2", "#22262a", "#5a636b"

Rows = list[list[str]]  # top floor first: rooms, and "from>to" where an arrow passes
Point = tuple[float, float]


def rows(links: Arrows) -> Rows:
    """Return the rooms of each floor, side by side so that few arrows cross."""
    height = floors(links)
    tied = {room for room in links if links[room]} | {
        end for ends in links.values() for end in ends
    }
    found: Rows = [[] for _ in range(max(height.values()) + 1)]
    for room in ROOMS:
        if room in tied:
            found[-1 - height[room]].append(room)
    for start, ends in links.items():
        for end in sorted(ends):
            for floor in range(height[end] + 1, height[start]):
                found[-1 - floor].append(f"{start}>{end}")
    for _ in range(4):  # each floor in its turn, as its neighbours stand now
        for number in range(len(found)):
            orders = permutations(found[number])
            found[number] = list(min(orders, key=lambda order: _cost(found, number, order, links)))
    return found


def _cost(found: Rows, number: int, order: tuple[str, ...], links: Arrows) -> tuple[int, float]:
    """Return how many arrows cross, and how far they go sideways, with this order of a floor."""
    trial = [*found[:number], list(order), *found[number + 1 :]]
    x = {name: left for row in trial for name, left in _across(row)}
    crossings, sideways = 0, 0.0
    for upper, lower in pairwise(trial):
        steps = [(x[a], x[b]) for a in upper for b in lower if _joined(a, b, links)]
        sideways += sum(abs(a - b) for a, b in steps)
        crossings += sum((a - c) * (b - d) < 0 for a, b in steps for c, d in steps) // 2
    return crossings, sideways


def _joined(above: str, below: str, links: Arrows) -> bool:
    """Tell whether an arrow goes from one place to another on the floor below."""
    start, _, end = above.partition(">")
    if end:
        return below in (above, end)
    if ">" in below:
        return below.startswith(f"{start}>")
    return below in links[start]


def _across(row: list[str]) -> Iterator[tuple[str, float]]:
    """Yield each place of a floor and the middle of it, spread over the width."""
    widths = [PASSING if ">" in name else BOX_WIDTH for name in row]
    gap = (WIDTH - 2 * LEFT - sum(widths)) / (len(row) + 1)
    left = LEFT + gap
    for name, width in zip(row, widths, strict=True):
        yield name, left + width / 2
        left += width + gap


def picture(links: Arrows) -> str:
    """Return the picture as SVG."""
    drawn = needed(links)
    plan = rows(drawn)
    at = {
        name: (x, TOP + number * STOREY)
        for number, row in enumerate(plan)
        for name, x in _across(row)
    }
    bottom = TOP + len(plan) * STOREY + 14
    apart = [room for room in ROOMS if room not in at]
    boxes = [_box(name, *at[name]) for name in at if ">" not in name]
    boxes += [_box(name, x, bottom, dashed=True) for name, x in _across(apart)]
    height = bottom + BOX_HEIGHT + 12
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            'font-family="DejaVu Sans, Verdana, Segoe UI, Helvetica, Arial, sans-serif" '
            'text-anchor="middle">',
            "<title>The rooms of the package and what they import</title>",
            f"<desc>{escape(words(links))}</desc>",
            f'<rect width="{WIDTH}" height="{height}" rx="12" fill="#ffffff"/>',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{QUIET}"/></marker>'
            "</defs>",
            *_lines(drawn, plan),
            *boxes,
            f'<text x="{WIDTH / 2:g}" y="{bottom - 9}" font-size="12.5" fill="{QUIET}">'
            f"{NOTE}</text>",
            "</svg>",
            "",
        ]
    )


def _box(room: str, x: float, y: float, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<rect x="{x - BOX_WIDTH / 2:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" '
        f'rx="8" fill="{FILL}" stroke="{LINE}" stroke-width="1.5"{dash}/>'
        f'<text x="{x:.0f}" y="{y + 22:.0f}" font-size="15.5" font-weight="bold" fill="{TEXT}">'
        f'{room}</text><text x="{x:.0f}" y="{y + 40:.0f}" font-size="12.5" fill="{QUIET}">'
        f"{ROOMS[room][0]}</text>"
    )


def _lines(drawn: Arrows, plan: Rows) -> list[str]:
    """Draw the arrows; those that leave or enter the same box stand side by side there."""
    x = {(name, floor): x for floor, row in enumerate(plan) for name, x in _across(row)}
    floor = {name: number for name, number in x if ">" not in name}
    ways = {  # the middles of all places that an arrow touches, floor by floor
        (start, end): [
            x[start, floor[start]],
            *(x[f"{start}>{end}", between] for between in range(floor[start] + 1, floor[end])),
            x[end, floor[end]],
        ]
        for start in drawn
        for end in sorted(drawn[start])
    }
    paths = []
    for (start, end), way in ways.items():
        leaving = sorted(other[1] for ends, other in ways.items() if ends[0] == start)
        coming = sorted(other[-2] for ends, other in ways.items() if ends[1] == end)
        top = TOP + floor[start] * STOREY
        points = [(way[0] + _port(leaving, way[1]), top + BOX_HEIGHT)]
        for passed in way[1:-1]:
            top += STOREY
            points += [(passed, top), (passed, top + BOX_HEIGHT)]
        points.append((way[-1] + _port(coming, way[-2]), top + STOREY - 2))
        paths.append(_curve(points))
    return paths


def _port(others: list[float], own: float) -> float:
    """Return how far from a box's middle an arrow touches it, in the order of where they go."""
    return (others.index(own) - (len(others) - 1) / 2) * 22


def _curve(points: list[Point]) -> str:
    (x, y), *rest = points
    steps = [f"M{x:.0f} {y:.0f}"]
    for a, b in rest:
        half = (y + b) / 2
        steps.append(
            f"V{b:.0f}" if a == x else f"C{x:.0f} {half:.0f} {a:.0f} {half:.0f} {a:.0f} {b:.0f}"
        )
        x, y = a, b
    d = "".join(steps)
    return f'<path d="{d}" fill="none" stroke="{QUIET}" stroke-width="1.5" marker-end="url(#tip)"/>'


def words(links: Arrows) -> str:
    """Say the picture in words, for those who don't see it."""
    drawn = needed(links)
    height = floors(links)
    order = sorted(ROOMS, key=lambda room: (-height[room], list(ROOMS).index(room)))
    told = [f"{room} imports {_listed(sorted(drawn[room]))}" for room in order if drawn[room]]
    used = {end for ends in links.values() for end in ends}
    apart = [room for room in ROOMS if not links[room] and room not in used]
    return (
        f"Boxes on {max(height.values()) + 1} floors, and every arrow points down: "
        f"{'; '.join(told)}. {_listed(apart).capitalize()} stand apart, without arrows."
    )


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def table(links: Arrows) -> str:
    """Return the table of the rooms, with all that each of them imports."""
    height = floors(links)
    lines = ["| Room | What it is for | What it imports of the others |", "|:--|:--|:--|"]
    for room in sorted(ROOMS, key=lambda room: (-height[room], list(ROOMS).index(room))):
        folder = (ROOT / "bertlab" / room).is_dir()
        source = f"bertlab/{room}" if folder else f"bertlab/{room}.py"
        imported = ", ".join(f"`{other}`" for other in sorted(links[room])) or "nothing"
        lines.append(f"| `{source}` | {ROOMS[room][1]} | {imported} |")
    return "\n".join(lines)


def page(text: str, links: Arrows) -> str:
    """Return the page with its table and its picture's words as they are now.

    Raises:
        ValueError: when the page has no place for one of them.
    """
    for pattern, new in (
        (r"(<!-- table -->\n).*?(\n<!-- end -->)", table(links)),
        (r"(?<=\n)(:alt: )[^\n]*(\n)", words(links)),
    ):
        text, count = re.subn(
            pattern, lambda m, new=new: f"{m[1]}{new}{m[2]}", text, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"{count} places for what matches {pattern}, expected 1")
    return text


if __name__ == "__main__":
    found = arrows()
    (ROOT / PICTURE).write_text(picture(found), encoding="utf-8")
    old = (ROOT / PAGE).read_text(encoding="utf-8")
    (ROOT / PAGE).write_text(page(old, found), encoding="utf-8")
