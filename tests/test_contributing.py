"""What contributors are told works: hooks catch their faults, offline; targets and forms exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
CHAPTER = Path("book") / "02_attention.ipynb"
# What a commit must not hold: the file, its text, and the hook that says so.
FAULTS = {
    "ruff-check": ("bertlab/unused.py", "import os\n"),
    "ruff-format": ("bertlab/form.py", "x = {'a':1}\n"),
    "mypy": ("bertlab/types.py", 'x: int = "one"\n'),
    "notebooks": (
        str(CHAPTER),
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n',
    ),
    "large-files": ("book/large.bin", "x" * 2_000_000),
    "merge-conflicts": ("book/page.md", "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> other\n"),
    "yaml": ("_toc.yml", "a: [1\n"),
}


def git(folder: Path, *words: str) -> None:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small repository with the project's settings, and its environment under the usual name."""
    folder = tmp_path_factory.mktemp("repository")
    tools = [f"book/_ext/{name}.py" for name in ("notebooks", "normal_form")]
    for name in ("pyproject.toml", ".pre-commit-config.yaml", str(CHAPTER), *tools):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "bertlab").mkdir()
    (folder / "bertlab" / "__init__.py").write_text('"""A package."""\n')
    (folder / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    (folder / ".git" / "info").mkdir(parents=True)
    git(folder, "init", "--quiet")
    (folder / ".git" / "info" / "exclude").write_text(".venv\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def run_hooks(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pre-commit where nothing can be fetched."""
    nowhere = "http://127.0.0.1:9"
    environment = {
        **os.environ,
        "PRE_COMMIT_HOME": str(repository.parent / "pre-commit"),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere),
        "PIP_INDEX_URL": nowhere,
    }
    command = [sys.executable, "-m", "pre_commit", "run", "--color=never", *words]
    return subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, check=False
    )


def test_the_hooks_let_a_clean_commit_pass(repository: Path) -> None:
    result = run_hooks(repository, "--all-files")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Skipped" not in result.stdout, "a hook had nothing to look at"


@pytest.mark.parametrize("hook", FAULTS)
def test_a_hook_catches_its_fault(hook: str, repository: Path) -> None:
    name, text = FAULTS[hook]
    path = repository / name
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text(text)
    git(repository, "add", name)
    try:
        result = run_hooks(repository, hook)
        assert result.returncode == 1, result.stdout + result.stderr
        assert "Failed" in result.stdout
    finally:
        git(repository, "rm", "--quiet", "--force", "--cached", name)
        path.unlink()
        if before is not None:
            path.write_text(before, encoding="utf-8")
            git(repository, "add", name)


def test_every_hook_is_tested_and_needs_nothing_from_elsewhere() -> None:
    assert [entry["repo"] for entry in HOOKS["repos"]] == ["local"]
    hooks = HOOKS["repos"][0]["hooks"]
    assert {hook["id"] for hook in hooks} == set(FAULTS)
    for hook in hooks:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")


def test_the_commands_of_the_guide_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"`make ([a-z-]+)", GUIDE)
    assert {"hooks", "notebooks", "check", "quick", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target
    for chapter in re.findall(r"CHAPTERS=(\S+?)`", GUIDE):
        assert (ROOT / chapter).is_file()


def test_the_guide_names_every_benchmark() -> None:
    for script in (ROOT / "benchmarks").glob("*.py"):
        assert f"(benchmarks/{script.name})" in GUIDE


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_issue_forms_are_as_github_expects_them(form: Path) -> None:
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    if form.stem == "config":
        assert set(content) == {"blank_issues_enabled", "contact_links"}
        assert all(set(link) == {"name", "url", "about"} for link in content["contact_links"])
        return
    assert (
        {"name", "description", "body"} <= set(content) <= {"name", "description", "body", "labels"}
    )
    known = {"input", "textarea", "dropdown", "checkboxes", "markdown"}
    ids = [part["id"] for part in content["body"]]
    assert len(ids) == len(set(ids)) > 1
    for part in content["body"]:
        assert part["type"] in known
        assert part["attributes"]["label"]
        assert set(part) <= {"type", "id", "attributes", "validations"}
        if part["type"] in ("dropdown", "checkboxes"):
            assert part["attributes"]["options"]
    assert any(part.get("validations", {}).get("required") for part in content["body"])


def test_there_is_a_form_for_chapters_bugs_and_ideas_and_a_template_for_changes() -> None:
    assert {form.stem for form in FORMS} == {"chapter", "bug", "idea", "config"}
    template = (ROOT / ".github" / "pull_request_template.md").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z-]+)", template):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
