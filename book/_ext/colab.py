"""Run the notebooks as Colab would: its versions, an empty folder, bertlab from the wheel alone.

    python book/_ext/colab.py [--python PYTHON] [--pip-extra OPTIONS] [FILE...]

Builds an environment of the versions in ``colab-versions.txt``, the nearest where one can't be
had here, and says so. Then it asks pip's resolver what the install cell brings into it: nothing
that Colab has may be among that. Then each notebook runs alone: its install cell installs the
wheel of this checkout, its other cells hold by their own assertions, and no package of Colab's
may have been replaced. An assignment, whose answers are missing, runs to the first of them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import notebooks
from normal_form import NotebookError

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = Path(__file__).with_name("colab-versions.txt")
FOLDER = ROOT / "_build" / "colab"
REQUIREMENT = re.compile(r'"(bertlab(?:\[[\w,]+\])?) @ https://[^"]+\.whl"')
MISSING_ANSWER = re.compile(r": NotImplementedError:|: AssertionError: ○ \w+: not attempted yet")
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")


class ColabError(Exception):
    """An environment that could not be built, or a promise that doesn't hold."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_versions() -> tuple[str, dict[str, str]]:
    """Return Colab's Python ("3.13") and its packages' versions by their names."""
    text = VERSIONS.read_text(encoding="utf-8")
    python = re.search(r"^# python (\d+\.\d+)$", text, re.MULTILINE)
    assert python, f"{VERSIONS.name} names no Python"
    pins = re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)
    return python[1], {canonical(name): version for name, version in pins}


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command quietly; what it says is kept."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


def output_of(command: list[str]) -> str:
    """Run a command and return what it prints.

    Raises:
        ColabError: with the end of its messages, when it fails.
    """
    result = run(command)
    if result.returncode:
        last = "\n".join((result.stdout + result.stderr).splitlines()[-15:])
        raise ColabError(f"{shlex.join(command[:6])} ... failed:\n{last}")
    return result.stdout


# ---------------------------------------------------------------------------------------------
# The environment


