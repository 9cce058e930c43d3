"""The models: BERT, and BERT with each of its five heads.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``V`` vocabulary, ``C`` classes.
Modules and parameters are named as in transformers' checkpoints, so weights load by name.

Source: Devlin et al. 2019; chapter 3.
"""

from __future__ import annotations

from os import PathLike
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from bertlab.model import checkpoint
from bertlab.model.attention import Packing
from bertlab.model.config import BertConfig
from bertlab.model.embeddings import BertEmbeddings, can_look_at, check_batch
from bertlab.model.encoder import BertEncoder
from bertlab.model.heads import (
    BertOnlyMLMHead,
    BertPooler,
    BertPreTrainingHeads,
    classification_loss,
    cross_entropy,
    span_loss,
)
from bertlab.model.outputs import (
    BertModelOutput,
    LogitsOutput,
    PreTrainingOutput,
    QuestionAnsweringOutput,
)


class BertPreTrainedModel(nn.Module):
    """What all models share: first weights, reading and writing checkpoints."""

    # What loading found, on models that from_pretrained made.
    load_report: checkpoint.LoadReport | None = None

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        if not isinstance(config, BertConfig):
            raise ValueError(
                f"{type(self).__name__} is made from {type(config).__name__}: expected a "
                "bertlab.BertConfig (to load a checkpoint, call from_pretrained)"
            )
        self.config = config

    def tie_weights(self) -> None:
        """Make the masked-LM decoder use the word embeddings, in models that have that head."""
        head = getattr(self, "cls", None)
        if isinstance(head, BertOnlyMLMHead):
            embeddings = cast(BertModel, self.bert).embeddings
            head.predictions.decoder.weight = embeddings.word_embeddings.weight
            head.predictions.decoder.bias = head.predictions.bias

    def _finish(self) -> None:
        """Tie, and draw the first weights; each model's constructor ends with this call."""
        self.tie_weights()
        # The encoder inside a model with a head has drawn its own already.
        new = [name for name, _ in self.named_parameters() if not name.startswith("bert.")]
        checkpoint.initialise(self, new)

    @classmethod
    def from_pretrained(cls, name_or_path: str | PathLike[str], **config_overrides: Any) -> Self:
        """Load a BERT checkpoint in transformers' format, in evaluation mode and float32.

        Weights of other heads are left out, and a head that the checkpoint doesn't have starts
        from random weights; a warning says which, and so does ``model.load_report``.

        Args:
            name_or_path: ``"bertlab-mini"``, a folder, or a hub id such as
                ``"google-bert/bert-base-cased"``.
            config_overrides: fields of ``BertConfig`` to change, such as ``num_labels=5`` or
                ``implementation="explicit"``.

        Raises:
            FileNotFoundError: when there is no such folder, or the hub can't be reached.
            ValueError: when it is no BERT checkpoint, or its weights don't fit its config.
        """
        return checkpoint.load(cls, name_or_path, config_overrides)

    def save_pretrained(
        self, folder: str | PathLike[str], dtype: torch.dtype = torch.float32
    ) -> None:
        """Write ``config.json`` and ``model.safetensors``; ``transformers.Auto*`` opens them.

        With ``dtype=torch.float16`` the file is half as large; it still opens in float32.

        Each file is written whole under another name and then renamed, so that an interruption
        leaves the old file or the new one.
        """
        checkpoint.save(self, folder, dtype)


