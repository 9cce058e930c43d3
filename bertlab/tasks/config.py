"""The settings of the commands finetune, evaluate and predict. Imports nothing heavy.

Fields stand in the order in which ``--help`` shows them: what goes in and out, how it is read, how
it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from bertlab.training.config import Precision, Tracker

TaskName = Literal["classification", "ner", "qa"]
Labels = Literal["single", "multi", "regression"]

# What the help shows in place of a type, and nothing in place of "(default: None)".
_FILE: Any = arg(metavar="FILE", help_behavior_hint="")
_NAME: Any = arg(metavar="NAME", help_behavior_hint="")
_COUNT: Any = arg(metavar="INT", help_behavior_hint="")
_NUMBER: Any = arg(metavar="FLOAT", help_behavior_hint="")
_FOLDER: Any = arg(metavar="DIR")
_MODEL: Any = arg(metavar="NAME|DIR")
_DATA: Any = arg(metavar="FILE")
_STREAM: Any = arg(metavar="FILE|-")
_CHARACTER: Any = arg(metavar="CHARACTER", help_behavior_hint="")
_TRACKER: Any = arg(metavar="tensorboard", help_behavior_hint="")

# Other tasks' fields have fixed names.
_COLUMNS = ("text_column", "pair_column", "label_column", "delimiter")
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class _FinetuneFiles:
    """What goes into ``bertlab finetune``, and where it writes to.

    Attributes:
        task: classification, ner (named entities) or qa (question answering).
        model: the BERT to start from: bertlab-mini, a folder, or a hub id such as
            google-bert/bert-base-cased.
        output: the folder to write to; new or empty, unless resume or overwrite is given.
        train: the file to learn from. classification: CSV, TSV or JSONL with text and label. ner:
            CoNLL columns, or JSONL with tokens and tags. qa: SQuAD's JSON, or JSONL.
        dev: the file that decides which weights are kept.
        test: the file that the best weights are measured on, once, at the end.
        dataset: instead of files: sentiment, entities or questions (they come with bertlab), a
            folder with train, dev and test in it, or a hub id.
        hold_out: without dev, keep this share of the training records in its place.
    """

    task: Positional[TaskName]
    model: Annotated[str, _MODEL]
    output: Annotated[Path, _FOLDER]
    train: Annotated[Path | None, _FILE] = None
    dev: Annotated[Path | None, _FILE] = None
    test: Annotated[Path | None, _FILE] = None
    dataset: Annotated[str | None, _NAME] = None
    hold_out: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _EvaluateFiles:
    """What goes into ``bertlab evaluate``, and where it writes to.

    Attributes:
        task: classification, ner (named entities) or qa (question answering).
        model: a fine-tuned BERT: a folder or a hub id.
        data: the file with the right answers, in the formats that finetune reads.
        output: the JSON file to write the figures to.
    """

    task: Positional[TaskName]
    model: Annotated[str, _MODEL]
    data: Annotated[Path, _DATA]
    output: Annotated[Path, _DATA]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How data files are read.

    Attributes:
        encoding: of the files.
        text_column: of classification: the column or field with the text.
        pair_column: that with the second text of a pair.
        label_column: that with the label.
        delimiter: what parts the cells of a CSV file; a comma, or a tab in .tsv, by default.
    """

    encoding: str = "utf-8"
    text_column: str = "text"
    pair_column: str = "text_pair"
    label_column: str = "label"
    delimiter: Annotated[str | None, _CHARACTER] = None


