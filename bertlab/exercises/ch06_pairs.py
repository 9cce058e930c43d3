"""Chapter 6's exercises on pairs: one pair of a chunk, and a pair cut to a length."""

from __future__ import annotations

import random

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

Sentences = list[list[int]]


def _make_pair(
    documents: list[Sentences],
    number: int,
    chunk: Sentences,
    split: int,
    coin: int,
    other: int,
    target: int,
    *,
    a: str = "split",
    single: str = "random",
    coins: str = "right",
    source: str = "right",
    fill: str = "target",
    least: int = 1,
    label: str = "right",
    put_back: str = "right",
) -> tuple[list[int], list[int], int, int]:
    """One pair, right by default; each keyword makes one step wrong."""
    cut = 1 if a == "one sentence" else split
    first, rest = chunk[:cut], chunk[cut:]
    is_next = coin == (1 if coins == "inverted" else 0)
    if single == "random" and len(chunk) == 1:
        is_next = False
    if is_next:
        second, used = (rest[:1], cut + 1) if a == "one sentence each" else (rest, len(chunk))
    else:
        shift = {"unshifted": 0, "late": int(other > number)}.get(source, int(other >= number))
        where = documents[number if source == "same" else other + shift]
        wanted = target if fill == "whole target" else target - sum(map(len, first))
        second = []
        for sentence in where:
            have = sum(map(len, second))
            enough = {
                "one sentence": len(second) == 1,
                "all": False,
                "fitting": have + len(sentence) > wanted,
            }.get(fill, have >= wanted)
            if enough and len(second) >= least:
                break
            second.append(sentence)
        if fill == "cut":
            flat = [i for sentence in second for i in sentence][: max(wanted, 1)]
            second = [flat]
        used = len(chunk) if put_back == "never" else cut
    if is_next and put_back == "always":
        used = cut
    truth = int(is_next) if label == "swapped" else int(not is_next)
    flat_a, flat_b = ([i for s in part for i in s] for part in (first, second))
    return flat_a, flat_b, truth, used


def _make_pair_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)
    ids = iter(rng.sample(range(100, 999), 400))
    documents = [[[next(ids) for _ in range(rng.randint(2, 4))] for _ in range(8)] for _ in "abcd"]
    documents = [document[: 6 + rng.randrange(2)] for document in documents]

    def case(stage: int, label: str, **others: int) -> Case:
        given = {"number": 1, "size": 4, "split": 2, "coin": 1, "other": 0, "target": 14} | others
        start = rng.randrange(2)
        chunk = documents[given["number"]][start : start + given.pop("size")]
        names = ("split", "coin", "other", "target")
        rest = {name: given[name] for name in names}
        number = given["number"]
        return Case(stage, label, {"documents": documents, "number": number, "chunk": chunk} | rest)

    return [
        case(1, "the coin says next", coin=0, size=3),
        case(1, "the coin says next, a longer A", coin=0, size=4, split=3, other=2),
        case(1, "the coin says next, a longer B", coin=0, size=4, split=1),
        case(2, "the coin says random", split=2),
        case(2, "the coin says random, a short A", split=1, size=3, target=12),
        case(3, "the other document stands after this one", other=1),
        case(3, "the other document stands far after this one", other=2, split=1),
        case(3, "this document is the first", number=0, other=0),
        case(4, "one sentence, and the coin says next", size=1, split=1, coin=0),
        case(4, "one sentence, and the coin says random", size=1, split=1, number=2, other=1),
        case(5, "A alone reaches the target", split=3, target=6),
    ]


def _label(failure: Failure) -> str:
    return f"Your label for the pair below is {failure.found[2]}"


def _used(failure: Failure) -> str:
    many = failure.found[3]
    return f"You say that {many} sentence{'s' * (many != 1)} of the chunk below are done with"


_FILL = "Sentences are added until A and B together have `target` tokens or more."

