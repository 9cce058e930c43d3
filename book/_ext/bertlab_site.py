"""What the site needs beyond its theme: whether chapters run, and a word on how long they took.

``BERTLAB_EXECUTE=off`` builds the pages from the outputs that the notebooks hold. The tests do
so, because they have just executed every notebook and compared its outputs.
"""

from __future__ import annotations

import os
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config


def choose_execution(app: Sphinx, config: Config) -> None:
    if os.environ.get("BERTLAB_EXECUTE") == "off":
        config.nb_execution_mode = "off"


def report_time(app: Sphinx, doctree: nodes.document) -> None:
    """Print a line that ``build.py`` passes on, for each chapter that was executed."""
    name = app.env.docname
    run: dict[str, Any] | None = app.env.nb_metadata.get(name, {}).get("exec_data")
    if run and run.get("runtime") is not None:
        outcome = "executed" if run["succeeded"] else "failed"
        print(f"\nchapter: {name} {outcome} in {run['runtime']:.0f} s", flush=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", choose_execution)
    app.connect("doctree-read", report_time)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
