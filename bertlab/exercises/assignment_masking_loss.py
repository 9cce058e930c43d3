"""The loss of a batch that is read in parts. A question of the assignment ``masking``.

Dimensions: ``P`` parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _loss_of_parts(
    means: Tensor,
    counts: Tensor,
    *,
    weigh: str = "places",
    empty: str = "left out",
    total: str = "sum",
    returned: str = "weights",
) -> tuple[Tensor, Tensor]:
    """The mean over all places, right by default; each keyword makes one step wrong."""
    import torch

    sizes, P = counts.double(), len(counts)
    used = sizes > 0
    weights = {
        "alike": torch.full_like(sizes, 1 / P),
        "alike, empty left out": used / used.sum(),
        "not divided": sizes,
        "inverted": torch.where(used, 1 / sizes.clamp(min=1), 0.0),
        "by the largest": sizes / sizes.max(),
        "divided by parts": sizes / P,
    }.get(weigh, sizes / sizes.sum())
    losses = means.double() if empty == "nan" else means.double().nan_to_num()
    loss = (losses * weights).sum()
    return (loss / P if total == "mean" else loss), sizes if returned == "counts" else weights


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, counts: list[int]) -> Case:
        sizes = torch.tensor(counts)
        means = (1 + 6 * torch.rand(len(counts), generator=generator)).round(decimals=2)
        means = means.where(sizes > 0, torch.nan)
        return Case(stage, label, {"means": means, "counts": sizes})

    more = torch.randint(1, 40, (5,), generator=generator).tolist()
    return [
        case(1, "parts with as many places", [6, 6]),
        case(2, "few and many places", [2, 8]),
        case(2, "five parts", more),
        case(3, "a part without a place", [3, 0, 9]),
        case(3, "a single part with places", [0, 4]),
    ]


def _too(failure: Failure) -> str:
    found, expected = failure.found[0].item(), failure.expected[0].item()
    return f"Your loss is {found:.4f}, and should be {expected:.4f}"


LOSS_OF_PARTS = Spec(
    Exercise("loss_of_parts", 7, "medium", 6, "masking"),
    question=(
        "A batch that doesn't fit into memory is read in P parts. `means`, (P,), holds the mean\n"
        "loss of each part, over its chosen places; `counts`, (P,), how many places these are. A\n"
        "part without any has the mean NaN. Return `loss`, the mean over all chosen places of the\n"
        "batch, a tensor without dimensions, and `weights`, (P,): the number by which each part's\n"
        "mean must be multiplied before `backward()`, so that the gradients add up to that of\n"
        "`loss`. An empty part has the weight 0."
    ),
    formula="means 2 and 4 over 3 and 1 places:  loss = (3 · 2 + 4) / 4 = 2.5,  weights 3/4, 1/4",
    stub=(
        "def loss_of_parts(means, counts):\n    raise NotImplementedError\n    return loss, weights"
    ),
    hints=(
        "A mean times its count is a sum. Add the sums, divide by the number of all places.",
        "0 · NaN is NaN: replace NaN before you multiply (`torch.nan_to_num`).",
    ),
    verified="parts alike and unlike, and parts without a place.",
    outputs={"loss": "number", "weights": "tensor"},
    compute=_loss_of_parts,
    cases=_cases,
    mistakes=(
        Mistake(
            "mean-of-means",
            {"weigh": "alike"},
            "each part counts as much as any other, 1/P. A place in a part with few places then "
            "weighs more than one in a part with many: weigh by the number of places.",
            _too,
        ),
        Mistake(
            "mean-of-means",
            {"weigh": "alike, empty left out"},
            "each part that has places counts as much as any other. Weigh by their number.",
            _too,
        ),
        Mistake(
            "not-divided",
            {"weigh": "not divided"},
            "the weights are the counts themselves. Divide by the number of all places, so that "
            "they sum to 1.",
            _too,
        ),
        Mistake(
            "weights-not-divided",
            {"returned": "counts"},
            "the loss is right, but the weights are the counts. Divide them by the number of all "
            "places: they sum to 1.",
        ),
        Mistake(
            "divided-by-parts",
            {"weigh": "divided by parts"},
            "the sum was divided by the number of parts. Divide by the number of all places.",
            _too,
        ),
        Mistake(
            "divided-by-the-largest",
            {"weigh": "by the largest"},
            "the counts were divided by the largest of them. Divide by their sum.",
            _too,
        ),
        Mistake(
            "weights-inverted",
            {"weigh": "inverted"},
            "a part with more places got a smaller weight: one over its count. Its mean already "
            "is divided by it. Multiply by the count, and divide by the number of all places.",
            _too,
        ),
        Mistake(
            "mean-for-sum",
            {"total": "mean"},
            "the weighted parts were averaged. Their weights sum to 1 already: add them up.",
            _too,
        ),
        Mistake(
            "nan-of-an-empty-part",
            {"empty": "nan"},
            "a part without a chosen place has the mean NaN, and 0 · NaN is NaN. Leave such "
            "parts out.",
        ),
    ),
)

EXERCISES = (LOSS_OF_PARTS,)