MAKE_PAIR = Spec(
    Exercise("make_pair", 6, "medium", 20),
    question=(
        "Make one pair of a chunk. `documents` are lists of sentences, a sentence is a list of\n"
        "ids; `chunk` is a part of `documents[number]`. A is its first `split` sentences.\n"
        "If `coin` is 0 and the chunk has more than one sentence, B is the rest of the chunk: it\n"
        "is next. Otherwise B is random: sentences of another document, from its first, added\n"
        "until A and B have `target` tokens or more, and at least one. Which document? Number\n"
        "`other`, 0 or more, of the documents left when `number` is taken out.\n"
        "Return A's ids, B's ids, the label as in BERT's checkpoints, and `used`: how many\n"
        "sentences of the chunk are done with, so that the next chunk begins after them."
    ),
    formula="label 0: B follows A   label 1: B is random, and the chunk's rest is put back",
    stub=(
        "def make_pair(documents, number, chunk, split, coin, other, target):\n"
        "    raise NotImplementedError\n"
        "    return a_ids, b_ids, label, used"
    ),
    hints=(
        "First decide: is B next? Only if `coin` is 0 and `len(chunk) > 1`.",
        "`others = documents[:number] + documents[number + 1:]` has every document but this one.",
        "A random B is filled in a loop that stops when `len(a) + len(b) >= target`, but not "
        "before the first sentence is in. Then `used` is `split`, since the rest is put back.",
    ),
    verified="both labels, chunks of one sentence, other documents before and after this one, and "
    "an A that leaves no room.",
    outputs={"a_ids": "ids", "b_ids": "ids", "label": "integer", "used": "integer"},
    compute=_make_pair,
    cases=_make_pair_cases,
    mistakes=(
        Mistake(
            "label-swapped",
            {"label": "swapped"},
            "the label's direction is swapped. In BERT's checkpoints 0 says that B follows A, 1 "
            "that it is random.",
            _label,
        ),
        Mistake(
            "negative-from-the-same-document",
            {"source": "same"},
            "the random B comes from A's own document. It has A's topic, and may even be what "
            "follows. Take it from another document.",
        ),
        Mistake(
            "other-not-shifted",
            {"source": "unshifted"},
            "`documents[other]` may be A's own document, and the last document is never drawn. "
            "`other` counts the documents without this one.",
        ),
        Mistake(
            "other-shifted-too-late",
            {"source": "late"},
            "where `other` equals `number`, B comes from A's own document. The shift by one begins "
            "there: `other + (other >= number)`.",
        ),
        Mistake(
            "single-sentence-is-next",
            {"single": "next"},
            "a chunk of one sentence gave a pair with an empty B that is said to follow. With "
            "nothing left to follow, B can only be random.",
        ),
        Mistake(
            "rest-not-put-back",
            {"put_back": "never"},
            "after a random B the rest of the chunk was not used, so it goes back: only A's "
            "sentences are done with. Otherwise that text is lost.",
            _used,
        ),
        Mistake(
            "rest-always-put-back",
            {"put_back": "always"},
            "the rest of the chunk is B here, so all its sentences are done with. Only after a "
            "random B does the rest go back.",
            _used,
        ),
        Mistake(
            "coin-inverted",
            {"coins": "inverted"},
            "the coin was read the other way round: 0 says next, 1 says random.",
        ),
        Mistake(
            "split-not-used",
            {"a": "one sentence"},
            "one sentence was taken as A. A is the first `split` sentences of the chunk.",
        ),
        Mistake(
            "one-next-sentence",
            {"a": "one sentence each"},
            "where B is next it is one sentence. It is all the rest of the chunk.",
        ),
        Mistake(
            "one-random-sentence",
            {"fill": "one sentence"},
            f"the random B is one sentence. {_FILL} A short B would give the label away.",
        ),
        Mistake(
            "whole-random-document",
            {"fill": "all"},
            f"the random B is the whole document. {_FILL}",
        ),
        Mistake(
            "room-of-a-not-subtracted",
            {"fill": "whole target"},
            f"the random B alone reaches the target. {_FILL}",
        ),
        Mistake(
            "stopped-before-the-target",
            {"fill": "fitting"},
            f"the last sentence that is needed was left out since it does not fit whole. {_FILL} "
            "What is too much is cut off later.",
        ),
        Mistake(
            "cut-at-the-target",
            {"fill": "cut"},
            "the random B was cut to fit. It has whole sentences here, like the B that follows; "
            "both are cut later, by the same rule.",
        ),
        Mistake(
            "empty-random-segment",
            {"least": 0},
            "the random B is empty where A alone reaches the target. It has one sentence at least.",
        ),
    ),
)


