"""What the encoder's vectors are used for: the pooler, the heads, and their losses.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``V`` vocabulary, ``C`` classes.
Source: Devlin et al. 2019, sections 3.1 (pretraining) and 4 (fine-tuning); chapter 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bertlab.model.config import ACTIVATIONS, BertConfig
from bertlab.model.embeddings import can_look_at, check_tensor

IGNORED = -100  # a label that says "no loss here", as in torch and transformers


class BertPooler(nn.Module):
    """One vector for the whole row: ``tanh(W h + b)`` of the first token's hidden state."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return ``(B, D)`` for ``(B, T, D)``; place 0 holds ``[CLS]``."""
        return torch.tanh(self.dense(hidden_states[:, 0]))


class BertPredictionHeadTransform(nn.Module):
    """The masked-LM head's own layer: dense, GELU, LayerNorm."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return ``(…, D)`` for ``(…, D)``."""
        return self.LayerNorm(self.activation(self.dense(hidden_states)))


class BertLMPredictionHead(nn.Module):
    """A score for each word piece of the vocabulary, at each place.

    ``decoder.weight`` is the word embedding table itself and ``decoder.bias`` is ``bias``: the
    model that owns this head ties them (``BertPreTrainedModel.tie_weights``).
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.transform = BertPredictionHeadTransform(config)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return logits ``(…, V)`` for ``(…, D)``."""
        return self.decoder(self.transform(hidden_states))


class BertOnlyMLMHead(nn.Module):
    """The masked-LM head alone, under the name that checkpoints give it."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.predictions = BertLMPredictionHead(config)


class BertPreTrainingHeads(BertOnlyMLMHead):
    """The masked-LM head, and next-sentence prediction from the pooled vector."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.seq_relationship = nn.Linear(config.hidden_size, 2)  # 0: B follows A, 1: it doesn't


def check_labels(name: str, labels: Tensor, logits: Tensor, classes: int | None) -> None:
    """Check the labels' shape, and on the CPU their range (``classes`` None: any value).

    Args:
        name: what the labels are called in error messages.
        labels: of the logits' shape, without the classes' axis if there are classes.
        logits: what they are compared with.
        classes: how many, or None.

    Raises:
        ValueError: says what was found and what was expected.
    """
    check_tensor(name, labels, like=logits)
    shape = tuple(logits.shape if classes is None else logits.shape[:-1])
    if tuple(labels.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(labels.shape)}: expected {shape}")
    if classes is None:
        return
    if labels.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"{name} has dtype {labels.dtype}: expected class numbers, torch.int64")
    if can_look_at(labels):
        wrong = labels[(labels != IGNORED) & ((labels < 0) | (labels >= classes))]
        if wrong.numel():
            raise ValueError(
                f"{name} holds {int(wrong[0])}: expected classes from 0 to {classes - 1}, or "
                f"{IGNORED} where there is none"
            )


def cross_entropy(name: str, logits: Tensor, labels: Tensor) -> Tensor:
    """Average ``-log softmax(logits)[label]`` over the places whose label isn't -100.

    Args:
        name: what the labels are called in error messages.
        logits: ``(…, C)``.
        labels: ``(…)``, class numbers or -100. Where all are -100 the mean is of nothing: NaN.
    """
    classes = logits.size(-1)
    check_labels(name, labels, logits, classes)
    return F.cross_entropy(logits.reshape(-1, classes), labels.reshape(-1).long())


def classification_loss(config: BertConfig, logits: Tensor, labels: Tensor) -> Tensor:
    """The loss that fits the labels: one of ``C`` classes, several of them, or numbers.

    Without ``config.problem_type``, one output means regression, whole-number labels mean one
    class each, and floats mean several labels each, as in transformers.

    Args:
        config: the model's configuration.
        logits: ``(B, C)``.
        labels: ``(B,)`` classes; ``(B, C)`` 0.0 or 1.0 for several labels; ``(B,)`` or
            ``(B, C)`` floats for a regression.

    Raises:
        ValueError: when the labels' shape, dtype or range doesn't fit.
    """
    check_tensor("labels", labels, like=logits)
    problem = config.problem_type
    if problem is None:
        if config.num_labels == 1:
            problem = "regression"
        elif labels.is_floating_point():
            problem = "multi_label_classification"
        else:
            problem = "single_label_classification"

    if problem == "single_label_classification":
        return cross_entropy("labels", logits, labels)
    if problem == "regression" and config.num_labels == 1:
        logits, labels = logits.squeeze(-1), labels.reshape(-1)  # (B,)
    check_labels("labels", labels, logits, classes=None)
    if problem == "regression":
        return F.mse_loss(logits, labels.to(logits.dtype))
    if not labels.is_floating_point():
        raise ValueError(
            f"labels have dtype {labels.dtype}: several labels a text are 0.0 or 1.0 for each "
            "class, a float tensor"
        )
    if can_look_at(labels) and not bool(((labels >= 0) & (labels <= 1)).all()):  # NaN fails too
        raise ValueError("labels hold a number that isn't between 0.0 and 1.0")
    return F.binary_cross_entropy_with_logits(logits, labels)


def span_loss(
    start_logits: Tensor, end_logits: Tensor, start_positions: Tensor, end_positions: Tensor
) -> Tensor:
    """The mean of two cross-entropies over the ``T`` places: where the answer starts and ends.

    A position at or beyond ``T`` (an answer that the window lost) is ignored, as in transformers.

    Args:
        start_logits: ``(B, T)``.
        end_logits: ``(B, T)``.
        start_positions: ``(B,)``.
        end_positions: ``(B,)``.

    Source: Devlin et al. 2019, section 4.2.
    """
    losses = []
    for name, logits, positions in (
        ("start_positions", start_logits, start_positions),
        ("end_positions", end_logits, end_positions),
    ):
        outside = logits.size(1)  # T: the first index that is no place
        check_labels(name, positions, logits[:, 0], classes=None)
        if positions.dtype not in (torch.int64, torch.int32):
            raise ValueError(f"{name} has dtype {positions.dtype}: expected places, torch.int64")
        positions = positions.long().clamp(0, outside)
        losses.append(F.cross_entropy(logits, positions, ignore_index=outside))
    return (losses[0] + losses[1]) / 2
