"""Sort downloads into ``STUDENT/NAME.ipynb``, lose nothing, and say what can't be placed.

``.collected.json`` in the output says where each file is from, so that a later download brings what
is newer and leaves alone what was changed by hand.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertlab.files import write_text, write_whole
from bertlab.grading import downloads
from bertlab.grading.config import CollectConfig
from bertlab.grading.course import Assignment
from bertlab.grading.recognise import Known, by_content, by_name, copy_number, is_notebook, known
from bertlab.grading.students import Owner, folders, owners

INDEX = ".collected.json"
OLDER = ".older"  # in a student's folder: what something newer took the place of


@dataclass(frozen=True)
class Handed:
    """A notebook that was handed in.

    Args:
        parts: the way to it in the download.
        spooled: a copy of it.
        digest: of its content.
        order: the largest of a student's is the newest.
    """

    parts: tuple[str, ...]
    spooled: Path
    digest: str
    order: tuple[float, ...]

    @property
    def path(self) -> str:
        return "/".join(self.parts)


_HEADINGS = {
    "placed": "Placed",
    "replaced": "Newer than what was there, which is kept in .older/ beside it",
    "unchanged": "There already",
    "late": "Marked as late by Canvas",
    "older": "Not the newest of a student",
    "left": "Of another assignment",
    "problem": "Can't be placed",
}
_COUNTED = ("placed", "unchanged", "left")  # of which only the number is told


class _Report:
    """What happened to each file, in the order in which it is told."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, line: str) -> None:
        self.lines[kind].append(line)

    def show(self) -> None:
        for kind, heading in _HEADINGS.items():
            if lines := self.lines[kind]:
                print(f"{heading}: {len(lines)}")
                print("".join(f"  {line}\n" for line in lines if kind not in _COUNTED), end="")


def collect(config: CollectConfig) -> None:
    """Sort downloads into a folder a student, and print what happened.

    Raises:
        FileNotFoundError: when there is no download.
        ValueError: when nothing in it is a submission, or no assignment is known.
    """
    if config.assignment is not None:
        Assignment.find(config.assignments, config.assignment)
    if config.output.resolve() == config.downloads.resolve():
        raise ValueError(f"{config.output} is both the downloads and the output: give two folders")
    assignments, report = known(config.assignments), _Report()
    index = _Index(config.output)
    with tempfile.TemporaryDirectory(prefix="bertlab-collect-") as spool:
        handed = _recognised(config, assignments, Path(spool), report)
        chosen = _newest(handed, report)
        for place, one in sorted(chosen.items()):
            index.put(place, one, report)
    if chosen:
        index.save()
    report.show()
    if not chosen:
        raise ValueError(
            f"{config.downloads} holds no submission that can be placed: expected notebooks that "
            f"were made from {', '.join(one.name for one in assignments)}"
        )


def _recognised(
    config: CollectConfig, assignments: list[Known], spool: Path, report: _Report
) -> list[tuple[Handed, str]]:
    """Return the notebooks with their assignments; those of other assignments are left out."""
    sure: list[tuple[Handed, str]] = []
    unsure: list[tuple[Handed, bool]] = []
    for found in downloads.walk(config.downloads, config.output):
        if found.content is None:
            report.add("problem", f"{found.path}: {found.problem}")
            continue
        handed = _spool(found, spool)
        if name := by_content(found.content, assignments):
            sure.append((handed, name))
        else:
            unsure.append((handed, is_notebook(found.content)))
    counted = Counter(name for _, name in sure)
    for handed, readable in unsure:
        name = by_name(handed.parts[-1], assignments)
        if name is None and not readable and handed.parts[-1].lower().endswith(".ipynb"):
            # Damaged. Who handed it in should get a row in the grades that says so.
            name = config.assignment or (next(iter(counted)) if len(counted) == 1 else None)
        if name is None or not (readable or ".ipynb" in handed.parts[-1].lower()):
            what = "a notebook, but of no known assignment" if readable else "no notebook"
            report.add("problem", f"{handed.path}: {what}")
        else:
            sure.append((handed, name))
    for handed, name in sure:
        if config.assignment not in (None, name):
            report.add("left", f"{handed.path}: {name}")
    return [(handed, name) for handed, name in sure if config.assignment in (None, name)]


