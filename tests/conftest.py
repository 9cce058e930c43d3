"""What several test files share: the notebooks, and an environment as a new user would have it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))  # the book's tools are scripts, not a package
sys.path.insert(0, str(ROOT / "assignments"))  # and so is the rehearsal
sys.path.insert(0, str(ROOT / "tools"))

import notebooks  # noqa: E402

os.environ["BERTLAB_PROGRESS"] = "off"  # what tests pass is not what a user has passed

CHAPTERS = sorted((ROOT / "book").glob("[0-9][0-9]_*.ipynb"))


def load_notebook(path: Path) -> dict[str, Any]:
    """Read a notebook with each cell's source as one string."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command and return its result; stdout and stderr come together."""
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options
    )


def clean_variables() -> dict[str, str]:
    """This process's environment without what could lead to the checkout or change the outputs."""
    dropped = ("PYTHONPATH", "MPLBACKEND", "VIRTUAL_ENV", "PYTEST_", "COV_", "COVERAGE")
    kept = {name: v for name, v in os.environ.items() if not name.startswith(dropped)}
    return {**kept, **notebooks.VARIABLES}


class CleanEnvironment(NamedTuple):
    python: str
    wheel: Path
    site_packages: Path


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that ``make`` filled once for all of pytest-xdist's processes."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    with FileLock(base / f"{name}.lock"):
        if not (base / f"{name}.made").is_file():
            make(base / name)
            (base / f"{name}.made").touch()
    return base / name


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site from the notebooks' outputs, built once for all of pytest-xdist's processes.

    It is the one of ``make book OFFLINE=1``; without npm its pages load MathJax from a CDN.
    """

    def build(output: Path) -> None:
        tool = str(ROOT / "book" / "_ext" / "build.py")
        command = [sys.executable, tool, "--committed", "--offline", "--output", str(output)]
        result = run(command)
        if result.returncode:
            pytest.fail(f"The site was not built:\n{result.stdout}", pytrace=False)

    return made_once(tmp_path_factory, "site", build) / "_build" / "html"


@pytest.fixture(autouse=True)
def _usual_log_level() -> Iterator[None]:
    """Chapters turn bertlab's log down, and some tests run their cells in this process."""
    logger = logging.getLogger("bertlab")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder ``source``, and ``dist`` with the sdist made there and the wheel made from that.

    Built once for all of pytest-xdist's processes.
    """

    def build(folder: Path) -> None:
        not_source = (".*", "_build", "build", "dist", "runs", "*.egg-info", "__pycache__")
        not_source += ("node_modules", "venv")
        shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(*not_source))
        build_distributions(folder / "source", folder / "dist")

    return made_once(tmp_path_factory, "distributions", build)


def build_distributions(source: Path, output: Path, *options: str) -> None:
    """Run ``python -m build`` with a fixed time in the archives, without the network."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), *options]
    result = run([*command, str(source)], env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    assert result.returncode == 0, result.stdout


@pytest.fixture(scope="session")
def clean_environment(
    distributions: Path, tmp_path_factory: pytest.TempPathFactory
) -> CleanEnvironment:
    """A new virtual environment in which bertlab comes from the wheel, as for a new user.

    The libraries are those of the environment that runs the tests, found through a .pth file.
    Python reads no .pth files in a folder that a .pth file names, so the checkout, which is
    installed there in editable mode, can't be seen.
    """
    folder = tmp_path_factory.mktemp("clean")
    (wheel,) = (distributions / "dist").glob("*.whl")

    venv.create(folder / "venv", with_pip=False, symlinks=os.name != "nt")
    python = str(folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    purelib = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    site_packages = Path(purelib.stdout.strip())
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "libraries.pth").write_text("\n".join(sorted(libraries)) + "\n")

    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    result = run([*pip, "--disable-pip-version-check", "--force-reinstall", str(wheel)])
    assert result.returncode == 0, result.stdout
    return CleanEnvironment(python, wheel, site_packages)


@pytest.fixture(scope="session")
def toy_assignments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy assignment: three questions, one of them on attention. Tests must not change it."""
    from toy import make_toy

    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def light_assignments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without torch: two questions. Tests must not change it."""
    from toy import make_toy

    return make_toy(tmp_path_factory.mktemp("light"), torch=False)
