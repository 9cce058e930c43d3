"""Fine-tune with ``transformers.Trainer``, as its example scripts do: what bertlab is beside.

    python benchmarks/with_trainer.py TASK --model M --data FOLDER --output FILE.json ...

This is ``run_classification.py``, ``run_ner.py`` and ``run_qa.py`` of transformers' examples
written short: ``datasets`` reads and tokenises, ``Trainer`` trains in float32 and pads each batch
to its longest row, but question answering pads to 384, as in the scripts. FOLDER holds
train.jsonl, dev.jsonl and test.jsonl as ``finetuning_data.py`` writes them. Where the scripts leave
a choice, the schedule and AdamW's settings are bertlab's. Scores are bertlab.metrics', so that both
are scored alike. FILE.json receives scores, seconds of each part, peak memory and versions.

TASK is classification, ner or qa. ``--pad-to 512`` is what many tutorials do; ``--pad-to 0`` pads
to the longest row always. ``--best`` measures on dev after each epoch and keeps the best weights;
else the last are kept, as by default.
"""

from __future__ import annotations

import time

START = time.perf_counter()  # the imports are part of what a user waits for

import argparse  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import re  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import datasets  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from bertlab import metrics  # noqa: E402

SPLITS = ("train", "dev", "test")
QA_LENGTH, QA_STRIDE, N_BEST, LONGEST_ANSWER = 384, 128, 20, 30
SECONDS: dict[str, float] = {"import": time.perf_counter() - START}
Scores = dict[str, float]


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Add the time that a block takes to a part's."""
    began = time.perf_counter()
    yield
    SECONDS[part] = SECONDS.get(part, 0.0) + time.perf_counter() - began


class Classification:
    """One label a text."""

    auto = transformers.AutoModelForSequenceClassification
    metric = "accuracy"

    def __init__(self, sets: Any, tokenizer: Any, pad_to: int | None) -> None:
        self.sets, self.tokenizer = sets, tokenizer
        self.fixed = {"padding": "max_length", "max_length": pad_to} if pad_to else {}
        self.labels = sorted(set(sets["train"]["label"]))
        self.collator = transformers.DataCollatorWithPadding(tokenizer)

    def encode(self, batch: Any) -> Any:
        """Cut texts into pieces."""
        encoded = self.tokenizer(batch["text"], truncation=True, **self.fixed)
        ids = {label: index for index, label in enumerate(self.labels)}
        encoded["labels"] = [ids.get(label, -100) for label in batch["label"]]
        return encoded

    def score(self, name: str, rows: Any, logits: Any) -> Scores:
        """Return accuracy and macro F1."""
        predicted = [self.labels[index] for index in logits.argmax(-1)]
        return numbers(metrics.classification_scores(list(self.sets[name]["label"]), predicted))


class NamedEntities:
    """A tag a word; the word's first piece has it."""

    auto = transformers.AutoModelForTokenClassification
    metric = "f1"

    def __init__(self, sets: Any, tokenizer: Any, pad_to: int | None) -> None:
        self.sets, self.tokenizer = sets, tokenizer
        self.fixed = {"padding": "max_length", "max_length": pad_to} if pad_to else {}
        self.labels = sorted({tag for tags in sets["train"]["tags"] for tag in tags})
        self.collator = transformers.DataCollatorForTokenClassification(tokenizer)

    def encode(self, batch: Any) -> Any:
        """Cut words into pieces, and label the first piece of each."""
        encoded = self.tokenizer(
            batch["tokens"], truncation=True, is_split_into_words=True, **self.fixed
        )
        ids = {tag: index for index, tag in enumerate(self.labels)}
        encoded["labels"] = []
        encoded["first"] = []  # which word begins at each place; -1 where none does
        for number, tags in enumerate(batch["tags"]):
            words = encoded.word_ids(number)
            first = [
                word if word is not None and word != before else -1
                for before, word in zip([None, *words], words, strict=False)
            ]
            encoded["labels"].append([-100 if i < 0 else ids.get(tags[i], -100) for i in first])
            encoded["first"].append(first)
        return encoded

    def score(self, name: str, rows: Any, logits: Any) -> Scores:
        """Return strict precision, recall and F1; a word that was cut off counts as O."""
        true = list(self.sets[name]["tags"])
        predicted = [["O"] * len(tags) for tags in true]
        for tags, first, best in zip(predicted, rows["first"], logits.argmax(-1), strict=True):
            for word, index in zip(first, best, strict=False):
                if word >= 0:
                    tags[word] = self.labels[index]
        accuracy = metrics.token_accuracy(true, predicted)
        return numbers(metrics.entity_scores(true, predicted)) | {"token_accuracy": accuracy}


