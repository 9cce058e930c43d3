"""Say whose a downloaded file is, by the way to it, and what the student's folder is called.

Layouts of downloads:

- Moodle: ``Ann Lee_1234567_assignsubmission_file_/x.ipynb``, or all in one name;
- Canvas: ``leeann_late_12345_67890_x-1.ipynb``: student, perhaps late, the student's number, the
  upload's number, the file's name;
- Classroom and Drive: ``attention - Ann Lee.ipynb`` or ``Ann Lee - attention.ipynb``;
- a folder, or a zip file, for each student.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bertlab.grading.recognise import title

_MOODLE = re.compile(
    r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)(?:_.*)?", re.S
)
_CANVAS = re.compile(
    r"(?P<name>[^\W_]+)(?:_(?P<late>late))?_(?P<number>\d+)_(?P<upload>\d+)_.+\.\w+", re.I | re.S
)
_DRIVES_ZIP = re.compile(r".+-\d{8}T\d{6}Z(?:-\d+)+")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.I)
_LONGEST = 80  # characters of a folder's name
Parts = tuple[str, ...]


@dataclass(frozen=True)
class Owner:
    """Whose a file is.

    Args:
        name: as the download says it.
        number: of Moodle or Canvas, which tells two students of one name apart.
        system: where the number is from.
        upload: Canvas's number of the upload, which grows with time.
        late: whether it says so.
    """

    name: str
    number: str = ""
    system: str = ""
    upload: int = 0
    late: bool = False

    @property
    def identity(self) -> tuple[str, str, str]:
        return (self.system, self.number, self.name)


def owners(files: Mapping[Parts, str]) -> dict[Parts, Owner | None]:
    """Say whose each file is; None where nothing tells.

    Args:
        files: the way to each file, and the assignment that it belongs to.
    """
    canvas = _canvas_places(files)
    found: dict[Parts, Owner | None] = {}
    others: dict[str, list[Parts]] = defaultdict(list)
    for parts, assignment in files.items():
        owner = _moodle(parts) or _canvas(parts, canvas)
        found[parts] = owner
        if owner is None:
            others[assignment].append(parts)
    for assignment, ways in others.items():
        found |= _by_names(ways, assignment)
    return found


def _moodle(parts: Parts) -> Owner | None:
    for part in parts:
        if match := _MOODLE.fullmatch(normal(part)):
            return Owner(match["name"].strip(), match["number"], "Moodle")
    return None


def _canvas_places(files: Iterable[Parts]) -> set[Parts]:
    """Return the folders in which every file is named as Canvas does."""
    places: dict[Parts, bool] = {}
    for parts in files:
        for i, part in enumerate(parts):
            places[parts[:i]] = places.get(parts[:i], True) and bool(
                _CANVAS.fullmatch(normal(part))
            )
    return {place for place, all_match in places.items() if all_match}


def _canvas(parts: Parts, places: set[Parts]) -> Owner | None:
    for i, part in enumerate(parts):
        if parts[:i] in places and (match := _CANVAS.fullmatch(normal(part))):
            late = bool(match["late"])
            return Owner(match["name"], match["number"], "Canvas", int(match["upload"]), late)
    return None


def _by_names(ways: list[Parts], assignment: str) -> dict[Parts, Owner | None]:
    """Say whose files are, of one assignment, by the names of files and folders."""
    in_folders: dict[Parts, list[str]] = defaultdict(list)
    for parts in ways:
        in_folders[parts[:-1]].append(parts[-1])
    named = {
        (*folder, file): name
        for folder, files in in_folders.items()
        for file, name in _in_file_names(files, assignment).items()
    }
    by_folder = _by_folder(ways, assignment)
    found: dict[Parts, Owner | None] = {}
    for parts in ways:
        together = {named[(*parts[:-1], file)] for file in in_folders[parts[:-1]]} - {""}
        in_file, folder = named[parts], by_folder.get(parts, "")
        if len(together) > 1:  # several students' files in one folder
            name = in_file
        elif len(in_folders) == 1:  # any folder, so that a file's name says more
            name = in_file or folder
        else:
            name = folder or in_file
        found[parts] = Owner(name) if name else None
    return found


def _in_file_names(files: list[str], assignment: str) -> dict[str, str]:
    """Return the students in "attention - Ann Lee" or "Ann Lee - attention"; "" if there is none.

    In a folder in which students come first, "Ann Lee - my work" is hers, too.
    """
    pairs = {file: re.split(r"\s+[-–—]\s+", normal(title(file))) for file in files}
    sides: dict[str, int] = {}
    for file, words in pairs.items():
        is_title = [_same(word) == _same(assignment) for word in words]
        if len(words) == 2 and sum(is_title) == 1:
            sides[file] = is_title.index(False)
    usual = set(sides.values())
    if len(usual) == 1:
        (side,) = usual
        sides |= {file: side for file, words in pairs.items() if len(words) == 2}
    return {file: words[sides[file]] if file in sides else "" for file, words in pairs.items()}


def _by_folder(ways: list[Parts], assignment: str) -> dict[Parts, str]:
    """Find the level at which each folder is a student's; leave out what is ambiguous."""
    chains: dict[Parts, Parts] = {}
    for parts in ways:
        names = [_folder_name(part) for part in parts[:-1]]
        chains[parts] = tuple(name for name in names if not _no_student(name, assignment))
    above: Parts = ()
    while len(level := {c[len(above)] for c in chains.values() if _in(c, above)}) == 1:
        above += (level.pop(),)
    if not level:  # all are in one folder
        return {parts: chain[-1] for parts, chain in chains.items() if chain and len(ways) == 1}
    below: dict[str, set[Parts]] = defaultdict(set)
    for chain in chains.values():
        if _in(chain, above):
            below[chain[len(above)]].add(chain[len(above) + 1 :])
    # In a folder with folders are perhaps a student's drafts, perhaps a section's students.
    ambiguous = {
        name for name, rest in below.items() if len(rest) > 1 and (len(rest) > 2 or () not in rest)
    }
    return {
        parts: chain[len(above)]
        for parts, chain in chains.items()
        if _in(chain, above) and chain[len(above)] not in ambiguous
    }


