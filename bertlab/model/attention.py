"""Self-attention: every place looks at every place, in several heads at once.

Dimensions: ``B`` batch, ``T`` tokens (``Tq`` that ask, ``Tk`` that are asked), ``H`` heads,
``d`` width of a head, ``D = H · d`` width of the model, ``N`` real tokens of a packed batch.

Source: Vaswani et al. 2017, section 3.2; Devlin et al. 2019, section 3; chapter 2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bertlab.model.config import BertConfig


class Packing(NamedTuple):
    """Where the real tokens of a padded batch are, so that layers can skip the padding."""

    places: Tensor  # (N,) indices into the B · T places of the batch
    batch: int  # B
    length: int  # T

    def pack(self, x: Tensor) -> Tensor:
        """Keep the real tokens: (B, T, D) -> (N, D)."""
        return x.flatten(0, 1).index_select(0, self.places)

    def unpack(self, x: Tensor) -> Tensor:
        """Put them back, with 0 at padding: (N, D) -> (B, T, D)."""
        padded = x.new_zeros(self.batch * self.length, x.size(-1))
        return padded.index_copy_(0, self.places, x).view(self.batch, self.length, -1)


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return how much each query attends to each key: ``softmax(Q Kᵀ / √d)``, over the keys.

    Arguments, errors and source as in ``scaled_dot_product_attention``.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.size(-1))  # (…, Tq, Tk)
    if mask is None:
        return scores.softmax(dim=-1)
    # The lowest finite number, not -inf: a row of -inf only would become NaN.
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)
    # Changes only rows with nothing to attend to: theirs were equal shares of padding.
    return weights.masked_fill(~mask, 0.0)


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Average the values, each query weighting them by how well the keys match it.

    ``softmax(Q Kᵀ / √d) V``, the softmax over the keys.

    Args:
        query: ``(…, Tq, d)``.
        key: ``(…, Tk, d)``.
        value: ``(…, Tk, dv)``; usually ``dv = d``.
        mask: boolean, broadcastable to ``(…, Tq, Tk)``; True where a query may attend.

    Returns:
        ``output (…, Tq, dv)`` and ``weights (…, Tq, Tk)``. A row of weights sums to 1 and is
        exactly 0 where the mask is False; a query that may attend to nothing gets zeros.

    Raises:
        ValueError: when the shapes don't fit, or the mask isn't boolean.

    Source: Vaswani et al. 2017, equation 1; chapter 2.
    """
    _check_attention(query, key, value, mask)
    weights = attention_weights(query, key, mask)
    return weights @ value, weights


def _check_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(
            f"the mask has dtype {mask.dtype}: expected torch.bool, True where a query may "
            "attend (write mask.bool() if 1 means that)"
        )
    shapes = [tuple(tensor.shape) for tensor in (query, key, value)]
    fits = min(map(len, shapes)) >= 2 and 0 < shapes[0][-1] == shapes[1][-1]
    if not fits or shapes[1][-2] != shapes[2][-2]:
        raise ValueError(
            f"query, key and value have shapes {shapes[0]}, {shapes[1]} and {shapes[2]}: expected "
            "(…, Tq, d), (…, Tk, d) and (…, Tk, dv)"
        )
    try:
        lead = torch.broadcast_shapes(*(shape[:-2] for shape in shapes))
        if mask is not None:
            torch.broadcast_shapes(mask.shape, (*lead, shapes[0][-2], shapes[1][-2]))
    except RuntimeError as error:
        masked = "" if mask is None else f" and the mask {tuple(mask.shape)}"
        raise ValueError(
            f"query, key and value have shapes {shapes[0]}, {shapes[1]} and {shapes[2]}{masked}: "
            "these can't be broadcast to one batch"
        ) from error


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Cut the width into heads, each a batch of its own: ``(B, T, D) -> (B, H, T, d)``.

    The transpose matters: ``x.view(B, H, T, d)`` has the right shape and scrambles the values.
    """
    B, T, D = x.shape
    return x.view(B, T, num_heads, D // num_heads).transpose(1, 2)  # (B, T, H, d) -> (B, H, T, d)


def merge_heads(x: Tensor) -> Tensor:
    """Lay the heads side by side again: ``(B, H, T, d) -> (B, T, D)``."""
    return x.transpose(1, 2).flatten(2)  # (B, T, H, d) -> (B, T, D)


class BertSelfAttention(nn.Module):
    """Project to queries, keys and values, and attend in ``H`` heads.

    Source: Vaswani et al. 2017, section 3.2.2 (its output projection is ``BertSelfOutput``).
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.implementation = config.implementation
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(config.attention_probs_dropout_prob)

    def forward(
        self,
        hidden_states: Tensor,
        mask: Tensor | None = None,
        output_attentions: bool = False,
        packing: Packing | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend; weights are returned when asked for, before dropout.

        Args:
            hidden_states: ``(B, T, D)``, or ``(N, D)`` with a packing.
            mask: boolean, broadcastable to ``(B, 1, Tq, Tk)``; True where a query may attend.
            output_attentions: compute the formula explicitly and return the weights.
            packing: where the ``N`` real tokens are in the padded batch.

        Returns:
            The context, of the input's shape, and the weights ``(B, H, T, T)`` or None.
        """
        projections = (self.query, self.key, self.value)
        if packing is None:
            query, key, value = (split_heads(p(hidden_states), self.num_heads) for p in projections)
        else:  # (N, D) -> (B, T, D) -> (B, H, T, d)
            query, key, value = (
                split_heads(packing.unpack(p(hidden_states)), self.num_heads) for p in projections
            )

        weights = None
        if output_attentions or self.implementation == "explicit":
            weights = attention_weights(query, key, mask)  # (B, H, T, T)
            context = self.dropout(weights) @ value  # (B, H, T, d)
        else:
            context = F.scaled_dot_product_attention(
                query,
                key,
                value,
                attn_mask=mask,
                dropout_p=self.dropout.p if self.training else 0.0,
            )
        context = merge_heads(context)  # (B, T, D)
        return (context if packing is None else packing.pack(context)), weights


class BertSelfOutput(nn.Module):
    """Mix the heads, add what came in, normalise: ``LayerNorm(x + dropout(W · context))``."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, context: Tensor, residual: Tensor) -> Tensor:
        """Return the sublayer's output, of the shape of both inputs, ``(…, D)``."""
        return self.LayerNorm(residual + self.dropout(self.dense(context)))


class BertAttention(nn.Module):
    """The attention sublayer: self-attention, output projection, residual, LayerNorm."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = BertSelfAttention(config)
        self.output = BertSelfOutput(config)

    def forward(
        self,
        hidden_states: Tensor,
        mask: Tensor | None = None,
        output_attentions: bool = False,
        packing: Packing | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return ``(…, D)`` and the weights or None; arguments as in ``BertSelfAttention``."""
        context, weights = self.self(hidden_states, mask, output_attentions, packing)
        return self.output(context, hidden_states), weights
