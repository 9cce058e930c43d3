"""From logits of pieces to answers for words. A question of the assignment ``finetuning``.

Dimensions: ``T`` tokens, ``C`` classes.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _word_predictions(
    logits: Tensor,
    word_ids: list[int | None],
    *,
    piece: str = "first",
    specials: str = "left out",
    place: str = "word id",
) -> list[int]:
    """One class for each word, right by default; each keyword makes one step wrong."""
    places: dict[int | None, list[int]] = {}
    for at, word in enumerate(word_ids):
        key = -at - 1 if word is None else word  # special tokens as words of their own
        if word is not None or specials == "answered":
            places.setdefault(key, []).append(at)
    answers = []
    for number, own in enumerate(places.values()):
        at = own[-1] if piece == "last" else own[0]
        at = {"number": number, "after [CLS]": number + 1}.get(place, at)
        values = logits[at]  # (C,)
        if piece == "mean":
            values = logits[own].mean(0)
        elif piece == "surest":
            values = logits[own].amax(0)
        many = len(own) if piece == "each" else 1
        for rank in range(many):
            answers.append(int((logits[own[rank]] if piece == "each" else values).argmax()))
    return answers


def _cases(seed: int) -> list[Case]:
    import torch

    rng = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, sizes: list[int], first: int = 0, padding: int = 0) -> Case:
        word_ids: list[int | None] = [None]
        for word, size in enumerate(sizes, start=first):
            word_ids += [word] * size
        word_ids += [None] * (1 + padding)
        C = 5 + rng.randrange(2)
        T = len(word_ids)
        logits = (0.1 * torch.randn((T, C), generator=generator)).round(decimals=1)
        # The first piece says `best`, the next two say other classes, and surer; but on average
        # a fourth class is ahead. So each way to combine pieces gives an answer of its own.
        best = rng.randrange(C)
        for at, number in enumerate(word_ids):
            rank = 0 if number is None else at - word_ids.index(number)
            if rank == 0:
                best = (best + rng.randrange(1, C - 1)) % C  # unlike its neighbour's
            logits[at, (best + rank) % C] = (3.0, 4.0, 3.5)[rank]
            logits[at, (best + 3) % C] = 2.9
        return Case(stage, label, {"logits": logits, "word_ids": word_ids})

    return [
        case(1, "each word is one piece", [1, 1, 1]),
        case(2, "a word of three pieces", [1, 3, 1]),
        case(2, "the first word is split", [2, 1, 2, 1]),
        case(3, "padding at the end", [2, 1], padding=3),
        case(4, "a window that begins with the third word", [1, 3, 1], first=2),
    ]


def _counted(failure: Failure) -> str:
    words = {word for word in failure["word_ids"] if word is not None}
    return f"You gave {len(failure.found[0])} answers for {len(words)} words"


WORD_PREDICTIONS = Spec(
    Exercise("word_predictions", 9, "easy", 6, "finetuning"),
    question=(
        "From pieces back to words. `logits` is (T, C), a score for each class at each token.\n"
        "`word_ids` names the word of each token: a number, or None for special tokens and\n"
        "padding. Return a list with one class number for each word of this row, in their order:\n"
        "the class with the largest logit at the word's first piece. A window may begin with any\n"
        "word."
    ),
    formula="word_ids None 0 0 1 None:  the answers are logits[1].argmax() and logits[3].argmax()",
    stub="def word_predictions(logits, word_ids):\n    raise NotImplementedError",
    hints=(
        "A token is the first piece of its word if its word id isn't None and differs from the "
        "one before.",
    ),
    verified="split words, padding, and windows that begin within a sentence.",
    outputs={"answers": "ids"},
    compute=_word_predictions,
    cases=_cases,
    mistakes=(
        Mistake(
            "an-answer-for-each-piece",
            {"piece": "each"},
            "every piece gave an answer, so that split words have several. One answer a word.",
            _counted,
        ),
        Mistake(
            "last-piece-answers",
            {"piece": "last"},
            "the last piece of a word gave its answer. Only the first was trained to: the others "
            "had the label -100. (A dict that is filled token by token keeps the last.)",
        ),
        Mistake(
            "pieces-averaged",
            {"piece": "mean"},
            "the logits of a word's pieces were averaged. Only the first piece was trained to "
            "answer.",
        ),
        Mistake(
            "surest-piece-answers",
            {"piece": "surest"},
            "the largest logit over all pieces of a word decided. Only the first piece was "
            "trained to answer.",
        ),
        Mistake(
            "special-tokens-answered",
            {"specials": "answered"},
            "[CLS], [SEP] or padding gave answers. They have the word id None: leave them out.",
            _counted,
        ),
        Mistake(
            "word-number-as-place",
            {"place": "number"},
            "the word's number was taken for its place in the row. [CLS] and split words move it.",
        ),
        Mistake(
            "only-cls-counted",
            {"place": "after [CLS]"},
            "1 was added to the word's number for [CLS], but split words move the places, too. "
            "Go by `word_ids`.",
        ),
    ),
)

EXERCISES = (WORD_PREDICTIONS,)
