"""Put a finished run into the package as the bundled checkpoint, with its card.

    python benchmarks/bundle_mini.py RUN SOURCES.tsv

RUN is the folder that ``bertlab pretrain`` wrote. Weights become float16 (half the size; they open
as float32). ``results/bertlab_mini.json``, which ``benchmarks/bertlab_mini.py`` wrote, gives the
figures, and SOURCES.tsv the texts with their licences; every number of the card comes from these
files and from the run's own.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from bertlab import BertForPreTraining, load_tokenizer
from bertlab.pretraining import Stage
from bertlab.training import History

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "bertlab/weights/bertlab-mini"
MEASURED = ROOT / "results/bertlab_mini.json"

CARD = """\
---
language: en
license: cc0-1.0
library_name: transformers
pipeline_tag: fill-mask
---

# bertlab-mini

A small BERT for teaching: {layers} layers of width {width}, {heads} attention heads, feed-forward
width {inner}, {positions} positions, a cased WordPiece vocabulary of {vocabulary:,} pieces,
{parameters:,} parameters, with both pretraining heads. It comes with the package `bertlab`, opens
with `bertlab` and with `transformers`, and runs on any laptop. The weights are CC0.

## How it was made

```
{command}
```

in the folder of the texts below. {steps:,} updates on {tokens:,} tokens ({epochs:.1f} passes over
the {corpus_tokens:,} tokens of training text), {hours:.1f} hours on {cores} CPU cores
({tokens_per_second:,} tokens a second, shared with other work at times), no GPU. PyTorch {torch}.
{note}

Settings (`run.json` has them all): AdamW, learning rate {rate:g}, betas 0.9 and 0.98, weight decay
{decay:g}, warm-up over {warmup:.0%} of the run, then linear decay to 0, gradients clipped to norm
{clip:g}, no dropout in pretraining (`config.json` says 0.1, for fine-tuning), bfloat16 matrix
products. The loss is the masked-LM loss plus {weight:g} times the next-sentence loss. Stages:

{stages}

`history.jsonl` has the curves. Chapter 7 of the book draws them.

## How good it is

Measured on {held_documents} documents that neither the vocabulary nor the training saw
({held_tokens:,} tokens, {share:.1%} of the text), rows of 128 tokens, 15 % of the places masked,
in float32:

| | |
| --- | --- |
| masked-LM loss | {mlm_loss:.3f} nats (a model without context: {unigram:.2f}) |
| masked-LM accuracy | {mlm_accuracy:.1%} of {places:,} places |
| next-sentence accuracy | {nsp_accuracy:.1%} of {pairs:,} pairs |
| masked-LM loss, rows of 512 | {long_loss:.3f} nats |
| masked-LM accuracy, rows of 512 | {long_accuracy:.1%} |
| next-sentence accuracy, rows of 512 | {long_nsp:.1%} |
| entity F1 on wikigold, fine-tuned, three seeds | {f1} |
| the same from random weights | {f1_random} |

(wikigold: Balasuriya et al. 2009, CC BY 4.0.)

`python benchmarks/bertlab_mini.py` measures it.

## What it is not good for

It is a twentieth of BERT-base in size and has read far less. It knows few facts, and its English is
that of its texts: older non-fiction and some fiction, and present-day
government and technical prose. The older works contain dated and offensive language and views, and
the model has learned from them. Use it to learn, to test code, and as a quick starting point for
fine-tuning on simple tasks; not to decide anything about people.

## The texts

CC BY texts are used under their licences; thanks to their authors. Texts by Standard Ebooks are
their editions of books in the public domain (in the United States).

