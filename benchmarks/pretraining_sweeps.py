"""What do warm-up, learning rate, mask rate and batch size do? Short runs, one factor at a time.

    python benchmarks/pretraining_sweeps.py CORPUS...     # about 10 minutes on two cores

CORPUS is what ``bertlab pretrain --corpus`` takes. Results go to the folder of the bundled
checkpoint, where chapter 7 reads them. A run that the results have already, with the same settings,
isn't made again, so an interrupted sweep goes on where it was.

Every run starts from the same weights and is measured on the same held-out pairs with the same 15 %
of the places masked, whatever it trains on. The model is small and the runs are short: they show
what matters early on, not what is best for a long run. Two seeds of the first run show how much is
chance.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

import bertlab
from bertlab.files import write_text
from bertlab.pretraining import Corpus, PretrainingBatches, TokenisedCorpus, tokenise
from bertlab.pretraining.objective import PretrainingObjective, evaluate
from bertlab.pretraining.stages import Stage, StagedBatches
from bertlab.training import TrainingConfig, train

RESULTS = Path(bertlab.__file__).parent / "weights" / "bertlab-mini" / "sweeps.json"
POINTS = 40  # of a curve

# The run that all others differ from in one factor.
BASE: dict[str, Any] = {
    "steps": 5000,
    "learning_rate": 1e-3,
    "warmup": 0.05,
    "probability": 0.15,
    "batch_size": 16,
    "next_sentence_weight": 0.1,
    "seed": 0,
}
RUNS: dict[str, dict[str, Any]] = {
    "base": {},
    "seed 1": {"seed": 1},
    "rate 3e-4": {"learning_rate": 3e-4},
    "rate 3e-3": {"learning_rate": 3e-3},
    "no warm-up": {"warmup": 0.0},
    "rate 3e-3, no warm-up": {"learning_rate": 3e-3, "warmup": 0.0},
    "mask 0.3": {"probability": 0.3},
    "mask 0.5": {"probability": 0.5},
    "next sentence 1": {"next_sentence_weight": 1.0},
    "batch 64": {"batch_size": 64, "steps": 1250},  # as many tokens as the base
}
MODEL: dict[str, Any] = {
    "preset": "tiny",
    "num_hidden_layers": 2,
    "dropout": 0.0,
    "length": 64,
    "betas": [0.9, 0.98],
}
HELD_OUT = {"share": 0.01, "seed": 0, "probability": 0.15, "batch_size": 64, "batches": 8}


def held_out_batches(corpus: TokenisedCorpus, tokenizer: Any) -> list[dict[str, torch.Tensor]]:
    """Make the batches that all runs are judged on: masks drawn once."""
    source = PretrainingBatches(
        corpus,
        tokenizer,
        batch_size=HELD_OUT["batch_size"],
        max_length=MODEL["length"],
        probability=HELD_OUT["probability"],
    )
    return list(islice(source.epoch(0), int(HELD_OUT["batches"])))


def unigram_entropy(corpus: TokenisedCorpus) -> float:
    """Return the entropy of the pieces' frequencies in nats: the best loss without any context."""
    counts = np.bincount(corpus.ids)
    shares = counts[counts > 0] / corpus.tokens
    return float(-(shares * np.log(shares)).sum())


def thinned(records: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, list[float]]:
    """Keep up to POINTS records, the last one among them, as columns."""
    places = np.unique(np.linspace(0, len(records) - 1, min(POINTS, len(records))).round())
    kept = [records[int(place)] for place in places]
    return {name: [float(f"{record[name]:.5g}") for record in kept] for name in names}


