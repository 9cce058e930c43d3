"""Chapter 1's exercise on pairs: two texts to one padded input."""

from __future__ import annotations

import random

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec


def _encode_pair(
    a_ids: list[int],
    b_ids: list[int],
    cls_id: int,
    sep_id: int,
    pad_id: int,
    length: int,
    *,
    special: str = "all",
    ids: str = "given",
    types: str = "right",
    mask: str = "right",
    padding: str = "right",
    order: str = "right",
    empty_b: str = "two separators",
) -> tuple[list[int], ...]:
    """``[CLS] A [SEP] B [SEP]``, right by default; each keyword makes one step wrong."""
    if ids == "fixed":
        cls_id, sep_id, pad_id = 101, 102, 0
    if order == "b first":
        a_ids, b_ids = b_ids, a_ids
    first = [cls_id, *a_ids, sep_id]
    second = [*b_ids, sep_id]
    if empty_b == "one separator" and not b_ids:
        second = []
    if special == "no cls":
        first = first[1:]
    elif special == "no first sep":
        first = first[:-1]
    elif special == "no last sep":
        second = second[:-1]
    elif special == "second cls":
        second = [cls_id, *second]
    elif special == "none":
        first, second = list(a_ids), list(b_ids)

    one, two = len(first), len(second)
    token_types = [0] * one + [1] * two
    if types == "zeros":
        token_types = [0] * (one + two)
    elif types == "exchanged":
        token_types = [1] * one + [0] * two
    elif types == "first sep":
        token_types = [0] * (one - 1) + [1] * (two + 1)
    elif types == "last sep":
        token_types = [0] * one + [1] * (two - 1) + [0]
    elif types == "from one":
        token_types = [1] * one + [2] * two

    input_ids = first + second
    used = len(input_ids)
    attention = [1] * used
    if mask == "no specials":
        attention = [0 if i in (cls_id, sep_id) else 1 for i in input_ids]
    elif mask == "first text":
        attention = [1] * one + [0] * two
    filler = length - used
    pad_with = 0 if padding == "zeros" else pad_id
    pads = [[pad_with] * filler, [0] * filler, [0] * filler]
    if types == "padding":
        pads[1] = [1] * filler
    elif types == "padding with pad_id":
        pads[1] = [pad_id] * filler
    if mask == "ones":
        pads[2] = [1] * filler
    elif mask == "not 0":
        attention = [int(i != 0) for i in input_ids]
        pads[2] = [int(pad_with != 0)] * filler
    elif mask == "inverted":
        attention, pads[2] = [1 - m for m in attention], [1] * filler
    if padding == "none":
        pads = [[], [], []]
    elif padding == "ids only":
        pads[1:] = [[], []]
    lists = [input_ids, token_types, attention]
    done = [p + x if padding == "left" else x + p for x, p in zip(lists, pads, strict=True)]
    if order == "mask second":
        done[1], done[2] = done[2], done[1]
    return tuple(done)


def _encode_pair_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)
    texts = [  # stage, label, tokens of A, tokens of B, padding
        (1, "no padding", 2, 1, 0),
        (1, "one text longer than the other", 1, 4, 0),
        (2, "padding", 2, 3, 2),
        (2, "one padding place", 3, 3, 1),
        (2, "much padding", 1, 1, 9),
        (3, "an empty second text", 2, 0, 3),
        (3, "an empty first text", 0, 2, 3),
        (4, "a token with id 0", 2, 2, 2),
    ]
    cases = []
    for stage, label, a, b, padding in texts:
        ids = rng.sample(range(5, 1000), a + b + 3)
        cls_id, sep_id, pad_id = ids[:3]
        if stage == 4:
            ids[3] = 0
        arguments = {
            "a_ids": ids[3 : 3 + a],
            "b_ids": ids[3 + a :],
            "cls_id": cls_id,
            "sep_id": sep_id,
            "pad_id": pad_id,
            "length": a + b + 3 + padding,
        }
        cases.append(Case(stage, label, arguments))
    return cases


def _types(failure: Failure) -> str:
    return f"Your token types are {failure.found[1]}"


def _mask(failure: Failure) -> str:
    return f"Your mask is {failure.found[2]}"


_LAYOUT = "The order is [CLS] A [SEP] B [SEP]."

