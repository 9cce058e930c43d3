"""Which places are hidden: a fixed number in each row. A question of the assignment ``masking``.

Dimensions: ``B`` batch, ``T`` tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec
from bertlab.exercises.whole_numbers import whole_numbers

if TYPE_CHECKING:
    from torch import Tensor

_CLS, _SEP, _PAD = 2, 3, 0
_SPECIAL_IDS = [_PAD, 1, _CLS, _SEP, 4]


def _choose_places(
    input_ids: Tensor,
    special_ids: list[int],
    draws: Tensor,
    probability: float,
    most: int,
    *,
    special: str = "spared",
    counted: str = "ordinary",
    least: int = 1,
    limit: str = "most",
    rounding: str = "nearest",
    order: str = "smallest",
    choice: str = "row by row",
) -> Tensor:
    """A fixed number of places in each row, right by default; each keyword makes one step wrong."""
    import torch

    ordinary = ~torch.isin(input_ids, torch.tensor(special_ids))  # (B, T)
    allowed = torch.ones_like(ordinary) if special == "chosen" else ordinary
    if choice == "each alone":
        return allowed & (draws < probability)

    def number(size: int) -> int:
        wanted = {
            "nearest": round(probability * size),
            "down": int(probability * size),
            "up": math.ceil(probability * size),
        }[rounding]
        wanted = max(least, wanted) if size else 0
        return min(most, wanted) if limit == "most" else wanted

    keys = draws if order == "smallest" else -draws
    keys = keys.masked_fill(~allowed, math.inf)
    chosen = torch.zeros_like(ordinary)
    if choice == "whole batch":
        best = keys.flatten().argsort()[: number(int(ordinary.sum()))]
        chosen.view(-1)[best] = True
        return chosen & allowed
    for row in range(len(input_ids)):
        size = input_ids.shape[1] if counted == "all" else int(ordinary[row].sum())
        chosen[row, keys[row].argsort()[: number(size)]] = True
    return chosen & allowed


def _choose_places_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(
        stage: int, label: str, lengths: list[int], most: int = 20, share: float = 0.15
    ) -> Case:
        """Rows of [CLS], so many ordinary pieces, [SEP], padding; special places draw low."""
        T = max(lengths) + 2
        rows = [
            [_CLS, *torch.randint(5, 90, (n,), generator=generator).tolist(), _SEP]
            + [_PAD] * (T - n - 2)
            for n in lengths
        ]
        input_ids = torch.tensor(rows)
        draws = torch.rand(input_ids.shape, generator=generator).round(decimals=3)
        draws = draws + torch.arange(T) * 1e-5  # no two alike
        if stage > 1:
            draws = torch.where(input_ids < 5, draws / 50, draws)
        names = ("input_ids", "special_ids", "draws", "probability", "most")
        values = (input_ids, list(_SPECIAL_IDS), draws, share, most)
        return Case(stage, label, dict(zip(names, values, strict=True)))

    return [
        case(1, "a row of 20 pieces", [20]),
        case(1, "a row of 10 pieces, 40 % of them", [10], share=0.4),
        case(2, "special tokens with low draws", [13]),
        case(3, "rows of different lengths", [13, 5, 20]),
        case(3, "much padding", [4, 27]),
        case(4, "a row of two pieces", [20, 2]),
        case(4, "a row without pieces", [0, 13]),
        case(5, "more than `most`", [40, 27], most=3),
    ]


def _observe_places(arguments: Mapping[str, Any], value: Any) -> Any:
    return whole_numbers(value, "chosen", mask=True)


def _numbers(failure: Failure) -> str:
    found, wanted = (value.sum(-1).int().tolist() for value in (*failure.found, *failure.expected))
    return f"You chose {found} places in the rows, and should choose {wanted}"


CHOOSE_PLACES = Spec(
    Exercise("choose_places", 5, "medium", 8, "masking"),
    question=(
        "Choose places as BERT's released code does: a fixed number in each row. A row of\n"
        "`input_ids`, (B, T), has n places whose id isn't in `special_ids`. Choose\n"
        "k = round(probability · n) of them, but at least 1 and at most `most`: those with the\n"
        "smallest `draws`, (B, T). A row with n = 0 has none. Return `chosen`, (B, T), Boolean."
    ),
    formula="k = min(most, max(1, round(p n))) where n > 0",
    stub=(
        "def choose_places(input_ids, special_ids, draws, probability, most):\n"
        "    raise NotImplementedError\n"
        "    return chosen"
    ),
    hints=(
        "`torch.isin(input_ids, torch.tensor(special_ids))` finds the special tokens. Give them "
        "draws that are never the smallest.",
        "Go row by row: `draws[row].argsort()[:k]` are the places of the k smallest.",
    ),
    verified="single rows, special tokens, padding, rows too short for a share, and the limit.",
    outputs={"chosen": "tensor"},
    compute=_choose_places,
    cases=_choose_places_cases,
    observe=_observe_places,
    mistakes=(
        Mistake(
            "special-tokens-chosen",
            {"special": "chosen"},
            "special tokens were chosen. [CLS], [SEP] and padding are never asked for: give them "
            "a draw of infinity before you look for the smallest.",
        ),
        Mistake(
            "special-tokens-counted",
            {"counted": "all"},
            "n is the whole row's length here. It counts ordinary pieces only; otherwise padding "
            "raises the share that is hidden.",
            _numbers,
        ),
        Mistake(
            "short-rows-without-a-place",
            {"least": 0},
            "a short row got no place, since its share rounds to 0. A row without a label "
            "teaches nothing: choose at least 1.",
            _numbers,
        ),
        Mistake(
            "limit-ignored",
            {"limit": "none"},
            "a long row got more than `most` places.",
            _numbers,
        ),
        Mistake(
            "rounded-down",
            {"rounding": "down"},
            "`int` and `//` round down. Take the nearest whole number: `round`.",
            _numbers,
        ),
        Mistake(
            "rounded-up",
            {"rounding": "up"},
            "the number was rounded up. Take the nearest whole number: `round`.",
            _numbers,
        ),
        Mistake(
            "largest-draws",
            {"order": "largest"},
            "the places with the largest draws were chosen. Take those with the smallest.",
        ),
        Mistake(
            "each-place-on-its-own",
            {"choice": "each alone"},
            "each place was chosen on its own, by comparing its draw with `probability`. That is "
            "the paper's wording, and the number of places then varies. Here it is fixed: k.",
            _numbers,
        ),
        Mistake(
            "whole-batch-at-once",
            {"choice": "whole batch"},
            "the places were chosen from the whole batch at once. Each row has its own k.",
            _numbers,
        ),
    ),
)

EXERCISES = (CHOOSE_PLACES,)
