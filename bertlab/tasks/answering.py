"""``bertlab evaluate`` and ``predict``: a fine-tuned checkpoint, and files with questions to it.

Source: chapters 8 to 10.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import torch
from torch import nn
from tqdm.auto import tqdm

import bertlab
from bertlab import data
from bertlab.data.errors import DataError
from bertlab.data.json_files import kind, parse_json
from bertlab.data.report import Notes
from bertlab.model.checkpoint import write_whole
from bertlab.tasks.classification import Classification
from bertlab.tasks.config import EvaluateConfig, PredictConfig, Reading, TaskName
from bertlab.tasks.named_entities import NamedEntities
from bertlab.tasks.question_answering import QuestionAnswering
from bertlab.tasks.task import Task, read_settings
from bertlab.tokenization import load_tokenizer
from bertlab.training.config import Precision
from bertlab.training.folder import write_json
from bertlab.training.loop import choose_bf16

if TYPE_CHECKING:
    from datasets import Dataset

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (Classification, NamedEntities, QuestionAnswering)
}
_AT_A_TIME = 1024  # lines in memory
_INPUT = {
    "classification": 'an object with "text", and perhaps "text_pair"',
    "ner": 'an object with "text", or "tokens", a list of strings',
    "qa": 'an object with "question" and "context"',
}


def load_task(name: TaskName, model: str | Path, **settings: Any) -> tuple[Task, nn.Module]:
    """Open a fine-tuned checkpoint.

    Args:
        name: ``"classification"``, ``"ner"`` or ``"qa"``.
        model: a folder or a hub id.
        settings: arguments of the task that differ from those it was trained with.

    Returns:
        The task, and the model on the best device of this machine, in evaluation mode.

    Raises:
        FileNotFoundError: when there is no such checkpoint.
        ValueError: when it was fine-tuned for another task, or for none.
    """
    kind = TASKS[name]
    known = read_settings(model)
    if known.pop("task", name) != name:
        trained = read_settings(model)["task"]
        raise ValueError(f"{model} was fine-tuned for {trained}: expected a model for {name}")
    with without_warnings():  # said below, and as an error
        network = getattr(bertlab, kind.model_class).from_pretrained(model)
    random = network.load_report.missing + network.load_report.newly_initialised
    if random:
        raise ValueError(
            f"{model} has no weights for {', '.join(random)}, so it was not fine-tuned for {name}: "
            f"run `bertlab finetune {name} --model {model}` first"
        )
    tokenizer = load_tokenizer(model)
    chosen = {"max_length": min(kind.longest, network.config.max_position_embeddings)}
    chosen |= {key: value for key, value in known.items() if key in kind.settings}
    task = kind(tokenizer, **(kind.arguments(network.config) | chosen | settings))
    return task, network.to(device())


def evaluate(config: EvaluateConfig, progress_bar: bool = True) -> dict[str, Any]:
    """Measure a fine-tuned model on a file, and write the figures to ``config.output``.

    Raises:
        DataError: when the file is malformed.
        FileNotFoundError: when there is no such checkpoint or file.
        ValueError: when the checkpoint isn't one of this task.
    """
    say: Callable[[str], object] = print if progress_bar else quiet
    task, model = load_task(config.task, config.model)
    records = read_file(config.data, config, config.task, say)
    with precision(config.precision):
        figures = task.evaluate(model, records, config.batch_size, progress_bar)
    write_json(config.output, {"task": config.task, "records": len(records)} | figures)
    say(summary(config.data.name, task, figures))
    return figures


def predict(config: PredictConfig, progress_bar: bool = True) -> None:
    """Answer a JSONL file or stream, line by line, in constant memory.

    Lines that were answered before a malformed one are written, if the output is a stream; a file
    is written whole or not at all.

    Raises:
        DataError: when a line is malformed; says which.
        FileNotFoundError: when there is no such checkpoint or file.
        ValueError: when the checkpoint isn't one of this task.
    """
    task, model = load_task(config.task, config.model)
    bar = tqdm(desc="predict", unit=" lines", delay=2, disable=not progress_bar)

    def answer(file: TextIO) -> None:
        questions = _questions(lines, config.task, config.input)
        while chunk := list(islice(questions, _AT_A_TIME)):
            for record, answer in zip(
                chunk, task.predict(model, chunk, config.batch_size), strict=True
            ):
                file.write(json.dumps(beside(record, answer), ensure_ascii=False) + "\n")
            file.flush()
            bar.update(len(chunk))

    with ExitStack() as stack:
        stack.enter_context(precision(config.precision))
        stack.enter_context(bar)
        lines: BinaryIO = sys.stdin.buffer
        if config.input != "-":
            lines = stack.enter_context(Path(config.input).open("rb"))
        if config.output == "-":
            answer(sys.stdout)
        else:
            write_whole(Path(config.output), lambda path: _write(path, answer))


def _write(path: Path, answer: Callable[[TextIO], None]) -> None:
    with path.open("w", encoding="utf-8") as file:
        answer(file)


def _questions(lines: Iterable[bytes], task: str, source: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a JSONL stream that have what a task needs; blank lines have none.

    Raises:
        DataError: at the first line that hasn't.
    """
    path = "standard input" if source == "-" else source
    notes = Notes(path)
    for number, raw in enumerate(lines, start=1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                path=path, line=number, found=f"bytes that aren't UTF-8 ({error.reason})",
                expected="JSONL in UTF-8",
            ) from error  # fmt: skip
        if not line.strip():
            continue
        record = parse_json(line, path, number, notes)
        if not (isinstance(record, dict) and _is_complete(record, task)):
            found = f"the fields {', '.join(record)}" if isinstance(record, dict) else kind(record)
            raise DataError(path=path, line=number, found=found, expected=_INPUT[task])
        yield record


def _is_complete(record: dict[str, Any], task: str) -> bool:
    text = {name for name, value in record.items() if isinstance(value, str)}
    if task == "qa":
        return {"question", "context"} <= text
    if task == "ner" and "tokens" in record:
        tokens = record["tokens"]
        return isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)
    return "text" in text and isinstance(record.get("text_pair"), str | None)


def beside(record: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with its answer; a true answer of the same name is kept as ``true_…``."""
    return {f"true_{k}" if k in answer else k: value for k, value in record.items()} | dict(answer)


def read_file(path: Path, how: Reading, task: TaskName, say: Callable[[str], object]) -> Dataset:
    options: dict[str, Any] = {}
    if task == "classification":
        options = {
            "labels": how.labels,
            "text": how.text_column,
            "text_pair": how.pair_column,
            "label": how.label_column,
        }
    return data.read(path, task, encoding=how.encoding, report=say, **options)


def summary(name: str, task: Task, figures: dict[str, Any]) -> str:
    """Return the figures that are single numbers, the deciding one first."""
    numbers = {key: value for key, value in figures.items() if isinstance(value, float)}
    shown = {task.metric: numbers.pop(task.metric)} | numbers
    return f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in shown.items())


@contextmanager
def precision(chosen: Precision) -> Iterator[None]:
    """Compute matrix products in bfloat16 where that was asked for, or is fast."""
    where = device()
    with torch.autocast(where.type, torch.bfloat16, enabled=choose_bf16(chosen, where)):
        yield


@contextmanager
def without_warnings() -> Iterator[None]:
    """Load a checkpoint without a word about weights that it lacks, such as a new head."""
    logger = logging.getLogger("bertlab")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def device() -> torch.device:
    """Return the best device of this machine, or what a launcher says."""
    from accelerate import PartialState

    where: torch.device = PartialState().device
    return where


def quiet(text: str) -> None:
    """Print nothing."""