def make_run(
    settings: dict[str, Any],
    training: TokenisedCorpus,
    held_out: list[dict[str, torch.Tensor]],
    tokenizer: Any,
    precision: str,
) -> dict[str, Any]:
    """Train one model; return its curves and its final figures on the held-out pairs."""
    torch.manual_seed(settings["seed"])
    config = getattr(bertlab.BertConfig, MODEL["preset"])(
        vocab_size=len(tokenizer),
        num_hidden_layers=MODEL["num_hidden_layers"],
        hidden_dropout_prob=MODEL["dropout"],
        attention_probs_dropout_prob=MODEL["dropout"],
        implementation="explicit",
    )
    model = bertlab.BertForPreTraining(config)
    stage = Stage(settings["batch_size"], MODEL["length"], settings["probability"], share=1.0)
    batches = StagedBatches(training, tokenizer, [stage], seed=settings["seed"])
    began = time.monotonic()
    try:
        history = train(
            model,
            batches,
            TrainingConfig(
                steps=settings["steps"],
                learning_rate=settings["learning_rate"],
                warmup=settings["warmup"],
                betas=tuple(MODEL["betas"]),
                precision=precision,  # type: ignore[arg-type]
                seed=settings["seed"],
                log_every=max(1, settings["steps"] // POINTS),
                evaluate_every=0.05,
            ),
            objective=PretrainingObjective(model, settings["next_sentence_weight"]),
            evaluate=lambda model: evaluate(model, held_out),
            progress_bar=False,
        )
    except FloatingPointError as error:
        return {"settings": settings, "failed": str(error)}
    measured = [
        record["held_out"] | {"step": record["step"], "tokens": record["tokens"]}
        for record in history.evaluations
    ]
    last = history.steps[-1]
    final = history.evaluations[-1]["held_out"]
    return {
        "settings": settings,
        "steps": last["step"],
        "tokens": last["tokens"],
        "seconds": round(time.monotonic() - began, 1),
        "training": thinned(history.steps, ("step", "tokens", "rate", "masked_lm", "norm")),
        "held_out": thinned(measured, ("step", "tokens", "masked_lm_loss")),
        "final": {name: float(f"{value:.5g}") for name, value in final.items()},
    }


def main() -> None:
    """Make the runs that the results lack, and write after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="+", help="files, folders, a hub id, or python-manual")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--tokenizer", default="bertlab-mini", help="a checkpoint's name or folder")
    parser.add_argument(
        "--cache", type=Path, default=Path("~/.cache/bertlab/corpora"), help="for the text as ids"
    )
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS), metavar="RUN")
    parser.add_argument("--steps", type=int, help="of the base run; the others in proportion")
    args = parser.parse_args()

    tokenizer = bertlab.load_tokenizer(args.tokenizer)
    # The documents that `bertlab pretrain` would hold out, with the same seed.
    kept, others = Corpus(args.corpus).hold_out(HELD_OUT["share"], seed=int(HELD_OUT["seed"]))
    training = tokenise(kept, tokenizer, cache=args.cache.expanduser())
    rest = tokenise(others, tokenizer, cache=args.cache.expanduser())
    held_out = held_out_batches(rest, tokenizer)
    print(f"{training.tokens:,} tokens to train on, {rest.tokens:,} held out", flush=True)

    results: dict[str, Any] = {"runs": {}}
    if args.output.is_file():
        results = json.loads(args.output.read_text(encoding="utf-8"))
    results |= {
        "what": "short pretraining runs that differ in one factor, on the same held-out pairs",
        "command": f"python benchmarks/{Path(__file__).name} CORPUS...",
        "corpus": {
            "sources": [Path(source).name for source in args.corpus],
            "documents": len(training),
            "tokens": training.tokens,
            "unigram_entropy": round(unigram_entropy(training), 4),
        },
        "model": MODEL | {"vocab_size": len(tokenizer)},
        "held_out": HELD_OUT,
        "machine": {
            "threads": torch.get_num_threads(),
            "precision": args.precision,
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
    }
    for name in _missing(args.only, results, args.steps):
        settings = _settings(name, args.steps)
        run = make_run(settings, training, held_out, tokenizer, args.precision)
        results["runs"][name] = run
        results["runs"] = {key: results["runs"][key] for key in RUNS if key in results["runs"]}
        text = json.dumps(results, indent=1, ensure_ascii=False)
        text = _one_line_a_list(text)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        write_text(args.output, text)
        final = run.get("final", {})
        print(
            f"{name:24}"
            + (run.get("failed") or f"{final['masked_lm_loss']:.3f} nats, {run['seconds']:.0f} s"),
            flush=True,
        )


def _settings(name: str, steps: int | None) -> dict[str, Any]:
    settings = BASE | RUNS[name]
    if steps is not None:
        settings["steps"] = max(1, settings["steps"] * steps // BASE["steps"])
    return settings


def _missing(names: list[str], results: dict[str, Any], steps: int | None) -> Iterator[str]:
    for name in names:
        if results["runs"].get(name, {}).get("settings") != _settings(name, steps):
            yield name


def _one_line_a_list(text: str) -> str:
    """Put lists of numbers on one line each, so that the file can be read and compared."""
    return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)


if __name__ == "__main__":
    sys.exit(main())
