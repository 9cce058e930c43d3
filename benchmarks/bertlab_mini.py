"""What has a pretrained checkpoint learned? Its figures on held-out text, and in a task.

    python benchmarks/bertlab_mini.py MODEL CORPUS... --wikigold DIR      # about 8 minutes

MODEL is a folder that ``bertlab pretrain`` wrote, CORPUS the same sources in the same order: the
documents that the run held out are found again by the same draw. ``transformers`` opens the model
and the tokenizer; bertlab makes the pairs and masks, and counts.

Transfer is measured on wikigold (Balasuriya et al. 2009, CC BY 4.0; its IOB1 tags are converted),
cut by document into 70 % to train on, 10 % to choose with and 20 % to test on. The checkpoint and
the same shape from random weights are fine-tuned in the same way, three seeds each; each gets the
best for it of three learning rates on the 10 %. Random weights have further to go, so theirs are
higher, and they get twice the epochs. The score is the strict F1 over whole entities on the test
documents.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tqdm import tqdm

import bertlab
from bertlab.pretraining import Corpus, TokenisedCorpus, evaluate, evaluation_batches, tokenise
from bertlab.training.run import choose_bf16

RESULTS = Path(__file__).parents[1] / "results" / "bertlab_mini.json"
TARGETS = {
    "masked_lm_loss": 3.3,
    "masked_lm_accuracy": 0.37,
    "next_sentence_accuracy": 0.8,
    "gain": 12.0,
}
TYPES = ("PER", "LOC", "ORG", "MISC")
TAGS = ["O", *(f"{begin}-{kind}" for kind in TYPES for begin in "BI")]
RATES = {"pretrained": (1e-4, 3e-4, 1e-3), "random": (3e-4, 1e-3, 2e-3)}
EPOCHS = {"pretrained": 8, "random": 16}
SEEDS = (0, 1, 2)
ROWS = 16  # sentences a batch

Sentence = tuple[list[str], list[str]]  # words and their tags


# Held-out text


def measure_held_out(
    model: torch.nn.Module, held_out: TokenisedCorpus, tokenizer: Any, length: int, passes: int
) -> dict[str, Any]:
    """Return losses and accuracies with 15 % of the places masked; the pairs differ by pass."""
    batches = evaluation_batches(held_out, tokenizer, length)
    every_pass = (
        tqdm(batches.epoch(number), f"held out, {length} tokens", len(batches.plan(number)))
        for number in range(passes)
    )
    figures = evaluate(model, chain.from_iterable(every_pass))
    del figures["tokens"]
    return {name: round(figure, 4) for name, figure in figures.items()}


def measure_frequencies(
    training: TokenisedCorpus, held_out: TokenisedCorpus, tokenizer: Any
) -> dict[str, float]:
    """Return what one reaches without looking at the context, from the training text's counts."""
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)

    known, new = (
        np.bincount(corpus.ids, minlength=len(tokenizer))[ordinary]
        for corpus in (training, held_out)
    )
    known += 1  # no piece is impossible
    share = new / new.sum()
    return {
        "unigram_entropy": round(float(-(share * np.log(known / known.sum())).sum()), 4),
        "most_frequent_piece_accuracy": round(float(share[known.argmax()]), 4),
    }


# Named entities


