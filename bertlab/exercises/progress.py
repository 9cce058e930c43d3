"""Remember which exercises were passed: one name a line, in a small file of the user's own.

A line is appended in one write and nothing is ever rewritten, so that two notebooks at once can't
destroy each other's lines. Nothing else is kept, and nothing leaves the computer.

The environment variable BERTLAB_PROGRESS turns this off (``off``) or names another file.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

VARIABLE = "BERTLAB_PROGRESS"
_remembering = True


def remember(on: bool = True) -> None:
    """Say whether exercises passed from now on in this session are noted for ``catalog()``.

    ``BERTLAB_PROGRESS=off`` in the environment turns it off for good.
    """
    global _remembering
    _remembering = on


def file() -> Path | None:
    """Return where names of passed exercises are kept; None where they aren't."""
    given = os.environ.get(VARIABLE, "")
    if not _remembering or given.lower() in ("off", "0", "no", "false"):
        return None
    if given:
        return Path(given)
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home folder
        return None
    if sys.platform == "win32":
        state = os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local"
    elif sys.platform == "darwin":
        state = home / "Library" / "Application Support"
    else:
        state = os.environ.get("XDG_STATE_HOME") or home / ".local" / "state"
    return Path(state) / "bertlab" / "passed.txt"


def passed() -> set[str]:
    """Return the names that were noted; none where the file can't be read."""
    path = file()
    if path is None:
        return set()
    try:
        return set(path.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return set()


def note(name: str) -> None:
    """Note that an exercise is passed; nothing happens where it can't be."""
    path = file()
    if path is None or name in passed():
        return
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        place = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(place, f"\n{name}\n".encode())  # a line of its own, even after a torn one
        finally:
            os.close(place)
