"""Chapter 2's questions that are answered by numbers: variances, and who may attend to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import ANYTHING, Case, Exercise, Mistake, Spec
from bertlab.exercises.values import Unusable, kind_of

if TYPE_CHECKING:
    from torch import Tensor

_D = 64
_TOKENS = ("[CLS]", "it", "rained", "[SEP]", "[PAD]")


def _dot_product_variances(*, power: float = 1, what: str = "variance") -> tuple[float, ...]:
    """Variances of the sum of d products, times 1, 1/√d and 1/d; each keyword is a mistake."""
    total = _D**power
    if what == "scale not squared":
        return total, total / _D**0.5, total / _D
    if what == "never changed":
        return total, total, total
    variances = (total, total / _D, total / _D**2)
    return tuple(v**0.5 for v in variances) if what == "deviation" else variances


def _no_arguments(seed: int) -> list[Case]:
    return [Case(1, "the question", {})]


DOT_PRODUCT_VARIANCES = Spec(
    Exercise("dot_product_variances", 2, "easy", 4, extra=True),
    question=(
        f"q and k have d = {_D} components each, all independent, with mean 0 and variance 1.\n"
        "Give three numbers: the variance of q · k, of q · k / √d, and of q · k / d."
    ),
    formula="Var(x + y) = Var(x) + Var(y) for independent x and y;   Var(c x) = c² Var(x)",
    stub="dot_product_variances = ..., ..., ...",
    hints=(
        "Each product of two such components has the variance 1. How many are added?",
        "A factor comes out of a variance squared.",
    ),
    verified="the three variances.",
    outputs={"q · k": "number", "q · k / √d": "number", "q · k / d": "number"},
    compute=_dot_product_variances,
    cases=_no_arguments,
    asks="value",
    equation="2.6",
    mistakes=(
        Mistake(
            "deviations-not-variances",
            {"what": "deviation"},
            "these are standard deviations. The variance is the square. (And so one divides by "
            "√d: it is the deviation of q · k.)",
        ),
        Mistake(
            "scale-not-squared",
            {"what": "scale not squared"},
            "the variances were divided by √d and d. A factor c comes out of a variance as c², so "
            "that √d, not d, is what brings it back to 1.",
        ),
        Mistake(
            "scale-without-effect",
            {"what": "never changed"},
            "the scale changes the variance: a factor c comes out of it as c².",
        ),
        Mistake(
            "variance-grows-with-square",
            {"power": 2},
            "the variance of a sum was taken as d². Variances of independent terms add up, each "
            "of them 1.",
        ),
        Mistake(
            "one-term",
            {"power": 0},
            "this is the variance of one product. The dot product adds d of them.",
        ),
        Mistake(
            "deviation-of-the-sum",
            {"power": 0.5},
            "√d is the standard deviation of q · k. Its variance is d.",
        ),
    ),
)


def _attention_pattern(
    *,
    sees: str = "all",
    padding: str = "column",
    inverted: bool = False,
    own: bool = True,
    specials: bool = True,
) -> Tensor:
    """The table, right by default; each keyword makes one thing wrong. Padding's row is free."""
    import torch

    T = len(_TOKENS)
    table = torch.ones(T, T, dtype=torch.float64)
    if sees == "left":
        table = table.tril()
    elif sees == "right":
        table = table.triu()
    elif sees == "itself":
        table = torch.eye(T, dtype=torch.float64)
    if not own:
        table.fill_diagonal_(0)
    if not specials:
        table[:, [0, 3]] = 0
    if padding == "column":
        table[:, -1] = 0
    elif padding == "row":
        table[-1] = 0
    if inverted:
        table = 1 - table
    if padding != "row":
        table[-1] = ANYTHING
    return table


def _observe(arguments: Mapping[str, Any], value: Any) -> Any:
    """Take a table of True and False, or of 1 and 0, as a tensor, an array or lists."""
    import numpy as np
    import torch

    if isinstance(value, (torch.Tensor, np.ndarray)):
        return torch.as_tensor(value).double()
    try:
        return torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError):
        words = f"`pattern` is {kind_of(value)}: expected a tensor or lists of True and False"
        raise Unusable("wrong-type", words) from None


ATTENTION_PATTERN = Spec(
    Exercise("attention_pattern", 2, "easy", 4, extra=True),
    question=(
        f"A row of five tokens: {' '.join(_TOKENS)}. Write the 5 × 5 table that says who may\n"
        "attend to whom in BERT: row q, column k is True (or 1) if token q may attend to token k.\n"
        "The row of [PAD] may hold anything."
    ),
    formula="pattern[q, k] = True where query q may give weight to key k",
    stub="attention_pattern = ...",
    hints=(
        "BERT is an encoder. Does a token see what comes after it?",
        "What must get no weight is padding. Is that a row or a column of the table?",
    ),
    verified="all rows of real tokens.",
    outputs={"pattern": "tensor"},
    compute=_attention_pattern,
    cases=_no_arguments,
    observe=_observe,
    asks="value",
    equation="2.11",
    mistakes=(
        Mistake(
            "left-to-right",
            {"sees": "left"},
            "each token sees only itself and what stands before it, as in a decoder. BERT is an "
            "encoder: in every layer each token attends to both sides at once.",
        ),
        Mistake(
            "right-to-left",
            {"sees": "right"},
            "each token sees only itself and what comes after it. BERT doesn't read in a direction "
            "(that is one half of a biLSTM or of ELMo): each token attends to both sides at once.",
        ),
        Mistake(
            "sees-itself-only",
            {"sees": "itself"},
            "each token sees only itself. Attention is there to look at others.",
        ),
        Mistake(
            "own-place-forbidden",
            {"own": False},
            "a token may not attend to itself in your table. In BERT it may; that the masked "
            "word isn't seen is the work of [MASK].",
        ),
        Mistake(
            "special-tokens-hidden",
            {"specials": False},
            "nobody may attend to [CLS] and [SEP] in your table. They are read like any token.",
        ),
        Mistake(
            "padding-row-for-column",
            {"padding": "row"},
            "the row of padding is False, and its column isn't. A row is what a query sees; what "
            "nobody may look at is a column.",
        ),
        Mistake(
            "padding-attended-to",
            {"padding": "nothing"},
            "padding may be attended to. It stands there for the batch's shape only: its column "
            "is False.",
        ),
        Mistake(
            "inverted",
            {"inverted": True},
            "the table is the wrong way round: True means that a token may attend.",
        ),
    ),
)

EXERCISES = (DOT_PRODUCT_VARIANCES, ATTENTION_PATTERN)
