"""``bertlab evaluate`` and ``predict``: a fine-tuned checkpoint, and files with questions to it.

Source: chapters 8 to 10.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import torch
from torch import nn
from tqdm.auto import tqdm

import bertlab
from bertlab.data.errors import DataError
from bertlab.data.json_files import kind, parse_json
from bertlab.data.report import Notes
from bertlab.files import write_whole
from bertlab.tasks.classification import Classification
from bertlab.tasks.config import EvaluateConfig, PredictConfig, TaskName
from bertlab.tasks.named_entities import NamedEntities
from bertlab.tasks.question_answering import QuestionAnswering
from bertlab.tasks.records import read_file
from bertlab.tasks.task import Task, read_settings
from bertlab.tokenization import load_tokenizer
from bertlab.training.config import Precision
from bertlab.training.folder import write_json
from bertlab.training.run import choose_bf16

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
    if known.get("task", name) != name:
        raise ValueError(f"{model} was fine-tuned for {known['task']}: expected a model for {name}")
    with without_warnings():  # said below, and as an error
        network = getattr(bertlab, kind.model_class).from_pretrained(model)
    random = network.load_report.missing + network.load_report.newly_initialised
    if random:
        raise ValueError(
            f"{model} has no weights for {', '.join(random)}, so it was not fine-tuned for {name}: "
            f"run `bertlab finetune {name} --model {model}` first"
        )
    tokenizer = load_tokenizer(model)
    places = network.config.max_position_embeddings
    chosen = {"max_length": min(kind.longest, places, tokenizer.model_max_length)}
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
    _check_output(config.output)
    if config.output.exists() and config.data.exists() and config.output.samefile(config.data):
        raise ValueError(f"{config.output} is the data: expected another file for the figures")
    task, model = load_task(config.task, config.model)
    labels = task.problem if isinstance(task, Classification) else "single"
    records = read_file(config.data, config.task, config, say, labels)
    with precision(config.precision):
        figures = task.evaluate(model, records, config.batch_size, progress_bar)
    write_json(config.output, {"task": config.task, "records": len(records)} | figures)
    say(summary(config.data.name, task, figures))
    return figures


def predict(config: PredictConfig, progress_bar: bool = True) -> None:
    """Answer a JSONL file or stream, line by line, in constant memory.

    Lines before a malformed one are answered and written, if the output is a stream; a file is
    written whole or not at all. What else should be said of the lines goes to stderr.

    Raises:
        DataError: when a line is malformed; says which.
        FileNotFoundError: when there is no such checkpoint or file.
        ValueError: when the checkpoint isn't one of this task.
    """
    if config.output != "-":
        _check_output(Path(config.output))
    with ExitStack() as stack:
        lines: BinaryIO = sys.stdin.buffer
        if config.input != "-":  # before the model: that there is no file shows at once
            lines = stack.enter_context(Path(config.input).expanduser().open("rb"))
        elif sys.stdin.isatty():
            print("Reading JSON lines from the keyboard, up to Ctrl-D.", file=sys.stderr)
        task, model = load_task(config.task, config.model)
        stack.enter_context(precision(config.precision))
        bar = tqdm(desc="predict", unit=" lines", delay=2, disable=not progress_bar)
        stack.enter_context(bar)
        notes = Notes("standard input" if config.input == "-" else config.input)
        counts: Counter[str] = Counter()
        answered = 0

        def answer(file: TextIO) -> None:
            nonlocal answered
            for chunk in _chunks(_questions(lines, config.task, notes)):
                answers = task.predict(model, chunk, config.batch_size, counts=counts)
                for record, found in zip(chunk, answers, strict=True):
                    file.write(json.dumps(beside(record, found), ensure_ascii=False) + "\n")
                file.flush()
                bar.update(len(chunk))
                answered += len(chunk)

        if config.output != "-":
            write_whole(Path(config.output), lambda path: _write(path, answer))
        else:
            if isinstance(sys.stdout, TextIOWrapper):  # not so in a notebook
                sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # whatever the system's is
            answer(sys.stdout)
        for what, count in counts.items():
            notes.add(what, count=count)
    if progress_bar and notes:
        print(notes.line(answered, "line{s} answered"), file=sys.stderr)


def _check_output(path: Path) -> None:
    """Say that a file can't be written before anything is computed, and not after."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: expected a file to write to")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path.parent)!r} to write {path.name} to")


def _write(path: Path, answer: Callable[[TextIO], None]) -> None:
    with path.open("w", encoding="utf-8") as file:
        answer(file)


def _chunks(questions: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield a thousand at a time; those before a malformed line come before its error."""
    chunk: list[dict[str, Any]] = []
    try:
        for record in questions:
            chunk.append(record)
            if len(chunk) == _AT_A_TIME:
                yield chunk
                chunk = []
    except DataError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def _questions(lines: Iterable[bytes], task: TaskName, notes: Notes) -> Iterator[dict[str, Any]]:
    """Yield the records of a JSONL stream that have what a task needs; blank lines are counted.

    Raises:
        DataError: at the first line that hasn't.
    """
    path = notes.name
    for number, raw in enumerate(lines, start=1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                path=path, line=number, found=f"bytes that aren't UTF-8 ({error.reason})",
                expected="JSONL in UTF-8",
            ) from error  # fmt: skip
        if not line.strip():
            notes.add("blank line{s} skipped", number)
            continue
        record = parse_json(line.rstrip("\r\n"), path, number, notes)
        if not (isinstance(record, dict) and _is_complete(record, task)):
            found = kind(record)
            if isinstance(record, dict):
                fields = (f'"{name}" that is {kind(value)}' for name, value in record.items())
                found = ", ".join(fields) or "no field"
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


def summary(name: str, task: Task, figures: dict[str, Any]) -> str:
    """Return the figures that are single numbers, the deciding one first, and what was counted."""
    numbers = {key: value for key, value in figures.items() if isinstance(value, float)}
    shown = {task.metric: numbers.pop(task.metric)} | numbers
    parts = [f"{key} {value:.4g}" for key, value in shown.items()]
    parts += [f"{count:,} {what}" for what, count in figures.get("counts", {}).items()]
    return f"{name}: {', '.join(parts)}"


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
