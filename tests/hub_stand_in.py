"""A hub's cache with stand-ins: the files, names and shapes of the real models, but small.

The real ones are downloads of gigabytes. What a stand-in shares with them: the layout of the
cache, the files, the weights' old names (``gamma``, ``beta``; no decoder, which is tied), the size
of the vocabulary and the places of the special tokens in it, twelve heads, 512 positions. What it
lacks: width, layers, and all training.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from safetensors.torch import save_file

import bertlab

COMMIT = "5" * 40
MODELS = {"google-bert/bert-base-cased": 28_996, "google-bert/bert-base-uncased": 30_522}
SHAPE = {"hidden_size": 48, "num_hidden_layers": 3, "intermediate_size": 192}
TAGS = ["O", *(f"{b}-{kind}" for kind in ("PER", "ORG", "LOC", "MISC") for b in "BI")]


def make_hub(home: Path) -> None:
    """Fill a folder that ``HF_HOME`` can name."""
    for name, size in MODELS.items():
        make_model(home / "hub", name, size)
    entities, questions = (bertlab.data.load(s, report=str) for s in ("entities", "questions"))
    make_set(home, "eriktks/conll2003", "default", as_conll(entities))
    make_set(home, "rajpurkar/squad_v2", "squad_v2", as_squad(questions))
    lines = [
        line for row in questions["train"] for line in ("", f" = {row['id']} = ", row["context"])
    ]
    make_set(home, "Salesforce/wikitext", "wikitext-103-raw-v1", {"train": texts(lines)})


# ---------------------------------------------------------------------------------------------
# Models


def make_model(hub: Path, name: str, size: int) -> None:
    lowercase = name.endswith("uncased")
    repository = hub / f"models--{name.replace('/', '--')}"
    folder = repository / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    shape = bertlab.BertConfig.base(vocab_size=size).replace(**SHAPE)
    torch.manual_seed(0)
    bertlab.BertForPreTraining(shape).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["num_attention_heads"] == 12
    save_file(old_names(folder / "model.safetensors"), folder / "model.safetensors")
    pieces = "\n".join(vocabulary(size, lowercase)) + "\n"
    (folder / "vocab.txt").write_text(pieces, encoding="utf-8")
    settings = {"do_lower_case": lowercase, "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def old_names(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights under the names that the released checkpoints use."""
    from safetensors.torch import load_file

    renamed = {}
    for name, weight in load_file(path).items():
        if name.startswith("cls.predictions.decoder."):
            continue  # the embedding table and ``cls.predictions.bias``
        if "LayerNorm" in name:
            name = name.replace("weight", "gamma").removesuffix("bias")
            name = name if name.endswith("gamma") else name + "beta"
        renamed[name] = weight.clone()
    return renamed


def vocabulary(size: int, lowercase: bool) -> list[str]:
    """Return pieces of real words, filled up to the size, with BERT's places of special tokens."""
    special = [
        "[PAD]",
        *(f"[unused{n}]" for n in range(1, 100)),
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
    ]
    known = bertlab.load_tokenizer("bertlab-mini").get_vocab()
    learned = [p for p in sorted(known, key=known.__getitem__) if not p.startswith("[")]
    pieces = dict.fromkeys(special + [p.lower() if lowercase else p for p in learned])
    filler = (f"##{n}x" for n in range(size))
    return [*pieces, *(next(filler) for _ in range(size - len(pieces)))]


# ---------------------------------------------------------------------------------------------
# Data sets


def as_conll(entities: DatasetDict) -> dict[str, Dataset]:
    """Return the bundled sentences with the columns of CoNLL-2003's conversion."""
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TAGS))})
    splits = {"train": ("train", 120), "validation": ("dev", 40), "test": ("test", 60)}
    return {
        theirs: Dataset.from_dict(
            {
                "tokens": entities[ours]["tokens"][:size],
                "ner_tags": [
                    [TAGS.index(t) for t in tags] for tags in entities[ours]["tags"][:size]
                ],
            },
            features=features,
        )
        for theirs, (ours, size) in splits.items()
    }


def as_squad(questions: DatasetDict) -> dict[str, Dataset]:
    """Return bundled questions with the columns of SQuAD 2.0."""
    train = datasets.concatenate_datasets([questions["train"], questions["dev"]])
    return {"train": train, "validation": questions["test"]}


def texts(lines: list[str]) -> Dataset:
    return Dataset.from_dict({"text": lines})


def make_set(home: Path, name: str, configuration: str, splits: dict[str, Dataset]) -> None:
    """Write a set as ``datasets`` keeps one that was fetched: its cache serves it offline."""
    owner, short = name.split("/")
    raw, work = home / "raw" / short, home / "work" / short
    raw.mkdir(parents=True)
    files = {split: str(raw / f"{split}.parquet") for split in splits}
    for split, rows in splits.items():
        rows.to_parquet(files[split])
    datasets.load_dataset("parquet", data_files=files, cache_dir=str(work))
    (info,) = work.rglob("dataset_info.json")
    snake = datasets.naming.camelcase_to_snakecase(short)
    target = home / "datasets" / f"{owner}___{snake}" / configuration / "0.0.0" / COMMIT
    shutil.copytree(info.parent, target)
    for file in target.glob("parquet-*.arrow"):
        file.rename(file.with_name(file.name.replace("parquet-", f"{snake}-", 1)))
    told: dict[str, Any] = json.loads((target / "dataset_info.json").read_text(encoding="utf-8"))
    told |= {"builder_name": "parquet", "dataset_name": snake, "config_name": configuration}
    for split in told["splits"].values():
        split["dataset_name"] = snake
    (target / "dataset_info.json").write_text(json.dumps(told), encoding="utf-8")