class BertModel(BertPreTrainedModel):
    """The encoder with its embeddings and, unless told otherwise, the pooler."""

    def __init__(self, config: BertConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        self.embeddings = BertEmbeddings(config)
        self.encoder = BertEncoder(config)
        self.pooler = BertPooler(config) if add_pooling_layer else None
        self._finish()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> BertModelOutput:
        """Compute the hidden states of a batch.

        Args:
            input_ids: ``(B, T)`` ids of word pieces, ``T`` at most ``max_position_embeddings``.
            attention_mask: ``(B, T)``, 1 at real tokens, 0 at padding; all real by default.
            token_type_ids: ``(B, T)``, 0 in the first segment, 1 in the second; 0 by default.
            output_attentions: return the attention weights (takes the explicit path).
            output_hidden_states: return the hidden states of every layer.

        Raises:
            ValueError: when the batch doesn't fit; see ``check_batch``.
        """
        check_batch(self.config, input_ids, attention_mask, token_type_ids)
        real = None if attention_mask is None else attention_mask != 0  # (B, T)
        if real is not None and can_look_at(real) and bool(real.all()):
            real = None  # nothing is padding: attention is faster without a mask

        hidden = self.embeddings(input_ids, token_type_ids)  # (B, T, D)
        mask = packing = None
        if real is not None:
            mask = real[:, None, None, :]  # (B, 1, 1, T): for every head and query
            # Where the first place is padding, so is what the pooler reads: then compute it.
            packed = self.config.implementation == "packed" and bool(real[:, 0].all())
            if packed and not output_attentions:
                packing = Packing(real.flatten().nonzero().squeeze(1), *input_ids.shape)
                hidden = packing.pack(hidden)  # (N, D)
        hidden, states, attentions = self.encoder(
            hidden, mask, output_attentions, output_hidden_states, packing
        )
        if packing is not None:
            hidden, states = packing.unpack(hidden), [packing.unpack(state) for state in states]
        return BertModelOutput(
            last_hidden_state=hidden,
            pooler_output=None if self.pooler is None else self.pooler(hidden),
            hidden_states=tuple(states) or None,
            attentions=tuple(attentions) or None,
        )


class BertForPreTraining(BertPreTrainedModel):
    """Both pretraining heads: masked LM and next sentence (Devlin et al. 2019, section 3.1)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.cls = BertPreTrainingHeads(config)
        self._finish()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        next_sentence_label: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> PreTrainingOutput:
        """Predict masked pieces and whether B follows A.

        Args:
            input_ids, attention_mask, token_type_ids, output_attentions, output_hidden_states:
                as in ``BertModel``.
            labels: ``(B, T)``, the true ids at masked places, -100 elsewhere.
            next_sentence_label: ``(B,)``, 0 where B follows A, 1 where it doesn't.

        Returns:
            The loss is the sum of the two cross-entropies; with one kind of label, that one.
        """
        encoded = self.bert(
            input_ids, attention_mask, token_type_ids, output_attentions, output_hidden_states
        )
        predictions = self.cls.predictions(encoded.last_hidden_state)
        relationship = self.cls.seq_relationship(encoded.pooler_output)
        loss = None
        if labels is not None:
            loss = cross_entropy("labels", predictions, labels)
        if next_sentence_label is not None:
            next_loss = cross_entropy("next_sentence_label", relationship, next_sentence_label)
            loss = next_loss if loss is None else loss + next_loss
        return PreTrainingOutput(
            loss, predictions, relationship, encoded.hidden_states, encoded.attentions
        )


class BertForMaskedLM(BertPreTrainedModel):
    """The masked-LM head: a distribution over the vocabulary at each place."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.cls = BertOnlyMLMHead(config)
        self._finish()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> LogitsOutput:
        """Return logits ``(B, T, V)``; labels ``(B, T)`` hold true ids or -100."""
        encoded = self.bert(
            input_ids, attention_mask, token_type_ids, output_attentions, output_hidden_states
        )
        logits = self.cls.predictions(encoded.last_hidden_state)
        loss = None if labels is None else cross_entropy("labels", logits, labels)
        return LogitsOutput(loss, logits, encoded.hidden_states, encoded.attentions)


def _head_dropout(config: BertConfig) -> nn.Dropout:
    rate = config.classifier_dropout
    return nn.Dropout(config.hidden_dropout_prob if rate is None else rate)


class BertForSequenceClassification(BertPreTrainedModel):
    """A class, several labels or a number for each text, from the pooled vector."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.dropout = _head_dropout(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self._finish()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> LogitsOutput:
        """Return logits ``(B, C)``; for labels see ``classification_loss``."""
        encoded = self.bert(
            input_ids, attention_mask, token_type_ids, output_attentions, output_hidden_states
        )
        logits = self.classifier(self.dropout(encoded.pooler_output))
        loss = None if labels is None else classification_loss(self.config, logits, labels)
        return LogitsOutput(loss, logits, encoded.hidden_states, encoded.attentions)


class BertForTokenClassification(BertPreTrainedModel):
    """A class for each token, as in named-entity recognition (section 5.3 of the paper)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.dropout = _head_dropout(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self._finish()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> LogitsOutput:
        """Return logits ``(B, T, C)``; labels ``(B, T)`` hold classes or -100."""
        encoded = self.bert(
            input_ids, attention_mask, token_type_ids, output_attentions, output_hidden_states
        )
        logits = self.classifier(self.dropout(encoded.last_hidden_state))
        loss = None if labels is None else cross_entropy("labels", logits, labels)
        return LogitsOutput(loss, logits, encoded.hidden_states, encoded.attentions)


class BertForQuestionAnswering(BertPreTrainedModel):
    """Where an answer starts and ends: two scores for each token (section 4.2 of the paper)."""

    def __init__(self, config: BertConfig) -> None:
        # Start and end, however many labels the checkpoint's former task had. Padding's logits
        # take part in the softmax over places, so layers can't skip it.
        fast = "sdpa" if config.implementation == "packed" else config.implementation
        super().__init__(config.replace(num_labels=2, implementation=fast))
        config = self.config
        self.bert = BertModel(config, add_pooling_layer=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self._finish()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> QuestionAnsweringOutput:
        """Return start and end logits ``(B, T)``; for the positions see ``span_loss``."""
        encoded = self.bert(
            input_ids, attention_mask, token_type_ids, output_attentions, output_hidden_states
        )
        start_logits, end_logits = self.qa_outputs(encoded.last_hidden_state).unbind(-1)
        loss = None
        if (start_positions is None) != (end_positions is None):
            raise ValueError("a span's loss needs start_positions and end_positions: found one")
        if start_positions is not None and end_positions is not None:
            loss = span_loss(start_logits, end_logits, start_positions, end_positions)
        return QuestionAnsweringOutput(
            loss, start_logits, end_logits, encoded.hidden_states, encoded.attentions
        )