ENCODE_PAIR = Spec(
    Exercise("encode_pair", 1, "easy", 10),
    question=(
        "Join two lists of ids as BERT reads a pair, [CLS] A [SEP] B [SEP], padded at the end to\n"
        "`length`. Return three lists of that length: input_ids; token_type_ids, 0 for [CLS] A\n"
        "[SEP], 1 for B [SEP], 0 for padding; attention_mask, 1 for all tokens, 0 for padding.\n"
        "The texts always fit."
    ),
    formula="[CLS] A [SEP] B [SEP] [PAD] …   types 0 0 0 1 1 0 …   mask 1 1 1 1 1 0 …",
    stub=(
        "def encode_pair(a_ids, b_ids, cls_id, sep_id, pad_id, length):\n"
        "    raise NotImplementedError\n"
        "    return input_ids, token_type_ids, attention_mask"
    ),
    hints=(
        "Build the two segments first: `[cls_id, *a_ids, sep_id]` and `[*b_ids, sep_id]`.",
        "All three lists follow from the two lengths and the padding, `length` minus both.",
    ),
    verified=(
        "all three lists with and without padding, texts of different lengths, special ids other "
        "than BERT's usual ones, and an empty text; arguments unchanged."
    ),
    outputs={"input_ids": "ids", "token_type_ids": "ids", "attention_mask": "ids"},
    compute=_encode_pair,
    cases=_encode_pair_cases,
    also_right=({"empty_b": "one separator"},),
    mistakes=(
        Mistake(
            "token-types-all-zero",
            {"types": "zeros"},
            "the second text has token type 0 too, so that BERT can't tell the two apart by it. B "
            "and the [SEP] after it have type 1.",
            _types,
        ),
        Mistake(
            "token-types-exchanged",
            {"types": "exchanged"},
            "the first text has type 1 and the second 0. It is the other way round.",
            _types,
        ),
        Mistake(
            "token-types-from-one",
            {"types": "from one"},
            "types are counted from 1. The first text has type 0, the second 1.",
            _types,
        ),
        Mistake(
            "first-separator-in-second-text",
            {"types": "first sep"},
            "the first [SEP] has type 1. It closes A and has A's type, 0.",
            _types,
        ),
        Mistake(
            "last-separator-in-first-text",
            {"types": "last sep"},
            "the last [SEP] has type 0. It closes B and has B's type, 1.",
            _types,
        ),
        Mistake(
            "padding-in-second-text",
            {"types": "padding"},
            "padding has token type 1. It has type 0.",
            _types,
        ),
        Mistake(
            "token-types-padded-with-pad-id",
            {"types": "padding with pad_id"},
            "the token types were padded with `pad_id`. Only the ids are; types of padding are 0.",
            _types,
        ),
        Mistake(
            "mask-inverted",
            {"mask": "inverted"},
            "the mask is 1 on padding. It is 1 where there is a token, and 0 on padding. "
            "Equation 1.10.",
            _mask,
        ),
        Mistake(
            "mask-covers-padding",
            {"mask": "ones"},
            "the mask is 1 everywhere, so that padding would be attended to. It is 0 on padding. "
            "Equation 1.10.",
            _mask,
        ),
        Mistake(
            "mask-from-zeros",
            {"mask": "not 0"},
            "the mask was made by asking which ids aren't 0. Padding may have another id, and 0 "
            "may be a token: go by the lengths. Equation 1.10.",
            _mask,
        ),
        Mistake(
            "texts-exchanged",
            {"order": "b first"},
            f"the second text stands first. {_LAYOUT}",
        ),
        Mistake(
            "mask-hides-special-tokens",
            {"mask": "no specials"},
            "the mask is 0 at [CLS] and [SEP]. BERT reads them: only padding has 0. Equation 1.10.",
            _mask,
        ),
        Mistake(
            "mask-hides-second-text",
            {"mask": "first text"},
            "the mask is 0 on the second text. It is 1 on every token and 0 on padding only.",
            _mask,
        ),
        Mistake("cls-missing", {"special": "no cls"}, f"[CLS] is missing. {_LAYOUT}"),
        Mistake(
            "separator-between-missing",
            {"special": "no first sep"},
            f"the [SEP] between the texts is missing. {_LAYOUT}",
        ),
        Mistake(
            "last-separator-missing",
            {"special": "no last sep"},
            f"the [SEP] at the end is missing. {_LAYOUT}",
        ),
        Mistake(
            "second-cls",
            {"special": "second cls"},
            f"there is a [CLS] in front of the second text too. {_LAYOUT}",
        ),
        Mistake(
            "special-tokens-missing",
            {"special": "none"},
            f"there are no special tokens. {_LAYOUT}",
        ),
        Mistake(
            "fixed-special-ids",
            {"ids": "fixed"},
            "the special ids 101, 102 and 0 are written into the code. Other vocabularies have "
            "others: use `cls_id`, `sep_id` and `pad_id`.",
        ),
        Mistake(
            "not-padded",
            {"padding": "none"},
            "the lists are not padded. Each must have `length` items.",
        ),
        Mistake(
            "only-ids-padded",
            {"padding": "ids only"},
            "only the ids are padded. All three lists must have `length` items.",
        ),
        Mistake(
            "padded-with-zero",
            {"padding": "zeros"},
            "the ids were padded with 0, which may be another token. Use `pad_id`.",
        ),
        Mistake(
            "padded-on-the-left",
            {"padding": "left"},
            "the padding stands in front. BERT's stands at the end, so that [CLS] is at place 0.",
        ),
        Mistake(
            "outputs-swapped",
            {"order": "mask second"},
            "the lists come in the wrong order. Return input_ids, token_type_ids, attention_mask.",
        ),
    ),
)

EXERCISES = (ENCODE_PAIR,)
