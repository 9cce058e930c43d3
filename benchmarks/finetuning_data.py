"""Make the data sets that fine-tuning is measured on, in one form, with train, dev and test.

    python benchmarks/finetuning_data.py DATA OUT         # seconds

DATA holds the sets as their authors publish them, in the folders named below; OUT receives
``SET/{train,dev,test}.jsonl``, which ``bertlab finetune`` reads, and so do the other benchmarks.

=====================================  =========================================================
classification/banking77               train.csv, test.csv; of train, item i goes to dev if
                                       i % 10 = 8
classification/sentence_polarity       rt-polarity.pos, rt-polarity.neg, a text a line (UTF-8, as
                                       NLTK gives it); item i goes to dev if i % 10 = 8, to test
                                       if 9
ner/wikigold                           wikigold.conll.txt, IOB1; the same by sentence
ner/wnut17                             wnut17train.conll, emerging.dev.conll,
                                       emerging.test.annotated, as they are
qa/squad_train_prefix                  train-v1.1.prefix.json, 12 articles: 10, 1 and 1
qa/policyqa                            dev.json, of whose documents each with i % 10 = 8 goes to
                                       dev, the others to train; test.json
=====================================  =========================================================
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bertlab.data import read_conll, read_csv, read_squad
from bertlab.data.text_files import read_lines

SPLITS = ("train", "dev", "test")
Records = list[dict[str, Any]]


def deal(records: Iterable[Mapping[str, Any]], dev: int, test: int | None = None) -> list[Records]:
    """Part records by the last digit of their number: train, dev, and test if it has a digit."""
    parts: list[Records] = [[], [], []]
    for number, record in enumerate(records):
        digit = number % 10
        parts[1 if digit == dev else 2 if digit == test else 0].append(dict(record))
    return parts


def banking77(folder: Path) -> list[Records]:
    """Questions of a bank's customers, 77 intents."""
    train, dev, _ = deal(read_csv(folder / "train.csv", label="category", report=tqdm.write), 8)
    test = read_csv(folder / "test.csv", label="category", report=tqdm.write)
    return [train, dev, list(test)]


def sentence_polarity(folder: Path) -> list[Records]:
    """Sentences of film reviews, by whether they are in favour; the favourable ones first."""
    records = [
        {"text": line.strip(), "label": label}
        for label in ("pos", "neg")
        for line in read_lines(folder / f"rt-polarity.{label}")
        if line.strip()
    ]
    return deal(records, 8, 9)


def wikigold(folder: Path) -> list[Records]:
    """Sentences of Wikipedia with persons, places, organisations and other names."""
    return deal(read_conll(folder / "wikigold.conll.txt", report=tqdm.write), 8, 9)


def wnut17(folder: Path) -> list[Records]:
    """Posts and comments with names that are new in each part."""
    files = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
    return [list(read_conll(folder / file, report=tqdm.write)) for file in files]


def squad(folder: Path) -> list[Records]:
    """Questions about Wikipedia articles: ten to learn from, one each for dev and test."""
    records = list(read_squad(folder / "train-v1.1.prefix.json", report=tqdm.write))
    titles = list(dict.fromkeys(record["title"] for record in records))
    parts = [set(titles[:10]), set(titles[10:11]), set(titles[11:12])]
    return [[record for record in records if record["title"] in part] for part in parts]


def policyqa(folder: Path) -> list[Records]:
    """Questions about privacy policies."""
    records = list(read_squad(folder / "dev.json", report=tqdm.write))
    titles = list(dict.fromkeys(record["title"] for record in records))
    held = set(titles[8::10])
    return [
        [record for record in records if record["title"] not in held],
        [record for record in records if record["title"] in held],
        list(read_squad(folder / "test.json", report=tqdm.write)),
    ]


SETS: dict[str, tuple[str, Callable[[Path], list[Records]]]] = {
    "banking77": ("classification/banking77", banking77),
    "sentence_polarity": ("classification/sentence_polarity", sentence_polarity),
    "wikigold": ("ner/wikigold", wikigold),
    "wnut17": ("ner/wnut17", wnut17),
    "squad": ("qa/squad_train_prefix", squad),
    "policyqa": ("qa/policyqa", policyqa),
}


def main() -> None:
    """Write all sets, and print what there is in each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of the published sets")
    parser.add_argument("out", type=Path, help="the folder to write to")
    arguments = parser.parse_args()
    for name, (folder, read) in tqdm(SETS.items(), desc="sets"):
        parts = read(arguments.data / folder)
        (arguments.out / name).mkdir(parents=True, exist_ok=True)
        for split, records in zip(SPLITS, parts, strict=True):
            with (arguments.out / name / f"{split}.jsonl").open("w", encoding="utf-8") as file:
                for record in records:
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
        counts = ", ".join(
            f"{len(records):,} {split}" for split, records in zip(SPLITS, parts, strict=True)
        )
        tqdm.write(f"{name}: {counts}")


if __name__ == "__main__":
    main()