| text | source | commit | licence |
| --- | --- | --- | --- |
{texts}
"""


def main() -> None:
    """Write the folder of the bundled checkpoint."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("sources", type=Path, help="tab-separated: file, repository, commit, ...")
    parser.add_argument("--note", default="", help="a sentence for the card: what differed")
    arguments = parser.parse_args()
    run, measured = _read(arguments.run / "run.json"), _read(MEASURED)
    metrics = _read(arguments.run / "metrics.json") | {
        name: measured[name]
        for name in ("held_out", "held_out_512", "unigram_entropy", "transfer")
        if name in measured
    }

    TARGET.mkdir(parents=True, exist_ok=True)
    model = BertForPreTraining.from_pretrained(arguments.run)
    model.save_pretrained(TARGET, dtype=torch.float16)
    load_tokenizer(arguments.run).save_pretrained(TARGET)
    shutil.copy(arguments.run / "run.json", TARGET)
    History.read(arguments.run).write(TARGET)
    (TARGET / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    card = _card(model, run, metrics, arguments.sources, arguments.note)
    (TARGET / "README.md").write_text(card, encoding="utf-8")
    for path in sorted(TARGET.iterdir()):
        print(f"{path.stat().st_size:>12,} {path.name}")


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _card(
    model: BertForPreTraining,
    run: dict[str, Any],
    metrics: dict[str, Any],
    sources: Path,
    note: str,
) -> str:
    with sources.open(encoding="utf-8", newline="") as file:
        texts = list(csv.DictReader(file, delimiter="\t"))
    shape, config, train = model.config, run["config"], metrics["train"]
    held, long = metrics["held_out"], metrics["held_out_512"]
    wikigold = metrics["transfer"]["wikigold"]
    corpus = run["corpus"]
    return CARD.format(
        layers=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
        inner=shape.intermediate_size,
        positions=shape.max_position_embeddings,
        vocabulary=shape.vocab_size,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        command=run["command"],
        steps=train["steps"],
        tokens=train["tokens"],
        epochs=train["tokens"] / corpus["tokens"],
        corpus_tokens=corpus["tokens"],
        hours=train["seconds"] / 3600,
        cores=run["machine"]["cores"],
        tokens_per_second=train["tokens_per_second"],
        torch=run["versions"]["torch"],
        note=note,
        rate=config["learning_rate"],
        decay=config["weight_decay"],
        warmup=config["warmup"],
        clip=config["clip"],
        weight=config["next_sentence_weight"],
        stages="\n".join(f"- {_stage(text)}" for text in config["stages"]),
        held_documents=corpus["held_out_documents"],
        held_tokens=corpus["held_out_tokens"],
        share=corpus["held_out_tokens"] / (corpus["tokens"] + corpus["held_out_tokens"]),
        mlm_loss=held["masked_lm_loss"],
        mlm_accuracy=held["masked_lm_accuracy"],
        places=held["masked_places"],
        nsp_accuracy=held["next_sentence_accuracy"],
        pairs=held["pairs"],
        unigram=metrics["unigram_entropy"],
        long_loss=long["masked_lm_loss"],
        long_accuracy=long["masked_lm_accuracy"],
        long_nsp=long["next_sentence_accuracy"],
        f1=_mean_and_deviation(wikigold["pretrained"]["f1"]),
        f1_random=_mean_and_deviation(wikigold["random"]["f1"]),
        texts="\n".join(_text(row) for row in texts),
    )


def _stage(text: str) -> str:
    stage = Stage.parse(text)
    return (
        f"{stage.share:.0%} of the time: batches of {stage.batch_size} rows of {stage.length} "
        f"tokens, {stage.probability:.0%} masked"
    )


def _mean_and_deviation(values: list[float]) -> str:
    tensor = torch.tensor(values) * 100
    return f"{tensor.mean():.1f} ± {tensor.std():.1f}"


def _text(row: dict[str, str]) -> str:
    name = Path(row["file"]).stem
    if row["file"].startswith("standardebooks/"):  # author_title, perhaps with a translator
        name = name.split("_")[1]
    words = name.replace("-", " ").replace("_", " ")
    commits = ", ".join(commit.strip()[:10] for commit in row["commit"].split(";"))
    cells = (f"{row['author']}: {words}", row["repository"], commits, row["licence"])
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
