"""Does ``bertlab finetune`` reach the scores of ``transformers.Trainer`` on real data?

    python benchmarks/finetuning_data.py DATA OUT
    python benchmarks/finetuning.py OUT --model bertlab-mini --model MINILM     # hours on two cores

OUT is the folder with the sets in one form, MINILM that of all-MiniLM-L6-v2. For each set, model
and seed, the command ``bertlab finetune`` and ``with_trainer.py --best`` train with the same
hyperparameters, those in SETTINGS, and keep the weights that are best on dev; the score is on test.
Trainer pads to the longest row of a batch everywhere, which changes its speed, not its scores.
Beside each classification stand two baselines without fine-tuning: TF-IDF over words and pairs of
words, and the model's frozen features, the mean over a text's tokens, each with a logistic
regression whose C is the best of five on dev.

The results file is written after every run, and runs that it has are skipped: a killed command
goes on where it was. ``--only`` parts the work between several; they share the file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

RESULTS = Path(__file__).parents[1] / "results" / "finetuning.json"
TRAINER = Path(__file__).with_name("with_trainer.py")
SPLITS = ("train", "dev", "test")
MINI, OTHER = "bertlab-mini", "MiniLM"
BATCH_SIZE = 16
# Of each set: task, deciding figure, and epochs and learning rate of each model.
SETTINGS: dict[str, dict[str, Any]] = {
    "wikigold": {"task": "ner", "metric": "f1", MINI: (8, 1e-3), OTHER: (8, 3e-4)},
    "wnut17": {"task": "ner", "metric": "f1", MINI: (5, 1e-3), OTHER: (5, 3e-4)},
    "banking77": {
        "task": "classification",
        "metric": "accuracy",
        MINI: (10, 5e-4),
        OTHER: (8, 3e-4),
    },
    "sentence_polarity": {
        "task": "classification",
        "metric": "accuracy",
        MINI: (3, 3e-4),
        OTHER: (3, 1e-4),
    },
    "squad": {"task": "qa", "metric": "f1", MINI: (4, 3e-4), OTHER: (2, 2e-4)},
    "policyqa": {"task": "qa", "metric": "f1", MINI: (4, 3e-4), OTHER: (3, 2e-4)},
}
PROGRAMS = ("bertlab", "trainer", "frozen", "tfidf")
REGULARISATION = (0.1, 1.0, 10.0, 100.0, 1000.0)  # values of C
WITHIN_POINTS = 1.0

Figures = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One thing to measure: a program, on a set, with a model from a seed."""

    set: str
    program: str
    model: str | None
    seed: int | None
    precision: str | None

    @property
    def key(self) -> Figures:
        """Return what tells this run from others; a change of settings makes it another."""
        key: Figures = {"set": self.set, "program": self.program, "model": self.model}
        if self.seed is not None:
            epochs, rate = SETTINGS[self.set][self.model]
            key |= {
                "seed": self.seed,
                "epochs": epochs,
                "learning_rate": rate,
                "batch_size": BATCH_SIZE,
                "precision": self.precision if self.program == "bertlab" else "fp32",
            }
        return key


def plan(arguments: argparse.Namespace) -> Iterator[Run]:
    """Yield all runs: every set with one seed, then with the next."""
    models = [kind(model) for model in arguments.model]
    for number, seed in enumerate(arguments.seeds):
        for name in arguments.sets:
            if number == 0 and SETTINGS[name]["task"] == "classification":
                yield Run(name, "tfidf", None, None, None)
                yield from (Run(name, "frozen", model, None, None) for model in models)
            for model in models:
                for program in PROGRAMS[:2]:
                    yield Run(name, program, model, seed, arguments.precision)


def kind(model: str) -> str:
    """Return which column of SETTINGS is a model's."""
    return MINI if Path(model).name == MINI else OTHER


def folder_of(model: str) -> str:
    """Return the folder of a checkpoint, for programs that don't know bertlab's own by name."""
    from bertlab.hub import find_folder

    return str(find_folder(model) or model)


def finetune(run: Run, model: str, data: Path, threads: int) -> Figures:
    """Fine-tune in a process of its own, and return its figures."""
    epochs, rate = SETTINGS[run.set][run.model]
    task = SETTINGS[run.set]["task"]
    common: list[Any] = ["--epochs", epochs, "--learning-rate", rate, "--batch-size", BATCH_SIZE]
    common += ["--seed", run.seed]
    with tempfile.TemporaryDirectory() as folder:
        command: list[Any]
        if run.program == "bertlab":
            files = [word for name in SPLITS for word in (f"--{name}", data / f"{name}.jsonl")]
            command = ["-m", "bertlab.cli", "finetune", task, "--model", model, *files]
            command += ["--output", f"{folder}/run", "--precision", run.precision, *common]
            report = Path(folder) / "run" / "metrics.json"
        else:
            report = Path(folder) / "report.json"
            command = [TRAINER, task, "--model", folder_of(model), "--data", data]
            command += ["--output", report, "--best", "--pad-to", 0, "--quiet", *common]
        seconds = call(command, folder, threads)
        found = json.loads(report.read_text(encoding="utf-8"))
    figures = {split: single_numbers(found[split]) for split in SPLITS[1:]}
    return figures | {"seconds": seconds}


