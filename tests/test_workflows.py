"""GitHub's workflows: what can be said of them without running them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, run

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# All that any job may do beyond reading, and why.
MAY_WRITE = {
    ("release", "release", "contents"): "attaches the files to the release",
    ("release", "release", "actions"): "starts the workflow that publishes the site",
    ("release", "index", "id-token"): "trusted publishing",
    ("book", "publish", "pages"): "publishes the site",
    ("book", "publish", "id-token"): "publishes the site",
}


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in load(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_each_action_is_named_by_its_release(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used
    for name in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40}|release/v\d+)", name), name


def test_jobs_may_do_no_more_than_they_need() -> None:
    writing = set()
    for path in WORKFLOWS:
        workflow = load(path)
        assert workflow["permissions"] in ({}, {"contents": "read"}), path.name
        for name, job in workflow["jobs"].items():
            granted = job.get("permissions", {})
            writing |= {(path.stem, name, what) for what, how in granted.items() if how == "write"}
    assert writing == set(MAY_WRITE)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_what_is_run_exists(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for job in load(path)["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        wanted = {*matrix.get("target", []), *(i["target"] for i in matrix.get("include", []))}
        for step in job["steps"]:
            commands = step.get("run", "")
            wanted |= set(re.findall(r"^\s*make ([a-z-]+)", commands, re.MULTILINE))
            for script in re.findall(r"python (\S+\.py)", commands):
                assert (ROOT / script).is_file(), script
        assert wanted <= targets


def test_what_the_release_changes_in_the_configuration_is_there_to_change() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    (line,) = re.findall(r"s/\^(.*?)\$/.*?/\" _config\.yml", text)
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    assert config.splitlines().count(line) == 1


def test_what_is_published_is_what_was_tried() -> None:
    """Built in one job only; the others take its files, and none goes out untried."""
    jobs = load(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    building = [name for name, job in jobs.items() if "-m build" in str(job["steps"])]
    assert building == ["build"]
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "build": None,
        "try": "build",
        "release": "try",
        "index": "release",
    }
    for name in ("try", "release", "index"):
        uses = [step.get("uses", "") for step in jobs[name]["steps"]]
        assert any(use.startswith("actions/download-artifact@") for use in uses)
        assert not any(use.startswith("actions/checkout@") for use in uses)


def test_the_index_gets_nothing_until_the_name_is_ours() -> None:
    """A variable of the repository turns it on; no password or token is kept anywhere."""
    index = load(ROOT / ".github" / "workflows" / "release.yml")["jobs"]["index"]
    assert re.fullmatch(r"vars\.(\w+) == 'yes'", index["if"])
    assert index["environment"]["name"] == "pypi"
    assert index["steps"][-1]["uses"].startswith("pypa/gh-action-pypi-publish@")
    assert "secrets." not in str(index)
    variable = index["if"].split()[0].removeprefix("vars.")
    releasing = (ROOT / "RELEASING.md").read_text(encoding="utf-8")
    assert f"`{variable}`" in releasing
    assert "`pypi`" in releasing


def test_zizmor_finds_nothing() -> None:
    program = Path(sys.executable).with_name("zizmor")
    result = run([str(program), "--offline", "--no-progress", str(ROOT / ".github")])
    assert result.returncode == 0, result.stdout
