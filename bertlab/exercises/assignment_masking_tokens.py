"""What chosen places show and what they must say. Questions of the assignment ``masking``.

Dimensions: ``B`` batch, ``T`` tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec
from bertlab.exercises.whole_numbers import whole_numbers

if TYPE_CHECKING:
    from torch import Tensor


def _replace_chosen(
    input_ids: Tensor,
    chosen: Tensor,
    draws: Tensor,
    random_ids: Tensor,
    mask_id: int,
    *,
    split: str = "80/10/10",
    where: str = "chosen",
) -> Tensor:
    """The 80/10/10 rule with given draws, right by default; each keyword makes one step wrong."""
    import torch

    low, high = draws < 0.8, draws < 0.9
    never = torch.zeros_like(low)
    to_mask, to_random = {
        "80/10/10": (low, high & ~low),
        "all masked": (~never, never),
        "never kept": (low, ~low),
        "never replaced": (low, never),
        "overwritten": (low & ~high, high),
        "of the rest": (low, ~low & (draws < 0.82)),
        "shares exchanged": (draws < 0.1, (draws >= 0.1) & high),
        "mostly kept": (draws < 0.1, (draws >= 0.1) & (draws < 0.2)),
        "from above": (draws >= 0.2, (draws >= 0.1) & (draws < 0.2)),
    }[split]
    places = {"everywhere": ~never, "inverted": ~chosen}.get(where, chosen)
    random_places = chosen if where == "masks everywhere" else places
    mask_places = ~never if where == "masks everywhere" else places
    shown = input_ids.where(~(random_places & to_random), random_ids)
    return shown.masked_fill(mask_places & to_mask, mask_id)


def _replace_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, rows: list[str]) -> Case:
        """x chosen, . not; above them the draw: m, r or k for [MASK], random and kept."""
        B, T = len(rows), len(rows[0])
        uniform = torch.rand((B, T), generator=generator)
        kinds = torch.tensor([[ord(sign) for sign in row] for row in rows])
        small = uniform * 0.78 if stage > 1 else 0.3 + 0.4 * uniform
        near = torch.arange(T) % 2 * 0.03 + 0.801  # at even places just above 0.8
        draws = torch.where(kinds == ord("r"), near + 0.018 * uniform, small)
        draws = torch.where(kinds == ord("k"), 0.91 + 0.08 * uniform, draws)
        draws = torch.where(kinds == ord("."), uniform, draws).round(decimals=3)
        input_ids, random_ids = torch.randint(5, 90, (2, B, T), generator=generator)
        random_ids = random_ids + (random_ids == input_ids).long()
        arguments = {"input_ids": input_ids, "chosen": kinds != ord("."), "draws": draws}
        mask_id = int(torch.randint(100, 110, (1,), generator=generator))
        return Case(stage, label, arguments | {"random_ids": random_ids, "mask_id": mask_id})

    return [
        case(1, "places that become [MASK]", [".m..m."]),
        case(1, "places that become random pieces", [".rr..."]),
        case(1, "a place that is kept", ["..k..."]),
        case(2, "all three outcomes", [".mr.k.m"]),
        case(2, "a batch", ["m.rk.mm.", ".mmm.krm"]),
        case(3, "a row without a chosen place", ["......", "mrk.mm"]),
    ]


def _observe_ids(arguments: Mapping[str, Any], value: Any) -> Any:
    return whole_numbers(value, "masked_ids")


REPLACE_CHOSEN = Spec(
    Exercise("replace_chosen", 5, "easy", 6, "masking"),
    question=(
        "What the model sees. All tensors are (B, T). At the places where `chosen` is True, look\n"
        "at `draws`: below 0.8 the id becomes `mask_id`; from 0.8 to below 0.9 it becomes that of\n"
        "`random_ids`; from 0.9 on it stays. Elsewhere everything stays. Return `masked_ids`."
    ),
    formula="u < 0.8: [MASK]    0.8 <= u < 0.9: a random piece    u >= 0.9: unchanged",
    stub=(
        "def replace_chosen(input_ids, chosen, draws, random_ids, mask_id):\n"
        "    raise NotImplementedError\n"
        "    return masked_ids"
    ),
    hints=(
        "Two Boolean tensors: `to_mask = chosen & (draws < 0.8)`, and `to_random`.",
        "`torch.where(condition, a, b)` makes a new tensor and changes neither a nor b.",
    ),
    verified="each outcome alone, all three together, batches, rows without a chosen place.",
    outputs={"masked_ids": "tensor"},
    compute=_replace_chosen,
    cases=_replace_cases,
    observe=_observe_ids,
    mistakes=(
        Mistake(
            "always-masked",
            {"split": "all masked"},
            "every chosen place became [MASK]. From 0.8 on it is a random piece, from 0.9 on the "
            "piece stays.",
        ),
        Mistake(
            "never-kept",
            {"split": "never kept"},
            "all draws from 0.8 on gave a random piece. From 0.9 on the piece stays.",
        ),
        Mistake(
            "never-replaced",
            {"split": "never replaced"},
            "no place got a random piece. Draws from 0.8 to below 0.9 do.",
        ),
        Mistake(
            "second-overwrites-first",
            {"split": "overwritten"},
            "random pieces were written wherever the draw is below 0.9, over the [MASK]s too. "
            "They belong where it is between 0.8 and 0.9.",
        ),
        Mistake(
            "tenth-of-the-rest",
            {"split": "of the rest"},
            "only draws below 0.82 gave a random piece: a tenth of the fifth that was left. The "
            "rule is 80/10/10, not 80/2/18.",
        ),
        Mistake(
            "shares-exchanged",
            {"split": "shares exchanged"},
            "[MASK] and random pieces changed places: [MASK] is the usual one, below 0.8.",
        ),
        Mistake(
            "mostly-kept",
            {"split": "mostly kept"},
            "most of the chosen places were kept. [MASK] goes where the draw is below 0.8.",
        ),
        Mistake(
            "draws-from-above",
            {"split": "from above"},
            "high draws gave [MASK] and low ones kept the piece. The shares are right, but the "
            "question fixes the order: low draws give [MASK].",
        ),
        Mistake(
            "changed-without-being-chosen",
            {"where": "everywhere"},
            "places that weren't chosen were changed. Combine each condition with `chosen`.",
        ),
        Mistake(
            "changed-without-being-chosen",
            {"where": "masks everywhere"},
            "places that weren't chosen became [MASK]. Combine this condition, too, with `chosen`.",
        ),
        Mistake(
            "chosen-inverted",
            {"where": "inverted"},
            "the places that were *not* chosen were changed.",
        ),
    ),
)


def _mlm_labels(
    input_ids: Tensor,
    masked_ids: Tensor,
    chosen: Tensor,
    *,
    where: str = "chosen",
    truth: str = "input",
    ignored: int = -100,
) -> Tensor:
    """True ids at chosen places, right by default; each keyword makes one step wrong."""
    import torch

    places = {
        "everywhere": torch.ones_like(chosen),
        "inverted": ~chosen,
        "changed": chosen & (masked_ids != input_ids),
    }.get(where, chosen)
    ids = masked_ids if truth == "masked" else input_ids
    if truth == "chosen":
        ids = torch.ones_like(input_ids)
    return ids.where(places, ignored)


def _label_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, rows: list[str]) -> Case:
        """m, r, k: chosen, and shown as [MASK], as another piece, as it is; z: m with id 0."""
        B, T = len(rows), len(rows[0])
        signs = torch.tensor([[ord(sign) for sign in row] for row in rows])
        input_ids = torch.randint(5, 90, (B, T), generator=generator)
        input_ids = input_ids.masked_fill(signs == ord("z"), 0)
        masked_ids = input_ids.masked_fill((signs == ord("m")) | (signs == ord("z")), 4)
        masked_ids = torch.where(signs == ord("r"), input_ids + 1, masked_ids)
        arguments = {"input_ids": input_ids, "masked_ids": masked_ids}
        return Case(stage, label, arguments | {"chosen": signs != ord(".")})

    return [
        case(1, "[MASK] at two places", [".m.m."]),
        case(2, "a random piece", [".mr..r"]),
        case(3, "a place that was kept", ["..k.m"]),
        case(3, "a batch", ["m.rk..", ".....m", "......"]),
        case(4, "the true piece has id 0", ["z..k"]),
    ]


def _observe_labels(arguments: Mapping[str, Any], value: Any) -> Any:
    return whole_numbers(value, "labels")


def _labelled(failure: Failure) -> str:
    found, wanted = (int((value != -100).sum()) for value in (*failure.found, *failure.expected))
    return f"You gave a label to {found} places of this example, instead of {wanted}"


MLM_LABELS = Spec(
    Exercise("mlm_labels", 5, "easy", 4, "masking"),
    question=(
        "What the model must say. `input_ids` is the text, `masked_ids` what the model sees of\n"
        "it, `chosen` is Boolean; all are (B, T). Return `labels`, (B, T), of whole numbers: the\n"
        "true id at every chosen place, -100 elsewhere."
    ),
    formula="text 7 8 9, seen 7 [MASK] 9, chosen F T T  ->  -100 8 9",
    stub="def mlm_labels(input_ids, masked_ids, chosen):\n    raise NotImplementedError",
    hints=(
        "One `torch.where` does it.",
        "The kept places are chosen, too: don't go by what changed.",
    ),
    verified="masked, replaced and kept places, batches, and a piece with id 0.",
    outputs={"labels": "tensor"},
    compute=_mlm_labels,
    cases=_label_cases,
    observe=_observe_labels,
    mistakes=(
        Mistake(
            "labels-everywhere",
            {"where": "everywhere"},
            "every place has its id as label. Most of the loss is then copying: -100 wherever "
            "`chosen` is False.",
            _labelled,
        ),
        Mistake(
            "labels-inverted",
            {"where": "inverted"},
            "the places that were *not* chosen have labels.",
        ),
        Mistake(
            "kept-without-label",
            {"where": "changed"},
            "places count only if their id has changed. The 10 % that are kept are chosen, too, "
            "and have a label: that is what they are for.",
            _labelled,
        ),
        Mistake(
            "labels-taken-after-masking",
            {"truth": "masked"},
            "the labels were read off what the model sees, so it is asked for [MASK] itself. "
            "Take them from `input_ids`.",
        ),
        Mistake(
            "ones-for-labels",
            {"truth": "chosen"},
            "the labels say where something is asked, not what. Put the true id there.",
        ),
        Mistake(
            "ignored-label-zero",
            {"ignored": 0},
            "0 stands for no label. But 0 is a piece like any other: use -100.",
        ),
        Mistake(
            "ignored-minus-one",
            {"ignored": -1},
            "-1 stands for no label. `cross_entropy` and the models here leave out -100.",
        ),
    ),
)

EXERCISES = (REPLACE_CHOSEN, MLM_LABELS)
