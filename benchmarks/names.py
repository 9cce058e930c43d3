"""What some hundred sentences teach bertlab-mini of names: from which weights, and how many?

    python benchmarks/names.py     # five minutes on two cores

Fine-tunes on 45, 225 and 450 sentences of the bundled set, from both starts, three seeds each, and
writes scores, histories and the tags of the test sentences to
``bertlab/weights/bertlab-mini/names.json``, which chapter 9 reads. Runs that are there already are
kept. Nothing is chosen on the test set: weights are those with the best entity F1 on dev.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import bertlab
from bertlab import data
from bertlab.tasks import NamedEntities
from bertlab.training import TrainingConfig, train

RESULTS = Path(bertlab.__file__).parent / "weights" / "bertlab-mini" / "names.json"
EPOCHS = {45: 15, 225: 5, 450: 6}  # fewer sentences make fewer steps an epoch
SETTINGS = {"batch_size": 16, "learning_rate": 1e-3, "precision": "fp32"}


def run(start: str, count: int, seed: int) -> dict[str, Any]:
    """Fine-tune once; return the run's settings, its history, and what it says of test."""
    sets = data.load("entities", report=str)
    tokenizer = bertlab.load_tokenizer("bertlab-mini")
    labels = NamedEntities(tokenizer, sets["train"]).labels
    some = sets["train"].shuffle(seed=seed).select(range(count)) if count < 450 else sets["train"]
    task = NamedEntities(tokenizer, some, sets["dev"], labels=labels)
    torch.manual_seed(seed)
    model = bertlab.BertForTokenClassification.from_pretrained("bertlab-mini", **task.overrides)
    if start == "random":
        model = bertlab.BertForTokenClassification(model.config)
    config = TrainingConfig(epochs=EPOCHS[count], seed=seed, **SETTINGS)
    history = train(model, task, config, progress_bar=False)
    answers, figures = task.examine(model, sets["test"])
    kept = ("epoch", "step", "loss", "held_out")
    return {
        "start": start,
        "sentences": count,
        "seed": seed,
        "epochs": EPOCHS[count],
        "test_f1": round(figures["f1"], 4),
        "history": [
            {name: _short(record[name]) for name in kept if name in record} for record in history
        ],
        "tags": [" ".join(answer["tags"]) for answer in answers],
    }


def _short(value: Any) -> Any:
    """Leave the single numbers of an evaluation, and few digits."""
    if isinstance(value, dict):
        return {name: round(one, 4) for name, one in value.items() if isinstance(one, float)}
    return value


def main() -> None:
    """Make the runs that are missing, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    content: dict[str, Any] = {
        "command": "python benchmarks/names.py",
        "what": "entity F1 on the 75 test sentences, after fine-tuning; and the tags of each",
        "settings": SETTINGS,
        "runs": [],
    }
    if RESULTS.exists():
        content["runs"] = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"]
    done = {(one["start"], one["sentences"], one["seed"]) for one in content["runs"]}
    wanted = [
        (start, count, seed)
        for seed in range(seeds)
        for count in EPOCHS
        for start in ("pretrained", "random")
    ]
    for start, count, seed in tqdm([each for each in wanted if each not in done], "runs"):
        content["runs"].append(run(start, count, seed))
        text = json.dumps(content, ensure_ascii=False).replace('{"start"', '\n{"start"') + "\n"
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
