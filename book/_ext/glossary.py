"""What the glossary needs: Chinese terms, and the index from Chinese to English.

``book/glossary.md`` is the only source. In it the role ``zh`` marks Chinese, so that browsers
choose its letters, screen readers its voice, and the site's search the very place; the directive
``chinese-index`` lists all terms of the page that contains it, in the order of pinyin.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from pypinyin import Style, lazy_pinyin, load_phrases_dict
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

BLOCK = re.compile(r"^```\{glossary\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENTRY = re.compile(r"^(?! )(.+)\n((?:  .+\n)+)", re.MULTILINE)
CHINESE = re.compile(r"\{zh\}`([^`]+)`")
CHAPTERS = re.compile(r"Chapters? ((?:\[\d+\]\(\S+?\.ipynb\)(?:, )?)+)\.$")
LANGUAGE = "language-zh-Hans"  # docutils makes lang="zh-Hans" of such a class
PINYIN = "language-zh-Latn-pinyin"
# Readings that pypinyin's own list of words has not, or has otherwise.
READINGS = {"微调": "wēi tiáo", "步长": "bù cháng", "子词": "zǐ cí", "算子": "suàn zǐ"}
load_phrases_dict({word: [[one] for one in read.split()] for word, read in READINGS.items()})


@dataclass(frozen=True)
class Entry:
    """A term of the glossary."""

    term: str
    chinese: tuple[str, ...]
    text: str
    chapters: dict[int, str]  # the notebook that each number links to


def entries(page: str) -> list[Entry]:
    """Read the terms of a page.

    Args:
        page: Markdown with one ``{glossary}`` directive, whose definitions are of the form
            ``{zh}`词`, {zh}`词` · What it means. Chapters [1](01_tokens.ipynb), [2](…).``

    Raises:
        ValueError: when an entry has another form.
    """
    (block,) = BLOCK.findall(page)
    found = []
    for term, lines in ENTRY.findall(block):
        names, mark, rest = " ".join(lines.split()).partition(" · ")
        links = CHAPTERS.search(rest)
        if not mark or links is None:
            raise ValueError(f"{term}: expected 'Chinese · Definition. Chapter [1](01_….ipynb).'")
        found.append(
            Entry(
                term=term,
                chinese=tuple(CHINESE.findall(names)),
                text=rest[: links.start()].strip(),
                chapters={int(n): file for n, file in re.findall(r"\[(\d+)\]\((.+?)\)", links[1])},
            )
        )
    return found


def pinyin(chinese: str, *, tones: bool = True) -> str:
    """Return how Chinese is read; what isn't Chinese stays as it is."""
    style = Style.TONE if tones else Style.NORMAL
    return " ".join(" ".join(lazy_pinyin(chinese, style=style)).split())


def index(found: list[Entry]) -> dict[str, list[str]]:
    """Return the English terms of each Chinese one, in the order of pinyin."""
    english: dict[str, list[str]] = defaultdict(list)
    for entry in found:
        for chinese in entry.chinese:
            english[chinese].append(entry.term)
    return {
        chinese: english[chinese]
        for chinese in sorted(english, key=lambda c: (pinyin(c, tones=False).casefold(), c))
    }


class Chinese(SphinxRole):
    """``{zh}`注意力```: text with its language, found by the search at its place."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        node = nodes.inline(self.rawtext, self.text, classes=[LANGUAGE])
        if self.env.app.builder.format != "html":
            return [node], []
        place = f"zh-{self.env.new_serialno('zh')}"
        node["ids"].append(place)
        entry = ("single", self.text, place, "", None)
        return [addnodes.index(entries=[entry]), node], []


class ChineseIndex(SphinxDirective):
    """A table of pinyin, Chinese and English, of the terms of this page."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.doc2path(self.env.docname))
        found = index(entries(path.read_text(encoding="utf-8")))
        table = nodes.table(classes=["table", "chinese-index"])
        group = nodes.tgroup(cols=3)
        group += [nodes.colspec(colwidth=1) for _ in range(3)]
        group += nodes.thead(
            "", _row(*(nodes.Text(name) for name in ("Pinyin", "Chinese", "English")))
        )
        body = nodes.tbody()
        for chinese, terms in found.items():
            links: list[nodes.Node] = []
            for term in terms:
                links += [nodes.Text(", ")] if links else []
                links.append(self._link(term))
            cells = nodes.inline("", pinyin(chinese), classes=[PINYIN]), nodes.inline("", chinese)
            cells[1]["classes"].append(LANGUAGE)
            body += _row(cells[0], cells[1], *links)
        group += body
        table += group
        return [table]

    def _link(self, term: str) -> nodes.Node:
        link = addnodes.pending_xref(
            "", refdomain="std", reftype="term", reftarget=term, refdoc=self.env.docname
        )
        link += nodes.inline("", term, classes=["xref", "std", "std-term"])
        return link


def _row(first: nodes.Node, second: nodes.Node, *third: nodes.Node) -> nodes.row:
    cells = ([first], [second], list(third))
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("zh", Chinese())
    app.add_directive("chinese-index", ChineseIndex)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
