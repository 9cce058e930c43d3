"""Train a small classifier in as many processes as the launcher has started; see the test."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from datasets import Dataset
from safetensors.torch import save_file

import bertlab
from bertlab.tasks import Classification
from bertlab.training import TrainingConfig, train

PLACES = ["river", "lake", "sea", "mountain", "valley", "city", "village"]
TEXTS = [f"the {a} by the {b} " * (1 + n) for n, a in enumerate(PLACES) for b in PLACES]


def main(folder: Path) -> None:
    """Write history.jsonl, and the best weights as they are saved and as they are left."""
    records = [
        {"text": text, "label": "water" if text.split()[1] in PLACES[:3] else "land"}
        for text in TEXTS
    ]
    tokenizer = bertlab.load_tokenizer("bertlab-mini")
    task = Classification(tokenizer, Dataset.from_list(records), Dataset.from_list(records[::3]))
    torch.manual_seed(0)
    config = bertlab.BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        initializer_range=0.2, **task.overrides,
    )  # fmt: skip
    model = bertlab.BertForSequenceClassification(config)
    train(
        model,
        task,
        TrainingConfig(epochs=10, batch_size=5, learning_rate=5e-3, precision="fp32", patience=2),
        output=folder,
        save_model=lambda best: save_file(best.state_dict(), folder / "saved.safetensors"),
        progress_bar=False,
    )
    rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
    save_file(model.state_dict(), folder / f"left{rank}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
