"""A run's folder: what may be written to and deleted, what a resumed run must have in common."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import tyro

import bertlab
from bertlab.training.folder import (
    RUN,
    add_to_run,
    command_line,
    forget,
    open_output,
    read_run,
    write_json,
)


@dataclass(frozen=True)
class Settings:
    """Values of every kind that a command takes."""

    task: tyro.conf.Positional[str]
    train: Path
    output: Path
    steps: int | None = None
    rate: float = 1e-4
    labels: tuple[str, ...] = ()
    sizes: list[int] = field(default_factory=lambda: [1, 2])
    cache: Path | None = None
    whole_words: bool = False
    shuffle: bool = True
    resume: bool = False
    overwrite: bool = False


def settings(output: Path, **changes: Any) -> Settings:
    return Settings(**{"task": "ner", "train": Path("a b.jsonl"), "output": output, **changes})


def begin(output: Path, program: str = "bertlab try", **changes: Any) -> None:
    """Open the folder as a command does."""
    config = settings(output, **changes)
    open_output(
        output,
        program=program,
        command=command_line(program, config, positional=["task"]),
        config=asdict(config),
        may_change=("steps", "cache"),
        inputs=[config.train],
        files=["predictions.jsonl"],
        resume=config.resume,
        overwrite=config.overwrite,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- the command


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"steps": 7, "rate": 1e-4}, " --steps 7"),
        ({"labels": ("a b", "c"), "sizes": [1, 2]}, " --labels 'a b' c"),
        ({"sizes": [3]}, " --sizes 3"),
        ({"cache": Path("/c"), "whole_words": True}, " --cache /c --whole-words"),
        ({"shuffle": False}, " --no-shuffle"),
    ],
)
def test_the_command_makes_these_settings_again(changes: dict[str, Any], words: str) -> None:
    config = settings(Path("out"), **changes)
    command = command_line("bertlab try", config, positional=["task"])
    assert command == f"bertlab try ner --train 'a b.jsonl' --output out{words}"
    parsed = tyro.cli(
        Settings, args=shlex.split(command)[2:], config=(tyro.conf.FlagCreatePairsOff,)
    )
    assert parsed == config


def test_the_command_begins_the_run_anew() -> None:
    for flag in ("resume", "overwrite"):
        command = command_line("bertlab try", settings(Path("out"), **{flag: True}))
        assert flag not in command
        assert command.startswith("bertlab try --task ner "), "a setting with its name"


# --- run.json


def test_run_json_tells_what_ran_and_where(tmp_path: Path) -> None:
    begin(tmp_path / "new" / "run", labels=("é", "b"), cache=tmp_path)
    run = read_run(tmp_path / "new" / "run")
    assert run["command"].startswith("bertlab try ner --train")
    assert run["config"] == {
        "task": "ner",
        "train": "a b.jsonl",
        "output": str(tmp_path / "new" / "run"),
        "steps": None,
        "rate": 1e-4,
        "labels": ["é", "b"],
        "sizes": [1, 2],
        "cache": str(tmp_path),
        "whole_words": False,
        "shuffle": True,
        "resume": False,
        "overwrite": False,
    }
    assert run["versions"]["bertlab"] == bertlab.__version__
    assert run["machine"]["threads"] == torch.get_num_threads()
    assert names(tmp_path / "new" / "run") == [RUN], "written whole, nothing left over"
    assert "é" in (tmp_path / "new" / "run" / RUN).read_text(encoding="utf-8")


def test_what_is_found_out_is_added(tmp_path: Path) -> None:
    begin(tmp_path / "run")
    before = read_run(tmp_path / "run")
    add_to_run(tmp_path / "run", data={"rows": 3}, notes=[])
    assert read_run(tmp_path / "run") == before | {"data": {"rows": 3}, "notes": []}


def test_what_is_no_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_run(tmp_path)
    (tmp_path / RUN).write_text("[1]")
    with pytest.raises(ValueError, match=r"run\.json holds a JSON list: expected an object"):
        read_run(tmp_path)


def test_a_file_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": 1\n}\n'
    assert names(tmp_path) == ["a.json"]


# --- whose folder it is


def test_new_and_empty_folders_are_taken_and_others_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    begin(tmp_path / "empty")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="is a file: expected a folder to write to"):
        begin(tmp_path / "file")
    for folder in (tmp_path, tmp_path / "empty"):
        before = names(folder)
        with pytest.raises(FileExistsError, match="isn't empty: give --resume to go on with the"):
            begin(folder)
        assert names(folder) == before


@pytest.mark.parametrize("flag", ["resume", "overwrite"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "holds no run.json"),
        ("no json", "another program's, or damaged"),
        ("[]", "another program's, or damaged"),
        ('{"config": {}}', "another program's, or damaged"),
        ('{"command": 1, "config": {}}', "another program's, or damaged"),
        ('{"command": "bertlab try x", "config": 1}', "another program's, or damaged"),
        ('{"command": "bertlab tryst x", "config": {}}', "its run.json is another command's"),
    ],
)
def test_what_is_no_run_of_the_command_is_left_alone(
    tmp_path: Path, flag: str, content: str | None, found: str
) -> None:
    """``--overwrite --output ~`` must not be the end of somebody's files, or of a pretraining."""
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / ".predictions.jsonl.123").write_text("half")
    if content is not None:
        (tmp_path / RUN).write_text(content)
    before = names(tmp_path)
    with pytest.raises(FileExistsError, match="no run of `bertlab try`: nothing to resume") as told:
        begin(tmp_path, **{flag: True})
    assert found in str(told.value)
    assert names(tmp_path) == before


