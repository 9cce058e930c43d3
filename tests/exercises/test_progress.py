"""What one has passed so far: kept, shown, turned off, and never an error."""

import multiprocessing
import stat
import sys
from pathlib import Path

import pytest

from bertlab import exercises
from bertlab.exercises import progress


def split_heads(x, num_heads):
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state" / "passed.txt"
    monkeypatch.setenv(progress.VARIABLE, str(path))
    return path


def done() -> list[str]:
    return [exercise.name for exercise in exercises.catalog() if exercise.passed]


def test_a_passed_exercise_is_shown_as_passed_from_then_on(file: Path) -> None:
    assert done() == []
    for _ in range(2):
        assert exercises.check("split_heads", split_heads)
    assert done() == ["split_heads"]
    assert file.read_text().split() == ["split_heads"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 or sys.platform == "win32"


def test_wrong_answers_and_strict_checks_leave_no_trace(file: Path) -> None:
    exercises.check("split_heads", lambda x, h: x)
    exercises.check("split_heads", split_heads, strict=True)
    assert not file.exists()


@pytest.mark.parametrize("value", ["off", "OFF", "0", "no"])
def test_the_variable_turns_it_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(progress.VARIABLE, value)
    assert progress.file() is None
    progress.note("split_heads")
    assert done() == []


def test_remember_false_turns_it_off_for_the_session(file: Path) -> None:
    exercises.remember(False)
    try:
        assert exercises.check("split_heads", split_heads)
        assert not file.exists()
    finally:
        exercises.remember()
    assert exercises.check("split_heads", split_heads)
    assert file.exists()


def test_a_place_that_cannot_be_written_or_read_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").write_text("")
    for path in (tmp_path / "a file" / "passed.txt", tmp_path):  # no folder; no file
        monkeypatch.setenv(progress.VARIABLE, str(path))
        assert exercises.check("split_heads", split_heads)
        assert done() == []


def test_damaged_lines_and_unknown_names_are_passed_over(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"split_heads\natten\xff\xfe\nno_such_exercise\nsplit_h")
    progress.note("attention")  # on a line of its own, after the torn one
    assert done() == ["attention", "split_heads"]


def _note_many(path: str, names: list[str]) -> None:
    import os

    os.environ[progress.VARIABLE] = path
    for name in names:
        progress.note(name)


def test_two_notebooks_at_once_lose_no_line(file: Path) -> None:
    names = [f"exercise_{number}" for number in range(200)]
    context = multiprocessing.get_context("spawn")
    halves = [names[::2], names[1::2]]
    workers = [context.Process(target=_note_many, args=(str(file), half)) for half in halves]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(file.read_text().split()) == sorted(names)


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_STATE_HOME": "/state"}, "/state/bertlab/passed.txt"),
        ("linux", {}, "/home/ada/.local/state/bertlab/passed.txt"),
        ("darwin", {}, "/home/ada/Library/Application Support/bertlab/passed.txt"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/bertlab/passed.txt"),
        ("win32", {}, "/home/ada/AppData/Local/bertlab/passed.txt"),
    ],
)
def test_the_usual_place_is_the_users_folder_for_state(
    platform: str, variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (progress.VARIABLE, "XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ada"))
    assert progress.file() == Path(expected)


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv(progress.VARIABLE)
    monkeypatch.setattr(Path, "home", nowhere)
    assert progress.file() is None


def test_the_catalogue_shows_itself_as_text_and_as_a_table(file: Path) -> None:
    progress.note("split_heads")
    catalog = exercises.catalog()
    text, table = str(catalog), catalog._repr_html_()
    assert repr(catalog) == text
    assert text.startswith(f"1 of {len(catalog)} exercises passed on this computer; the others ")
    assert "\nChapter 2\n" in text
    assert "  ✓ split_heads " in text
    assert "  ○ attention " in text
    assert text.endswith('exercises.show("name") prints the question.')
    assert table.count("<tr>") == 1 + len(catalog)
    assert table.count('aria-label="passed"') == 1
    book = type(catalog)(e for e in catalog if not e.extra)
    assert "More practice" not in str(book) + book._repr_html_()


def test_the_catalogue_is_in_the_order_of_the_book_and_names_more_practice() -> None:
    catalog = exercises.catalog()
    assert [e.chapter for e in catalog] == sorted(e.chapter for e in catalog)
    assert {e.chapter for e in catalog} == set(range(1, 11))
    assert len([e for e in catalog if not e.extra]) == 28
    assert not any(e.assignment for e in catalog)
