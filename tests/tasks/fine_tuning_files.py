"""A random BERT small enough to be fine-tuned in a second, and small files of each task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

import bertlab

WHATS = ("kettle", "lamp", "chair", "radio", "spoon", "train", "novel", "garden", "bicycle", "soup")
NAMES = ("Ada Byron", "Grace Hopper", "Alan Turing", "Emmy Noether")
TOWNS = ("Paris", "London", "Vienna", "Göttingen")


def write_model(folder: Path, **changes: Any) -> Path:
    """Write a BERT with random weights and the bundled tokenizer; return the folder."""
    torch.manual_seed(0)
    tokenizer = bertlab.load_tokenizer("bertlab-mini")
    config = {"hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 128}
    tiny = bertlab.BertConfig.tiny(vocab_size=len(tokenizer), **config | changes)
    bertlab.BertModel(tiny).save_pretrained(folder)
    tokenizer.model_max_length = tiny.max_position_embeddings
    tokenizer.save_pretrained(folder)
    return folder


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def reviews(first: int = 0, count: int = 24) -> list[dict[str, Any]]:
    """Texts that say what their label is; one has the label 👍, the other "nicht gut"."""
    return [
        {
            "text": f"{'A lovely' if n % 2 else 'An awful'} {WHATS[n % 10]}, says buyer {n}.",
            "label": "👍" if n % 2 else "nicht gut",
        }
        for n in range(first, first + count)
    ]


def sentences(first: int = 0, count: int = 16) -> list[dict[str, Any]]:
    found = []
    for n in range(first, first + count):
        tokens = [*NAMES[n % 4].split(), "lived", "in", TOWNS[n // 4 % 4], f"for {n} years".split()]
        tokens = [*tokens[:-1], *tokens[-1], "."]  # type: ignore[misc]
        tags = ["B-PER", "I-PER", "O", "O", "B-LOC", "O", "O", "O", "O"]
        found.append({"tokens": tokens, "tags": tags})
    return found


def conll(records: list[dict[str, Any]]) -> str:
    parts = (zip(record["tokens"], record["tags"], strict=True) for record in records)
    return "\n".join("".join(f"{token}\t{tag}\n" for token, tag in part) for part in parts)


def questions(first: int = 0, count: int = 16) -> list[dict[str, Any]]:
    """Two questions a context; the second has no answer there."""
    found = []
    for n in range(first, first + count):
        name, town = NAMES[n // 2 % 4], TOWNS[n // 8 % 4]
        context = f"In the year {1800 + n // 2} {name} came to {town} and stayed."
        question, answer = ("Who came?", name) if n % 2 == 0 else ("What is eaten?", None)
        answers: dict[str, list[Any]] = {"text": [], "answer_start": []}
        if answer:
            answers = {"text": [answer], "answer_start": [context.index(answer)]}
        found.append({"id": f"q{n}", "context": context, "question": question, "answers": answers})
    return found


def squad(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The same as SQuAD 2.0 has it."""
    paragraphs = [
        {
            "context": record["context"],
            "qas": [
                {
                    "id": record["id"],
                    "question": record["question"],
                    "is_impossible": not record["answers"]["text"],
                    "answers": [
                        {"text": text, "answer_start": start}
                        for text, start in zip(*record["answers"].values(), strict=True)
                    ],
                }
            ],
        }
        for record in records
    ]
    return {"version": "v2.0", "data": [{"title": "People", "paragraphs": paragraphs}]}


def write_files(folder: Path) -> Path:
    """Write train, dev and test in every format that finetune reads; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, first, count in (("train", 0, 24), ("dev", 24, 8), ("test", 32, 8)):
        texts = reviews(first, count)
        write_lines(folder / f"texts-{name}.jsonl", texts)
        for suffix, tab in (("csv", ","), ("tsv", "\t")):
            rows = [f"label{tab}text", *(f'{r["label"]}{tab}"{r["text"]}"' for r in texts)]
            (folder / f"texts-{name}.{suffix}").write_text("\n".join(rows) + "\n", "utf-8")
        tagged = sentences(first, count)
        (folder / f"names-{name}.conll").write_text(conll(tagged), "utf-8")
        write_lines(folder / f"names-{name}.jsonl", tagged)
        asked = questions(first, count)
        (folder / f"questions-{name}.json").write_text(json.dumps(squad(asked)), "utf-8")
        write_lines(folder / f"questions-{name}.jsonl", asked)
    return folder
