"""Links between chapters: the site's address in the notebooks, relative links on the site.

A relative link leads nowhere once a notebook is opened in Colab, so notebooks link to the
published page: ``https://.../book/02_attention.html#id``. When the site is built, such links
become relative again, so that a copy of the site, an older version of it and a page without the
network lead to their own pages. The site's address stands in ``_config.yml``, as ``baseurl``.
A link to a page or to an anchor that the site doesn't have is a warning, which fails the build.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)


class ChapterLinks(SphinxPostTransform):
    """Make links to the published site relative ones."""

    default_priority = 400

    def run(self, **options: Any) -> None:
        site = self.config.html_baseurl
        if not site:
            return
        for link in self.document.findall(nodes.reference):
            target = link.get("refuri", "")
            if target.startswith(site):
                self.resolve(link, target.removeprefix(site))

    def resolve(self, link: nodes.reference, target: str) -> None:
        """Point one link to the page of this build; ``target`` is ``page.html#id``."""
        page, _, anchor = unquote(target).partition("#")
        name = page.removesuffix(".html") if page else self.config.root_doc
        if name not in self.env.found_docs or (page and not page.endswith(".html")):
            logger.warning("the site has no page %r", page, location=link, type="chapter_links")
            return
        if anchor and anchor not in self.anchors(name):
            logger.warning(
                "the page %r has no anchor %r", page, anchor, location=link, type="chapter_links"
            )
        relative = self.app.builder.get_relative_uri(self.env.docname, name)
        link["refuri"] = f"{relative}#{anchor}" if anchor else relative
        link["internal"] = True

    def anchors(self, name: str) -> set[str]:
        """Return all ids of a page."""
        document = self.env.get_doctree(name)
        return {identity for node in document.findall(nodes.Element) for identity in node["ids"]}


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(ChapterLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
