"""What the models return, with the names that transformers gives the fields.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``H`` heads, ``L`` layers, ``V`` vocabulary,
``C`` classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class BertModelOutput:
    """What ``BertModel`` returns; fields not asked for are None."""

    last_hidden_state: Tensor  # (B, T, D)
    pooler_output: Tensor | None = None  # (B, D)
    hidden_states: tuple[Tensor, ...] | None = None  # L + 1 times (B, T, D), embeddings first
    attentions: tuple[Tensor, ...] | None = None  # L times (B, H, T, T)


@dataclass
class LogitsOutput:
    """What models with one head return: masked LM, sequence and token classification."""

    loss: Tensor | None  # None without labels
    logits: Tensor  # (B, T, V), (B, C) or (B, T, C), as the model says
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass
class PreTrainingOutput:
    """What ``BertForPreTraining`` returns."""

    loss: Tensor | None  # None without labels
    prediction_logits: Tensor  # (B, T, V)
    seq_relationship_logits: Tensor  # (B, 2)
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass
class QuestionAnsweringOutput:
    """What ``BertForQuestionAnswering`` returns."""

    loss: Tensor | None  # None without labels
    start_logits: Tensor  # (B, T)
    end_logits: Tensor  # (B, T)
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