def test_overwrite_deletes_all_but_what_is_to_be_read(tmp_path: Path) -> None:
    output, outside = tmp_path / "run", tmp_path / "outside"
    begin(output)
    (output / "notes").mkdir()
    (output / "notes" / "train.txt").write_text("text")
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    (output / "link").symlink_to(outside)
    before = names(output)
    for train in (output / "notes" / "train.txt", output / "notes", output):
        with pytest.raises(ValueError, match="which would be deleted: give another folder"):
            begin(output, overwrite=True, train=train)
        assert names(output) == before
    begin(output, overwrite=True, steps=3)
    assert names(output) == [RUN]
    assert names(outside) == ["kept.txt"], "a link goes, not what it leads to"
    assert read_run(output)["config"]["steps"] == 3


def test_a_name_on_the_hub_is_no_file_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    begin(Path("."), train=Path("owner/name"))
    begin(Path("."), train=Path("owner/name"), overwrite=True, steps=3)
    assert read_run(tmp_path)["config"]["steps"] == 3


def test_a_killed_process_half_written_files_are_removed(tmp_path: Path) -> None:
    """They make no folder a full one. Those of other names are somebody else's."""
    for name in (f".{RUN}.1", ".model.safetensors.22", ".predictions.jsonl.3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "any").write_text("half")
    begin(tmp_path, resume=True)
    assert names(tmp_path) == [RUN]
    (tmp_path / ".notes.txt.4").mkdir()
    begin(tmp_path, resume=True)
    assert ".notes.txt.4" in names(tmp_path)


def test_a_run_that_could_not_begin_is_forgotten(tmp_path: Path) -> None:
    begin(tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").write_text("worth keeping")
    forget(tmp_path / "run")
    assert names(tmp_path / "run") == ["model.safetensors", RUN]
    (tmp_path / "run" / "model.safetensors").unlink()
    forget(tmp_path / "run")
    assert not (tmp_path / "run").exists()


# --- going on


def test_there_must_be_a_folder_to_resume(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*: nothing to resume"):
        begin(tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_has_the_same_settings(tmp_path: Path) -> None:
    """As they are read back: paths as text, tuples as lists, None as None."""
    output = tmp_path / "run"
    same: dict[str, Any] = {"labels": ("a", "b"), "sizes": [4], "cache": tmp_path}
    begin(output, **same)
    begin(output, **same, resume=True)
    begin(output, **same | {"steps": 9, "cache": None}, resume=True)
    assert read_run(output)["config"]["steps"] == 9
    (tmp_path / "moved").symlink_to(output)
    begin(tmp_path / "moved", **same, resume=True)
    before = (output / RUN).read_bytes()
    with pytest.raises(ValueError, match="begun with other settings") as refusal:
        begin(output, labels=("a",), sizes=[4], train=Path("c"), rate=1e-3, resume=True)
    for change in ("train was 'a b.jsonl', now 'c'", "labels was ['a', 'b'], now ['a']", "rate"):
        assert change in str(refusal.value)
    assert "sizes" not in str(refusal.value)
    assert (output / RUN).read_bytes() == before


def test_settings_that_the_record_lacks_differ_from_all_but_none(tmp_path: Path) -> None:
    """It was written before there were such settings."""
    begin(tmp_path / "run")
    record = json.loads((tmp_path / "run" / RUN).read_text())
    del record["config"]["steps"], record["config"]["rate"]
    write_json(tmp_path / "run" / RUN, record)
    with pytest.raises(ValueError, match=r"rate was None, now 0\.0001\. Expected"):
        begin(tmp_path / "run", resume=True)
