"""What a few hundred questions teach bertlab-mini: pretrained or random weights, 10 to 100 %.

    python benchmarks/questions.py     # ten minutes of one core

Fine-tunes on 30, 150 and 300 questions of the bundled set, from both starts, two seeds each, and
writes the answers to the test questions to ``bertlab/weights/bertlab-mini/questions.json``, which
chapter 10 reads. Runs that are there already are kept. Nothing is chosen on the test set: weights
are those with the best F1 on the answerable questions of dev.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import datasets
import torch

import bertlab
from bertlab import data
from bertlab.tasks import QuestionAnswering
from bertlab.training import TrainingConfig, train
from bertlab.training.batching import EpochBatches

RESULTS = Path(bertlab.__file__).parent / "weights" / "bertlab-mini" / "questions.json"
EPOCHS = {30: 20, 150: 8, 300: 4}  # fewer questions make fewer steps an epoch
SETTINGS = {"batch_size": 8, "learning_rate": 1e-3, "evaluate_every": 1 / 4}
LENGTHS = {"max_length": 96, "stride": 24, "max_answer_length": 13}
KEPT = 0.2  # of the windows without the answer


class SampledWindows(QuestionAnswering):
    """Learns from all windows that hold the answer, and from a fifth of the others."""

    def batches(self, config: TrainingConfig) -> EpochBatches:
        """Return batches of those rows."""
        chance = random.Random(config.seed)
        rows = [
            row
            for row in self.features(list(self.train), labelled=True).rows
            if row["start_positions"] or chance.random() < KEPT
        ]
        pad = int(self.tokenizer.pad_token_id)
        return EpochBatches(rows, config.batch_size, pad, config.seed)


def run(start: str, count: int, seed: int) -> dict[str, Any]:
    """Fine-tune once; return the run's figures and its answers to the test questions."""
    sets = data.load("questions", report=lambda line: None)
    tokenizer = bertlab.load_tokenizer("bertlab-mini")
    answerable = sets["dev"].filter(lambda record: bool(record["answers"]["text"]))
    some = sets["train"].shuffle(seed=seed).select(range(count))
    task = SampledWindows(tokenizer, some, answerable, **LENGTHS)
    torch.manual_seed(seed)
    model = bertlab.BertForQuestionAnswering.from_pretrained("bertlab-mini")
    if start == "random":
        model = bertlab.BertForQuestionAnswering(model.config)
    config = TrainingConfig(epochs=EPOCHS[count], seed=seed, precision="bf16", **SETTINGS)
    history = train(model, task, config, progress_bar=False)
    predictions = task.predict(model, sets["test"])
    return {
        "start": start,
        "questions": count,
        "seed": seed,
        "epochs": EPOCHS[count],
        "steps": history.steps[-1]["step"],
        "dev_f1": [round(record["held_out"]["f1"], 2) for record in history.evaluations],
        "loss": [round(record["loss"], 3) for record in history.steps],
        "test": [[p["answer"], p["start"], round(p["null_score"], 3)] for p in predictions],
    }


def main() -> None:
    """Make the runs that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    datasets.disable_progress_bars()
    record: dict[str, Any] = {
        "command": "python benchmarks/questions.py",
        "what": "answers [text, start, null score] to the 50 test questions, after fine-tuning",
        "settings": SETTINGS | LENGTHS | {"windows_without_answer": KEPT},
        "precision": "bf16",
        "runs": [],
    }
    if RESULTS.exists():
        record["runs"] = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"]
    done = {(r["start"], r["questions"], r["seed"]) for r in record["runs"]}
    for seed in range(arguments.seeds):
        for count in sorted(EPOCHS, reverse=True):
            for start in ("pretrained", "random"):
                if (start, count, seed) in done:
                    continue
                began = time.process_time()
                one = run(start, count, seed)
                record["runs"].append(one)
                RESULTS.write_text(json.dumps(record) + "\n", encoding="utf-8")
                print(start, count, seed, one["dev_f1"], f"{time.process_time() - began:.0f} s")


if __name__ == "__main__":
    main()
