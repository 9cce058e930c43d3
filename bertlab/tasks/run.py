"""``bertlab finetune``: from files to the best weights, in one call.

Source: Devlin et al. 2019, section 4 and appendix A.3; chapters 8 to 10.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

import bertlab
from bertlab.files import write_whole
from bertlab.model.checkpoint import read_config
from bertlab.tasks.answering import (
    TASKS,
    beside,
    precision,
    quiet,
    summary,
    without_warnings,
)
from bertlab.tasks.config import FinetuneConfig
from bertlab.tasks.records import read_sets
from bertlab.tasks.task import SETTINGS, Task
from bertlab.tokenization import load_tokenizer
from bertlab.training import History, TrainingConfig, train
from bertlab.training.folder import (
    METRICS,
    command_line,
    forget,
    open_output,
    write_json,
)
from bertlab.training.state import STATE

if TYPE_CHECKING:
    from datasets import Dataset

PREDICTIONS = "predictions.jsonl"
_PROGRAM = "bertlab finetune"
_FILES = (METRICS, PREDICTIONS, SETTINGS)


def finetune(config: FinetuneConfig, progress_bar: bool = True) -> dict[str, Any]:
    """Fine-tune a BERT on files, and write the best one to ``config.output``.

    The folder receives the checkpoint with its tokenizer and ``task.json``, ``history.jsonl``,
    ``metrics.json`` (dev, test, train), ``predictions.jsonl`` (for the test records, or dev's where
    there are none) and ``run.json`` (configuration and command).

    Args:
        config: what and how.
        progress_bar: show bars, and lines that say what was found.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        DataError: when a file is malformed.
        FileExistsError: when the folder isn't empty, without resume or overwrite.
        FloatingPointError: when the loss is no finite number any more.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; a usable checkpoint is left.
        ValueError: when a setting is out of range, or a resumed run is given other settings.
    """
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    # `accelerate launch --cpu` says so here, and PartialState alone doesn't look.
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    main = state.is_main_process
    say: Callable[[str], object] = print if progress_bar and main else quiet
    training = _training(config)
    output, opened = config.output, False
    try:
        with state.main_process_first():
            if main and not config.overwrite:
                _open(config)
                opened = True
            if config.resume and (output / METRICS).is_file():
                (output / STATE).unlink(missing_ok=True)
                say(f"the run in {output} was finished already")
                return dict(json.loads((output / METRICS).read_text(encoding="utf-8")))
            sets = read_sets(config, say)
            task, model = _begin(config, sets)
            rows = len(task.batches(training).rows)
            if main and config.overwrite:  # now that all is known to be well
                _open(config)
                opened = True
        resume = config.resume and (output / STATE).is_file()
        if config.resume and not resume:
            say(f"{output} holds no checkpoint yet: beginning at the beginning")
        for what, count in sorted((+task.counts).items()):
            say(f"training data: {count:,} {what}")
        say(f"{len(sets['train']):,} training records make {rows:,} rows")

        def save(best: nn.Module) -> None:
            best.save_pretrained(output)  # type: ignore[operator]
            task.save(output)

        history = train(
            model, task, training, output=output, save_model=save, resume=resume,
            progress_bar=progress_bar,
        )  # fmt: skip
    except Exception:
        if opened:
            forget(output)
        raise
    metrics: dict[str, Any] = {}
    if main:
        metrics = _measure(config, task, model, sets, history, say)
        last = history.steps[-1]
        metrics["train"] = {
            "seconds": last["seconds"],
            "examples_per_second": _speed(history.steps),
            "epochs": last["epoch"],
            "steps": last["step"],
            "records": len(sets["train"]),
            "rows": rows,
        }
        task.save(output)
        write_json(output / METRICS, metrics)
        (output / STATE).unlink(missing_ok=True)  # three times as large as the model
        say(f"the checkpoint is in {output}")
    state.wait_for_everyone()
    return metrics


def _training(config: FinetuneConfig) -> TrainingConfig:
    """Return what the loop needs to know."""
    shared = {field.name for field in fields(TrainingConfig)}
    given = {name: value for name, value in asdict(config).items() if name in shared}
    if config.learning_rate is None:
        given["learning_rate"] = _rate(config.model)
    return TrainingConfig(**given)


def _open(config: FinetuneConfig) -> None:
    """Make the folder ready, or check that the run may go on in it."""
    inputs = (config.train, config.dev, config.test, config.dataset, config.model)
    open_output(
        config.output,
        program=_PROGRAM,
        command=command_line(_PROGRAM, config, positional=("task",)),
        config=asdict(config),
        may_change=("log_every", "save_every", "track", "precision"),
        inputs=[path for path in inputs if path is not None],
        files=_FILES,
        resume=config.resume,
        overwrite=config.overwrite,
    )


def _begin(config: FinetuneConfig, sets: dict[str, Dataset]) -> tuple[Task, nn.Module]:
    """Return the task with its data, and the model with a new head."""
    kind = TASKS[config.task]
    tokenizer = load_tokenizer(config.model)
    shape = read_config(config.model)
    longest = min(shape.max_position_embeddings, tokenizer.model_max_length)
    max_length = min(kind.longest, longest) if config.max_length is None else config.max_length
    if max_length > longest:
        raise ValueError(
            f"max_length is {max_length}: expected at most {longest}, the places that "
            f"{config.model} has"
        )
    settings: dict[str, Any] = {"max_length": max_length}
    if config.stride is not None:
        settings["stride"] = config.stride
    if config.task == "classification":
        settings |= {"problem": config.labels, "long": config.long}
    if config.task == "ner":
        settings["valid_only"] = config.valid_only
    task = kind(tokenizer, sets["train"], sets["dev"], **settings)
    torch.manual_seed(config.seed)
    with without_warnings():  # of a new head, which is what is wanted here
        model = getattr(bertlab, kind.model_class).from_pretrained(config.model, **task.overrides)
    if model.load_report.missing:
        raise ValueError(
            f"{config.model} lacks weights of the encoder: {', '.join(model.load_report.missing)}"
        )
    return task, model


def _rate(model: str) -> float:
    """Return a learning rate that suits the model: the narrower, the higher."""
    width = read_config(model).hidden_size
    return 5e-5 if width >= 768 else 1e-4 if width >= 384 else 5e-4


def _measure(
    config: FinetuneConfig,
    task: Task,
    model: nn.Module,
    sets: dict[str, Dataset],
    history: History,
    say: Callable[[str], object],
) -> dict[str, Any]:
    """Return the figures of the best weights, and write the predictions."""
    best = history.best(task.metric)["held_out"]
    last = "test" if "test" in sets else "dev"
    with precision(config.precision):
        answers, figures = task.examine(model, sets[last], progress_bar=say is print)

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8") as file:
            for record, answer in zip(sets[last], answers, strict=True):
                file.write(json.dumps(beside(record, answer), ensure_ascii=False) + "\n")

    write_whole(config.output / PREDICTIONS, write)
    measured = {"dev": best} | {last: figures}
    for name, one in measured.items():
        say(summary(name, task, one))
    return measured


def _speed(steps: list[dict[str, Any]]) -> float:
    """Return rows a second, evaluations not counted: the mean over the lines of the history."""
    before, total, seconds = 0, 0.0, 0.0
    for line in steps:
        count, before = line["step"] - before, line["step"]
        total += count
        seconds += count / max(line["examples_per_second"], 1e-9)
    return round(total / max(seconds, 1e-9), 1)
