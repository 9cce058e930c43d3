"""From ids to vectors: word + position + segment, normalised; and the check of a batch.

Dimensions: ``B`` batch, ``T`` tokens, ``D`` width.
Source: Devlin et al. 2019, section 3 and figure 2; chapter 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bertlab.model.config import BertConfig

_INTEGERS = (torch.int64, torch.int32)


def can_look_at(tensor: Tensor) -> bool:
    """Tell whether reading the tensor's values is free: on a GPU, each look waits for it."""
    return tensor.device.type == "cpu" and not torch.compiler.is_compiling()


def check_tensor(name: str, given: object, like: Tensor) -> None:
    """Check that something is a tensor, and on the same device as another.

    Raises:
        ValueError: says what was found and what was expected.
    """
    if not isinstance(given, Tensor):
        raise ValueError(f"{name} is of type {type(given).__name__}: expected a tensor")
    if given.device != like.device:
        raise ValueError(
            f"{name} is on {given.device}, the other tensors are on {like.device}: expected one "
            "device for all"
        )


def _check_range(name: str, ids: Tensor, size: int, of: str) -> None:
    low, high = (int(bound) for bound in torch.aminmax(ids))
    if low < 0 or high >= size:
        wrong = low if low < 0 else high
        row, place = (int(index) for index in (ids == wrong).nonzero()[0])
        raise ValueError(
            f"{name} holds {wrong} (row {row}, place {place}): expected ids from 0 to {size - 1}, "
            f"since {of} is {size}"
        )


def check_batch(
    config: BertConfig,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    token_type_ids: Tensor | None = None,
) -> None:
    """Check that a batch fits the model, before it is computed with or sent to a GPU.

    Shapes and dtypes are checked always; values where that costs nothing, on the CPU. Each model
    calls this. On a GPU, looking at values would make every step wait for it: call it where
    batches are made, before they are sent there.

    Args:
        config: the model's configuration.
        input_ids: ``(B, T)``, int64 or int32.
        attention_mask: ``(B, T)``, 1 or True at real tokens, 0 or False at padding.
        token_type_ids: ``(B, T)``, below ``config.type_vocab_size``.

    Raises:
        ValueError: says what was found and what was expected.
    """
    for name, given in (
        ("input_ids", input_ids),
        ("attention_mask", attention_mask),
        ("token_type_ids", token_type_ids),
    ):
        if given is not None or name == "input_ids":
            check_tensor(name, given, like=input_ids)
    if input_ids.dim() != 2 or input_ids.numel() == 0:
        raise ValueError(
            f"input_ids has shape {tuple(input_ids.shape)}: expected (batch, tokens), neither of "
            "them 0"
        )
    for name, ids in (("input_ids", input_ids), ("token_type_ids", token_type_ids)):
        if ids is not None and ids.dtype not in _INTEGERS:
            raise ValueError(
                f"{name} has dtype {ids.dtype}: expected torch.int64 or torch.int32, since ids "
                "are row numbers of a table"
            )
    if input_ids.size(1) > config.max_position_embeddings:
        raise ValueError(
            f"the batch is {input_ids.size(1)} tokens long: expected at most "
            f"{config.max_position_embeddings} (max_position_embeddings). Truncate the texts or "
            "cut them into windows"
        )
    for name, other in (("attention_mask", attention_mask), ("token_type_ids", token_type_ids)):
        if other is not None and other.shape != input_ids.shape:
            raise ValueError(
                f"{name} has shape {tuple(other.shape)}: expected that of input_ids, "
                f"{tuple(input_ids.shape)}"
            )
    if not can_look_at(input_ids):
        return
    _check_range("input_ids", input_ids, config.vocab_size, "the vocabulary's size")
    if token_type_ids is not None:
        _check_range("token_type_ids", token_type_ids, config.type_vocab_size, "type_vocab_size")
    if attention_mask is not None and attention_mask.dtype != torch.bool:
        odd = attention_mask[(attention_mask != 0) & (attention_mask != 1)]
        if odd.numel():
            raise ValueError(
                f"attention_mask holds {odd[0].item()}: expected 1 at real tokens and 0 at padding"
            )


class BertEmbeddings(nn.Module):
    """Look up and add three vectors a token, then LayerNorm and dropout."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(
            config.vocab_size, width, padding_idx=config.pad_token_id
        )
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Return ``(B, T, D)`` for ``input_ids (B, T)``; all tokens are of segment 0 by default.

        Source: Devlin et al. 2019, figure 2.
        """
        words = self.word_embeddings(input_ids)  # (B, T, D)
        if token_type_ids is None:
            types = self.token_type_embeddings.weight[0]  # (D,)
        else:
            types = self.token_type_embeddings(token_type_ids)  # (B, T, D)
        # Positions run from 0 over the whole row; a second segment does not restart them.
        positions = self.position_embeddings.weight[: input_ids.size(1)]  # (T, D)
        return self.dropout(self.LayerNorm(words + types + positions))