class QuestionAnswering:
    """The first and the last piece of an answer, in windows over its context."""

    auto = transformers.AutoModelForQuestionAnswering
    metric = "f1"
    labels = None

    def __init__(self, sets: Any, tokenizer: Any, pad_to: int | None) -> None:
        self.sets, self.tokenizer = sets, tokenizer
        length = pad_to or QA_LENGTH
        self.fixed = {"max_length": length, "padding": False if pad_to == 0 else "max_length"}
        self.collator = transformers.DataCollatorWithPadding(tokenizer)

    def encode(self, batch: Any) -> Any:
        """Cut questions and contexts into pieces, and find the answers' places."""
        encoded = self.tokenizer(
            [question.lstrip() for question in batch["question"]],
            batch["context"],
            truncation="only_second",
            stride=QA_STRIDE,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            **self.fixed,
        )
        source = encoded.pop("overflow_to_sample_mapping")
        offsets = encoded.pop("offset_mapping")
        encoded["record"] = [batch["index"][i] for i in source]
        encoded["offsets"], encoded["start_positions"], encoded["end_positions"] = [], [], []
        for number, sample in enumerate(source):
            parts = encoded.sequence_ids(number)
            places = [i for i, part in enumerate(parts) if part == 1]
            first, last = self._answer(batch["answers"][sample], offsets[number], places)
            encoded["start_positions"].append(first)
            encoded["end_positions"].append(last)
            inside = set(places)
            spans = enumerate(offsets[number])
            encoded["offsets"].append([span if i in inside else (-1, -1) for i, span in spans])
        return encoded

    @staticmethod
    def _answer(answers: Any, offsets: Any, places: list[int]) -> tuple[int, int]:
        """Return the answer's first and last place in a window, or [CLS] twice."""
        if not answers["text"]:
            return 0, 0
        start = answers["answer_start"][0]
        end = start + len(answers["text"][0])
        if not places or offsets[places[0]][0] > start or offsets[places[-1]][1] < end:
            return 0, 0
        first = max(i for i in places if offsets[i][0] <= start)
        last = min(i for i in places if offsets[i][1] >= end)
        return first, last

    def score(self, name: str, rows: Any, logits: Any) -> Scores:
        """Return exact match and F1 of the best span over each question's windows."""
        records = self.sets[name]
        best = dict.fromkeys(records["id"], (-np.inf, ""))
        ids, contexts = records["id"], records["context"]
        columns = zip(rows["record"], rows["offsets"], *logits, strict=True)
        for record, offsets, starts, ends in columns:
            for first in np.argsort(-starts[: len(offsets)])[:N_BEST]:
                for last in np.argsort(-ends[: len(offsets)])[:N_BEST]:
                    if not first <= last < first + LONGEST_ANSWER:
                        continue
                    if offsets[first][0] < 0 or offsets[last][0] < 0:
                        continue  # no part of the context
                    score = starts[first] + ends[last]
                    if score > best[ids[record]][0]:
                        text = contexts[record][offsets[first][0] : offsets[last][1]]
                        best[ids[record]] = score, text
        answers = {question: text for question, (_, text) in best.items()}
        references = dict(zip(ids, (each["text"] for each in records["answers"]), strict=True))
        return numbers(metrics.squad_scores(answers, references))


TASKS = {"classification": Classification, "ner": NamedEntities, "qa": QuestionAnswering}


def numbers(scores: dict[str, Any]) -> Scores:
    """Return the figures that are single numbers."""
    return {name: value for name, value in scores.items() if isinstance(value, float)}


def peak_memory() -> float | None:
    """Return this process' peak resident memory in MiB; None where the system doesn't tell."""
    status = Path("/proc/self/status")  # ru_maxrss would count the parent's, too
    if not status.exists():
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
    return round(int(found[1]) / 1024, 1) if found else None


