"""Rows, masks and labels of one width. A question of the assignment ``finetuning``.

Dimensions: ``B`` rows, ``T`` tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec
from bertlab.exercises.whole_numbers import whole_numbers

if TYPE_CHECKING:
    from torch import Tensor


def _collate(
    rows: list[list[int]],
    labels: list[list[int]],
    pad_id: int,
    *,
    width: str = "longest",
    side: str = "right",
    filler: str = "given",
    mask: str = "real",
    ignored: str = "-100",
) -> tuple[Tensor, Tensor, Tensor]:
    """Three tensors (B, T), right by default; each keyword makes one step wrong."""
    import torch

    lengths = [len(row) for row in rows]
    T = {"longest": max(lengths), "512": 512, "shortest": min(lengths)}[width]

    def table(values: list[list[int]], fill: int) -> Tensor:
        lines = []
        for row in values:
            missing = [fill] * (T - len(row))
            lines.append(missing + row[:T] if side == "left" else row[:T] + missing)
        return torch.tensor(lines)

    fill = {"given": pad_id, "0": 0, "-100": -100}[filler]
    empty = {"-100": -100, "0": 0, "pad": pad_id}[ignored]
    input_ids, truth = table(rows, fill), table(labels, empty)
    real = table([[1] * n for n in lengths], 0)
    attention_mask = {
        "real": real,
        "all ones": torch.ones_like(real),
        "inverted": 1 - real,
        "labelled": (truth != -100).long(),
    }[mask]
    return input_ids, attention_mask, truth


def _observe(arguments: Mapping[str, Any], value: Any) -> Any:
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        return value
    names = ("input_ids", "attention_mask", "labels")
    return tuple(
        whole_numbers(item, name, mask=name == "attention_mask")
        for item, name in zip(value, names, strict=True)
    )


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, lengths: list[int], pad_id: int = 0) -> Case:
        """Rows with [CLS] and [SEP], of which some of the other places have a label."""
        rows = [
            [5, *torch.randint(10, 90, (n - 2,), generator=generator).tolist(), 6] for n in lengths
        ]
        labels = [
            [-100, *torch.randint(1, 9, (n - 2,), generator=generator).tolist(), -100]
            for n in lengths
        ]
        for row in labels:
            row[3:-1:2] = [-100] * len(row[3:-1:2])  # pieces that continue a word
        return Case(stage, label, {"rows": rows, "labels": labels, "pad_id": pad_id})

    return [
        case(1, "rows of one length", [6, 6]),
        case(2, "a long row, then a shorter one", [8, 5]),
        case(2, "a short row first", [4, 9, 6]),
        case(3, "padding has another id", [7, 4], 2 + seed % 3),
    ]


COLLATE = Spec(
    Exercise("collate", 9, "easy", 6, "finetuning"),
    question=(
        "Make one batch. `rows` are B lists of token ids, `labels` as many lists of the same\n"
        "lengths, with -100 where a token isn't asked. Return `input_ids`, `attention_mask` and\n"
        "`labels`, all (B, T), whole numbers; T is the length of the longest row. Fill up at the\n"
        "end: ids with `pad_id`, the mask with 0 (it is 1 at all tokens), labels with -100."
    ),
    formula="rows [5 7 6], [5 6], pad_id 0  ->  ids [5 7 6], [5 6 0]   mask [1 1 1], [1 1 0]",
    stub=(
        "def collate(rows, labels, pad_id):\n"
        "    raise NotImplementedError\n"
        "    return input_ids, attention_mask, labels"
    ),
    hints=(
        "Three tables that are all filling, `torch.full((B, T), ...)`; then write each row over "
        "the beginning of its line.",
        "The mask follows the rows' lengths, not the labels: [CLS] has no label and is read.",
    ),
    verified="rows of one length and of several, in any order, and other padding ids.",
    outputs={"input_ids": "tensor", "attention_mask": "tensor", "labels": "tensor"},
    compute=_collate,
    cases=_cases,
    observe=_observe,
    mistakes=(
        Mistake(
            "labels-padded-with-zero",
            {"ignored": "0"},
            "labels were filled up with 0. That is a class, usually O: the model would be trained "
            "on padding. Fill with -100.",
        ),
        Mistake(
            "labels-padded-with-pad-id",
            {"ignored": "pad"},
            "labels were filled up with `pad_id`, which is the id of a class as well. Fill with "
            "-100.",
        ),
        Mistake(
            "padding-attended-to",
            {"mask": "all ones"},
            "the mask is 1 at padding, so padding is read like text.",
        ),
        Mistake("mask-inverted", {"mask": "inverted"}, "the mask is 0 at tokens and 1 at padding."),
        Mistake(
            "mask-from-labels",
            {"mask": "labelled"},
            "the mask was made from the labels. [CLS] and pieces that continue a word aren't "
            "asked, but they are read: the mask is 1 at every token.",
        ),
        Mistake(
            "padded-on-the-left",
            {"side": "left"},
            "padding was put before the tokens. [CLS] must stand at place 0: fill up at the end.",
        ),
        Mistake(
            "filled-with-zero",
            {"filler": "0"},
            "ids were filled up with 0. Padding has the id `pad_id`.",
        ),
        Mistake(
            "ids-filled-with-minus-100",
            {"filler": "-100"},
            "ids were filled up with -100. That is for labels; the word table has no such row.",
        ),
        Mistake(
            "padded-to-512",
            {"width": "512"},
            "every row has 512 places. Pad to the longest row of the batch.",
        ),
        Mistake(
            "cut-to-the-shortest",
            {"width": "shortest"},
            "rows were cut to the length of the shortest. Fill the shorter ones up instead.",
        ),
    ),
)

EXERCISES = (COLLATE,)
