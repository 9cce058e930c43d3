"""What the site needs beyond its theme: chapters' beginnings, assets, and what is left out.

``BERTLAB_EXECUTE=off`` builds the pages from the outputs that the notebooks hold. The tests do
so, because they have just executed every notebook and compared its outputs.

``BERTLAB_ASSETS=FOLDER`` serves the libraries of others from the site (``offline_assets.py``).
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from offline_assets import MATHJAX, localised
from sphinx.application import Sphinx
from sphinx.config import Config

TIMES = Path(__file__).resolve().parents[2] / "results" / "chapters.json"
EXERCISE = re.compile(r"Exercise \d+\.\d+")
# The theme loads these on each page for a search while typing, which this site leaves out.
SEARCH_SCRIPTS = re.compile(
    r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>'
)
# A picture that an output holds, which is shown small on a phone.
PICTURE = re.compile(r'<img (?:(?!>).)*?src="([^"]*/_images/[^"]+\.png)"[^>]*>')
# It brings the icons twice: as fonts, and as 1.5 MB of script that puts pictures in their place.
ICON_SCRIPT = re.compile(r'\s*<script defer src="[^"]*/fontawesome\.js[^"]*"></script>')
# Sphinx loads MathJax, 1.2 MB, also where only a page further down in the contents has a formula.
MATH_SCRIPT = re.compile(r'\s*<script defer="defer" src="[^"]*/tex-mml-chtml\.js[^"]*"></script>')


def choose_execution(app: Sphinx, config: Config) -> None:
    if os.environ.get("BERTLAB_EXECUTE") == "off":
        config.nb_execution_mode = "off"


def choose_assets(app: Sphinx, config: Config) -> None:
    if folder := os.environ.get("BERTLAB_ASSETS"):
        config.html_static_path.append(folder)
        config.mathjax_path = MATHJAX


def leave_out_thebe(app: Sphinx, config: Config) -> None:
    """Take out Jupyter Book's live kernels, which this site doesn't offer.

    They would put a script from a CDN on each page, declared twice, which is an error.
    """
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if one.handler.__module__ != "sphinx_thebe"]
    app.registry.css_files = [one for one in app.registry.css_files if "thebe" not in one[0]]


def report_time(app: Sphinx, doctree: nodes.document) -> None:
    """Print a line that ``build.py`` passes on, for each chapter that was executed."""
    name = app.env.docname
    run: dict[str, Any] | None = app.env.nb_metadata.get(name, {}).get("exec_data")
    if run and run.get("runtime") is not None:
        outcome = "executed" if run["succeeded"] else "failed"
        print(f"\nchapter: {name} {outcome} in {run['runtime']:.0f} s", flush=True)


def begin_chapter(app: Sphinx, doctree: nodes.document) -> None:
    """Move a chapter's line of times below its title, with its exercises and ways to open it."""
    time = next((p for p in doctree.findall(nodes.paragraph) if is_time(p)), None)
    title = next(doctree.findall(nodes.title), None)
    if time is None or title is None:
        return
    time.parent.remove(time)
    app.env.note_dependency(str(TIMES))
    exercises = sum(1 for t in doctree.findall(nodes.title) if EXERCISE.match(t.astext()))
    _, *reading = time.astext().split(" · ")
    facts = " · ".join([measured(app.env.docname), *reading, f"{exercises} exercises"])
    bar = nodes.container(classes=["chapter-bar"])
    bar += nodes.paragraph("", facts, classes=["chapter-facts"])
    bar += ways_to_open(app.env.docname, app.config.html_theme_options)
    title.parent.insert(title.parent.index(title) + 1, bar)


def measured(name: str) -> str:
    """Say how long a chapter ran when it was last measured."""
    record = json.loads(TIMES.read_text(encoding="utf-8"))
    seconds = record["seconds"][Path(name).name]
    return f"{seconds:.0f} s to run on {record['cores']} cores (measured)"


def is_time(paragraph: nodes.paragraph) -> bool:
    return paragraph.astext().startswith("Time: about ")


def ways_to_open(name: str, options: dict[str, Any]) -> nodes.paragraph:
    """Return the links that open a chapter elsewhere, as a paragraph."""
    repository, branch = options["repository_url"], options["repository_branch"]
    project = repository.removeprefix("https://github.com/")
    launch = options["launch_buttons"]
    links = {
        "Open in Colab": f"{launch['colab_url']}/github/{project}/blob/{branch}/{name}.ipynb",
        "Open in Binder": f"{launch['binderhub_url']}/v2/gh/{project}/{branch}"
        f"?urlpath=lab/tree/{name}.ipynb",
        "Open in Kaggle": "https://www.kaggle.com/kernels/welcome"
        f"?src={repository}/blob/{branch}/{name}.ipynb",
        "Download the notebook": f"../_sources/{name}.ipynb",
        # Not GitHub's own editor, which would show the notebook as JSON.
        "Edit this page": f"https://github.dev/{project}/blob/{branch}/{name}.ipynb",
    }
    paragraph = nodes.paragraph(classes=["chapter-links"])
    for words, address in links.items():
        paragraph += nodes.reference("", words, refuri=address)
        paragraph += nodes.Text(" ")
    return paragraph


def finish_pages(app: Sphinx, exception: Exception | None) -> None:
    """Leave out scripts that do nothing, and serve bertviz's libraries if the site has them."""
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    if app.builder.name == "singlehtml":  # its addresses are those of a page in the first folder
        os.replace(site / f"{app.config.root_doc}.html", site / "index.html")
    for page in site.rglob("*.html"):
        old = new = page.read_text(encoding="utf-8")
        new = ICON_SCRIPT.sub("", new)
        new = PICTURE.sub(r'<a class="picture" href="\1">\g<0></a>', new)  # opens in its full size
        if page.name != "search.html":
            new = SEARCH_SCRIPTS.sub("", new)
        if 'class="math' not in new:
            new = MATH_SCRIPT.sub("", new)
        if os.environ.get("BERTLAB_ASSETS"):
            new = localised(new, os.path.relpath(site, page.parent).replace(os.sep, "/"))
        if new != old:
            page.write_text(new, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", choose_execution)
    app.connect("config-inited", choose_assets)
    app.connect("config-inited", leave_out_thebe)
    app.connect("doctree-read", report_time)
    app.connect("doctree-read", begin_chapter)
    app.connect("build-finished", finish_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
