"""Downloads become a folder a student; nothing is lost, overwritten, or written elsewhere."""

import io
import json
import os
import re
import time
import unicodedata
import zipfile
from pathlib import Path

import nbformat
import pytest
import toy
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from bertlab.grading import downloads
from bertlab.grading.collect import collect
from bertlab.grading.config import CollectConfig
from bertlab.grading.recognise import title
from bertlab.grading.students import Owner, folders, safe


@pytest.fixture(scope="module")
def assignments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two assignments, toy and other; no notebook is executed here."""
    folder = toy.make_toy(tmp_path_factory.mktemp("collect"), torch=False)
    other = toy.master(torch=False)
    for cell in other.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader["grade_id"] += "_other"
        cell.source = f"Other: {cell.source}"
    toy.write(folder / "source" / "other" / "other.ipynb", other)
    return folder


@pytest.fixture
def release(assignments: Path) -> NotebookNode:
    return toy.submission(assignments, {})


def work(release: NotebookNode, mark: str) -> bytes:
    """Return a student's notebook, different for each mark."""
    notebook = nbformat.from_dict(json.loads(json.dumps(release)))
    notebook.cells[3].source = f"def mean(numbers):\n    return {mark!r}"
    return nbformat.writes(notebook).encode()


def lay_out(folder: Path, files: dict[str, bytes], *, day: int = 1) -> Path:
    """Write files; each later one is a minute younger."""
    for i, (name, content) in enumerate(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        seconds = 1_700_000_000 + 86_400 * day + 60 * i
        os.utime(path, (seconds, seconds))
    return folder


def zipped(files: dict[str, bytes], *, day: int = 1) -> bytes:
    """Return a zip file; each later member is a minute younger."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for i, (name, content) in enumerate(files.items()):
            archive.writestr(zipfile.ZipInfo(name, (2026, 3, day, 12, i, 0)), content)
    return buffer.getvalue()


class Class:
    """An output folder, and what ``collect`` says when it sorts something into it."""

    def __init__(self, folder: Path, assignments: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.output, self.assignments, self.capsys = folder / "submissions", assignments, capsys

    def collect(self, download: Path, assignment: str | None = None) -> str:
        config = CollectConfig(
            downloads=download,
            output=self.output,
            assignment=assignment,
            assignments=self.assignments,
        )
        collect(config)
        return self.capsys.readouterr().out

    def marks(self, name: str = "toy") -> dict[str, str]:
        """Return what is in each student's notebook: student -> mark."""
        found = {}
        for path in sorted(self.output.glob(f"*/{name}.ipynb")):
            match = re.search(r"return '(\w+)'", path.read_text(encoding="utf-8"))
            found[path.parent.name] = match[1] if match else ""
        return found


@pytest.fixture
def group(tmp_path: Path, assignments: Path, capsys: pytest.CaptureFixture[str]) -> Class:
    return Class(tmp_path, assignments, capsys)


def test_moodle_with_folders(group: Class, release: NotebookNode, tmp_path: Path) -> None:
    inner = zipped({"work/toy.ipynb": work(release, "c")})
    said = group.collect(
        lay_out(
            tmp_path / "d",
            {
                "Ann Lee_1234567_assignsubmission_file_/toy.ipynb": work(release, "a"),
                "Bo_von Berg_1234568_assignsubmission_file/my work.ipynb": work(release, "b"),
                "Cy Díaz_1234569_assignsubmission_file_/work.zip": inner,
                "Di Fox_1234570_assignsubmission_onlinetext_/onlinetext.html": b"<p>hello</p>",
            },
        )
    )
    assert group.marks() == {"Ann Lee": "a", "Bo_von Berg": "b", "Cy Díaz": "c"}
    assert "Placed: 3\n" in said
    assert "Can't be placed: 1\n  Di Fox_1234570_assignsubmission_onlinetext_/onlinetext" in said


def test_moodle_without_folders_in_a_zip(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    path = tmp_path / "NLP-toy-77.zip"
    names = ("Ann Lee_12_assignsubmission_file_toy.ipynb", "Bo_13_assignsubmission_file_x.ipynb")
    path.write_bytes(zipped({name: work(release, name[0]) for name in names}))
    group.collect(path)
    assert group.marks() == {"Ann Lee": "A", "Bo": "B"}


def test_students_of_one_name_stay_apart_by_their_numbers(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    names = [f"Ann Lee_{number}_assignsubmission_file_/toy.ipynb" for number in (3, 21)]
    names.append("ann lee_5_assignsubmission_file_/toy.ipynb")
    group.collect(lay_out(tmp_path / "d", {name: work(release, name[:10]) for name in names}))
    assert set(group.marks()) == {"Ann Lee_3", "Ann Lee_21", "ann lee_5"}


def test_a_later_student_of_the_same_name_takes_no_ones_folder(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    for day, number in enumerate((3, 21)):
        name = f"Ann Lee_{number}_assignsubmission_file_/toy.ipynb"
        group.collect(lay_out(tmp_path / f"{day}", {name: work(release, f"n{number}")}, day=day))
    assert group.marks() == {"Ann Lee": "n3", "Ann Lee_21": "n21"}


def test_a_student_keeps_the_folder_when_one_of_the_same_name_hands_in_later(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {"Ann Lee_3_assignsubmission_file_/toy.ipynb": work(release, "n3")}
    group.collect(lay_out(tmp_path / "d", files))
    files = {"Ann Lee_21_assignsubmission_file_/toy.ipynb": work(release, "n21")}
    said = group.collect(lay_out(tmp_path / "d", files))
    assert said == "Placed: 1\nThere already: 1\n"
    assert group.marks() == {"Ann Lee": "n3", "Ann Lee_21": "n21"}


def test_canvas_the_newest_upload_wins_and_lateness_is_told(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {
        "bergbo_52001_880105_toy-1.ipynb": work(release, "new"),
        "bergbo_52001_880007_toy.ipynb": work(
            release, "old"
        ),  # the file is younger, the upload not
        "foxdi_LATE_52002_880009_toy.ipynb": work(release, "late"),
        "leeann_late_52003_880010_work.zip": zipped({"toy.ipynb": work(release, "zip")}),
        "diazcy_52004_880011_notes.pdf": b"%PDF",
    }
    said = group.collect(lay_out(tmp_path / "d", files))
    assert group.marks() == {"bergbo": "new", "foxdi": "late", "leeann": "zip"}
    assert "Marked as late by Canvas: 2\n  foxdi: toy\n  leeann: toy\n" in said
    assert "Not the newest of a student: 1\n  bergbo_52001_880007_toy.ipynb: bergbo_52001" in said
    assert "diazcy_52004_880011_notes.pdf: no notebook" in said


def test_a_file_that_only_looks_like_canvas_s_is_its_folder_s(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {
        "Ann Lee/week_2_3_toy.ipynb": work(release, "a"),
        "Ann Lee/toy.ipynb": work(release, "newer"),
        "Bo Berg/toy.ipynb": work(release, "b"),
    }
    group.collect(lay_out(tmp_path / "d", files))
    assert group.marks() == {"Ann Lee": "newer", "Bo Berg": "b"}


@pytest.mark.parametrize("form", ["toy - {}.ipynb", "{} - toy.ipynb", "Copy of {} – toy.ipynb"])
def test_drive_names_students_in_file_names(
    form: str, group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {
        f"Classroom/{form.format('Ann Lee')}": work(release, "a"),
        f"Classroom/{form.format('Bo Berg')}": work(release, "old"),
        f"Classroom/{form.format('Bo Berg').replace('.', ' (1).')}": work(release, "b"),
    }
    said = group.collect(lay_out(tmp_path / "d", files))
    assert group.marks() == {"Ann Lee": "a", "Bo Berg": "b"}
    assert "Not the newest of a student: 1\n" in said


def test_where_students_come_first_any_title_will_do(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {
        "Ann Lee - toy.ipynb": work(release, "a"),
        "Bo Berg - my FINAL work v2.ipynb": work(release, "b"),
        "Cy Diaz - toy.ipynb": b"",
        "toy (3).ipynb": work(release, "nobody"),
        "a - b - c.ipynb": work(release, "nobody"),
        ".DS_Store": b"junk",
    }
    said = group.collect(lay_out(tmp_path / "d", files))
    assert group.marks() == {"Ann Lee": "a", "Bo Berg": "b", "Cy Diaz": ""}
    assert "toy (3).ipynb: toy, but nothing says whose" in said
    assert "a - b - c.ipynb: toy, but nothing says whose" in said


@pytest.mark.parametrize(
    "above", ["", "toy/", "toy-20260301T101010Z-001/toy/", "NLP/week 3/", "x.zip/toy/"]
)
def test_a_folder_for_each_student(
    above: str, group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {
        f"{above}Ann Lee/toy (1).ipynb": work(release, "new"),
        f"{above}Ann Lee/toy.ipynb": work(release, "newest"),
        f"{above}Bo Berg/Copy of toy.ipynb": work(release, "b"),
        f"{above}Cy Diaz/final/toy.ipynb": work(release, "c"),
        f"{above}Cy Diaz/final/toy (1).ipynb": work(release, "c"),
        "toy.ipynb": work(release, "nobody"),
    }
    said = group.collect(lay_out(tmp_path / "d", files))
    assert "Not the newest of a student: 1\n" in said  # copies of the newest aren't told
    assert "  toy.ipynb: toy, but nothing says whose" in said
    assert group.marks() == {"Ann Lee": "newest", "Bo Berg": "b", "Cy Diaz": "c"}


def test_a_zip_file_for_each_student_and_one_of_everything(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    each = {f"{name}.zip": zipped({"x/toy.ipynb": work(release, name)}) for name in ("Ann", "Bo")}
    (tmp_path / "all.zip").write_bytes(zipped({f"class/{name}": one for name, one in each.items()}))
    group.collect(tmp_path / "all.zip")
    assert group.marks() == {"Ann": "Ann", "Bo": "Bo"}


def test_files_of_the_same_moment_are_told_apart_by_their_numbers(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {
        f"{student}/toy{number}.ipynb": work(release, f"n{i}")
        for student in ("Ann", "Bo")
        for i, number in enumerate(("", " (10)", " (9)"))
    }
    folder = lay_out(tmp_path / "d", files)
    for path in folder.rglob("*.ipynb"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    group.collect(folder)
    assert group.marks() == {"Ann": "n1", "Bo": "n1"}


def test_drafts_in_folders_of_their_own_but_sections_are_not_taken_for_students(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {
        "Ann/old/toy.ipynb": work(release, "old"),
        "Ann/toy.ipynb": work(release, "a"),
        "section 1/Bo/toy.ipynb": work(release, "b"),
        "section 1/Cy/toy.ipynb": work(release, "c"),
    }
    said = group.collect(lay_out(tmp_path / "d", files))
    assert group.marks() == {"Ann": "a"}
    assert "section 1/Bo/toy.ipynb: toy, but nothing says whose: put it into a folder" in said
    group.collect(tmp_path / "d" / "section 1")
    assert group.marks() == {"Ann": "a", "Bo": "b", "Cy": "c"}


def test_a_lone_notebook_is_its_folder_s_student_s(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    group.collect(lay_out(tmp_path / "1", {"toy/Ann Lee/toy.ipynb": work(release, "a")}))
    group.collect(lay_out(tmp_path / "2", {"mails/toy - Bo.ipynb": work(release, "b")}))
    assert group.marks() == {"Ann Lee": "a", "Bo": "b"}


def test_many_notebooks_in_one_folder_are_nobody_s(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {f"mails/toy ({i}).ipynb": work(release, f"n{i}") for i in range(3)}
    with pytest.raises(ValueError, match="holds no submission that can be placed"):
        group.collect(lay_out(tmp_path / "d", files))
    assert group.capsys.readouterr().out.count("nothing says whose") == 3


def test_the_assignment_is_known_by_the_cells_and_not_by_the_name(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    stripped = json.loads(work(release, "b"))
    for cell in stripped["cells"]:
        cell["metadata"] = {}
    without_minor = json.loads(work(release, "c"))
    without_minor["nbformat_minor"] = 2
    for cell in without_minor["cells"]:
        del cell["id"]
    files = {
        "Ann/other.ipynb": work(release, "a"),
        "Bo/homework.ipynb": json.dumps(stripped).encode(),
        "Cy/x.ipynb.txt": b"\xef\xbb\xbf" + json.dumps(without_minor).encode(),
        "Di/work.json": work(release, "d"),
    }
    group.collect(lay_out(tmp_path / "d", files))
    assert group.marks() == {"Ann": "a", "Bo": "b", "Cy": "c", "Di": "d"}


def test_what_is_no_assignment_is_listed_with_the_reason(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    other = nbformat.writes(new_notebook(cells=[new_markdown_cell("My diary")])).encode()
    files = {
        "Ann/toy.ipynb": work(release, "a"),
        "Bo/diary.ipynb": other,
        "Cy/notes.txt": b"see you",
        "Di/data.json": b'{"cells": [1, {"source": 3}], "metadata": 4}',
        "Ed/list.json": b"[[1]]",
        "Fi/work.rar": b"Rar!",
        "Gi/toy.pdf": b"%PDF",
        "Ha/work.zip": b"PK nothing",
    }
    folder = lay_out(tmp_path / "d", files)
    (folder / "Ha" / "toy.ipynb").symlink_to(folder / "Ann" / "toy.ipynb")
    os.mkfifo(folder / "pipe.ipynb")
    said = group.collect(folder)
    assert group.marks() == {"Ann": "a"}
    for line in (
        "Bo/diary.ipynb: a notebook, but of no known assignment",
        "Cy/notes.txt: no notebook",
        "Di/data.json: a notebook, but of no known assignment",
        "Ed/list.json: no notebook",
        "Fi/work.rar: an archive of another kind than zip: unpack it",
        "Gi/toy.pdf: no notebook",
        "Ha/work.zip: it can't be read (File is not a zip file)",
        "Ha/toy.ipynb: a link, which is not followed",
    ):
        assert line in said


def test_damaged_notebooks_are_placed_so_that_their_students_get_a_row(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    """By their name; else where there is only one assignment that they can be of."""
    half = work(release, "x")[:400]
    files = {"Ann/toy.ipynb": half, "Bo/my work.ipynb": b"", "Cy/toy.ipynb": work(release, "c")}
    folder = lay_out(tmp_path / "d", files)
    group.collect(folder)
    assert group.marks() == {"Ann": "", "Bo": "", "Cy": "c"}
    lay_out(folder, {"Di/homework.ipynb": half, "Ed/a.ipynb": b'{"worksheets": []}'})
    group.collect(folder, "toy")
    assert set(group.marks()) == {"Ann", "Bo", "Cy", "Di", "Ed"}


def test_a_damaged_notebook_that_could_be_of_two_assignments_is_listed(
    group: Class, release: NotebookNode, assignments: Path, tmp_path: Path
) -> None:
    other = (assignments / "source" / "other" / "other.ipynb").read_bytes()
    files = {
        "Ann/toy.ipynb": work(release, "a"),
        "Ann/other.ipynb": other,
        "Bo/work.ipynb": b"{",
        "Bo/toy or other.ipynb": b"{",
    }
    said = group.collect(lay_out(tmp_path / "d", files))
    assert said.startswith("Placed: 2\n")
    assert "Bo/work.ipynb: no notebook" in said
    assert "Bo/toy or other.ipynb: no notebook" in said
    assert (group.output / "Ann" / "other.ipynb").read_bytes() == other


def test_one_assignment_only(
    group: Class, release: NotebookNode, assignments: Path, tmp_path: Path
) -> None:
    other = (assignments / "source" / "other" / "other.ipynb").read_bytes()
    files = {"Ann/toy.ipynb": work(release, "a"), "Ann/other.ipynb": other, "Bo/o.ipynb": other}
    said = group.collect(lay_out(tmp_path / "d", files), "toy")
    assert group.marks() == {"Ann": "a"}
    assert "Of another assignment: 2\n" in said
    assert not group.marks("other")
    with pytest.raises(ValueError, match="no assignment 'tuy'"):
        group.collect(tmp_path / "d", "tuy")


def test_collecting_again_changes_nothing(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {"Ann/toy.ipynb": work(release, "a"), "Bo/toy.ipynb": work(release, "b")}
    folder = lay_out(tmp_path / "d", files)
    group.collect(folder)
    before = {path: path.stat().st_mtime_ns for path in group.output.rglob("*.ipynb")}
    assert group.collect(folder) == "There already: 2\n"
    assert {path: path.stat().st_mtime_ns for path in group.output.rglob("*.ipynb")} == before
    assert {path.name for path in group.output.iterdir()} == {"Ann", "Bo", ".collected.json"}


def test_something_newer_takes_the_place_and_the_old_one_is_kept(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    newest = {"Ann/toy.ipynb": work(release, "new"), "Bo/toy.ipynb": work(release, "b")}
    older = {"Ann/toy.ipynb": work(release, "old"), "Bo/toy.ipynb": work(release, "b")}
    group.collect(lay_out(tmp_path / "1", older, day=1))
    said = group.collect(lay_out(tmp_path / "2", newest, day=2))
    assert "Newer than what was there, which is kept in .older/ beside it: 1\n  Ann/toy" in said
    assert group.marks() == {"Ann": "new", "Bo": "b"}
    (kept,) = (group.output / "Ann" / ".older").iterdir()
    assert kept.read_bytes() == older["Ann/toy.ipynb"]
    said = group.collect(tmp_path / "1")
    assert "Ann/toy.ipynb is newer" in said
    assert group.marks() == {"Ann": "new", "Bo": "b"}


def test_what_was_changed_by_hand_stays(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {"Ann/toy.ipynb": work(release, "a"), "Bo/toy.ipynb": work(release, "b")}
    group.collect(lay_out(tmp_path / "1", files))
    repaired = group.output / "Ann" / "toy.ipynb"
    repaired.write_bytes(work(release, "repaired"))
    assert group.collect(tmp_path / "1") == "There already: 2\n"
    files["Ann/toy.ipynb"] = work(release, "new")
    said = group.collect(lay_out(tmp_path / "2", files, day=2))
    assert "was changed by hand: it stays. Move it away if the new one is to count" in said
    assert group.marks()["Ann"] == "repaired"


def test_a_damaged_list_of_what_was_collected_stops_it(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    folder = lay_out(tmp_path / "d", {"Ann/toy.ipynb": work(release, "a")})
    group.collect(folder)
    (group.output / ".collected.json").write_text("{}")
    with pytest.raises(ValueError, match=r"\.collected\.json is damaged"):
        group.collect(folder)


def test_no_name_in_a_zip_leads_out_of_the_output(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    names = [
        "../../Ann/toy.ipynb",
        "/etc/Bo/toy.ipynb",
        "..\\..\\Cy\\toy.ipynb",
        "C:/Di/toy.ipynb",
        "a\x01b_8_assignsubmission_file_/toy.ipynb",
    ]
    place = tmp_path / "deep" / "deeper"
    place.mkdir(parents=True)
    (place / "all.zip").write_bytes(zipped({name: work(release, "x") for name in names}))
    group.collect(place / "all.zip")
    written = set(tmp_path.rglob("*.ipynb"))
    assert all(path.resolve().is_relative_to(group.output.resolve()) for path in written)
    assert {"Ann", "C_", "a_b"} <= {path.parent.name for path in written}


@pytest.mark.parametrize("mac", [True, False])
def test_names_survive_macs_and_other_alphabets(
    mac: bool, group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    """Macs decompose letters, and don't say in a zip file that names are UTF-8."""
    decomposed = unicodedata.normalize("NFD", "Zoë Çelik")
    content = zipped(
        {
            f"{decomposed}/toy.ipynb": work(release, "z"),
            "Ольга/toy.ipynb": work(release, "o"),
            "__MACOSX/Ольга/._toy.ipynb": b"junk",
            "Ольга/.ipynb_checkpoints/toy-checkpoint.ipynb": work(release, "checkpoint"),
        }
    )
    if mac:
        content = content.replace(b"\x00\x08", b"\x00\x00")  # that names are UTF-8
    (tmp_path / "mac.zip").write_bytes(content)
    group.collect(tmp_path / "mac.zip")
    assert group.marks() == {unicodedata.normalize("NFC", "Zoë Çelik"): "z", "Ольга": "o"}


def test_the_same_student_decomposed_and_composed_is_one(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    for day, form in enumerate(("NFC", "NFD")):
        name = unicodedata.normalize(form, "Zoë_7_assignsubmission_file_/toy.ipynb")
        group.collect(lay_out(tmp_path / form, {name: work(release, form)}, day=day))
    assert group.marks() == {"Zoë": "NFD"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("  Ann\t Lee ", "Ann Lee"),
        ("a/b\\c:d", "a_b_c_d"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("...Ann.", "Ann"),
        ("=1+1", "1+1"),
        ("--help", "help"),
        ("CON", "CON_"),
        ("nul.txt", "nul.txt_"),
        ("x" * 300, "x" * 80),
        ("O'Neil, Siân", "O'Neil, Siân"),
    ],
)
def test_any_name_becomes_a_folder_s(name: str, expected: str) -> None:
    assert safe(name) == expected


def test_no_two_students_get_one_folder() -> None:
    students = [
        Owner("Ann", "1", "Moodle"),
        Owner("ANN", "1", "Canvas"),
        Owner("ann"),
        Owner("A:n"),
        Owner("A?n"),
        Owner("A_n (2)"),
    ]
    given = folders(students)
    assert len({name.casefold() for name in given.values()}) == len(students)
    assert given[Owner("A_n (2)").identity] == "A_n (2)"


def test_zip_files_that_lie_or_are_locked_or_too_deep_are_listed(
    release: NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "LARGEST", 100_000)
    deep = zipped({"toy.ipynb": b"{}"})
    for _ in range(5):
        deep = zipped({"in.zip": deep})
    locked = bytearray(zipped({"toy.ipynb": b"{}"}))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    broken = bytearray(zipped({"toy.ipynb": work(release, "x") * 20}))
    broken[200] ^= 255
    lying = zipped({"toy.ipynb": b"x" * 200_000})
    size = (200_000).to_bytes(4, "little")
    lying = lying.replace(size, (50_000).to_bytes(4, "little"))
    files = {
        "1.zip": zipped({"toy.ipynb": b"x" * 200_000}),
        "2.zip": bytes(locked),
        "3.zip": bytes(broken),
        "4.zip": deep,
        "5.zip": lying,
        "6.ipynb": b"x" * 200_000,
        "7.zip": zipped({"a": b"x" * 200_000, "in.zip": os.urandom(200_000)}),
    }
    found = {one.parts[0]: one for one in downloads.walk(lay_out(tmp_path, files))}
    assert all(one.content is None for one in found.values())
    assert "it has 0 MB: expected less" in found["1.zip"].problem
    assert "password" in found["2.zip"].problem
    assert "can't be read" in found["3.zip"].problem
    assert "more than 4 zip files within each other" in found["4.zip"].problem
    assert "can't be read" in found["5.zip"].problem
    assert "it has 0 MB" in found["6.ipynb"].problem
    assert "it has 0 MB" in found["7.zip"].problem


def test_a_file_that_grows_beyond_what_it_says_is_not_read_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(downloads, "LARGEST", 10)
    with pytest.raises(ValueError, match="and says less"):
        downloads._read(io.BytesIO(b"x" * 11))


def test_a_zip_file_without_dates_is_read(tmp_path: Path) -> None:
    content = bytearray(zipped({"toy.ipynb": b"{}"}))
    for start in (10, content.index(b"PK\x01\x02") + 12):
        content[start : start + 4] = bytes(4)  # the hour and the day, which is day 0 of month 0
    (tmp_path / "a.zip").write_bytes(content)
    (found,) = downloads.walk(tmp_path / "a.zip")
    assert found.path == "toy.ipynb"
    assert found.time < time.mktime((1980, 1, 2, 0, 0, 0, 0, 0, -1))


def test_the_output_may_be_in_the_downloads_but_not_be_them(
    group: Class, release: NotebookNode, tmp_path: Path
) -> None:
    files = {"Ann/toy.ipynb": work(release, "a"), "Bo/toy.ipynb": work(release, "b")}
    lay_out(tmp_path, files)
    group.collect(tmp_path)
    assert group.output.parent == tmp_path
    assert group.collect(tmp_path) == "There already: 2\n"
    with pytest.raises(ValueError, match="both the downloads and the output"):
        group.collect(group.output)


def test_what_a_killed_collect_left_half_written_is_no_submission(
    group: Class, release: NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lay_out(tmp_path / "d", {"Ann/toy.ipynb": work(release, "a")})

    def stop(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", stop)
        with pytest.raises(KeyboardInterrupt):
            group.collect(folder)
    assert group.marks() == {}
    group.collect(folder)
    assert group.marks() == {"Ann": "a"}
    assert [path.name for path in (group.output / "Ann").iterdir()] == ["toy.ipynb"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("Copy of attention.ipynb", "attention"),
        ("Copy_of_Copy_of_attention.ipynb", "attention"),
        ("Kopie von attention (3).ipynb.txt", "attention"),
        ("attention - Copy.ipynb", "attention"),
        ("Copying.ipynb", "Copying"),
        ("Ann Lee - attention(1).ipynb", "Ann Lee - attention"),
    ],
)
def test_what_copying_adds_to_a_name_is_no_part_of_it(file: str, expected: str) -> None:
    assert title(file) == expected


def test_downloads_that_are_not_there_or_no_zip_file(group: Class, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder or zip file"):
        group.collect(tmp_path / "none")
    (tmp_path / "toy.ipynb").touch()
    with pytest.raises(ValueError, match="expected a folder or a zip file"):
        group.collect(tmp_path / "toy.ipynb")
