"""Chapter 5's exercise on masking: an answer with chance in it, judged by its statistics.

Dimensions: ``B`` batch, ``T`` tokens, ``V`` vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec
from bertlab.exercises.values import Unusable, kind_of

if TYPE_CHECKING:
    from torch import Tensor

# Of so many places, shares rounded to a percent are the same in practice every time: half a percent
# is five standard deviations of the share of [MASK].
_MANY = 100_000


def _mask_tokens(
    input_ids: Tensor,
    special_ids: list[int],
    mask_id: int,
    vocab_size: int,
    probability: float,
    seed: int,
    *,
    choice: str = "given",
    rows: str = "apart",
    special: str = "spared",
    split: str = "80/10/10",
    where: str = "chosen",
    replacement: str = "ordinary",
    labels: str = "chosen",
    ignored: int = -100,
) -> tuple[Tensor, Tensor]:
    """The 80/10/10 rule, right by default; each keyword makes one step wrong."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    shape = input_ids.shape

    def uniform() -> Tensor:
        if rows == "together":
            return torch.rand(shape[-1], generator=generator).expand(shape)
        return torch.rand(shape, generator=generator)

    is_special = torch.zeros(vocab_size, dtype=torch.bool)
    is_special[special_ids] = True
    chance = 0.15 if choice == "15 %" else probability
    chosen = uniform() < chance  # (B, T)
    if choice == "inverted":
        chosen = ~chosen
    ordinary = ~is_special[input_ids] if special == "spared" else torch.ones_like(chosen)
    chosen = chosen & ordinary

    first, second = uniform(), uniform()
    if choice == "the same draw":
        chosen = (first < probability) & ordinary
    to_mask, to_random = {
        "80/10/10": (first < 0.8, (first >= 0.8) & (first < 0.9)),
        "80/2/18": (first < 0.8, (first >= 0.8) & (second < 0.1)),
        "72/10/18": ((first < 0.8) & (second >= 0.1), second < 0.1),
        "81/9/10": ((first < 0.9) & (second < 0.9), (first < 0.9) & (second >= 0.9)),
        "80/20/0": (first < 0.8, first >= 0.8),
        "80/0/20": (first < 0.8, first > 1),
        "100/0/0": (first < 1, first > 1),
        "10/80/10": (first < 0.1, (first >= 0.1) & (first < 0.9)),
        "10/10/80": (first < 0.1, (first >= 0.1) & (first < 0.2)),
        "0/100/0": (first > 1, first < 1),
    }[split]
    if where == "chosen":
        to_mask, to_random = to_mask & chosen, to_random & chosen

    pool = (~is_special).nonzero().squeeze(1)
    if replacement == "all":
        pool = torch.arange(vocab_size)
    elif replacement == "the text's":
        pool = input_ids[~is_special[input_ids]]
    index = torch.randint(len(pool), (1,) if replacement == "one" else shape, generator=generator)
    drawn = pool[index].expand(shape)
    masked_ids = drawn.where(to_random, input_ids).masked_fill(to_mask, mask_id)

    has_label = {
        "chosen": chosen,
        "everywhere": torch.ones_like(chosen),
        "inverted": ~chosen,
        "only [MASK]": chosen & to_mask,
        "only changed": chosen & (to_mask | to_random),
    }.get(labels, chosen)
    truth = masked_ids if labels == "masked ids" else input_ids
    return masked_ids, truth.where(has_label, ignored)


