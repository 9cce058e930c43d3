"""Each chapter runs alone, as in Colab: in an empty folder, with bertlab from the wheel.

nbval compares every output with the committed one. This is the one execution of the chapters in a
run of the tests: the site is then built from the outputs that were compared here.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import CHAPTERS, ROOT, CleanEnvironment, clean_variables, run

# Outputs that could differ between versions of these are compared only where they are pinned.
NUMERICAL = ("matplotlib", "numpy", "scikit-learn", "tokenizers", "torch", "transformers")


def as_committed() -> bool:
    """Say whether this is what the committed outputs come from."""
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", constraints, re.MULTILINE))
    same = all(version(name).split("+")[0] == pins[name] for name in NUMERICAL)
    machine = (sys.platform, platform.machine())
    return same and sys.version_info[:2] == (3, 11) and machine == ("linux", "x86_64")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_runs_alone_and_gives_its_committed_outputs(
    chapter: Path, clean_environment: CleanEnvironment, tmp_path: Path
) -> None:
    shutil.copy(chapter, tmp_path)
    mode = "--nbval" if as_committed() else "--nbval-lax"
    command = [clean_environment.python, "-m", "pytest", mode, "--nbval-current-env"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "-q", "--color=no"]
    variables = {**clean_variables(), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}

    result = run([*command, chapter.name], cwd=tmp_path, env=variables)

    assert result.returncode == 0, result.stdout
    passed = re.search(r"(\d+) passed", result.stdout)
    assert passed, result.stdout
    assert "failed" not in result.stdout.splitlines()[-1]
    assert [p.name for p in tmp_path.iterdir()] == [chapter.name], "the chapter left files behind"
