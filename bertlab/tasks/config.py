"""The settings of the commands finetune, evaluate and predict. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from bertlab.training.config import Precision, Tracker

TaskName = Literal["classification", "ner", "qa"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How data files are read.

    Attributes:
        encoding: of text files.
        labels: of classification: single, one label a text; multi, several of them joined by | or
            in a JSON list; regression, a number.
        text_column: the column or field with the text.
        pair_column: that with the second text of a pair.
        label_column: that with the label.
    """

    encoding: str = "utf-8"
    labels: Literal["single", "multi", "regression"] = "single"
    text_column: str = "text"
    pair_column: str = "text_pair"
    label_column: str = "label"


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(Reading):
    """Everything that ``bertlab finetune`` can be told.

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
        hold_out: without a dev file, keep this share of the training records in its place.
        epochs: passes over the training data.
        batch_size: rows a batch; a text in windows has several rows.
        learning_rate: the highest, at the end of the warm-up; by default 5e-5, as for BERT-base,
            1e-4 for a BERT narrower than 768, and 5e-4 below 384, as for bertlab-mini.
        warmup: share of the run in which the learning rate rises.
        weight_decay: of AdamW; biases and LayerNorms don't decay.
        accumulation: compute each batch in this many parts, if it doesn't fit into memory.
        max_length: tokens of a row; by default 512, and 384 for qa. Rows are padded to the longest
            of their batch only, so short texts stay cheap.
        stride: tokens that two neighbouring windows share; by default 64, and 128 for qa.
        long: what happens to longer texts in classification: cut, or read in windows whose
            answers are averaged. In ner and qa they are always read in windows.
        precision: fp32, bf16, or auto: bf16 where this machine is good at it.
        patience: stop after so many epochs without a better score on dev; 0: never.
        seed: of the new head's weights, of dropout, and of the order of the rows.
        track: write the history for tensorboard, too.
        log_every: steps between two lines of history.jsonl.
        save_every: seconds between two checkpoints to resume from, beside those after each epoch.
        resume: go on where the run in output stopped; the result is the same to the byte.
        overwrite: delete the run that is in output.
    """

    task: Positional[TaskName]
    model: str
    output: Path
    train: Path | None = None
    dev: Path | None = None
    test: Path | None = None
    dataset: str | None = None
    hold_out: float = 0.0
    epochs: float = 3
    batch_size: int = 16
    learning_rate: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.01
    accumulation: int = 1
    max_length: int | None = None
    stride: int | None = None
    long: Literal["cut", "windows"] = "cut"
    precision: Precision = "auto"
    patience: int = 0
    seed: int = 0
    track: Tracker | None = None
    log_every: int | None = None
    save_every: float = 300.0
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", Path(self.output).expanduser())
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
        if self.resume and self.overwrite:
            raise ValueError("resume and overwrite are both given: expected one of them")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Reading):
    """Everything that ``bertlab evaluate`` can be told.

    Attributes:
        task: classification, ner (named entities) or qa (question answering).
        model: a fine-tuned BERT: a folder or a hub id.
        data: the file with the right answers, in the formats that finetune reads.
        output: the JSON file to write the figures to.
        batch_size: rows that the model reads at once.
        precision: fp32, bf16, or auto: bf16 where this machine is good at it.
    """

    task: Positional[TaskName]
    model: str
    data: Path
    output: Path
    batch_size: int = 32
    precision: Precision = "auto"


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
    """

    task: Positional[TaskName]
    model: str
    input: str = "-"
    output: str = "-"
    batch_size: int = 32
    precision: Precision = "auto"