def _observe(arguments: Mapping[str, Any], value: Any) -> tuple[Any, ...]:
    """Count what masking did: shares in percent, and words for what should never happen."""
    import torch

    input_ids = arguments["input_ids"]
    if value is None:
        raise Unusable(
            "returned-none",
            "your function returned None: is a `return` missing? Return `masked_ids, labels`",
        )
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise Unusable(
            "wrong-number-of-outputs",
            f"your function returned {kind_of(value)}: expected 2 values, `masked_ids, labels`",
        )
    masked_ids, labels = (
        _ids(item, name, input_ids)
        for item, name in zip(value, ("masked_ids", "labels"), strict=True)
    )
    is_special = torch.isin(input_ids, torch.tensor(arguments["special_ids"]))
    ordinary = ~is_special
    changed = masked_ids != input_ids

    at_special = labels[is_special]  # never chosen, so they show what stands for "no label"
    unlabelled = -100
    elsewhere = "-100"
    if len(at_special) and bool((at_special == input_ids[is_special]).all()):
        elsewhere = "the token itself"
    elif len(at_special) and bool((at_special == at_special[0]).all()):
        unlabelled = int(at_special[0])
        elsewhere = str(unlabelled)
    elif bool((at_special != -100).any()):
        elsewhere = "-100 at some special tokens only"
    chosen = ordinary & (labels != unlabelled)
    count = int(chosen.sum())

    true = bool((labels[chosen] == input_ids[chosen]).all())
    words = [
        "true ids" if true else "not all true ids",
        f"without a label: {elsewhere}",
    ]
    kept = not bool((changed & ordinary & ~chosen).any())
    spared = not bool(changed[is_special].any())
    rest = [
        "places without a label unchanged" if kept else "places without a label changed",
        "special tokens unchanged" if spared else "special tokens changed",
    ]
    share = round(100 * count / max(1, int(ordinary.sum())))
    if input_ids.numel() < _MANY:  # too few for shares
        return share if share in (0, 100) else -1, [], words, rest, []

    masked = chosen & (masked_ids == arguments["mask_id"])
    drawn = chosen & changed & ~masked
    kinds = masked_ids[drawn].unique()
    counts = [int(places.sum()) for places in (masked, drawn, chosen & ~changed)]
    shares = [round(100 * number / max(1, count)) for number in counts]
    pieces = len(kinds) - int(torch.isin(kinds, torch.tensor(arguments["special_ids"])).sum())
    possible = arguments["vocab_size"] - len(arguments["special_ids"])
    size = "one piece" if len(kinds) == 1 else "some pieces"
    if pieces > 0.95 * possible:
        size = "all pieces"
    drawn_words = [size if len(kinds) else "none"]
    drawn_words += ["special tokens"] if len(kinds) > pieces else []
    if bool((chosen[0] == chosen[1]).all()) and 0 < share < 100:
        rest.append("all rows masked alike")
    return share, shares, words, rest, drawn_words


