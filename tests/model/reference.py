"""Random small BERTs, built twice: with bertlab and with transformers, from the same weights."""

import random
from typing import Any

import torch
import transformers

import bertlab

MODELS = {
    "BertModel": ("last_hidden_state", "pooler_output"),
    "BertForPreTraining": ("prediction_logits", "seq_relationship_logits"),
    "BertForMaskedLM": ("logits",),
    "BertForSequenceClassification": ("logits",),
    "BertForTokenClassification": ("logits",),
    "BertForQuestionAnswering": ("start_logits", "end_logits"),
}


def random_case(seed: int) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Draw the sizes of a small BERT and a padded batch of pairs for it."""
    draw = random.Random(seed)
    heads = draw.choice([1, 2, 3, 4, 6])
    width = heads * draw.choice([2, 4, 5, 8])
    length = draw.choice([1, 5, 9, 9, 16, 31])
    sizes: dict[str, Any] = {
        "vocab_size": draw.choice([11, 50, 211]),
        "hidden_size": width,
        "num_hidden_layers": draw.choice([1, 2, 3]),
        "num_attention_heads": heads,
        "intermediate_size": draw.choice([7, 2 * width, 4 * width]),
        "hidden_act": draw.choice(["gelu", "gelu", "gelu_new", "relu"]),
        "max_position_embeddings": length + draw.choice([0, 1, 20]),
        "type_vocab_size": draw.choice([2, 2, 3]),
        "layer_norm_eps": draw.choice([1e-12, 1e-5]),
        "pad_token_id": draw.choice([0, 0, 3]),
        "num_labels": draw.choice([2, 3, 7]),
        # Far larger than 0.02, so that attention isn't uniform and a wrong scale shows.
        "initializer_range": draw.choice([0.05, 0.2]),
    }
    batch = draw.choice([1, 2, 4])
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, sizes["vocab_size"], (batch, length), generator=generator)
    real = torch.ones(batch, length, dtype=torch.long)
    types = torch.zeros_like(ids)
    for row in range(batch):
        end = draw.randint(1, length)
        real[row, end:] = 0
        ids[row, end:] = sizes["pad_token_id"]
        types[row, draw.randint(0, end) : end] = 1
    if draw.random() < 0.15:
        real = torch.ones_like(real)
    return sizes, {"input_ids": ids, "attention_mask": real, "token_type_ids": types}


def random_labels(
    model: str, sizes: dict[str, Any], batch: dict[str, torch.Tensor], seed: int
) -> dict[str, torch.Tensor]:
    """Draw labels that fit the model's head, some of them -100 where that is allowed."""
    generator = torch.Generator().manual_seed(1000 + seed)
    rows, length = batch["input_ids"].shape

    def draw(classes: int, *shape: int) -> torch.Tensor:
        return torch.randint(0, classes, shape, generator=generator)

    if model == "BertModel":
        return {}
    if model == "BertForSequenceClassification":
        return {"labels": draw(sizes["num_labels"], rows)}
    if model == "BertForQuestionAnswering":  # length + 1: some answers outside of the window
        end = draw(length + 2, rows)
        end[0] = length - 1  # at least one that counts
        start = draw(length, rows)
        return {"start_positions": start, "end_positions": end}
    classes = sizes["num_labels"] if "Token" in model else sizes["vocab_size"]
    labels = draw(classes, rows, length)
    labels[torch.rand(rows, length, generator=generator) < 0.5] = -100
    labels[0, 0] = 0
    if model == "BertForPreTraining":
        return {"labels": labels, "next_sentence_label": draw(2, rows)}
    return {"labels": labels}


def twins(model: str, sizes: dict[str, Any], seed: int, **ours_only: Any) -> tuple[Any, Any]:
    """Return bertlab's and transformers' model with the same weights, in evaluation mode."""
    if model == "BertForQuestionAnswering":
        sizes = sizes | {"num_labels": 2}
    torch.manual_seed(seed)
    config = transformers.BertConfig(**sizes, attn_implementation="eager")
    theirs = getattr(transformers, model)(config).eval()
    with torch.no_grad():  # biases and LayerNorms that aren't 0 and 1, so that a lost one shows
        for parameter in theirs.parameters():
            if parameter.dim() == 1:
                parameter += 0.1 * torch.randn_like(parameter)
    ours = getattr(bertlab, model)(bertlab.BertConfig(**sizes, **ours_only)).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs
