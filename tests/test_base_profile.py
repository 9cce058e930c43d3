"""``PROFILE = "base"``: the cells that a reader with a GPU and the hub runs, on small stand-ins.

What the stand-ins are is said in ``hub_stand_in.py``. They are untrained, so what a chapter asserts
of a good model is left to the real one; that every cell runs is held here.
"""

from __future__ import annotations

from pathlib import Path

import notebooks
import pytest
from conftest import CHAPTERS
from hub_stand_in import make_hub

QUICK = {"03_encoder"}
# Where a stand-in isn't enough: what else is made smaller.
SMALLER = {
    "07_pretraining": {'"preset": "base"': '"preset": "tiny"', '"steps": 20_000': '"steps": 20'},
}


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("hub")
    make_hub(home)
    return home


@pytest.mark.parametrize(
    "chapter",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem in QUICK else [pytest.mark.slow])
        for path in CHAPTERS
    ],
)
def test_a_chapter_runs_with_the_base_profile(
    chapter: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = notebooks.read(chapter)
    changes = {'PROFILE = "mini"': 'PROFILE = "base"', **SMALLER.get(chapter.stem, {})}
    sources = "\n".join(cell.source for cell in notebook.cells)
    for old, new in changes.items():
        assert sources.count(old) == 1, f"{chapter.name}: {old} stands there {sources.count(old)}x"
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new)
    monkeypatch.setenv("HF_HOME", str(hub))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    notebooks.execute(notebook, chapter.name)
