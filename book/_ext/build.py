"""Build the site, with warnings as errors, and say in a few lines how it went.

    python book/_ext/build.py              execute every chapter, then build
    python book/_ext/build.py --committed  build from the outputs that the notebooks hold
    python book/_ext/build.py --offline    no page asks a CDN for anything (needs npm)

The whole of Jupyter Book's output goes to ``book.log`` beside the site.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from notebooks import VARIABLES
from offline_assets import NoAssetsError, static_folder

ROOT = Path(__file__).resolve().parents[2]
WORTH_SAYING = re.compile(
    r"^chapter: |WARNING|ERROR|CRITICAL|Error: |Exception|warnings? as errors?"
)
KERNEL_CHATTER = re.compile(r"\[IPKernelApp\]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def build(output: Path, committed: bool, assets: Path | None, builder: str = "html") -> int:
    """Run Jupyter Book and return its exit status; pass on only what a reader can use.

    Args:
        output: ``_build`` is made in this folder.
        committed: do not execute the chapters.
        assets: a folder with the libraries that pages load; without it, CDNs have them.
        builder: "html", or "singlehtml" for the whole book in one page.
    """
    # Not the script `jupyter-book`: it may not be on the PATH, or belong to another Python.
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(ROOT), "--path-output", str(output)]
    command += ["--all", "-W", "--keep-going", "-n", "--builder", builder]
    environment = {**os.environ, **VARIABLES, "PYTHONUNBUFFERED": "1"}
    if committed:
        environment["BERTLAB_EXECUTE"] = "off"
    if assets:
        environment["BERTLAB_ASSETS"] = str(assets)
    folder = output / "_build"
    folder.mkdir(parents=True, exist_ok=True)
    with (
        open(folder / "book.log", "w", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            plain = COLOUR.sub("", line)
            log.write(plain)
            if WORTH_SAYING.search(plain) and not KERNEL_CHATTER.search(plain):
                print("  " + plain.strip(), flush=True)
    return process.returncode


def offline_assets() -> Path | None:
    """Return the folder with the libraries that pages load, or say why CDNs stay."""
    try:
        return static_folder()
    except NoAssetsError as error:
        print(f"Pages will load MathJax and bertviz's libraries from CDNs: {error}.", flush=True)
        return None


def say_end_of_log(output: Path) -> None:
    log = output / "_build" / "book.log"
    lines = log.read_text(encoding="utf-8").splitlines()
    print("\n".join(["", "The end of the log:", *lines[-15:]]))
    print(f"\nThe book was not built. The whole log: {log}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the site of the book.")
    parser.add_argument("--committed", action="store_true", help="do not execute the chapters")
    parser.add_argument("--offline", action="store_true", help="pages make no external request")
    parser.add_argument("--output", type=Path, default=ROOT, help="_build is made in this folder")
    options = parser.parse_args()

    output = options.output.resolve()
    print(
        "Building the book ..." if options.committed else "Executing the chapters ...", flush=True
    )
    assets = offline_assets() if options.offline else None
    status = build(output, options.committed, assets)
    if status:
        say_end_of_log(output)
    else:
        print(f"The book is ready. Open {output / '_build' / 'html' / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
