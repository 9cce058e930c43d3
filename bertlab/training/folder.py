"""A run's output folder: who may write to it, what of it may be deleted, and ``run.json``.

``run.json`` tells what was run: the command, every setting, versions and machine. It is also what
a run's folder is known by: nothing is deleted from a folder that has none.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import bertlab
from bertlab.files import leftovers, write_text
from bertlab.training.state import HISTORY, STATE

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RUN, METRICS = "run.json", "metrics.json"
_FILES = (RUN, METRICS, HISTORY, STATE, "model.safetensors", "config.json")
# They say where a run is and how it is started, so a resumed one has its own.
_STARTING = ("output", "resume", "overwrite")


def open_output(
    folder: Path,
    *,
    program: str,
    command: str,
    config: Mapping[str, Any],
    may_change: Collection[str] = (),
    inputs: Iterable[str | Path] = (),
    files: Iterable[str] = (),
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Make a folder ready for a run and write ``run.json``, or check that the run may go on in it.

    What a killed process left half written is removed.

    Args:
        folder: new or empty, unless ``resume`` or ``overwrite``.
        program: which command it is, such as ``bertlab pretrain``; its runs' commands begin so.
        command: with all its settings, as ``command_line`` makes it.
        config: every setting by name.
        may_change: settings that may differ in a resumed run, beside output, resume and overwrite.
        inputs: files, folders or names on the hub that the run reads, never to be deleted.
        files: what the run writes with ``write_whole``, beside what every run does.
        resume: the run in the folder is to go on.
        overwrite: the run in the folder may be deleted.

    Raises:
        FileExistsError: when there is a file of that name, or something in the folder without
            resume or overwrite, or no run of this program.
        FileNotFoundError: when there is no folder to resume from.
        ValueError: when the run was begun with other settings, or an input would be deleted.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: expected a folder to write to")
    if resume and not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: nothing to resume")
    folder.mkdir(parents=True, exist_ok=True)
    settings = json.loads(json.dumps(config, default=str))  # as they are read back
    unfinished = leftovers(folder, (*_FILES, *files))
    if set(folder.iterdir()) - set(unfinished):
        if not (resume or overwrite):
            raise FileExistsError(
                f"{folder} isn't empty: give --resume to go on with the run in it, --overwrite to "
                "delete what is there, or another folder"
            )
        before = _read_config(folder, program)
        if resume:
            _check_unchanged(folder, before, settings, may_change)
        else:
            _empty(folder, inputs)
    for path in unfinished:
        shutil.rmtree(path, ignore_errors=True)
    record = {"command": command, "config": settings, "versions": _versions()}
    write_json(folder / RUN, record | {"machine": _machine()})


def add_to_run(folder: Path, **more: Any) -> None:
    """Add what a run has found out, such as the size of its data, to ``run.json``."""
    write_json(folder / RUN, read_run(folder) | more)


def read_run(folder: Path) -> dict[str, Any]:
    """Return ``run.json``: command, config, versions, machine, and what was added.

    Raises:
        FileNotFoundError: when there is none.
        ValueError: when it is no JSON object.
    """
    content = json.loads((folder / RUN).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(
            f"{folder / RUN} holds a JSON {type(content).__name__}: expected an object"
        )
    return content


def forget(folder: Path) -> None:
    """Undo ``open_output`` for a run that couldn't begin, so that it can be tried again."""
    if [path.name for path in folder.iterdir()] == [RUN]:
        shutil.rmtree(folder)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that people can read, whole."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def command_line(program: str, config: DataclassInstance, positional: Sequence[str] = ()) -> str:
    """Return the command that makes this run, from the beginning.

    Args:
        program: its first words, such as ``bertlab pretrain``.
        config: its settings; those that are as by default aren't given.
        positional: settings that come first, without their names.
    """
    words = [*program.split(), *(str(getattr(config, name)) for name in positional)]
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name in (*positional, "resume", "overwrite") or value == _default(field):
            continue
        name = field.name.replace("_", "-")
        words.append(f"--no-{name}" if value is False else f"--{name}")
        if isinstance(value, list | tuple):
            words += [str(one) for one in value]
        elif not isinstance(value, bool):
            words.append(str(value))
    return shlex.join(words)


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _read_config(folder: Path, program: str) -> dict[str, Any]:
    """Return the settings of the run in a folder."""
    try:
        record = read_run(folder)
        if record["command"].startswith(f"{program} "):
            return dict(record["config"])
        found = f"its {RUN} is another command's"
    except FileNotFoundError:
        found = f"holds no {RUN}"
    except (ValueError, TypeError, KeyError, AttributeError):
        found = f"its {RUN} is another program's, or damaged"
    raise FileExistsError(
        f"{folder} isn't empty and {found}, so it is no run of `{program}`: nothing to resume, and "
        "nothing is deleted. Give another folder"
    )


def _check_unchanged(
    folder: Path, before: dict[str, Any], now: dict[str, Any], may_change: Collection[str]
) -> None:
    changed = [
        f"{name} was {before.get(name)!r}, now {now[name]!r}"
        for name in now
        if name not in (*may_change, *_STARTING) and before.get(name) != now[name]
    ]
    if changed:
        raise ValueError(
            f"the run in {folder} was begun with other settings: {'; '.join(changed)}. Expected "
            "the same ones (its length may change)"
        )


def _empty(folder: Path, inputs: Iterable[str | Path]) -> None:
    """Delete what is in the folder of a run, but not what the new run is to read."""
    for source in inputs:
        path = Path(source).expanduser().resolve()
        if path.exists() and path.is_relative_to(folder.resolve()):
            raise ValueError(
                f"{source} is in {folder}, which would be deleted: give another folder to write to"
            )
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RUN):  # that one last
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _versions() -> dict[str, str]:
    return {
        "bertlab": bertlab.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