def call(command: Sequence[Any], folder: str, threads: int) -> float:
    """Run a Python program quietly, and return its seconds."""
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        "ACCELERATE_USE_CPU": "true",
        "TQDM_DISABLE": "1",
        "HF_DATASETS_CACHE": folder,  # nothing is left from a run before
    }
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return round(time.perf_counter() - began, 1)


def single_numbers(scores: Figures) -> dict[str, float]:
    """Return the figures that are single numbers."""
    return {name: round(value, 6) for name, value in scores.items() if isinstance(value, float)}


def read(data: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Return texts and labels of each part."""
    from bertlab.data import read_jsonl

    parts = {}
    for split in SPLITS:
        rows = read_jsonl(data / f"{split}.jsonl", "classification", report=lambda line: None)
        parts[split] = list(rows["text"]), list(rows["label"])
    return parts


def tfidf(data: Path) -> Figures:
    """Measure a logistic regression on weighted counts of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    parts = read(data)
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]"
    )
    vectorizer.fit(parts["train"][0])
    return regress(parts, vectorizer.transform)


def frozen(data: Path, model: str) -> Figures:
    """Measure a logistic regression on the mean of a text's last hidden states."""
    import numpy as np
    import torch

    import bertlab
    from bertlab.training.batching import by_length, pad

    tokenizer = bertlab.load_tokenizer(model)
    network = bertlab.BertModel.from_pretrained(model).eval()

    def features(texts: list[str]) -> Any:
        encoded = tokenizer(texts, truncation=True, return_token_type_ids=True)
        rows = [
            {"input_ids": np.array(ids), "token_type_ids": np.array(types)}
            for ids, types in zip(encoded["input_ids"], encoded["token_type_ids"], strict=True)
        ]
        means = np.empty((len(rows), network.config.hidden_size), dtype=np.float32)
        with torch.inference_mode():
            for chosen in by_length(rows, 32):
                batch = pad([rows[index] for index in chosen], int(tokenizer.pad_token_id))
                hidden = network(**batch).last_hidden_state  # (B, T, D)
                mask = batch["attention_mask"][:, :, None]
                means[chosen] = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
        return means

    return regress(read(data), features, scale=True)


