"""Binder's and conda's environment.yml brings all that the chapters import, and JupyterLab."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import yaml
from colab import canonical
from conftest import CHAPTERS, ROOT, load_notebook
from packaging.requirements import Requirement


def environment() -> list[str]:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    (listed,) = (d["pip"] for d in yaml.safe_load(text)["dependencies"] if isinstance(d, dict))
    return [line for line in listed if not line.startswith("-")]


@cache
def needs(name: str) -> frozenset[str]:
    """Return a package and all that it brings with it here."""
    try:
        texts = requires(name) or []
    except PackageNotFoundError:
        return frozenset({name})
    direct = [
        r for r in map(Requirement, texts) if not r.marker or r.marker.evaluate({"extra": ""})
    ]
    return frozenset({name}.union(*(needs(canonical(r.name)) for r in direct)))


def imported(source: str) -> set[str]:
    """Return the top-level modules that a cell imports; IPython's own lines are left out."""
    source = re.sub(r"^(\s*)%.*$", r"\1pass", source, flags=re.MULTILINE)
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_all_that_the_chapters_import_is_brought() -> None:
    brought = {"bertlab"}.union(*(needs(canonical(Requirement(r).name)) for r in environment()))
    assert {"jupyterlab", "ipykernel", "bertviz"} <= brought
    homes = packages_distributions()
    for path in CHAPTERS:
        cells = load_notebook(path)["cells"]
        modules = {m for c in cells if c["cell_type"] == "code" for m in imported(c["source"])}
        for module in modules - set(sys.stdlib_module_names):
            found = {canonical(name) for name in homes.get(module, [])}
            assert found & brought, f"{path.name} imports {module}, which environment.yml lacks"


def test_binder_sees_that_the_environment_needs_the_whole_repository() -> None:
    """It copies environment.yml alone and builds from it, unless a line says `-e .`."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert "\n      - -e .\n" in text
    others = ("postBuild", "requirements.txt", "apt.txt", "binder", ".binder", "Dockerfile")
    assert not [name for name in others if (ROOT / name).exists()], "Binder would read these, too"
