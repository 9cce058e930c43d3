"""Write the oldest versions that bertlab promises to work with, as a file of constraints for pip.

    python tools/floors.py    write constraints-oldest.txt from the floors in pyproject.toml

It holds what a user installs: the dependencies, and the extras ``viz`` and ``grading``. Tools for
the book and the tests come in the versions that pip finds.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST = ROOT / "constraints-oldest.txt"
EXTRAS = ("viz", "grading")
HEAD = """\
# The oldest versions that bertlab works with, for `make test-oldest`.
# Written by `python tools/floors.py` from the floors in pyproject.toml.
"""


def floors(project: dict) -> dict[str, str]:
    """Return each dependency's lowest version, by its name.

    Raises:
        ValueError: when a dependency has no floor.
    """
    extras = project["optional-dependencies"]
    found = {}
    for requirement in [*project["dependencies"], *(r for e in EXTRAS for r in extras[e])]:
        parts = re.fullmatch(r"([\w.-]+)\s*>=\s*([\w.]+)(,.*)?", requirement)
        if parts is None:
            raise ValueError(f"{requirement!r} has no floor: expected NAME>=VERSION")
        found[parts[1]] = parts[2]
    return found


def text() -> str:
    """Return what the file of constraints should say."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = floors(pyproject["project"])
    return HEAD + "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


if __name__ == "__main__":
    OLDEST.write_text(text(), encoding="utf-8")