# The fields of the base class that is named last come first.
@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(Reading, _FinetuneFiles):
    """Everything that ``bertlab finetune`` can be told.

    Attributes:
        labels: of classification: single, one label a text; multi, any number of them, joined by |
            or in a JSON list; regression, a number.
        long: what happens to longer texts in classification: cut, or read in windows whose
            answers are averaged. In ner and qa they are always read in windows.
        valid_only: of ner: take the most probable of the valid sequences of tags (Viterbi), in
            training's dev scores and in all that the checkpoint is asked later.
        max_length: tokens of a row; by default 512, and 384 for qa, or what the model has. Rows
            are padded to the longest of their batch only, so short texts stay cheap.
        stride: tokens that two neighbouring windows share; by default 64, and 128 for qa.
        epochs: passes over the training data.
        batch_size: rows a batch; a text in windows has several rows.
        learning_rate: the highest, at the end of the warm-up. By default: 5e-5, as for BERT-base;
            for a BERT narrower than 768, 1e-4; below 384, as bertlab-mini is, 5e-4.
        warmup: share of the run in which the learning rate rises.
        weight_decay: of AdamW; biases and LayerNorms don't decay.
        accumulation: compute each batch in this many parts, if it doesn't fit into memory.
        precision: fp32, bf16, or auto: bf16 where this machine is good at it.
        patience: stop after so many epochs without a better score on dev; 0: never.
        seed: of the new head's weights, of dropout, and of the order of the rows.
        track: write the history for tensorboard, too.
        log_every: steps between two lines of history.jsonl; by default 50, or less in short runs.
        save_every: seconds between two checkpoints to resume from, beside those after each epoch.
        resume: go on where the run in output stopped; the result is the same to the byte.
        overwrite: delete the run that is in output.

    Raises:
        ValueError: when settings contradict each other, or one isn't for this task.
    """

    labels: Labels = "single"
    long: Literal["cut", "windows"] = "cut"
    valid_only: bool = False
    max_length: Annotated[int | None, _COUNT] = None
    stride: Annotated[int | None, _COUNT] = None
    epochs: float = 3
    batch_size: int = 16
    learning_rate: Annotated[float | None, _NUMBER] = None
    warmup: float = 0.1
    weight_decay: float = 0.01
    accumulation: int = 1
    precision: Precision = "auto"
    patience: int = 0
    seed: int = 0
    track: Annotated[Tracker | None, _TRACKER] = None
    log_every: Annotated[int | None, _COUNT] = None
    save_every: float = 300.0
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", Path(self.output).expanduser())
        _check_fits(self, self.task, (*_COLUMNS, "labels", "long"))
        files = [f"--{name}" for name in ("train", "dev", "test") if getattr(self, name)]
        if self.dataset is not None and files:
            raise ValueError(f"--dataset and {' and '.join(files)} are given: expected one of them")
        if self.dataset is None and self.train is None:
            raise ValueError("there is nothing to learn from: expected --train FILE or --dataset")
        if not 0 <= self.hold_out < 1:
            raise ValueError(f"hold_out is {self.hold_out}: expected a share from 0 to below 1")
        if self.train is not None and (self.dev is None) == (self.hold_out == 0):
            raise ValueError(
                "expected either --dev FILE or --hold-out 0.1: the records that decide which "
                "weights are kept, and that nothing is learned from"
            )
        if self.task == "classification" and self.long == "cut" and self.stride is not None:
            raise ValueError("--stride is for windows: expected --long windows beside it")
        if self.task != "ner" and self.valid_only:
            raise ValueError(f"--valid-only is for ner: expected no such option for {self.task}")
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise ValueError(f"seed is {self.seed}: expected a number from 0 to {_LARGEST_SEED}")
        if self.resume and self.overwrite:
            raise ValueError("resume and overwrite are both given: expected one of them")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Reading, _EvaluateFiles):
    """Everything that ``bertlab evaluate`` can be told.

    Attributes:
        batch_size: rows that the model reads at once.
        precision: fp32, bf16, or auto: bf16 where this machine is good at it.

    Raises:
        ValueError: when a setting is out of range, or isn't for this task.
    """

    batch_size: int = 32
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        _check_fits(self, self.task, _COLUMNS)
        _check_batch_size(self.batch_size)


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Everything that ``bertlab predict`` can be told.

    Attributes:
        task: classification, ner (named entities) or qa (question answering).
        model: a fine-tuned BERT: a folder or a hub id.
        input: a JSONL file, or - for what comes in. A line for classification: {"text": ...} and
            perhaps "text_pair"; for ner: {"text": ...} or {"tokens": [...]}; for qa:
            {"question": ..., "context": ...}.
        output: a JSONL file, or - to print: each line of the input, in the same order, and what
            the model says to it.
        batch_size: rows that the model reads at once.
        precision: fp32, bf16, or auto: bf16 where this machine is good at it.

    Raises:
        ValueError: when a setting is out of range.
    """

    task: Positional[TaskName]
    model: Annotated[str, _MODEL]
    input: Annotated[str, _STREAM] = "-"
    output: Annotated[str, _STREAM] = "-"
    batch_size: int = 32
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        _check_batch_size(self.batch_size)


def _check_fits(config: object, task: TaskName, names: tuple[str, ...]) -> None:
    """Refuse settings of classification for another task, which would do nothing."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in names
        if getattr(config, name) != getattr(type(config), name)  # its default
    ]
    if task != "classification" and given:
        raise ValueError(f"{' and '.join(given)}: for classification only, not for {task}")


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: expected a number from 1 on")