def training_arguments(arguments: argparse.Namespace, folder: str, metric: str) -> Any:
    """Return the hyperparameters: given ones, and bertlab's defaults."""
    best: dict[str, Any] = {"save_strategy": "no"}
    if arguments.best:
        best = {
            "eval_strategy": "epoch",
            "save_strategy": "epoch",
            "save_total_limit": 1,
            "save_only_model": True,
            "load_best_model_at_end": True,
            "metric_for_best_model": metric,
            "greater_is_better": True,
        }
    return transformers.TrainingArguments(
        output_dir=folder,
        num_train_epochs=arguments.epochs,
        max_steps=arguments.steps or -1,
        per_device_train_batch_size=arguments.batch_size,
        per_device_eval_batch_size=32,  # bertlab's; the scripts' 8 is slower
        learning_rate=arguments.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=0.1,  # a share of the run, if below 1
        weight_decay=0.01,
        adam_epsilon=1e-6,
        max_grad_norm=1.0,
        seed=arguments.seed,
        use_cpu=True,
        dataloader_pin_memory=False,  # of no use without a GPU
        report_to="none",
        disable_tqdm=arguments.quiet,
        **best,
    )


def run(arguments: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Read, tokenise, train, and measure."""
    transformers.set_seed(arguments.seed)
    with timed("load"):
        files = {name: str(arguments.data / f"{name}.jsonl") for name in SPLITS}
        sets = datasets.load_dataset("json", data_files=files)
        if arguments.task == "qa":
            sets = sets.map(lambda _, index: {"index": index}, with_indices=True)
        tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
    task = TASKS[arguments.task](sets, tokenizer, arguments.pad_to)
    with timed("tokenise"):
        columns = sets["train"].column_names
        rows = sets.map(task.encode, batched=True, remove_columns=columns)
    with timed("load"):
        names = dict(enumerate(task.labels)) if task.labels else {}
        ids = {label: index for index, label in names.items()}
        labels: dict[str, Any] = {"id2label": names, "label2id": ids} if names else {}
        model = task.auto.from_pretrained(arguments.model, dtype=torch.float32, **labels)

    def scorer(name: str) -> Callable[[Any], Scores]:
        return lambda outcome: task.score(name, rows[name], outcome.predictions)

    trainer = transformers.Trainer(
        model=model,
        args=training_arguments(arguments, folder, task.metric),
        data_collator=task.collator,
        train_dataset=rows["train"],
        eval_dataset=rows["dev"],
        processing_class=tokenizer,
        compute_metrics=scorer("dev"),
    )
    with timed("train"):
        steps = trainer.train().global_step
    with timed("save"):
        trainer.save_model(folder)
    report: dict[str, Any] = {"steps": steps, "rows": len(rows["train"])}
    if not arguments.no_scores:
        with timed("evaluate"):
            for name in SPLITS[1:]:
                trainer.compute_metrics = scorer(name)
                found = trainer.predict(rows[name], metric_key_prefix=name).metrics
                report[name] = {
                    key.removeprefix(f"{name}_"): round(value, 6)
                    for key, value in found.items()
                    if not re.search("runtime|per_second|preparation", key)
                }
    if arguments.best:
        report["dev_by_epoch"] = [
            round(line[f"eval_{task.metric}"], 6)
            for line in trainer.state.log_history
            if f"eval_{task.metric}" in line
        ]
    return report


def main() -> None:
    """Fine-tune, measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--model", required=True, help="a checkpoint's folder or hub id")
    parser.add_argument("--data", type=Path, required=True, help="folder of the three files")
    parser.add_argument("--output", type=Path, required=True, help="where the figures go")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--steps", type=int, help="stop after so many")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--best", action="store_true", help="keep the weights best on dev")
    parser.add_argument(
        "--pad-to", type=int, help="pad all rows to this; 0: to the batch's longest"
    )
    parser.add_argument("--no-scores", action="store_true", help="train only")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    arguments = parser.parse_args()
    if arguments.quiet:
        datasets.disable_progress_bars()
        transformers.logging.disable_progress_bar()
        transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        report = run(arguments, folder)
    SECONDS["whole"] = time.perf_counter() - START
    report |= {
        "seconds": {part: round(seconds, 2) for part, seconds in SECONDS.items()},
        "peak_mib": peak_memory(),
        "threads": torch.get_num_threads(),
        "versions": {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "datasets": datasets.__version__,
            "python": platform.python_version(),
        },
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    shown = {name: report[name] for name in SPLITS[1:] if name in report}
    print(json.dumps(shown | {"seconds": report["seconds"]}))


if __name__ == "__main__":
    main()
