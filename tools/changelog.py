"""Hold CHANGELOG.md to its form, and a change of the package to a line in it.

    python tools/changelog.py notes 0.1.0        print what a release changed; it must have a date
    python tools/changelog.py check origin/main  fail if bertlab/ changed since then without a line

A pull request that no user of the package can notice says so in a commit's last paragraph:
``Changelog: none``.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADING = re.compile(r"^## (?P<version>\d+\.\d+\.\d+) \((?P<when>[\w-]+)\)$", re.MULTILINE)
UNRELEASED = "unreleased"


def sections(text: str) -> dict[str, tuple[str, str]]:
    """Return each version's date, or "unreleased", and what its section says; newest first.

    Raises:
        ValueError: when a heading has another form, or a date that there isn't.
    """
    headings = list(HEADING.finditer(text))
    written = re.findall(r"^## .*$", text, re.MULTILINE)
    if [heading[0] for heading in headings] != written:
        odd = next(line for line in written if not HEADING.fullmatch(line))
        raise ValueError(f"{odd!r}: expected '## 0.1.0 (2026-11-30)' or '## 0.1.0 (unreleased)'")
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    found = {}
    for heading, end in zip(headings, ends, strict=True):
        if heading["when"] != UNRELEASED:
            date.fromisoformat(heading["when"])
        found[heading["version"]] = heading["when"], text[heading.end() : end].strip()
    return found


def notes(text: str, version: str) -> str:
    """Return what a release changed.

    Raises:
        ValueError: when the version has no section, or no date yet.
    """
    when, body = sections(text).get(version, (None, ""))
    if when is None:
        raise ValueError(f"CHANGELOG.md has no section for {version}")
    if when == UNRELEASED:
        raise ValueError(f"CHANGELOG.md still calls {version} unreleased: give it its date")
    if not body:
        raise ValueError(f"CHANGELOG.md doesn't say what {version} changed")
    return body


def missing_line(files: list[str], messages: str) -> bool:
    """Say whether these files were changed without the line that they need.

    Args:
        files: all that the commits changed.
        messages: the commits' messages.
    """
    if "CHANGELOG.md" in files or not any(file.startswith("bertlab/") for file in files):
        return False
    return re.search(r"^Changelog: none$", messages, re.MULTILINE | re.IGNORECASE) is None


def git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def main() -> int:
    parser = argparse.ArgumentParser(description="Read and check CHANGELOG.md.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("notes").add_argument("version")
    commands.add_parser("check").add_argument("base")
    options = parser.parse_args()
    if options.command == "notes":
        try:
            print(notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), options.version))
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    files = git("diff", "--name-only", f"{options.base}...HEAD").splitlines()
    if missing_line(files, git("log", "--format=%B", f"{options.base}..HEAD")):
        print("bertlab/ changed, and CHANGELOG.md did not: add a line for the package's users, or")
        print("end a commit's message with 'Changelog: none' if there is nothing that they notice.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
