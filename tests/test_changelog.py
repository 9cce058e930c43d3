"""CHANGELOG.md has the present version; a change of the package needs a line in it."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from itertools import pairwise
from pathlib import Path

import changelog
import pytest
from conftest import ROOT

import bertlab

TEXT = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
TWO = "# Changelog\n\n## 0.2.0 (unreleased)\n\n- New.\n\n## 0.1.0 (2026-11-30)\n\n- First.\n"


def test_the_present_version_comes_first_and_says_what_changed() -> None:
    version, (_, body) = next(iter(changelog.sections(TEXT).items()))
    assert version == bertlab.__version__
    assert body


def test_versions_and_dates_go_down_and_only_the_present_one_is_unreleased() -> None:
    found = changelog.sections(TEXT)
    numbers = [tuple(map(int, version.split("."))) for version in found]
    assert all(newer > older for newer, older in pairwise(numbers))
    whens = [when for when, _ in found.values()]
    assert changelog.UNRELEASED not in whens[1:]
    dates = [date.fromisoformat(when) for when in whens if when != changelog.UNRELEASED]
    assert dates == sorted(dates, reverse=True)


def test_a_tagged_version_has_its_date() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git repository, so nothing is tagged")
    tagged = {tag.removeprefix("v") for tag in changelog.git("tag", "--points-at").split()}
    for version in tagged & set(changelog.sections(TEXT)):
        assert changelog.notes(TEXT, version)


@pytest.mark.parametrize(
    ("version", "words"), [("0.2.0", "give it its date"), ("0.3.0", "no section for 0.3.0")]
)
def test_only_a_dated_section_gives_notes(version: str, words: str) -> None:
    assert changelog.notes(TWO, "0.1.0") == "- First."
    with pytest.raises(ValueError, match=words):
        changelog.notes(TWO, version)


@pytest.mark.parametrize("heading", ["## 0.1.0", "## v0.1.0 (2026-11-30)", "## 0.1.0 (2026-02-30)"])
def test_a_heading_of_another_form_is_refused(heading: str) -> None:
    with pytest.raises(ValueError, match=r"expected|day is out of range"):
        changelog.sections(f"{heading}\n\n- Something.\n")


@pytest.mark.parametrize(
    ("files", "message", "missing"),
    [
        (["bertlab/hub.py", "book/intro.md"], "Faster", True),
        (["bertlab/hub.py"], "Faster\n\nchangelog: none", False),
        (["bertlab/hub.py"], "Does the changelog need: none of this?", True),
        (["bertlab/hub.py", "CHANGELOG.md"], "Faster", False),
        (["book/intro.md", "tests/test_hub.py"], "Clearer", False),
    ],
)
def test_a_change_of_the_package_needs_a_line(
    files: list[str], message: str, missing: bool
) -> None:
    assert changelog.missing_line(files, message) == missing


def test_the_check_of_a_pull_request_reads_its_commits(tmp_path: Path) -> None:
    """The script as the workflow runs it, in a repository of its own."""

    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    def check() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "tools/changelog.py", "check", "main"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    git("init", "--initial-branch", "main")
    for name in ("tools/changelog.py", "bertlab/hub.py", "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    git("add", ".")
    git("commit", "-m", "start")
    git("switch", "-c", "change")
    (tmp_path / "bertlab" / "hub.py").write_text("changed = True\n")
    git("commit", "-am", "Change the hub")
    assert check().returncode == 1
    assert "Changelog: none" in check().stdout
    (tmp_path / "CHANGELOG.md").write_text(TWO)
    git("commit", "-am", "Say so")
    assert check().returncode == 0