def _ids(value: Any, name: str, like: Tensor) -> Tensor:
    """Return a plain copy of an answer's ids.

    Raises:
        Unusable: when they are no ids of the right shape.
    """
    import numpy as np
    import torch

    if not isinstance(value, (torch.Tensor, np.ndarray)):
        raise Unusable("wrong-type", f"`{name}` is {kind_of(value)}: expected a tensor of ids")
    with torch._C.DisableTorchFunctionSubclass():  # a subclass can't answer for itself
        tensor = torch.as_tensor(value).detach()
        if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
            raise Unusable("wrong-dtype", f"`{name}` has dtype {tensor.dtype}: expected ids, int64")
        if tensor.shape != like.shape:
            raise Unusable(
                "wrong-shape",
                f"`{name}` has shape {tuple(tensor.shape)}: expected {tuple(like.shape)}",
            )
        return torch.empty(tensor.shape, dtype=torch.int64).copy_(tensor)


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, B: int, T: int, V: int, probability: float) -> Case:
        special = (torch.randperm(V - 1, generator=generator)[:6] + 1).tolist()  # 0 is a piece
        ordinary = torch.tensor([i for i in range(1, V) if i not in special])
        ordinary = ordinary[torch.randperm(len(ordinary), generator=generator)]
        known = ordinary[: len(ordinary) * 2 // 3]  # the text doesn't have every piece
        ids = known[torch.randint(len(known), (B, T), generator=generator)]
        ids[:, 0], ids[:, T // 2], ids[:, -1] = special[0], special[1], special[2]
        if T > 50:
            ids[:, 5::50] = special[1]
        arguments = {
            "input_ids": ids,
            "special_ids": sorted(special),
            "mask_id": special[3],
            "vocab_size": V,
            "probability": probability,
            "seed": seed,
        }
        return Case(stage, label, arguments)

    return [
        case(1, "every ordinary place chosen", 2, 60, 300, 1.0),
        case(1, "every ordinary place chosen, one row", 1, 90, 500, 1.0),
        *([] if seed % 3 else [case(2, "200,000 places, probability 0.9", 200, 1_000, 1_000, 0.9)]),
    ]


def _shares(failure: Failure) -> str:
    shares = failure.found[1]
    if not shares:
        return ""
    return (
        f"Of the places that you chose, {shares[0]} % hold [MASK], {shares[1]} % another piece, "
        f"{shares[2]} % what they held"
    )


def _chosen(failure: Failure) -> str:
    if failure.found[0] < 0:
        return ""
    return f"You chose {failure.found[0]} % of the ordinary places"


_ONE_DRAW = (
    "Make one draw u for each place: [MASK] where u < 0.8, a random piece where 0.8 <= u < 0.9, "
    "and the piece itself where u >= 0.9."
)


def _split(name: str, split: str, explanation: str) -> Mistake:
    return Mistake(name, {"split": split}, f"{explanation} {_ONE_DRAW}", _shares)


MASK_TOKENS = Spec(
    Exercise("mask_tokens", 5, "medium", 20),
    question=(
        "BERT's masking. input_ids is (B, T). Choose each place whose id isn't in special_ids\n"
        "with `probability`. Of the chosen places, make 80 % mask_id, 10 % a random id (uniform\n"
        "over the ids from 0 to vocab_size - 1 that aren't special), and leave 10 % as they are.\n"
        "Return masked_ids and labels, both (B, T): labels hold the true id at chosen places,\n"
        "-100 elsewhere. Draw from torch.Generator().manual_seed(seed). Rows are long: there is\n"
        "no need to make sure that each has a chosen place."
    ),
    formula="u < 0.8: [MASK]    0.8 <= u < 0.9: a random piece    u >= 0.9: unchanged",
    stub=(
        "def mask_tokens(input_ids, special_ids, mask_id, vocab_size, probability, seed):\n"
        "    raise NotImplementedError\n"
        "    return masked_ids, labels"
    ),
    hints=(
        "Two draws for each place: one says whether it is chosen, the other what it becomes. "
        "`torch.rand(input_ids.shape, generator=generator)` makes one of them.",
        "`torch.isin(input_ids, torch.tensor(special_ids))` finds the special tokens; a table of "
        "`vocab_size` booleans does it faster.",
        "For random pieces list the ordinary ids, draw indices into that list with "
        "`torch.randint`, and look them up.",
    ),
    verified=(
        "shares of chosen, masked, replaced and kept places to a percent over 200,000 places; "
        "special tokens neither chosen nor drawn; labels; places without a label unchanged; "
        "arguments unchanged."
    ),
    outputs={
        "percent chosen": "integer",
        "percent [MASK], random, kept": "ids",
        "labels": "pieces",
        "the rest": "pieces",
        "drawn at random": "pieces",
    },
    compute=_mask_tokens,
    observe=_observe,
    cases=_cases,
    mistakes=(
        _split(
            "nested-80-2-18",
            "80/2/18",
            "the random share was drawn as 10 % of what the 80 % had left over, and 10 % of a "
            "fifth is 2 %.",
        ),
        _split(
            "overwritten-72-10-18",
            "72/10/18",
            "two draws were made, and the second overwrote a tenth of the first one's [MASK].",
        ),
        _split(
            "nested-81-9-10",
            "81/9/10",
            "10 % were kept first, and of the rest another 10 % were replaced: 9 % of all.",
        ),
        _split(
            "always-masked",
            "100/0/0",
            "every chosen place became [MASK]. Perhaps both draws gave the same numbers, from two "
            "generators with one seed: then what is chosen is always below 0.8 as well.",
        ),
        _split("never-kept", "80/20/0", "no chosen place kept its piece."),
        _split("never-replaced", "80/0/20", "no chosen place got a random piece."),
        _split("always-replaced", "0/100/0", "every chosen place got a random piece."),
        _split("shares-exchanged", "10/80/10", "80 % got a random piece, and 10 % [MASK]."),
        _split("mostly-kept", "10/10/80", "80 % of the chosen places were left as they were."),
        Mistake(
            "changed-without-label",
            {"where": "all"},
            "places that were not chosen were changed, too. 80 % and 10 % are shares of the chosen "
            "places: combine each draw with `chosen`.",
        ),
        Mistake(
            "special-tokens-chosen",
            {"special": "chosen"},
            "special tokens were chosen as well. A model that must guess [CLS], [SEP] or padding "
            "learns nothing from it, and can't find its way without them.",
        ),
        Mistake(
            "special-tokens-drawn",
            {"replacement": "all"},
            "the random piece was drawn from the whole vocabulary, special tokens included. Draw "
            "from the ordinary ids only.",
        ),
        Mistake(
            "drawn-from-the-text",
            {"replacement": "the text's"},
            "the random pieces all come from the text itself. Draw from the whole vocabulary.",
        ),
        Mistake(
            "one-random-piece",
            {"replacement": "one"},
            "one random piece was drawn for all places. Draw one for each: `torch.randint(..., "
            "input_ids.shape)`.",
        ),
        Mistake(
            "labels-everywhere",
            {"labels": "everywhere"},
            "every place has a label, so the model is also asked for words that it sees. Put -100 "
            "where nothing was chosen.",
        ),
        Mistake(
            "labels-inverted",
            {"labels": "inverted"},
            "the labels stand where nothing was chosen. They belong to the chosen places.",
        ),
        Mistake(
            "labels-at-mask-only",
            {"labels": "only [MASK]"},
            "only [MASK] has a label. The random and the kept pieces are chosen places, too.",
            _chosen,
        ),
        Mistake(
            "kept-without-label",
            {"labels": "only changed"},
            "chosen places that kept their piece have no label, as if they had not been chosen. "
            "Their label is what makes the model doubt what it sees.",
            _chosen,
        ),
        Mistake(
            "labels-taken-after-masking",
            {"labels": "masked ids"},
            "the labels were copied from the masked ids, so the answer is [MASK]. Copy them "
            "before anything is changed.",
        ),
        Mistake(
            "ignored-label-zero",
            {"ignored": 0},
            "the label 0 stands where nothing was chosen. But 0 is a piece's id: the loss would "
            "ask for that piece, or, told to ignore 0, never train it. Use -100.",
        ),
        Mistake(
            "fixed-15-percent",
            {"choice": "15 %"},
            "0.15 is written into the code. Use `probability`.",
            _chosen,
        ),
        Mistake(
            "same-draw-twice",
            {"choice": "the same draw"},
            "whether a place is chosen and what it becomes come from the same numbers, so the "
            "shares of the chosen places are off. Make two draws, from one generator.",
            _shares,
        ),
        Mistake(
            "chosen-inverted",
            {"choice": "inverted"},
            "the comparison is the wrong way round: a place is chosen where its draw is *below* "
            "`probability`.",
            _chosen,
        ),
        Mistake(
            "rows-masked-alike",
            {"rows": "together"},
            "one row of draws was made, and all rows share it. Draw `input_ids.shape` numbers.",
        ),
    ),
)

EXERCISES = (MASK_TOKENS,)