def _truncate_pair(
    a_ids: list[int],
    b_ids: list[int],
    max_length: int,
    coins: list[int],
    *,
    side: str = "coin",
    longer: str = "right",
    specials: int = 3,
    until: str = "fits",
) -> tuple[list[int], list[int]]:
    """Cut, right by default; each keyword makes one step wrong."""
    a, b = list(a_ids), list(b_ids)
    most = max_length - specials - (until == "below")
    number = 0
    while a or b:
        if longer == "halves":
            over = [part for part in (a, b) if len(part) > most // 2]
            if not over:
                break
            chosen = over[0]
        else:
            if len(a) + len(b) <= most:
                break
            choose_a = {
                "a": True,
                "b": False,
                "turns": number % 2 == 0,
                "ties from a": len(a) >= len(b),
                "shorter": len(a) < len(b),
            }.get(longer, len(a) > len(b))
            chosen = (a or b) if choose_a else (b or a)
        coin = coins[0 if side == "one coin" else min(number, len(coins) - 1)]
        front = {"back": False, "front": True, "inverted": coin == 0}.get(side, coin == 1)
        chosen.pop(0 if front else -1)
        number += 1
    return a, b


def _truncate_pair_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def case(stage: int, label: str, a: int, b: int, max_length: int, first: int = 0) -> Case:
        ids = rng.sample(range(100, 999), a + b)
        coins = [first, 1 - first, *(rng.randrange(2) for _ in range(a + b))]
        arguments = {
            "a_ids": ids[:a],
            "b_ids": ids[a:],
            "max_length": max_length,
            "coins": coins,
        }
        return Case(stage, label, arguments)

    return [
        case(1, "the pair fits with room to spare", 3, 2, 12),
        case(1, "the pair just fits", 3, 5, 11),
        case(2, "one token too many, in B", 3, 6, 11),
        case(2, "one token too many, in A", 6, 3, 11, first=1),
        case(2, "both lengths are equal", 5, 5, 12, first=1),
        case(3, "A is much longer", 11, 3, 12),
        case(3, "B is much longer", 4, 13, 13, first=1),
        case(4, "both must be cut", 9, 12, 14),
        case(4, "both must be cut to little", 8, 6, 8, first=1),
        case(4, "both must be cut, equal at first", 7, 7, 10),
    ]


_LONGER = "Each token is taken from the segment that is the longer one at that moment"


def _sizes(failure: Failure) -> str:
    a, b = failure.found
    return f"Your segments below have {len(a)} and {len(b)} tokens"


TRUNCATE_PAIR = Spec(
    Exercise("truncate_pair", 6, "easy", 15),
    question=(
        "Cut two segments so that [CLS] A [SEP] B [SEP] has at most `max_length` tokens. Take\n"
        "away one token at a time, from the longer segment, from B where both are as long. Each\n"
        "removal looks at the next of `coins`: at 1 the segment's first token goes, at 0 its\n"
        "last. Return both segments."
    ),
    formula="len(A) + len(B) + 3 ≤ max_length",
    stub="def truncate_pair(a_ids, b_ids, max_length, coins):\n    raise NotImplementedError",
    hints=(
        "Work on copies, `list(a_ids)`: the caller still needs the originals.",
        "A `while` loop; in it, choose the longer list, then `pop(0)` or `pop()`.",
    ),
    verified="pairs that fit, that are one token too long, and that lose tokens on both sides; "
    "ties; arguments unchanged.",
    outputs={"a_ids": "ids", "b_ids": "ids"},
    compute=_truncate_pair,
    cases=_truncate_pair_cases,
    mistakes=(
        Mistake(
            "always-from-the-back",
            {"side": "back"},
            "every token was taken from the back. Then A always begins a sentence, and its end, "
            "which borders on B, is always lost. The coin decides: at 1 the first token goes.",
        ),
        Mistake(
            "always-from-the-front",
            {"side": "front"},
            "every token was taken from the front. The coin decides: at 0 the last token goes.",
        ),
        Mistake(
            "coin-inverted",
            {"side": "inverted"},
            "the coin was read the other way round: at 1 the first token goes, at 0 the last.",
        ),
        Mistake(
            "one-coin-for-all",
            {"side": "one coin"},
            "the first coin decided for all tokens. Each removal looks at the next coin.",
        ),
        Mistake(
            "special-tokens-not-counted",
            {"specials": 0},
            "the special tokens have no room. Three of the `max_length` places are [CLS] and twice "
            "[SEP].",
            _sizes,
        ),
        Mistake(
            "two-special-tokens",
            {"specials": 2},
            "room was left for two special tokens. There are three: [CLS], and [SEP] after each "
            "segment.",
            _sizes,
        ),
        Mistake(
            "one-token-too-many",
            {"until": "below"},
            "one token too many was taken away. A row of just `max_length` tokens fits.",
            _sizes,
        ),
        Mistake(
            "only-a-cut",
            {"longer": "a"},
            f"only A was cut while it had tokens. {_LONGER}.",
            _sizes,
        ),
        Mistake(
            "only-b-cut",
            {"longer": "b"},
            f"only B was cut while it had tokens. {_LONGER}.",
            _sizes,
        ),
        Mistake(
            "cut-in-turns",
            {"longer": "turns"},
            f"tokens were taken from A and B in turns. {_LONGER}.",
            _sizes,
        ),
        Mistake(
            "shorter-cut",
            {"longer": "shorter"},
            f"the shorter segment was cut. {_LONGER}.",
            _sizes,
        ),
        Mistake(
            "ties-from-a",
            {"longer": "ties from a"},
            "where both were as long, A was cut. BERT's code takes from A only where it is "
            "strictly longer.",
            _sizes,
        ),
        Mistake(
            "half-for-each",
            {"longer": "halves"},
            f"each segment was cut to half of the room, even where the other one leaves more. "
            f"{_LONGER}, until both fit together.",
            _sizes,
        ),
    ),
)

EXERCISES = (TRUNCATE_PAIR, MAKE_PAIR)