def _in(chain: Parts, above: Parts) -> bool:
    return len(chain) > len(above) and chain[: len(above)] == above


def _folder_name(part: str) -> str:
    return normal(re.sub(r"\.zip$", "", part, flags=re.I)).strip()


def _no_student(name: str, assignment: str) -> bool:
    """Whether a folder is surely no student's."""
    words = ("submissions", "submission", "assignments", "downloads", "classroom", "drive")
    return _same(name) in (_same(assignment), *words) or bool(_DRIVES_ZIP.fullmatch(name))


def _same(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def normal(name: str) -> str:
    """Return a name in Unicode's composed form, in which Macs don't write."""
    return unicodedata.normalize("NFC", name)


def safe(name: str) -> str:
    """Return a name that any system can have a folder of."""
    name = _UNSAFE.sub("_", " ".join(normal(name).split()))
    name = name[:_LONGEST].lstrip(" .-=+@~").rstrip(" .")
    return f"{name}_" if _RESERVED.fullmatch(name) else name or "unnamed"


def folders(identities: Iterable[Owner]) -> dict[tuple[str, str, str], str]:
    """Give each student a folder's name that no other has, also where case doesn't count.

    Students of one name get their numbers behind it, or (2), (3), ...
    """
    by_name: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for owner in identities:
        by_name[safe(owner.name).casefold()].add(owner.identity)
    given: dict[tuple[str, str, str], str] = {}
    taken = {key for key, same in by_name.items() if len(same) == 1}
    for same in by_name.values():
        for system, number, name in sorted(same):
            folder = f"{safe(name)}_{number}" if number and len(same) > 1 else safe(name)
            unique, count = folder, 1
            while len(same) > 1 and unique.casefold() in taken:
                count += 1
                unique = f"{folder} ({count})"
            taken.add(unique.casefold())
            given[system, number, name] = unique
    return given
