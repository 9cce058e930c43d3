"""The attention assignment's exercise on making a mask.

Dimensions: ``B`` texts, ``T`` tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec
from bertlab.exercises.values import Unusable

if TYPE_CHECKING:
    from torch import Tensor


def _attention_mask(
    attention_mask: Tensor,
    causal: bool = False,
    *,
    hides: str = "keys",
    inverted: bool = False,
    triangle: str = "lower",
    together: str = "and",
) -> Tensor:
    """The mask, (B, 1, T, T), right by default; each keyword makes one step wrong."""
    import torch

    T = attention_mask.size(1)
    real = attention_mask.bool()
    keys, queries = real[:, None, None, :], real[:, None, :, None]
    allowed = {"keys": keys, "queries": queries, "both": keys & queries, "nothing": keys | True}
    mask = allowed[hides].expand(-1, 1, T, T)
    if causal and triangle != "none":
        square = torch.ones(T, T, dtype=torch.bool)
        past = {"lower": square.tril(), "upper": square.triu(), "strict": square.tril(-1)}[triangle]
        mask = {"and": mask & past, "or": mask | past, "past alone": past.expand_as(mask)}[together]
    return ~mask if inverted else mask


def _as_square(arguments: Mapping[str, Any], value: Any) -> Any:
    """Broadcast a learner's mask to (B, 1, T, T), as attention would; say if that can't be."""
    import torch

    if value is None:
        return None
    if not isinstance(value, torch.Tensor):
        raise Unusable("wrong-type", f"`mask` is of type {type(value).__name__}: expected a tensor")
    if value.dtype != torch.bool:
        raise Unusable("not-boolean", f"`mask` has dtype {value.dtype}: expected torch.bool")
    B, T = arguments["attention_mask"].shape
    shape = tuple(value.shape)
    if value.ndim != 4 or any(n not in (1, m) for n, m in zip(shape, (B, 1, T, T), strict=True)):
        raise Unusable(
            "wrong-shape",
            f"`mask` has shape {shape}: expected (B, 1, 1, T) or (B, 1, T, T), here B = {B} and "
            f"T = {T}, so that it broadcasts over heads",
        )
    return value.expand(B, 1, T, T).double()


def _mask_cases(seed: int) -> list[Case]:
    import torch

    def case(stage: int, label: str, causal: bool, *lengths: int) -> Case:
        mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
        arguments: dict[str, Any] = {"attention_mask": mask}
        return Case(stage, label, arguments | ({"causal": True} if causal else {}))

    return [
        case(1, "two texts, one of them padded", False, 3, 2),
        case(1, "four texts", False, 5, 2 + seed % 3, 1, 4),
        case(2, "causal, no padding", True, 3, 3),
        case(2, "causal and padding", True, 4, 2),
        case(2, "causal, three texts", True, 6, 1 + seed % 4, 3),
    ]


MAKE_MASK = Spec(
    Exercise("make_mask", 2, "medium", 8, "attention"),
    question=(
        "attention_mask is (B, T) with 1 for real tokens and 0 for padding. Make the boolean mask\n"
        "for attention, True = may attend, of a shape that broadcasts to (B, H, Tq, Tk). Padding\n"
        "is forbidden as a key; its own rows may stay. With causal=True a token may attend to\n"
        "itself and to what stands before it only."
    ),
    formula="mask[b, 0, q, k] = (attention_mask[b, k] = 1)  and, if causal, k ≤ q",
    stub="def make_mask(attention_mask, causal=False):\n    raise NotImplementedError",
    hints=(
        "`attention_mask.bool()[:, None, None, :]` is (B, 1, 1, T): one row for all queries.",
        "`torch.ones(T, T, dtype=torch.bool).tril()` is True where k ≤ q.",
        "Both must hold: `&` broadcasts to (B, 1, T, T).",
    ),
    verified="shape, dtype and values for padding, a causal mask, and both together.",
    outputs={"mask": "tensor"},
    compute=_attention_mask,
    cases=_mask_cases,
    observe=_as_square,
    equation="2.11",
    mistakes=(
        Mistake(
            "mask-inverted",
            {"inverted": True},
            "the mask is the other way round. True means that a query may attend.",
        ),
        Mistake(
            "queries-hidden",
            {"hides": "queries"},
            "padding was forbidden as a query, and every query may still look at it. Forbid it as "
            "a key: keys are the last axis, `[:, None, None, :]`.",
        ),
        Mistake(
            "rows-of-padding-hidden",
            {"hides": "both"},
            "the rows of padding were forbidden as well, so that these queries may attend to "
            "nothing. Nobody reads them; forbid padding as a key only.",
        ),
        Mistake(
            "padding-allowed",
            {"hides": "nothing"},
            "padding may be attended to: `attention_mask` was not used.",
        ),
        Mistake(
            "causal-ignored",
            {"triangle": "none"},
            "with `causal=True` a token may still attend to what comes after it.",
        ),
        Mistake(
            "future-instead-of-past",
            {"triangle": "upper"},
            "a token may attend to itself and what comes *after* it: the triangle is the upper "
            "one. k ≤ q is the lower one, `tril()`.",
        ),
        Mistake(
            "itself-forbidden",
            {"triangle": "strict"},
            "a token may not attend to itself, and the first one to nothing. The diagonal belongs "
            "to the triangle: k ≤ q.",
        ),
        Mistake(
            "or-instead-of-and",
            {"together": "or"},
            "a key is allowed if it is real *or* in the past. Both must hold: `&`.",
        ),
        Mistake(
            "padding-lost-when-causal",
            {"together": "past alone"},
            "with `causal=True` padding is allowed again. Both conditions must hold: `&`.",
        ),
    ),
)

EXERCISES = (MAKE_MASK,)
