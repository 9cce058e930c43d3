"""The README and its companions: every link, command and number in them holds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import chapter_table
import pytest
from conftest import CHAPTERS, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", "RELEASING.md", "CHANGELOG.md"]
PAGES += sorted(f"book/{page.name}" for page in (ROOT / "book").glob("*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_to_files(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        if not re.match(r"https?:|#", target):
            assert ((ROOT / page).parent / target.split("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_targets_that_make_has(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    text = (ROOT / page).read_text(encoding="utf-8")
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^```\w+\n(.*?)^```", text, re.M | re.S)
    for command in re.findall(r"^\s*make((?: [a-z-]+)+)", "\n".join(code), re.MULTILINE):
        assert set(command.split()) <= targets, f"make{command}"


def test_every_target_is_explained_and_phony() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    explained = set(re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)
    assert phony
    assert targets == explained == set(phony[1].split())


def test_the_table_of_chapters_is_complete_and_from_the_measured_times() -> None:
    assert chapter_table.with_table(README, chapter_table.table()) == README
    for chapter in CHAPTERS:
        assert f"(book/{chapter.name})" in README


def test_the_extras_that_are_named_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for extras in re.findall(r"\.\[([\w,]+)\]", text):
            assert set(extras.split(",")) <= set(project["optional-dependencies"]), page


def test_the_fine_tuning_commands_lead_to_an_answer(tmp_path: Path) -> None:
    """As they stand; only shorter, by fewer epochs."""
    block = next(b for b in re.findall(r"```bash\n(.*?)```", README, re.S) if "finetune" in b)
    first, *rest = block.strip().split("\n")
    more = ROOT / "bertlab" / "data" / "sets" / "sentiment" / "test.jsonl"
    shutil.copy(more, tmp_path / "more.jsonl")
    program = f"{sys.executable} -m bertlab.cli"
    commands = [f"{first} --epochs 0.1 --max-length 32", *rest]
    said = ""
    for command in commands:
        result = subprocess.run(
            re.sub(r"(^|\| )bertlab ", rf"\1{program} ", command),
            shell=True,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
            check=False,
        )
        assert result.returncode == 0, result.stderr
        said = result.stdout
    assert set(json.loads(said)) == {"text", "label", "score", "scores"}
    scores = json.loads((tmp_path / "scores.json").read_text())
    metrics = json.loads((tmp_path / "runs" / "sentiment" / "metrics.json").read_text())
    assert scores["accuracy"] == metrics["test"]["accuracy"]
    assert (tmp_path / "runs" / "sentiment" / "predictions.jsonl").exists()
