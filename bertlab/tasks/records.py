"""The records that a command names: files, a data set's splits, a share that is held out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bertlab import data
from bertlab.data.errors import DataError
from bertlab.data.loading import BUNDLED
from bertlab.tasks.config import FinetuneConfig, Labels, Reading, TaskName

if TYPE_CHECKING:
    from datasets import Dataset

Say = Callable[[str], object]
_ANSWERS = {"classification": "label", "ner": "tags", "qa": "answers"}  # what each task learns
_KINDS = {"string": "single", "float64": "regression"}  # a column's type, else a list


def read_file(
    path: Path, task: TaskName, how: Reading, say: Say, labels: Labels = "single"
) -> Dataset:
    """Read a file with the right answers.

    Raises:
        DataError: when it is malformed.
        FileNotFoundError: when there is none.
    """
    _check_file(path)
    return data.read(path, report=say, **_options(task, how, labels))


def read_sets(config: FinetuneConfig, say: Say) -> dict[str, Dataset]:
    """Return the records to learn from and to measure on: train, dev, and perhaps test.

    Raises:
        DataError: when a file is malformed, or for another task.
        FileNotFoundError: when there is none.
        ValueError: when there is no dev, or one file is used for two purposes.
    """
    sets = _read_set(config, say) if config.dataset is not None else _read_files(config, say)
    if ("dev" in sets) == (config.hold_out > 0):
        has = "has a dev split" if "dev" in sets else "has no dev split"
        advice = "leave --hold-out away" if "dev" in sets else "give --hold-out 0.1"
        raise ValueError(f"{config.dataset} {has}: {advice}")
    if config.hold_out:
        sets["train"], sets["dev"] = _hold_out(sets["train"], config)
        say(f"{len(sets['dev']):,} of the training records are held out as dev")
    return sets


def _read_files(config: FinetuneConfig, say: Say) -> dict[str, Dataset]:
    given = {"train": config.train, "dev": config.dev, "test": config.test}
    files = {name: path for name, path in given.items() if path is not None}
    first: dict[Path, str] = {}
    for name, path in files.items():  # all of them, before a large one is read
        _check_file(path)
        other = first.setdefault(path.resolve(), name)
        if other != name:
            raise ValueError(
                f"--{other} and --{name} are the same file, {path}: scores on records that "
                "weights were learned from, or chosen by, say too much"
            )
    return {
        name: read_file(path, config.task, config, say, config.labels)
        for name, path in files.items()
    }


def _read_set(config: FinetuneConfig, say: Say) -> dict[str, Dataset]:
    """Read a data set by its name, and make sure that it is one for the task."""
    assert config.dataset is not None
    name, needed = config.dataset, _ANSWERS[config.task]
    of_a_folder = Path(name).expanduser().is_dir() and name not in BUNDLED
    options = _options(config.task, config, config.labels) if of_a_folder else {}
    if of_a_folder:
        name = str(Path(name).expanduser())
    sets = dict(data.load(name, report=say, **options))
    for split, records in sets.items():
        if needed not in records.column_names:
            raise DataError(
                path=f"{name}, {split}",
                found=f"the columns {', '.join(records.column_names)}",
                expected=f'a column "{needed}", as data for {config.task} have',
            )
        if config.task == "classification":
            found = _KINDS.get(getattr(records.features[needed], "dtype", ""), "multi")
            if found != config.labels:
                raise ValueError(f"the labels of {name} are for --labels {found}: give that")
    return sets


def _hold_out(records: Dataset, config: FinetuneConfig) -> tuple[Dataset, Dataset]:
    """Split off dev; questions on the same context stay together."""
    groups = records["context"] if config.task == "qa" else range(len(records))
    distinct = list(dict.fromkeys(groups))
    order = np.random.default_rng(config.seed).permutation(len(distinct))
    chosen = {distinct[index] for index in order[: max(1, round(len(order) * config.hold_out))]}
    if len(chosen) == len(distinct):
        raise DataError(
            path=config.train or config.dataset,
            found=f"{len(distinct)} {'contexts' if config.task == 'qa' else 'records'} to split",
            expected="enough for training and dev",
        )
    held = [index for index, group in enumerate(groups) if group in chosen]
    kept = [index for index, group in enumerate(groups) if group not in chosen]
    return records.select(kept), records.select(held)


def _options(task: TaskName, how: Reading, labels: Labels) -> dict[str, Any]:
    """Return the arguments of ``bertlab.data.read``."""
    options: dict[str, Any] = {"task": task, "encoding": how.encoding}
    if task == "classification":
        options |= {
            "labels": labels,
            "text": how.text_column,
            "text_pair": how.pair_column,
            "label": how.label_column,
            "delimiter": how.delimiter,
        }
    return options


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} is a folder: expected a file (finetune reads a folder with train, dev and "
            "test in it as --dataset)"
        )
    if not path.exists():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
