"""Masked language modelling: which places are predicted, and what the model sees there.

Dimensions: ``B`` batch, ``T`` tokens, ``V`` vocabulary.
Source: Devlin et al. 2019, section 3.1 and appendix A.1; chapter 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from bertlab.model.embeddings import can_look_at
from bertlab.model.heads import IGNORED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Of the chosen places, 80 % become [MASK] and the next 10 % a random piece; the last 10 % stay.
_MASK_BELOW = 0.8
_REPLACE_BELOW = 0.9


def mask_tokens(
    input_ids: Tensor,
    tokenizer: PreTrainedTokenizerBase,
    generator: torch.Generator | None = None,
    probability: float = 0.15,
    *,
    whole_words: bool = False,
) -> tuple[Tensor, Tensor]:
    """Hide some places of each row, and return what the model sees and what it must say.

    - Each place is chosen on its own with ``probability`` (section 3.1: "15 % of all WordPiece
      tokens in each sequence at random"). If that leaves a row without any, one of its places is
      chosen, each with the same chance; so a row of n places has n * probability +
      (1 - probability)^n on average. The released ``create_pretraining_data.py`` shuffles the
      places and takes a fixed number, 15 % of the row's length with [CLS] and [SEP] counted, at
      least 1 and at most 20.
    - A chosen place becomes [MASK] with chance 80 %, a random piece with 10 %, and stays as it is
      with 10 % (section 3.1, appendix A.1). These are three outcomes of one draw.
    - Special tokens are never chosen, and never drawn as the random piece: that one is uniform over
      all other pieces, the true one among them. The released code spares [CLS] and [SEP] only, so
      it can choose [UNK], and it draws from the whole vocabulary.
    - With ``whole_words``, each word is chosen or not as a whole: a piece that starts with "##"
      shares the fate of the piece before it, so the share of places stays ``probability``. What a
      chosen piece becomes is drawn for each piece, as in the released code
      (``do_whole_word_mask``), which stops at the fixed number of places instead. Where truncation
      has cut off a word's beginning, the rest counts as a word.

    Masks are drawn at each call: call it for each batch of each epoch, and they are dynamic. The
    released code drew ten masks for each text, once (``dupe_factor``).

    Args:
        input_ids: ``(B, T)``, int64; it is not changed.
        tokenizer: gives the vocabulary, the special tokens and [MASK].
        generator: where the randomness comes from; torch's own by default.
        probability: chance of each place, above 0 and at most 1.
        whole_words: choose words instead of pieces.

    Returns:
        The masked ids ``(B, T)``, and the labels ``(B, T)``: the true id at chosen places, -100
        elsewhere. A row of special tokens alone has no chosen place.

    Raises:
        ValueError: when the ids' shape, dtype or range doesn't fit, ``probability`` isn't a chance,
            or the tokenizer has no [MASK] or nothing but special tokens.
    """
    if not 0 < probability <= 1:
        raise ValueError(f"probability is {probability}: expected a number above 0, at most 1")
    pieces = _pieces_of(tokenizer, _check_ids(input_ids))
    if can_look_at(input_ids):
        _check_range(input_ids, len(pieces.special))

    shape, device = input_ids.shape, input_ids.device
    source = device if generator is None else generator.device
    draw = torch.rand(shape, generator=generator, device=source).to(device)  # (B, T)
    outcome = torch.rand(shape, generator=generator, device=source).to(device)
    index = torch.randint(len(pieces.ordinary), shape, generator=generator, device=source)

    special = pieces.special[input_ids]  # (B, T)
    if whole_words:  # all pieces of a word take the draw of its first
        draw = draw.gather(1, _first_pieces(pieces.continues[input_ids]))
    draw = torch.where(special, 2.0, draw)
    # The lowest draw of a row is chosen in any case: the row has one even if all miss.
    lowest = draw.amin(dim=1, keepdim=True)  # (B, 1)
    chosen = ((draw < probability) | (draw == lowest)) & ~special

    random_ids = pieces.ordinary[index.to(device)]
    replacement = torch.where(outcome < _MASK_BELOW, pieces.mask_id, random_ids)
    masked_ids = torch.where(chosen & (outcome < _REPLACE_BELOW), replacement, input_ids)
    return masked_ids, torch.where(chosen, input_ids, IGNORED)


class _Pieces(NamedTuple):
    """What masking must know of a vocabulary."""

    special: Tensor  # (V,) True for special tokens, and for ids that are no piece
    continues: Tensor  # (V,) True for pieces such as "##ing"
    ordinary: Tensor  # the ids that may be drawn
    mask_id: int


# Reading a vocabulary takes longer than masking a batch, so it is done once a tokenizer.
_known: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[tuple[object, ...], _Pieces]] = (
    WeakKeyDictionary()
)


def _pieces_of(tokenizer: PreTrainedTokenizerBase, device: torch.device) -> _Pieces:
    """Return the tokenizer's tables, read anew when its tokens have changed."""
    state = (len(tokenizer), tuple(tokenizer.special_tokens_map.values()), device)
    if tokenizer not in _known or _known[tokenizer][0] != state:
        _known[tokenizer] = (state, _read_pieces(tokenizer, device))
    return _known[tokenizer][1]


def _read_pieces(tokenizer: PreTrainedTokenizerBase, device: torch.device) -> _Pieces:
    if tokenizer.mask_token_id is None:
        raise ValueError(
            "the tokenizer has no [MASK] token: expected a BERT tokenizer, as load_tokenizer and "
            "train_tokenizer give"
        )
    vocab = tokenizer.get_vocab()
    special_ids = set(tokenizer.all_special_ids)
    special_ids |= {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    size = max(vocab.values()) + 1
    special = torch.ones(size, dtype=torch.bool)
    continues = torch.zeros(size, dtype=torch.bool)
    for piece, place in vocab.items():
        special[place] = place in special_ids
        continues[place] = piece.startswith("##")
    ordinary = (~special).nonzero().squeeze(1)
    if not len(ordinary):
        raise ValueError(f"the tokenizer's vocabulary holds only its {size} special tokens")
    return _Pieces(
        special.to(device), continues.to(device), ordinary.to(device), tokenizer.mask_token_id
    )


def _first_pieces(continues: Tensor) -> Tensor:
    """Return for each place ``(B, T)`` the place where its word begins.

    A "##" piece after a special token, or at the row's start, counts as if the word began there;
    that place has a draw that no other word uses.
    """
    places = torch.arange(continues.size(1), device=continues.device)
    return torch.where(continues, 0, places).cummax(dim=1).values


def _check_ids(input_ids: Tensor) -> torch.device:
    if not isinstance(input_ids, Tensor) or input_ids.dim() != 2 or input_ids.numel() == 0:
        found = tuple(input_ids.shape) if isinstance(input_ids, Tensor) else type(input_ids)
        raise ValueError(
            f"input_ids is {found}: expected a tensor of shape (batch, tokens), neither of them 0"
        )
    if input_ids.dtype != torch.int64:
        raise ValueError(f"input_ids has dtype {input_ids.dtype}: expected torch.int64")
    return input_ids.device


def _check_range(input_ids: Tensor, size: int) -> None:
    low, high = (int(bound) for bound in torch.aminmax(input_ids))
    if low < 0 or high >= size:
        raise ValueError(
            f"input_ids holds {low if low < 0 else high}: expected ids from 0 to {size - 1}, "
            "those of the tokenizer. Was the text tokenised with another one?"
        )
