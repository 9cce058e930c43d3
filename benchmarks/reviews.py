"""What a few hundred reviews teach bertlab-mini: pretrained or random weights, 10 to 100 %.

    python benchmarks/reviews.py     # some minutes of one core

Fine-tunes on 60, 300 and 600 reviews of the bundled set, from both starts, several seeds each, and
writes which test reviews were right to ``bertlab/weights/bertlab-mini/reviews.json``, which
chapter 8 reads. Runs that are there already are kept. Nothing is chosen on the test set: weights
are those with the best accuracy on dev.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import datasets
import torch

import bertlab
from bertlab import data
from bertlab.tasks import Classification
from bertlab.training import TrainingConfig, train

RESULTS = Path(bertlab.__file__).parent / "weights" / "bertlab-mini" / "reviews.json"
EPOCHS = {60: 12, 300: 6, 600: 4}  # fewer reviews make fewer steps an epoch
SETTINGS = {"batch_size": 16, "learning_rate": 5e-4, "precision": "bf16"}


def run(start: str, count: int, seed: int) -> dict[str, Any]:
    """Fine-tune once; return the run's figures, and 1 for each test review that was right."""
    sets = data.load("sentiment", report=str)
    tokenizer = bertlab.load_tokenizer("bertlab-mini")
    some = sets["train"].shuffle(seed=seed).select(range(count))
    task = Classification(tokenizer, some, sets["dev"])
    torch.manual_seed(seed)
    model = bertlab.BertForSequenceClassification.from_pretrained("bertlab-mini", **task.overrides)
    if start == "random":
        model = bertlab.BertForSequenceClassification(model.config)
    config = TrainingConfig(epochs=EPOCHS[count], seed=seed, **SETTINGS)
    history = train(model, task, config, progress_bar=False)
    answers = list(task.predict(model, sets["test"]))
    return {
        "start": start,
        "reviews": count,
        "seed": seed,
        "epochs": EPOCHS[count],
        "steps": history.steps[-1]["step"],
        "dev_accuracy": [round(r["held_out"]["accuracy"], 3) for r in history.evaluations],
        "loss": [round(record["loss"], 3) for record in history.steps],
        "right": [
            int(answer["label"] == label)
            for answer, label in zip(answers, sets["test"]["label"], strict=True)
        ],
    }


def main() -> None:
    """Make the runs that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    datasets.disable_progress_bars()
    record: dict[str, Any] = {
        "command": "python benchmarks/reviews.py",
        "what": "which of the 100 test reviews are labelled right after fine-tuning: 1 or 0",
        "settings": SETTINGS,
        "runs": [],
    }
    if RESULTS.exists():
        record["runs"] = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"]
    done = {(r["start"], r["reviews"], r["seed"]) for r in record["runs"]}
    for seed in range(arguments.seeds):
        for count in sorted(EPOCHS):
            for start in ("pretrained", "random"):
                if (start, count, seed) in done:
                    continue
                began = time.process_time()
                one = run(start, count, seed)
                record["runs"].append(one)
                RESULTS.write_text(json.dumps(record) + "\n", encoding="utf-8")
                seconds = time.process_time() - began
                right = sum(one["right"]) / len(one["right"])
                print(start, count, seed, f"{right:.0%}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