def _spool(found: downloads.Found, spool: Path) -> Handed:
    assert found.content is not None
    digest = hashlib.sha256(found.content).hexdigest()
    copy = spool / digest
    copy.write_bytes(found.content)
    # To two seconds, as zip files have it: the same file gets the same time.
    return Handed(found.parts, copy, digest, (found.time // 2, copy_number(found.parts[-1])))


def _newest(
    handed: list[tuple[Handed, str]], report: _Report
) -> dict[tuple[str, str], tuple[Handed, Owner]]:
    """Return the newest notebook of each student and assignment: (folder, assignment) -> it."""
    whose = owners({one.parts: name for one, name in handed})
    of_students: dict[str, dict[tuple[str, str, str], list[tuple[Handed, Owner]]]] = {}
    for one, name in handed:
        owner = whose[one.parts]
        if owner is None:
            report.add(
                "problem",
                f"{one.path}: {name}, but nothing says whose: put it into a folder named after the "
                "student, beside those of the others",
            )
        else:
            by_identity = of_students.setdefault(name, {})
            by_identity.setdefault(owner.identity, []).append((one, owner))
    chosen = {}
    for name, by_identity in of_students.items():
        called = folders(several[0][1] for several in by_identity.values())
        for identity, several in by_identity.items():
            several.sort(key=lambda pair: (pair[1].upload, pair[0].order, pair[0].path))
            newest, owner = several[-1]
            chosen[called[identity], name] = (newest, owner)
            for other, _ in several[:-1]:
                if other.digest != newest.digest:
                    report.add("older", f"{other.path}: {newest.path} is newer")
            if owner.late:
                report.add("late", f"{called[identity]}: {name}")
    return chosen


class _Index:
    """What is in the output, and where it is from."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.files: dict[str, dict[str, Any]] = {}
        path = output / INDEX
        if path.exists():
            try:
                self.files = dict(json.loads(path.read_text(encoding="utf-8"))["files"])
            except (ValueError, KeyError, TypeError):
                raise ValueError(
                    f"{path} is damaged: expected what an earlier collect wrote. Delete it, or "
                    "give another output"
                ) from None

    def put(self, place: tuple[str, str], chosen: tuple[Handed, Owner], report: _Report) -> None:
        """Put a notebook into a student's folder, unless what is there must stay."""
        (folder, name), (handed, owner) = place, chosen
        folder = self._own_folder(folder, name, owner)
        target = self.output / folder / f"{name}.ipynb"
        key = f"{folder}/{name}.ipynb"
        record = {
            "from": handed.path,
            "student": owner.name,
            "system": owner.system,
            "number": owner.number,
            "order": [owner.upload, *handed.order],
            "sha256": handed.digest,
        }
        if not target.exists():
            self._place(handed, target)
            report.add("placed", key)
        elif (digest := hashlib.sha256(target.read_bytes()).hexdigest()) == handed.digest:
            report.add("unchanged", key)
        elif handed.digest == self.files.get(key, {}).get("sha256"):  # and repaired since
            report.add("unchanged", key)
            return
        elif digest != self.files.get(key, {}).get("sha256"):
            words = f"{handed.path}: {target} is another file, or was changed by hand: it stays"
            report.add("problem", f"{words}. Move it away if the new one is to count")
            return
        elif record["order"] <= self.files[key]["order"]:
            report.add("older", f"{handed.path}: {target} is newer")
            return
        else:
            older = target.parent / OLDER / f"{name}-{digest[:8]}.ipynb"
            older.parent.mkdir(exist_ok=True)
            target.replace(older)
            self._place(handed, target)
            report.add("replaced", f"{key}: now {handed.path}")
        self.files[key] = record

    def _own_folder(self, folder: str, name: str, owner: Owner) -> str:
        """Return the folder that a student had before, or one that no other of that name has."""
        for key, record in self.files.items():
            if (record["system"], record["number"], record["student"]) == owner.identity:
                return key.rpartition("/")[0]
        before = self.files.get(f"{folder}/{name}.ipynb")
        if before and before["system"] == owner.system and before["number"] != owner.number:
            return f"{folder}_{owner.number}"
        return folder

    def _place(self, handed: Handed, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, lambda to: shutil.copyfile(handed.spooled, to))

    def save(self) -> None:
        content = {"files": dict(sorted(self.files.items()))}
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_text(self.output / INDEX, text)
