"""Chapter 8's exercise on padding. Dimensions: ``B`` rows, ``T`` tokens of the longest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec
from bertlab.exercises.values import Unusable, kind_of

if TYPE_CHECKING:
    from torch import Tensor


def _pad_batch(
    rows: list[list[int]],
    pad_token_id: int,
    *,
    width: str = "longest",
    side: str = "right",
    filler: str = "given",
    mask: str = "real",
    shape: str = "(B, T)",
) -> tuple[Tensor, Tensor]:
    """Rows of equal length and their mask, right by default; each keyword makes one step wrong."""
    import torch

    lengths = [len(row) for row in rows]
    T = {
        "longest": max(lengths),
        "512": 512,
        "one more": max(lengths) + 1,
        "shortest": min(lengths),
        "first row's": lengths[0],
    }[width]
    fill = {"given": pad_token_id, "0": 0, "-100": -100}[filler]
    ids, real = [], []
    for row in rows:
        kept, missing = row[:T], max(0, T - len(row))
        if side == "left":
            ids.append([fill] * missing + kept)
            real.append([0] * missing + [1] * len(kept))
        else:
            ids.append(kept + [fill] * missing)
            real.append([1] * len(kept) + [0] * missing)
    input_ids, attention_mask = torch.tensor(ids), torch.tensor(real)  # (B, T)
    if mask == "all ones":
        attention_mask = torch.ones_like(attention_mask)
    elif mask == "inverted":
        attention_mask = 1 - attention_mask
    elif mask == "added":
        attention_mask = (1 - attention_mask) * -10_000
    elif mask == "not 0":
        attention_mask = (input_ids != 0).long()
    if shape == "(B, 1, T)":
        return input_ids[:, None], attention_mask[:, None]
    return input_ids, attention_mask


def _observe(arguments: Mapping[str, Any], value: Any) -> Any:
    """Return the two tensors as floats: ids and masks are whole numbers, and compared as such."""
    import numpy as np
    import torch

    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return value
    tensors = []
    for item, name in zip(value, ("input_ids", "attention_mask"), strict=True):
        if not isinstance(item, (torch.Tensor, np.ndarray)):
            raise Unusable(
                "wrong-type", f"`{name}` is {kind_of(item)}: expected a tensor of whole numbers"
            )
        tensor = torch.as_tensor(item)
        if name == "input_ids" and (tensor.is_floating_point() or tensor.dtype == torch.bool):
            raise Unusable(
                "wrong-dtype", f"`input_ids` has dtype {tensor.dtype}: expected ids, torch.int64"
            )
        tensors.append(tensor.double())
    return tuple(tensors)


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, lengths: list[int], pad_token_id: int = 0) -> Case:
        """Rows that never hold the padding's own id."""
        rows = [
            (torch.randint(1, 90, (length,), generator=generator) + pad_token_id).tolist()
            for length in lengths
        ]
        return Case(stage, label, {"rows": rows, "pad_token_id": pad_token_id})

    zero = case(3, "padding has another id, and id 0 is a token", [5, 3], 1 + seed % 7)
    zero.arguments["rows"][0][2] = 0
    return [
        case(1, "two rows of one length", [4, 4]),
        case(1, "a long row, then a shorter one", [5, 3]),
        case(2, "a short row first", [2, 6, 4]),
        case(2, "one row", [3]),
        case(2, "a row of no tokens", [3, 0]),
        case(3, "padding has another id", [3, 5, 1], 2 + seed % 7),
        zero,
    ]


PAD_BATCH = Spec(
    Exercise("pad_batch", 8, "easy", 10),
    question=(
        "Make one batch of `rows`, B lists of token ids. Return `input_ids` and `attention_mask`,\n"
        "both of shape (B, T) and of whole numbers, where T is the length of the longest row.\n"
        "Shorter rows are filled up at their end with `pad_token_id`. The mask is 1 at tokens and\n"
        "0 at padding. Do it without the tokenizer's `pad`."
    ),
    formula="T = max_b n_b;  mask[b, t] = 1 if t < n_b, else 0",
    stub="def pad_batch(rows, pad_token_id):\n    raise NotImplementedError",
    hints=(
        "Start from a table that is all padding and a mask that is all 0: `torch.full` and "
        "`torch.zeros`.",
        "Then write each row, and as many ones, at the beginning of its line.",
    ),
    verified=(
        "rows of one length, of several, a single row, an empty one, other padding ids, and a "
        "token with id 0; arguments unchanged."
    ),
    outputs={"input_ids": "tensor", "attention_mask": "tensor"},
    compute=_pad_batch,
    cases=_cases,
    observe=_observe,
    mistakes=(
        Mistake(
            "padded-to-512",
            {"width": "512"},
            "every row has 512 places. That is right, and dear: pad to the longest row of the "
            "batch.",
        ),
        Mistake(
            "one-place-too-many",
            {"width": "one more"},
            "there is one place more than the longest row has tokens.",
        ),
        Mistake(
            "cut-to-the-shortest",
            {"width": "shortest"},
            "rows were cut to the length of the shortest, and tokens were lost. (`zip` over rows "
            "stops there.) Fill the shorter ones up instead.",
        ),
        Mistake(
            "first-row-decides",
            {"width": "first row's"},
            "the first row's length was taken for all. Take the longest of the batch.",
        ),
        Mistake(
            "padded-on-the-left",
            {"side": "left"},
            "padding was put before the tokens. BERT's positions count from the left, and its "
            "pooler reads place 0, which must hold [CLS]: pad at the end.",
        ),
        Mistake(
            "filled-with-zero",
            {"filler": "0"},
            "rows were filled with 0. Padding has the id `pad_token_id`, which isn't 0 in every "
            "vocabulary.",
        ),
        Mistake(
            "filled-with-minus-100",
            {"filler": "-100"},
            "ids were filled with -100. That value is for labels; the word table has no such row.",
        ),
        Mistake(
            "padding-attended-to",
            {"mask": "all ones"},
            "the mask is 1 everywhere, so padding is read like text. It is 0 at padding.",
        ),
        Mistake(
            "mask-inverted",
            {"mask": "inverted"},
            "the mask is the wrong way round. 1 is for tokens, 0 for padding. (PyTorch's own "
            "`key_padding_mask` is the other way round; BERT's isn't.)",
        ),
        Mistake(
            "mask-already-added",
            {"mask": "added"},
            "the mask holds large negative numbers, to be added to scores. That is the model's "
            "work; it is given 1 and 0.",
        ),
        Mistake(
            "mask-from-zeros",
            {"mask": "not 0"},
            "the mask was made by asking which ids aren't 0. Padding may have another id, and 0 "
            "may be a token: go by the rows' lengths.",
        ),
        Mistake(
            "one-dimension-too-many",
            {"shape": "(B, 1, T)"},
            "each row came as a batch of its own, so the shape is (B, 1, T), as with "
            '`return_tensors="pt"` text by text. Expected (B, T).',
        ),
    ),
)

EXERCISES = (PAD_BATCH,)