def regress(
    parts: dict[str, tuple[list[str], list[str]]],
    features: Callable[[list[str]], Any],
    scale: bool = False,
) -> Figures:
    """Fit a logistic regression; dev chooses C."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from bertlab.metrics import classification_scores

    began = time.perf_counter()
    tables = {split: features(texts) for split, (texts, _) in parts.items()}
    tried = []
    for c in REGULARISATION:
        model = LogisticRegression(C=c, max_iter=1000)
        fitted = make_pipeline(StandardScaler(), model) if scale else model
        fitted.fit(tables["train"], parts["train"][1])
        figures = {
            split: single_numbers(
                classification_scores(parts[split][1], fitted.predict(tables[split]).tolist())
            )
            for split in SPLITS[1:]
        }
        tried.append(figures | {"C": c})
    best = max(tried, key=lambda figures: figures["dev"]["accuracy"])
    return best | {"seconds": round(time.perf_counter() - began, 1)}


def measure(run: Run, arguments: argparse.Namespace) -> Figures:
    """Do a run."""
    data = arguments.data / run.set
    if run.program == "tfidf":
        return tfidf(data)
    model = next(model for model in arguments.model if kind(model) == run.model)
    if run.program == "frozen":
        return frozen(data, model)
    return finetune(run, model, data, arguments.threads)


def summarise(runs: Sequence[Figures]) -> list[Figures]:
    """Compare the means of the two programs for each set and model, in points."""
    rows = []
    for name, setting in SETTINGS.items():
        factor = 1 if setting["task"] == "qa" else 100  # SQuAD's figures are in per cent
        for model in (MINI, OTHER):
            row: Figures = {"set": name, "model": model, "metric": setting["metric"]}
            epochs, rate = setting[model]
            row |= {"epochs": epochs, "learning_rate": rate, "batch_size": BATCH_SIZE}
            for program in PROGRAMS[:2]:
                by_seed = {  # of runs that differ in precision, the last
                    run["seed"]: factor * run["test"][setting["metric"]]
                    for run in runs
                    if (run["set"], run["model"], run["program"]) == (name, model, program)
                    and (run["epochs"], run["learning_rate"]) == (epochs, rate)
                }
                scores = [by_seed[seed] for seed in sorted(by_seed)]
                if scores:
                    row[program] = {
                        "scores": [round(score, 2) for score in scores],
                        "mean": round(statistics.mean(scores), 2),
                        "deviation": round(statistics.stdev(scores), 2) if scores[1:] else None,
                    }
            for program, of in (("frozen", model), ("tfidf", None)):
                for run in runs:
                    if (run["set"], run["model"], run["program"]) == (name, of, program):
                        row[program] = round(factor * run["test"][setting["metric"]], 2)
            if "bertlab" in row and "trainer" in row:
                row |= compare(row["bertlab"], row["trainer"])
            if "bertlab" in row or "trainer" in row:
                rows.append(row)
    return rows


def compare(ours: Figures, theirs: Figures) -> Figures:
    """Say whether two means differ by less than a point, or a standard deviation (pooled)."""
    difference = ours["mean"] - theirs["mean"]
    deviations = [row["deviation"] for row in (ours, theirs) if row["deviation"] is not None]
    pooled = statistics.mean(each**2 for each in deviations) ** 0.5 if deviations else 0.0
    return {
        "difference": round(difference, 2),
        "pooled_deviation": round(pooled, 2),
        "same": abs(difference) <= max(WITHIN_POINTS, pooled),
    }


def mean_and_deviation(figures: Figures | None) -> str:
    """Return both as text, or what there is of them."""
    if figures is None:
        return ""
    deviation = figures["deviation"]
    return f"{figures['mean']:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")


def show(rows: Sequence[Figures]) -> None:
    """Print the comparison."""
    print(f"{'':18}{'':14}{'bertlab':>14}{'Trainer':>14}{'difference':>12}")
    for row in rows:
        cells = ""
        for program in PROGRAMS[:2]:
            cells += f"{mean_and_deviation(row.get(program)):>14}"
        if "difference" in row:
            cells += f"{row['difference']:+12.2f}  {'same' if row['same'] else 'NOT THE SAME'}"
        others = [f"{name} {row[name]:.2f}" for name in PROGRAMS[2:] if name in row]
        print(f"{row['set']:18}{row['model']:14}{cells}  {', '.join(others)}")


def count(data: Path) -> dict[str, dict[str, int]]:
    """Return how many records each part of each set has."""
    counts = {}
    for name in SETTINGS:
        if (data / name).is_dir():
            counts[name] = {
                split: len((data / name / f"{split}.jsonl").read_bytes().splitlines())
                for split in SPLITS
            }
    return counts


def load(path: Path) -> list[Figures]:
    """Return the runs that a results file has."""
    if not path.is_file():
        return []
    return list(json.loads(path.read_text(encoding="utf-8"))["runs"])


def write(arguments: argparse.Namespace, runs: Sequence[Figures]) -> None:
    """Write the results file, whole."""
    import torch
    import transformers

    import bertlab
    from bertlab.training import TrainingConfig

    training = TrainingConfig(epochs=1)  # its defaults are finetune's, and with_trainer's
    report = {
        "command": "python benchmarks/finetuning.py DATA --model bertlab-mini --model MINILM",
        "what": "scores on test, in points, of bertlab finetune and of transformers.Trainer with "
        "the same hyperparameters; the weights that were best on dev; means and standard "
        "deviations over seeds; the same if the means differ by at most one pooled standard "
        "deviation or one point",
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": arguments.threads,
        },
        "versions": {
            "bertlab": bertlab.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        },
        "hyperparameters": {
            "AdamW's weight decay": training.weight_decay,
            "epsilon": training.eps,
            "warm-up, as a share of the steps,": training.warmup,
            "largest norm of the gradient": training.clip,
        },
        "sets": count(arguments.data),
        "summary": summarise(runs),
        "runs": list(runs),
    }
    path = arguments.output
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)


def main() -> None:
    """Do the runs that are missing, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="what finetuning_data.py wrote")
    parser.add_argument(
        "--model", action="append", help="bertlab-mini (the default), and the folder of MiniLM"
    )
    parser.add_argument("--sets", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the figures go")
    arguments = parser.parse_args()
    arguments.model = arguments.model or [MINI]
    if len({kind(model) for model in arguments.model}) < len(arguments.model):
        parser.error("expected bertlab-mini and one other model at most")

    def is_there(run: Run) -> bool:
        return any(run.key.items() <= known.items() for known in load(arguments.output))

    runs = [run for run in plan(arguments) if run.program in arguments.only]
    bar = tqdm([run for run in runs if not is_there(run)], desc="runs")
    for run in bar:
        words = (run.set, run.program, run.model or "", "" if run.seed is None else run.seed)
        bar.set_postfix_str(" ".join(map(str, words)).strip())
        figures = run.key | measure(run, arguments)
        write(arguments, [*load(arguments.output), figures])
    show(summarise(load(arguments.output)))


if __name__ == "__main__":
    main()
