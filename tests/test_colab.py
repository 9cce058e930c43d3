"""Colab keeps what it has: bertlab admits those versions. `make colab` installs and runs it."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import colab
import pytest
import yaml
from conftest import CHAPTERS, ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from bertlab import exercises

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEW = {"tyro", "bertviz"}  # what Colab doesn't have, and the wheel brings


def test_the_requirements_admit_every_version_that_colab_has() -> None:
    """Otherwise pip would replace it, and with torch gigabytes, and restart the runtime."""
    python, pins = colab.read_versions()
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0")
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["viz"]]
    requirements = [Requirement(text) for text in wanted]
    assert {r.name for r in requirements if colab.canonical(r.name) not in pins} == NEW
    for requirement in requirements:
        if requirement.name not in NEW:
            has = pins[colab.canonical(requirement.name)]
            assert requirement.specifier.contains(has), f"{requirement}, but Colab has {has}"


def test_every_notebook_for_colab_installs_one_wheel_with_a_known_extra() -> None:
    found = {path: colab.requirement_of(path) for path in colab.all_notebooks()}
    assert len(found) >= len(CHAPTERS) + 4
    assert set(found.values()) == {"bertlab", "bertlab[viz]"}


def test_a_package_that_colab_has_may_not_be_installed_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bringing = {"bertlab": "0.1.0", "tyro": "1.0"}
    monkeypatch.setattr(colab, "would_install", lambda *_: bringing)
    colab.check_resolver("python", {"torch": "2.11.0"}, {"bertlab @ file:///b.whl"})
    assert "bertlab brings bertlab 0.1.0, tyro 1.0" in capsys.readouterr().out
    bringing["torch"] = "2.13.0"
    with pytest.raises(colab.ColabError, match=r"would replace .*'torch': \('2.11.0', '2.13.0'\)"):
        colab.check_resolver("python", {"torch": "2.11.0"}, {"bertlab @ file:///b.whl"})


def test_where_a_version_cannot_be_had_the_nearest_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(colab, "FOLDER", tmp_path)
    tried: list[list[str]] = []

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        tried.append(Path(command[-1]).read_text(encoding="utf-8").split())
        missing = next((r for r in tried[-1] if "==2.2" in r or "~=" in r), None)
        words = f"ERROR: No matching distribution found for {missing}" if missing else ""
        return subprocess.CompletedProcess(command, bool(missing), "", words)

    monkeypatch.setattr(colab, "run", run)
    colab.install_versions("python", {"pandas": "2.2.2", "numpy": "2.1.3"}, [])
    versions = [requirement for requirements in tried for requirement in requirements[:1]]
    assert versions == ["pandas==2.2.2", "pandas~=2.2.2", "pandas>=2.2.2"]
    assert all(requirements[1] == "numpy==2.1.3" for requirements in tried)


def test_a_missing_answer_is_told_from_a_broken_cell() -> None:
    """The words are those of the notebooks' tool and of the checks."""
    checked = exercises.check("make_mask", lambda *_: 1 / 0)
    with pytest.raises(AssertionError) as unanswered:
        exercises.check("make_mask", missing, strict=True)
    assert colab.MISSING_ANSWER.search(f"a.ipynb, cell 5 (x): AssertionError: {unanswered.value}")
    assert not colab.MISSING_ANSWER.search(
        f"a.ipynb, cell 5 (x): AssertionError: {checked.message}"
    )
    assert colab.MISSING_ANSWER.search("a.ipynb, cell 4 (x): NotImplementedError: ")


def missing(*_: object) -> None:
    raise NotImplementedError


def test_github_runs_the_same_command() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))["jobs"]
    assert any("make colab" in step.get("run", "") for step in jobs["colab"]["steps"])
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "book/_ext/colab.py" in makefile