def read_wikigold(folder: Path) -> list[list[Sentence]]:
    """Read the documents, each a list of sentences with IOB2 tags."""
    file = folder / "wikigold.conll.txt" if folder.is_dir() else folder
    documents: list[list[Sentence]] = [[]]
    words: list[str] = []
    tags: list[str] = []
    for line in [*file.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("-DOCSTART-"):
            documents.append([])
        elif line.strip():
            word, tag = line.split()
            words.append(word)
            tags.append(tag)
        elif words:
            documents[-1].append((words, to_iob2(tags)))
            words, tags = [], []
    return [document for document in documents if document]


def to_iob2(tags: Sequence[str]) -> list[str]:
    """Let each entity begin with B-; in IOB1 only one right after another of its type does."""
    before = ["O", *tags[:-1]]
    return [
        f"B-{tag[2:]}" if tag != "O" and (last == "O" or last[2:] != tag[2:]) else tag
        for last, tag in zip(before, tags, strict=True)
    ]


def entities(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Return start, end and type of each B- with the I- of its type that follow; no other I-."""
    found, start = set(), None
    for place, tag in enumerate([*tags, "O"]):
        if start is not None and tag != f"I-{tags[start][2:]}":
            found.add((start, place, tags[start][2:]))
            start = None
        if tag.startswith("B-"):
            start = place
    return found


def strict_f1(true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> float:
    """Return F1 over entities; one counts if its start, end and type are all right."""
    pairs = [(entities(a), entities(b)) for a, b in zip(true, predicted, strict=True)]
    right = sum(len(a & b) for a, b in pairs)
    return 2 * right / max(1, sum(len(a) + len(b) for a, b in pairs))


def check_the_scoring() -> None:
    """Check conversion and score on cases that were worked out by hand."""
    converted = to_iob2(["I-PER", "I-PER", "O", "I-LOC", "B-LOC", "I-ORG"])
    assert converted == ["B-PER", "I-PER", "O", "B-LOC", "B-LOC", "B-ORG"]
    true = [["B-PER", "I-PER", "O", "B-LOC"], ["B-ORG", "I-ORG", "O"]]
    # Right: PER. Wrong: LOC as ORG; ORG too short; the I- of nothing is no entity.
    predicted = [["B-PER", "I-PER", "O", "B-ORG"], ["B-ORG", "O", "I-LOC"]]
    assert entities(true[0]) == {(0, 2, "PER"), (3, 4, "LOC")}
    assert strict_f1(true, predicted) == 2 * 1 / (3 + 3)
    assert strict_f1(true, true) == 1
    assert strict_f1(true, [["O"] * 4, ["O"] * 3]) == 0


@dataclass
class Encoded:
    """A sentence as the model reads it."""

    ids: list[int]
    first: list[int]  # the place of each word's first piece; words that were cut off have none
    tags: list[str]


def encode(sentences: Sequence[Sentence], tokenizer: Any) -> list[Encoded]:
    """Cut words into pieces; the first piece of each carries its label."""
    encoded = []
    for words, tags in sentences:
        row = tokenizer(words, is_split_into_words=True, truncation=True, max_length=512)
        numbers = row.word_ids()
        first = [numbers.index(word) for word in range(len(words)) if word in numbers]
        encoded.append(Encoded(row["input_ids"], first, tags))
    return encoded


def batches(rows: Sequence[Encoded], order: random.Random | None) -> Iterator[list[Encoded]]:
    """Yield batches of like length: shuffled, or as they come."""
    noise = order or random.Random(0)
    ranked = sorted(rows, key=lambda row: len(row.ids) + (noise.random() * 4 if order else 0))
    parts = [ranked[start : start + ROWS] for start in range(0, len(ranked), ROWS)]
    if order:
        order.shuffle(parts)
    yield from parts


def collate(rows: Sequence[Encoded]) -> dict[str, torch.Tensor]:
    """Pad a batch; labels are -100 but at words' first pieces."""
    shape = (len(rows), max(len(row.ids) for row in rows))
    ids, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, -100)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        mask[number, : len(row.ids)] = 1
        kept = row.tags[: len(row.first)]
        labels[number, row.first] = torch.tensor([TAGS.index(tag) for tag in kept])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def new_model(folder: Path, kind: str, seed: int) -> torch.nn.Module:
    """Open the checkpoint with a new head, or draw the same shape at random."""
    transformers.set_seed(seed)
    settings = {
        "id2label": dict(enumerate(TAGS)),
        "label2id": {tag: number for number, tag in enumerate(TAGS)},
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "dtype": torch.float32,
    }
    auto = transformers.AutoModelForTokenClassification
    if kind == "pretrained":
        return auto.from_pretrained(folder, **settings)
    return auto.from_config(transformers.AutoConfig.from_pretrained(folder, **settings))


def fine_tune(
    model: torch.nn.Module, rows: Sequence[Encoded], rate: float, epochs: int, seed: int
) -> None:
    """AdamW, a tenth of the steps to warm up, then down to 0 in a line."""
    decaying = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decaying, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, fused=True)
    steps = epochs * -(-len(rows) // ROWS)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    order = random.Random(seed)
    bf16 = choose_bf16("auto", torch.device("cpu"))
    model.train()
    for _ in range(epochs):
        for batch in batches(rows, order):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = model(**collate(batch)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


@torch.no_grad()
def score(model: torch.nn.Module, rows: Sequence[Encoded]) -> float:
    """Return the strict F1; a word that was cut off counts as O."""
    model.eval()
    true, predicted = [], []
    for batch in batches(rows, None):
        inputs = collate(batch)
        del inputs["labels"]
        best = model(**inputs).logits.argmax(-1)  # (B, T)
        for row, choice in zip(batch, best.tolist(), strict=True):
            tags = [TAGS[choice[place]] for place in row.first]
            true.append(row.tags)
            predicted.append(tags + ["O"] * (len(row.tags) - len(tags)))
    return strict_f1(true, predicted)


def split(documents: list[list[Sentence]]) -> list[list[Sentence]]:
    """Return sentences to train on, to choose with, and to test on; no document is in two."""
    order = random.Random(0).sample(documents, len(documents))
    cuts = [0, round(0.7 * len(order)), round(0.8 * len(order)), len(order)]
    return [
        [sentence for document in order[start:end] for sentence in document]
        for start, end in pairwise(cuts)
    ]


def measure_transfer(folder: Path, wikigold: Path, tokenizer: Any) -> dict[str, Any]:
    """Fine-tune from the checkpoint and from random weights, and compare."""
    parts = split(read_wikigold(wikigold))
    train, dev, test = (encode(part, tokenizer) for part in parts)
    result: dict[str, Any] = {
        "sentences": dict(zip(("train", "dev", "test"), map(len, parts), strict=True))
    }
    bar = tqdm(total=sum(len(rates) + len(SEEDS) - 1 for rates in RATES.values()), desc="tuning")

    def run(kind: str, rate: float, seed: int) -> tuple[float, float]:
        model = new_model(folder, kind, seed)
        fine_tune(model, train, rate, EPOCHS[kind], seed)
        bar.update()
        return round(score(model, dev), 4), round(score(model, test), 4)

    for kind, rates in RATES.items():
        tried = {rate: run(kind, rate, SEEDS[0]) for rate in rates}
        best = max(tried, key=lambda rate: tried[rate][0])  # on dev; the test's score has no say
        runs = [tried[best], *(run(kind, best, seed) for seed in SEEDS[1:])]
        f1 = [on_test for _, on_test in runs]
        result[kind] = {
            "f1": f1,
            "mean": round(statistics.mean(f1), 4),
            "deviation": round(statistics.stdev(f1), 4),
            "learning_rate": best,
            "epochs": EPOCHS[kind],
            "dev_f1_by_learning_rate": {f"{rate:g}": figures[0] for rate, figures in tried.items()},
        }
    bar.close()
    result["gain"] = round(100 * (result["pretrained"]["mean"] - result["random"]["mean"]), 2)
    return result


def show(report: dict[str, Any]) -> None:
    """Print the figures beside what is required."""
    for name in ("held_out", "held_out_512"):
        if name in report:
            row = report[name]
            print(
                f"{name:13} loss {row['masked_lm_loss']:.3f}, accuracy "
                f"{row['masked_lm_accuracy']:.1%}; next sentence "
                f"{row['next_sentence_accuracy']:.1%}"
            )
    if "unigram_entropy" in report:
        print(
            f"required:     loss {TARGETS['masked_lm_loss']}, accuracy "
            f"{TARGETS['masked_lm_accuracy']:.0%}; next sentence "
            f"{TARGETS['next_sentence_accuracy']:.0%}\n"
            f"no context:   loss {report['unigram_entropy']:.3f}, accuracy "
            f"{report['most_frequent_piece_accuracy']:.1%}"
        )
    if "transfer" in report:
        wikigold = report["transfer"]["wikigold"]
        for kind in EPOCHS:
            row = wikigold[kind]
            scores = ", ".join(f"{f1:.1%}" for f1 in row["f1"])
            print(f"wikigold, {kind}: F1 {row['mean']:.1%} ({scores}) at {row['learning_rate']:g}")
        print(f"gain: {wikigold['gain']:.1f} points (required: {TARGETS['gain']:.0f})")


def draw(arguments: argparse.Namespace) -> tuple[float, int]:
    """Return share and seed of the held-out documents, as the run noted them."""
    path = arguments.model / "run.json"
    run = json.loads(path.read_text(encoding="utf-8"))["config"] if path.is_file() else {}
    share = arguments.hold_out or run.get("hold_out", 0.01)
    return share, run.get("seed", 0) if arguments.seed is None else arguments.seed


def main() -> None:
    """Measure, print, and write the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the checkpoint's folder")
    parser.add_argument("corpus", nargs="*", help="what it was pretrained on, in the same order")
    parser.add_argument("--wikigold", type=Path, metavar="DIR", help="measure transfer to this")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the figures go")
    parser.add_argument("--hold-out", type=float, help="the run's share, where run.json is missing")
    parser.add_argument("--seed", type=int, help="the run's seed, where run.json is missing")
    parser.add_argument("--passes", type=int, default=3, help="over the held-out text")
    parser.add_argument("--cache", type=Path, help="keep the tokenised text in this folder")
    arguments = parser.parse_args()
    check_the_scoring()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
    report: dict[str, Any] = {
        "command": "python benchmarks/bertlab_mini.py MODEL CORPUS... --wikigold DIR",
        "what": "a checkpoint of bertlab pretrain, opened by transformers, in float32; held-out "
        "documents with 15 % of the places masked; losses in nats; F1 strict, over entities, on "
        "test documents of wikigold (Balasuriya et al. 2009, CC BY 4.0); gain in points",
        "model": arguments.model.resolve().name,
        "versions": {
            "bertlab": bertlab.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        },
        "targets": TARGETS,
    }
    if arguments.corpus:
        model = transformers.BertForPreTraining.from_pretrained(
            arguments.model, dtype=torch.float32
        ).eval()
        rest, held = Corpus(arguments.corpus).hold_out(*draw(arguments), progress_bar=True)
        training, held_out = (tokenise(part, tokenizer, arguments.cache) for part in (rest, held))
        report["held_out_text"] = {"documents": len(held_out), "tokens": held_out.tokens}
        for name, length in (("held_out", 128), ("held_out_512", 512)):
            report[name] = measure_held_out(model, held_out, tokenizer, length, arguments.passes)
        report |= measure_frequencies(training, held_out, tokenizer)
    if arguments.wikigold:
        transfer = measure_transfer(arguments.model, arguments.wikigold, tokenizer)
        report["transfer"] = {"wikigold": transfer}
    show(report)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"written: {arguments.output.name}")


if __name__ == "__main__":
    main()
