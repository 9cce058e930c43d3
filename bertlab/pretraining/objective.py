"""What pretraining minimises, and how well a model does on text that was held out.

Dimensions: ``B`` batch, ``T`` tokens, ``K`` masked places, ``D`` width, ``V`` vocabulary.
Source: Devlin et al. 2019, appendix A.2; ``get_masked_lm_output`` and ``get_next_sentence_output``
in the released ``run_pretraining.py``; chapters 5 to 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bertlab.model.heads import IGNORED
from bertlab.training import Objective


class PretrainingObjective(Objective):
    """Masked words and next sentences: the sum of both mean cross-entropies.

    The head's product with the vocabulary is the dearest in a small model, so it is computed at
    masked places only (``gather_indexes`` in the released code); the loss is the same.

    Args:
        model: ``BertForPreTraining``, ours or transformers'.
        next_sentence_weight: how much next sentences count in the sum; 1 in the paper. In small
            batches their gradient can be several times as long as that of the masked words.
    """

    def __init__(self, model: nn.Module, next_sentence_weight: float = 1.0) -> None:
        super().__init__(model)
        self.next_sentence_weight = next_sentence_weight

    def counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        """Return the number of masked places and of pairs."""
        return {
            "masked_lm": int((batch["labels"] != IGNORED).sum()),
            "next_sentence": len(batch["next_sentence_label"]),
        }

    def prepare(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add ``places`` ``(K,)``, which of the ``B · T`` places are masked."""
        return batch | {"places": masked_places(batch["labels"])}

    def forward(self, batch: dict[str, Tensor], totals: Mapping[str, float]) -> dict[str, Tensor]:
        """Return ``loss`` and its two parts, as shares of means over ``totals``."""
        masked, relationship, truth = predictions(self.model, batch)
        masked_lm = F.cross_entropy(masked, truth, reduction="sum") / max(totals["masked_lm"], 1)
        next_sentence = (
            F.cross_entropy(relationship, batch["next_sentence_label"], reduction="sum")
            / totals["next_sentence"]
        )
        return {
            "loss": masked_lm + self.next_sentence_weight * next_sentence,
            "masked_lm": masked_lm,
            "next_sentence": next_sentence,
        }


def masked_places(labels: Tensor) -> Tensor:
    """Return which of the ``B · T`` places have a label: ``(K,)``."""
    return (labels.flatten() != IGNORED).nonzero().squeeze(1)


def predictions(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return masked places' logits ``(K, V)``, next-sentence logits ``(B, 2)``, true ids ``(K,)``.

    Args:
        model: ``BertForPreTraining``, ours or transformers'.
        batch: as ``PretrainingBatches`` makes them; with ``places``, no GPU is waited for.
    """
    encoded: Any = model.bert(  # type: ignore[operator]
        batch["input_ids"],
        attention_mask=batch["attention_mask"],
        token_type_ids=batch["token_type_ids"],
    )
    labels = batch["labels"].flatten()  # (B, T) -> (B · T,)
    places = batch["places"] if "places" in batch else masked_places(labels)  # (K,)
    hidden = encoded.last_hidden_state.flatten(0, 1)[places]  # (B, T, D) -> (K, D)
    heads: Any = model.cls
    masked = heads.predictions(hidden)
    return masked, heads.seq_relationship(encoded.pooler_output), labels[places]


@torch.no_grad()
def evaluate(model: nn.Module, batches: Iterable[dict[str, Tensor]]) -> dict[str, Any]:
    """Measure both objectives over batches; the model should be in evaluation mode.

    Returns:
        ``masked_lm_loss`` in nats and ``masked_lm_accuracy`` over all masked places,
        ``next_sentence_loss`` and ``next_sentence_accuracy`` over all pairs; ``masked_places``,
        ``pairs`` and ``tokens`` say over how many.
    """
    device = next(model.parameters()).device
    sums = torch.zeros(4, dtype=torch.float64)
    places = pairs = tokens = 0
    for batch in batches:
        tokens += int(batch["attention_mask"].sum())
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        masked, relationship, truth = predictions(model, batch)
        label = batch["next_sentence_label"]
        sums += torch.stack(
            [
                F.cross_entropy(masked.float(), truth, reduction="sum"),
                (masked.argmax(-1) == truth).sum(),
                F.cross_entropy(relationship.float(), label, reduction="sum"),
                (relationship.argmax(-1) == label).sum(),
            ]
        ).cpu()
        places, pairs = places + len(truth), pairs + len(label)
    if not pairs:
        raise ValueError("there is no batch to evaluate on")
    masked_loss, hits, next_loss, right = sums.tolist()
    return {
        "masked_lm_loss": masked_loss / max(places, 1),
        "masked_lm_accuracy": hits / max(places, 1),
        "next_sentence_loss": next_loss / pairs,
        "next_sentence_accuracy": right / pairs,
        "masked_places": places,
        "pairs": pairs,
        "tokens": tokens,
    }