def choose_python(wanted: str, given: str | None) -> str:
    """Return the interpreter given, or Colab's version on the PATH, or the one running this."""
    chosen = given or shutil.which(f"python{wanted}") or sys.executable
    found = output_of([chosen, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()
    if found != wanted:
        print(f"nearest: Python {found}, where Colab has {wanted} (name one with PYTHON=...)")
    return chosen


def nearest(name: str, version: str, tries: int) -> str:
    """Return a looser requirement at each try: the same minor version, newer, any."""
    patterns = (f"{name}~={version}", f"{name}>={version}", name)
    return patterns[min(tries, len(patterns) - 1)]


def install_versions(python: str, pins: dict[str, str], options: list[str]) -> None:
    """Install Colab's versions; where one can't be had for this Python, the nearest."""
    wanted = {name: f"{name}=={version}" for name, version in pins.items()}
    tries = dict.fromkeys(pins, 0)
    listed = FOLDER / "requirements.txt"
    while True:
        listed.write_text("\n".join(wanted.values()) + "\n", encoding="utf-8")
        result = run(
            [python, *PIP, "install", "--only-binary=:all:", *options, "-r", str(listed)],
        )
        if result.returncode == 0:
            break
        missing = re.search(r"No matching distribution found for ([\w.-]+)", result.stderr)
        name = canonical(missing[1]) if missing else ""
        if name not in pins or tries[name] == 3:
            reasons = "\n".join(s for s in result.stderr.splitlines() if s.startswith("ERROR"))
            raise ColabError(f"Colab's versions could not be installed:\n{reasons}")
        wanted[name] = nearest(name, pins[name], tries[name])
        tries[name] += 1


def installed(python: str) -> dict[str, str]:
    """Return the versions of all packages in the environment."""
    listed = json.loads(output_of([python, *PIP, "list", "--format=json"]))
    return {canonical(entry["name"]): entry["version"] for entry in listed}


def build_environment(given: str | None, options: list[str]) -> tuple[str, dict[str, str]]:
    """Make the environment, or take the one of these versions; return its Python and packages."""
    wanted, pins = read_versions()
    base = choose_python(wanted, given)
    ready = FOLDER / "ready.json"
    python = str(FOLDER / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    recipe = [output_of([base, "--version"]).strip(), *(f"{n}=={v}" for n, v in pins.items())]
    if not ready.exists() or json.loads(ready.read_text(encoding="utf-8"))["recipe"] != recipe:
        print("Building Colab's environment; this takes some minutes ...", flush=True)
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        output_of([base, "-m", "venv", str(FOLDER / "venv")])
        install_versions(python, pins, options)
        record = {"recipe": recipe, "packages": installed(python)}
        ready.write_text(json.dumps(record, indent=1), encoding="utf-8")
    packages = json.loads(ready.read_text(encoding="utf-8"))["packages"]
    for name, version in pins.items():
        if packages[name].split("+")[0] != version:
            print(f"nearest: {name} {packages[name]}, where Colab has {version}")
    return python, packages


def build_wheel() -> str:
    """Build the checkout's wheel and return its address."""
    folder = FOLDER / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    output_of([sys.executable, *build])
    (wheel,) = folder.glob("*.whl")
    return wheel.as_uri()


# ---------------------------------------------------------------------------------------------
# The promises


def would_install(python: str, requirement: str) -> dict[str, str]:
    """Ask pip's resolver what it would install; nothing changes."""
    command = [python, *PIP, "install", "--dry-run", "--quiet", "--report=-", requirement]
    items = json.loads(output_of(command))["install"]
    return {canonical(i["metadata"]["name"]): i["metadata"]["version"] for i in items}


def check_resolver(python: str, packages: dict[str, str], requirements: set[str]) -> None:
    """Nothing that Colab has is installed anew, for each requirement that a notebook names."""
    for requirement in sorted(requirements):
        new = would_install(python, requirement)
        name = requirement.split(" @")[0]
        print(f"{name} brings " + ", ".join(f"{n} {v}" for n, v in sorted(new.items())))
        replaced = {n: (packages[n], v) for n, v in new.items() if n in packages}
        if replaced:
            raise ColabError(f"{name} would replace what Colab has: {replaced}")


def requirement_of(path: Path) -> str:
    """Return what a notebook's install cell names, ``bertlab`` or ``bertlab[viz]``.

    Raises:
        ColabError: when there isn't exactly one install cell with exactly one address.
    """
    cells = [cell.source for cell in notebooks.read(path).cells if "%pip" in cell.source]
    found = [name for source in cells for name in REQUIREMENT.findall(source)]
    if len(found) != 1:
        raise ColabError(f"{path.name} names {len(found)} wheels to install, expected one")
    return str(found[0])


def run_alone(path: Path, python: str, packages: dict[str, str], wheel: str) -> str:
    """Run one notebook in the environment as Colab has it, and say how it went.

    Raises:
        NotebookError: when a cell fails.
        ColabError: when its install cell has replaced something.
    """
    added = set(installed(python)) - set(packages)
    if added:
        output_of([python, *PIP, "uninstall", "--yes", "--quiet", *sorted(added)])
    notebook = notebooks.read(path)
    for cell in notebook.cells:
        cell.source = REQUIREMENT.sub(rf'"\1 @ {wheel}"', cell.source)
    start, reached = time.perf_counter(), "to the end"
    try:
        notebooks.execute(notebook, path.name, python)
    except NotebookError as error:
        if path.parent.parent.name != "release" or not MISSING_ANSWER.search(str(error)):
            raise
        reached = "to its first missing answer"
    after = installed(python)
    changed = {n: (v, after.get(n)) for n, v in packages.items() if after.get(n) != v}
    if changed or "bertlab" not in after:
        raise ColabError(f"{path.name}: the install cell changed {changed or 'nothing'}")
    return f"{reached} in {time.perf_counter() - start:.0f} s{words_on_stderr(notebook)}"


def words_on_stderr(notebook: notebooks.nbformat.NotebookNode) -> str:
    """Show what a reader would see in red: it fails nothing, but should be known."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    texts = [o.text.strip() for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    return "".join(f"\n    stderr: {text[:300]}" for text in texts)


def all_notebooks() -> list[Path]:
    chapters = sorted((ROOT / "book").glob("[0-9][0-9]_*.ipynb"))
    return [*chapters, *sorted((ROOT / "assignments" / "release").glob("*/*.ipynb"))]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the notebooks with Colab's versions.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: all")
    parser.add_argument("--python", help="the Python for the environment")
    parser.add_argument("--pip-extra", default="", help="more options for pip, as one text")
    options = parser.parse_args(arguments)
    files = options.files or all_notebooks()
    os.environ["HF_HUB_OFFLINE"] = "1"  # the mini profile promises to need no hub
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # the old kernel's debugger would chatter
    os.environ.pop("PYTHONPATH", None)
    failed = 0
    try:
        python, packages = build_environment(options.python, shlex.split(options.pip_extra))
        wheel = build_wheel()
        requirements = {f"{requirement_of(path)} @ {wheel}" for path in files}
        check_resolver(python, packages, requirements)
    except ColabError as error:
        print(error, file=sys.stderr)
        return 1
    for path in files:
        try:
            print(f"{path.name}: {run_alone(path, python, packages, wheel)}", flush=True)
        except (ColabError, NotebookError) as error:
            failed += 1
            print(f"{path.name} FAILED\n{error}", file=sys.stderr, flush=True)
    print(f"{len(files) - failed} of {len(files)} notebooks ran with Colab's versions")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
