"""The encoder: L equal layers, each attention and a feed-forward net with residuals around them.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width, ``F`` feed-forward width, ``H`` heads.
A packed batch has ``(N, D)`` where others have ``(B, T, D)``; only attention minds.

Source: Vaswani et al. 2017, sections 3.1 and 3.3; Devlin et al. 2019, section 3; chapter 3.
"""

from __future__ import annotations

from torch import Tensor, nn

from bertlab.model.attention import BertAttention, Packing
from bertlab.model.config import ACTIVATIONS, BertConfig


class BertIntermediate(nn.Module):
    """Widen and bend: ``GELU(x W + b)``, from ``(…, D)`` to ``(…, F)``."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACTIVATIONS[config.hidden_act]

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return ``(…, F)`` for ``(…, D)``."""
        return self.activation(self.dense(hidden_states))


class BertOutput(nn.Module):
    """Back to the model's width, add what came in, normalise."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.intermediate_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, intermediate: Tensor, residual: Tensor) -> Tensor:
        """Return ``(…, D)`` for ``intermediate (…, F)`` and ``residual (…, D)``."""
        return self.LayerNorm(residual + self.dropout(self.dense(intermediate)))


class BertLayer(nn.Module):
    """One layer: attention lets places exchange, the feed-forward net works on each alone.

    Post-LN, as in BERT: LayerNorm comes after each residual sum.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = BertAttention(config)
        self.intermediate = BertIntermediate(config)
        self.output = BertOutput(config)

    def forward(
        self,
        hidden_states: Tensor,
        mask: Tensor | None = None,
        output_attentions: bool = False,
        packing: Packing | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the new hidden states and the attention weights or None.

        Arguments as in ``BertSelfAttention``.
        """
        attended, weights = self.attention(hidden_states, mask, output_attentions, packing)
        return self.output(self.intermediate(attended), attended), weights


class BertEncoder(nn.Module):
    """The layers, one after the other."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BertLayer(config) for _ in range(config.num_hidden_layers))

    def forward(
        self,
        hidden_states: Tensor,
        mask: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        packing: Packing | None = None,
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Run all layers.

        Returns:
            The last hidden states; all ``L + 1`` of them, the embeddings first; the ``L``
            attention weights ``(B, H, T, T)``. The two lists are empty unless asked for.
        """
        states = [hidden_states] if output_hidden_states else []
        attentions = []
        for layer in self.layer:
            hidden_states, weights = layer(hidden_states, mask, output_attentions, packing)
            if output_hidden_states:
                states.append(hidden_states)
            if output_attentions:
                attentions.append(weights)
        return hidden_states, states, attentions
