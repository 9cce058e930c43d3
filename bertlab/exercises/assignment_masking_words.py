"""Whole words are hidden, or none of their pieces. A question of the assignment ``masking``."""

from __future__ import annotations

import random

from bertlab.exercises.spec import Case, Exercise, Mistake, Spec

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_WORDS = ["the", "tea", "kettle", "sings", "un", "moun", "gar", "hap", "trans", "over"]
_ENDS = ["##ing", "##tain", "##den", "##ly", "##py", "##s", "##lation"]


def _whole_word_places(
    tokens: list[str],
    special: list[str],
    draws: list[float],
    probability: float,
    *,
    decides: str = "first",
    pieces: str = "all",
    specials: str = "spared",
    cut: str = "word",
    side: str = "below",
    index: str = "place",
) -> list[int]:
    """1 at the pieces of chosen words; each keyword makes one step wrong."""
    words: list[list[int]] = []  # the places of each word
    skipping = False  # in what is left of a word
    for place, token in enumerate(tokens):
        after_special = not place or tokens[place - 1] in special
        continues = token.startswith("##") and bool(place)
        if token in special and specials == "spared" and cut != "joined":
            continue
        skipping = cut == "never" and continues and (after_special or skipping)
        if skipping:
            continue
        if continues and after_special:
            continues = cut == "joined"
        if continues and words:
            words[-1].append(place)
        else:
            words.append([place])
    chosen = [0] * len(tokens)
    for number, places in enumerate(words):
        own = [draws[place] for place in places]
        draw = {"first": own[0], "any": min(own), "last": own[-1], "mean": sum(own) / len(own)}.get(
            decides, own[0]
        )
        if index == "word":
            draw = draws[number]
        for rank, place in enumerate(places):
            value = draws[place] if decides == "each" else draw
            hit = value < probability if side == "below" else value >= probability
            if hit and (pieces == "all" or rank == 0):
                chosen[place] = int(tokens[place] not in special or specials == "chosen")
    return chosen


def _whole_word_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def case(stage: int, label: str, form: str, draws: str) -> Case:
        """w a word, # a piece that continues, c [CLS], s [SEP], p [PAD]; draws l low, h high."""
        signs = {"c": "[CLS]", "s": "[SEP]", "p": "[PAD]", "u": "[UNK]"}
        tokens = [signs.get(sign) or rng.choice(_ENDS if sign == "#" else _WORDS) for sign in form]
        probability = rng.choice([0.15, 0.2, 0.3])
        values = [
            round(rng.uniform(0, 0.9) * probability, 3)
            if sign == "l"
            else round(probability + rng.uniform(0.05, 0.95) * (1 - probability), 3)
            for sign in draws
        ]
        arguments = {"tokens": tokens, "special": list(_SPECIAL), "draws": values}
        return Case(stage, label, arguments | {"probability": probability})

    return [
        case(1, "words of one piece", "cwwwws", "hhlhlh"),
        case(2, "words of several pieces", "cw##ww#s", "hlhhhlhh"),
        case(2, "other pieces with low draws", "cww##w#ws", "hhhllhlhh"),
        case(2, "the last piece draws low", "cw##wws", "hhhlhlh"),
        case(3, "special tokens with low draws", "cwuw#spp", "lhlllllh"),
        case(4, "the row begins within a word, which is chosen", "c##ww#s", "hlhhlhh"),
        case(4, "the row begins within a word, which isn't chosen", "c##wws", "lhlhlh"),
    ]


WHOLE_WORD_PLACES = Spec(
    Exercise("whole_word_places", 5, "medium", 8, "masking"),
    question=(
        "Whole-word masking for one row. A word is a piece and the pieces after it that begin\n"
        "with ##. Special tokens, those in the list `special`, belong to no word. A word is\n"
        "chosen, with all its pieces, if the draw of its first piece is below `probability`;\n"
        "`draws` has one number a token. A row may begin within a word: ## pieces after a\n"
        "special token are a word as well. Return a list of 0 and 1, 1 where a token is chosen."
    ),
    formula="tokens [CLS] kett ##le ##s [SEP], draws .9 .1 .8 .7 .0, p = 0.15  ->  0 1 1 1 0",
    stub=(
        "def whole_word_places(tokens, special, draws, probability):\n"
        "    raise NotImplementedError\n"
        "    return chosen"
    ),
    hints=(
        "Go from left to right and remember whether the word you are in is chosen.",
        "A new word begins at a token without ##, and at any token after a special one.",
    ),
    verified="words of one and of several pieces, special tokens, and rows that begin in a word.",
    outputs={"chosen": "ids"},
    compute=_whole_word_places,
    cases=_whole_word_cases,
    mistakes=(
        Mistake(
            "pieces-masked-apart",
            {"decides": "each"},
            "each piece was chosen by its own draw. That hides random pieces and is no whole-word "
            "masking: the draw of a word's first piece decides for all of them.",
        ),
        Mistake(
            "only-first-pieces",
            {"pieces": "first"},
            "of a chosen word only the first piece was hidden. The others would give it away.",
        ),
        Mistake(
            "any-piece-decides",
            {"decides": "any"},
            "a word was chosen if any of its pieces drew low. Long words are then chosen more "
            "often than short ones. The first piece's draw decides.",
        ),
        Mistake(
            "last-piece-decides",
            {"decides": "last"},
            "the draw of a word's last piece decided. It is that of the first.",
        ),
        Mistake(
            "mean-decides",
            {"decides": "mean"},
            "the mean of a word's draws decided. Means are rarely low, so that long words are "
            "hardly ever chosen. The first piece's draw decides.",
        ),
        Mistake(
            "special-tokens-chosen",
            {"specials": "chosen"},
            "special tokens were chosen. They belong to no word.",
        ),
        Mistake(
            "cut-word-never-chosen",
            {"cut": "never"},
            "## pieces after a special token were never chosen. The row begins within a word, and "
            "what is left of it counts as one.",
        ),
        Mistake(
            "cut-word-joined-to-special",
            {"cut": "joined"},
            "## pieces after [CLS] were taken for a part of it, so that the draw of [CLS] decided. "
            "A special token belongs to no word: after it a word begins.",
        ),
        Mistake(
            "draws-of-word-numbers",
            {"index": "word"},
            "the draw number i was used for word number i. There is one draw a token: take the "
            "one at the place of the word's first piece.",
        ),
        Mistake(
            "inverted",
            {"side": "above"},
            "words with a draw above `probability` were chosen: most of them. Take those below.",
        ),
    ),
)

EXERCISES = (WHOLE_WORD_PLACES,)
