"""From a name or a file to rows: bundled sets, folders, the hub, and files by their endings."""

from __future__ import annotations

import json
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertlab.data.conll import read_conll
from bertlab.data.csv_files import PAIR, TAB_SUFFIXES, read_csv
from bertlab.data.errors import DataError
from bertlab.data.hub_table import DEV_NAMES
from bertlab.data.json_files import JSONL_SUFFIXES
from bertlab.data.jsonl import Task, check_task, read_jsonl
from bertlab.data.labels import LabelKind
from bertlab.data.report import Report
from bertlab.data.squad import read_squad
from bertlab.data.tags import Scheme
from bertlab.data.text_files import read_lines

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

SETS = Path(__file__).parent / "sets"
BUNDLED = ("sentiment", "entities", "questions")
SPLITS = {"train": ("train",), "dev": DEV_NAMES, "test": ("test",)}

TABLE_SUFFIXES = (".csv", *TAB_SUFFIXES)
CONLL_SUFFIXES = (".conll", ".bio", ".iob", ".iob2", ".bioes", ".txt")
SUFFIXES = (*TABLE_SUFFIXES, *JSONL_SUFFIXES, ".json", *CONLL_SUFFIXES)


def load(
    name: str | PathLike[str], seed: int = 0, report: Report = print, **options: Any
) -> DatasetDict:
    """Load a data set with its splits train, dev and test.

    Args:
        name: a bundled set, ``"sentiment"``, ``"entities"`` or ``"questions"``; a folder with a
            file for each split, such as ``train.csv``, ``dev.csv`` and ``test.csv``; or the id of
            a set of the hub, such as ``"rajpurkar/squad_v2"`` or ``"nyu-mll/glue:rte"`` (see
            ``hub_table``).
        seed: where a set of the hub has no dev split: for the part of train that becomes it.
        report: takes a line for each split.
        options: for a folder's files, as ``read`` takes them: ``label="category"``.

    Returns:
        ``train``, ``dev`` and ``test``, each with the columns of its task. A folder may lack dev
        or test; they are then absent.

    Raises:
        FileNotFoundError: when there is nothing of that name, here or on the hub.
        DataError: when a file isn't as it should be.
    """
    if name in BUNDLED:
        return _load_folder(SETS / str(name), report, {})
    if Path(name).is_dir():
        return _load_folder(Path(name), report, options)
    from bertlab.data.hub import load_hub

    return load_hub(fspath(name), seed, report)


def _load_folder(folder: Path, report: Report, options: dict[str, Any]) -> DatasetDict:
    from datasets import DatasetDict

    files = {}
    for split, names in SPLITS.items():
        found = sorted(
            path
            for path in folder.iterdir()
            if path.stem in names and path.suffix.lower() in SUFFIXES
        )
        if len(found) > 1:
            raise DataError(
                path=folder,
                found=f"{' and '.join(path.name for path in found)}",
                expected=f"one file {split}.*",
            )
        if found:
            files[split] = found[0]
    if "train" not in files:
        raise DataError(
            path=folder,
            found="no file for the split train",
            expected="files such as train.csv, dev.csv and test.csv, or .jsonl, .conll, .json",
        )
    return DatasetDict(
        {split: read(path, report=report, **options) for split, path in files.items()}
    )


def read(
    path: str | PathLike[str],
    task: Task | None = None,
    labels: LabelKind | None = "single",
    text: str = "text",
    text_pair: str | None = PAIR,
    label: str = "label",
    delimiter: str | None = None,
    scheme: Scheme | None = None,
    encoding: str = "utf-8",
    report: Report = print,
) -> Dataset:
    """Read a file by its name's ending.

    ========================================  ===============================================
    .csv, .tsv, .tab                          ``read_csv``
    .jsonl, .ndjson                           ``read_jsonl``
    .json                                     ``read_squad``; ``read_jsonl`` where its first line
                                              is an object by itself
    .conll, .bio, .iob, .iob2, .bioes, .txt   ``read_conll``, and so is any other ending when the
                                              task is ner (``eng.testa``)
    ========================================  ===============================================

    Args:
        path: the file.
        task: ``"classification"``, ``"ner"`` or ``"qa"``; None tells it by the file.
        labels: as in ``read_csv``; None, for every task: none are needed, and none returned.
            (A CoNLL file always has tags.)
        text, text_pair, label: names of columns, for classification.
        delimiter: what parts the cells of a table, as in ``read_csv``.
        scheme: of tags, as in ``read_conll``.
        encoding: the file's.
        report: takes one line that says what was read.

    Raises:
        DataError: when the ending doesn't fit the task, or the file isn't as it should be.
    """
    check_task(task)
    suffix = Path(path).suffix.lower()
    names: dict[str, Any] = {"text": text, "text_pair": text_pair, "label": label}
    common: dict[str, Any] = {"encoding": encoding, "report": report}
    if suffix in TABLE_SUFFIXES and task in (None, "classification"):
        return read_csv(path, labels, **names, delimiter=delimiter, **common)
    if suffix in JSONL_SUFFIXES or (suffix == ".json" and _is_jsonl(path, encoding)):
        return read_jsonl(path, task, labels, **names, scheme=scheme, **common)
    if suffix == ".json" and task in (None, "qa"):
        return read_squad(path, labels is not None, **common)
    is_known = suffix in SUFFIXES
    if task == "ner" and (suffix in CONLL_SUFFIXES or not is_known):
        return read_conll(path, scheme, **common)
    if task is None and suffix in CONLL_SUFFIXES:
        return read_conll(path, scheme, **common)
    expected = {
        "classification": "a .csv, .tsv or .jsonl file",
        "ner": "a .conll file, or .jsonl with tokens and tags",
        "qa": "a .json file in SQuAD's format, or .jsonl",
        None: f"a name that ends in one of {' '.join(SUFFIXES)}",
    }[task]
    raise DataError(
        path=path,
        found=f"a name that ends in {suffix!r}" if suffix else "a name without an ending",
        expected=expected + (f" for the task {task}" if task else ""),
    )


def _is_jsonl(path: str | PathLike[str], encoding: str) -> bool:
    """Tell whether a .json file's first line is an object by itself, and no SQuAD file."""
    first = next((line for line in read_lines(path, encoding) if line.strip()), "")
    if '"paragraphs"' in first:  # a large file may be a single line: not parsed twice
        return False
    try:
        value = json.loads(first)
    except ValueError:
        return False
    return isinstance(value, dict) and "data" not in value
