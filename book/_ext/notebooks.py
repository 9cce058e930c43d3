"""Execute the chapters' notebooks and write them in one normal form.

    python book/_ext/notebooks.py run FILE...         execute in place, then normalise
    python book/_ext/notebooks.py normalise FILE...   normalise only
    python book/_ext/notebooks.py check FILE...       change nothing; exit 1 if not in order

Each notebook runs in an empty folder of its own, on the Python that runs this script (or on
``--python``). The normal form holds nothing that differs between two runs: running ``run`` a
second time changes no byte. ``--times FILE.json`` also records how long each chapter took, when,
and with which versions.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from normal_form import NotebookError, join_lines, normalise, to_text

MEMORY_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
# What a notebook's process gets besides: no progress bars, the same hashes at each run, and threads
# that sleep while they wait (otherwise they take the cores from whatever else is running).
VARIABLES = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "PYTHONHASHSEED": "0",
    "OMP_WAIT_POLICY": "PASSIVE",
}
TIMEOUT = 600  # seconds a cell may take
LIBRARIES = ("bertlab", "torch", "transformers")  # their versions stand beside the times


def execute(notebook: nbformat.NotebookNode, name: str, python: str = sys.executable) -> float:
    """Run all cells in an empty folder and return the seconds taken, start of the kernel included.

    Args:
        notebook: changed in place: its outputs are those of this run.
        name: the notebook's file, for messages.
        python: the interpreter for the kernel; it needs ipykernel.

    Raises:
        NotebookError: when a cell fails, takes more than ten minutes, or the kernel dies.
    """
    manager = AsyncKernelManager()
    # Not by name: a kernel called "python3" may be installed for another Python, or not at all.
    manager._kernel_spec = KernelSpec(
        argv=[python, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=40"],
        display_name="Python 3",
        language="python",
    )
    client = NotebookClient(notebook, km=manager, timeout=TIMEOUT, coalesce_streams=True)
    client.owns_km = True  # so that the kernel ends with its notebook, and frees its memory
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="notebook-") as folder:
        try:
            client.execute(cwd=folder, env={**os.environ, **VARIABLES})
        except CellExecutionError as error:
            position, cell = failed_cell(notebook)
            raise NotebookError(
                f"{name}, {position}: {error.ename}: {error.evalue}\n\n{indent(cell)}\n"
            ) from None
        except (CellTimeoutError, DeadKernelError) as error:
            raise NotebookError(f"{name}: {str(error).strip()}") from None
    return time.perf_counter() - start


def failed_cell(notebook: nbformat.NotebookNode) -> tuple[str, str]:
    """Say which cell raised the error: its position and id, and its source."""
    for i, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and "raises-exception" not in tags:
            for output in cell.outputs:
                if output.output_type == "error":
                    return f"cell {i} ({cell.get('id')})", cell.source
    return "an unknown cell", ""


def indent(source: str) -> str:
    return "\n".join(f"    {line}" for line in source.splitlines())


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook as it is: nbformat's own reader would warn about ids and change them."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if plain["nbformat"] != 4:
            raise NotebookError(f"{path}: notebook format {plain['nbformat']}, expected 4")
        return nbformat.from_dict(join_lines(plain))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotebookError(f"{path}: cannot be read as a notebook: {error!r}") from None


def write(path: Path, text: str) -> bool:
    """Write under a temporary name and rename, if the text is new; say whether it was."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)
    return True


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    """List what a committed notebook must not have, a sentence each."""
    found = []
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        where = f"cell {i} ({cell.get('id')})"
        expected = "raises-exception" in cell.metadata.get("tags", [])
        if cell.execution_count is None:
            found.append(f"{where} was never executed: use 'run'")
        for output in cell.outputs:
            text = "".join(output.get("text", "")) + output.get("data", {}).get("text/plain", "")
            if output.output_type == "error" and not expected:
                found.append(f"{where} ended in {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"{where} wrote to stderr: {text.strip()[:200]}")
            if match := MEMORY_ADDRESS.search(text):
                found.append(f"{where} printed a memory address ({match[0]}), new at each run")
    return found


def run_file(path: Path, python: str, times: dict[str, float]) -> None:
    notebook = normalise(read(path))
    seconds = execute(notebook, str(path), python)
    notebook = normalise(notebook)
    changed = write(path, to_text(notebook))
    times[path.stem] = seconds
    print(f"{path}: {seconds:.1f} s, {'changed' if changed else 'unchanged'}", flush=True)
    if found := problems(notebook):
        raise NotebookError("\n".join(f"{path}, {problem}" for problem in found))


def normalise_file(path: Path) -> None:
    changed = write(path, to_text(normalise(read(path))))
    print(f"{path}: {'changed' if changed else 'unchanged'}", flush=True)


def check_file(path: Path) -> None:
    notebook = read(path)
    found = problems(notebook)
    if to_text(normalise(notebook)) != path.read_text(encoding="utf-8"):
        found.append("not in normal form: use 'normalise', or 'run' where cells changed")
    if found:
        raise NotebookError("\n".join(f"{path}: {problem}" for problem in found))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Execute, normalise or check notebooks.")
    parser.add_argument("command", choices=["run", "normalise", "check"])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--python", default=sys.executable, help="interpreter to run the cells on")
    parser.add_argument("--times", type=Path, help="JSON file that records the seconds taken (run)")
    options = parser.parse_args(arguments)

    times: dict[str, float] = {}
    work: dict[str, Callable[[Path], None]] = {
        "run": lambda path: run_file(path, options.python, times),
        "normalise": normalise_file,
        "check": check_file,
    }
    failed = 0
    for path in options.files:
        try:
            work[options.command](path)
        except NotebookError as error:
            failed += 1
            print(error, file=sys.stderr, flush=True)
    if options.times and not failed:
        record_times(options.times, times, options.python)
    return 1 if failed else 0


def record_times(path: Path, times: dict[str, float], python: str = sys.executable) -> None:
    """Put these chapters' seconds, and when and where they were measured, into the file of times.

    Args:
        path: the file; what it says of other chapters stays.
        times: seconds by the notebook's name.
        python: the interpreter that ran the cells.
    """
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    seconds = {**old.get("seconds", {}), **{name: round(s, 1) for name, s in times.items()}}
    run = {"date": datetime.now(UTC).date().isoformat(), **versions(python)}
    last_run = {**old.get("last_run", {}), **dict.fromkeys(times, run)}
    record = {
        "what": "seconds to execute each chapter, start of the kernel included",
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "python": ".".join(run["python"].split(".")[:2]),
        "seconds": dict(sorted(seconds.items())),
        "last_run": dict(sorted(last_run.items())),
    }
    write(path, json.dumps(record, indent=1) + "\n")


def versions(python: str) -> dict[str, str]:
    """Ask an interpreter for its own version and those of the libraries that outputs depend on."""
    code = f"""
import json, platform
from importlib.metadata import PackageNotFoundError, version
found = {{"python": platform.python_version()}}
for name in {LIBRARIES}:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return {str(name): str(number) for name, number in json.loads(answer.stdout).items()}


if __name__ == "__main__":
    sys.exit(main())
