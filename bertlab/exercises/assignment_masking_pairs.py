"""Pairs that break the rules. A question of the assignment ``masking``."""

from __future__ import annotations

import random

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

Pair = tuple[int, int, int, int, int]


def _faulty_pairs(
    pairs: list[Pair],
    *,
    next_is: str = "right after",
    random_is: str = "elsewhere",
    label: str = "right",
    documents: str = "compared",
    checked: str = "both",
    answer: str = "faulty",
    first: int = 0,
) -> list[int]:
    """Numbers of the pairs that break a rule; each keyword makes one step wrong."""
    faulty = []
    for number, (a_document, a_last, b_document, b_first, truth) in enumerate(pairs, start=first):
        together = a_document == b_document or documents == "ignored"
        step = b_first - a_last
        follows = {"later": step > 0, "neighbour": abs(step) == 1, "any": True}.get(
            next_is, step == 1
        )
        is_next = together and follows
        elsewhere = not is_next if random_is == "not next" else not together
        truth = 1 - truth if label == "swapped" else truth
        fine = is_next if truth == 0 else elsewhere
        if checked != "both" and truth != {"next": 0, "random": 1}[checked]:
            fine = True
        if fine == (answer == "fine"):
            faulty.append(number)
    return faulty


def _cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def case(stage: int, label: str, kinds: str) -> Case:
        """n next, r random; wrong: s same document later, g gap, b backwards, x another document
        called next (y with the right number), w next called random, a itself called next."""
        pairs: list[Pair] = []
        for kind in kinds:
            document, last = rng.randrange(9), rng.randrange(5, 20)
            elsewhere = (document + rng.randrange(1, 9)) % 9
            far = last + rng.choice([-4, -3, -2, -1, 0, 2, 3, 4])
            pairs.append(
                {
                    "n": (document, last, document, last + 1, 0),
                    "r": (document, last, elsewhere, far, 1),
                    "q": (document, last, elsewhere, last + 1, 1),
                    "s": (document, last, document, last + rng.choice([-3, 3, 5]), 1),
                    "w": (document, last, document, last + 1, 1),
                    "g": (document, last, document, last + rng.randrange(2, 5), 0),
                    "b": (document, last, document, last - 1, 0),
                    "a": (document, last, document, last, 0),
                    "x": (document, last, elsewhere, far, 0),
                    "y": (document, last, elsewhere, last + 1, 0),
                }[kind]
            )
        return Case(stage, label, {"pairs": pairs})

    return [
        case(1, "two good pairs", "nr"),
        case(1, "labels and pairs that disagree", "nrxwn"),
        case(2, "a gap after A", "nrg"),
        case(2, "B before A", "rnbn"),
        case(2, "B is A's last sentence", "nar"),
        case(3, "a negative from A's own document", "nrsr"),
        case(4, "sentence numbers that fit by chance", "nqyr"),
        case(5, "many pairs", "".join(rng.sample("nrnrswgbxyqn", 12))),
    ]


def _listed(failure: Failure) -> str:
    return f"You list {failure.found[0]}, and should list {failure.expected[0]}"


FAULTY_PAIRS = Spec(
    Exercise("faulty_pairs", 6, "medium", 7, "masking"),
    question=(
        "Inspect next-sentence pairs. `pairs` is a list of five whole numbers each:\n"
        "(a_document, a_last, b_document, b_first, label), the document and the last sentence of\n"
        "A, the document and the first sentence of B, and the label as in BERT's checkpoints.\n"
        "With label 0, B must begin with the sentence right after A's last, in A's document. With\n"
        "label 1, B must come from another document. Return the numbers of all pairs that break\n"
        "their rule, counted from 0, as a list in rising order."
    ),
    formula="(3, 7, 3, 8, 0) and (3, 7, 5, 2, 1) are right;  (3, 7, 3, 9, 1) is faulty",
    stub="def faulty_pairs(pairs):\n    raise NotImplementedError",
    hints=(
        "`for number, (a_document, a_last, b_document, b_first, label) in enumerate(pairs)`.",
        "The two rules don't complete each other: B from elsewhere in A's document is right with "
        "neither label.",
    ),
    verified="right pairs, swapped labels, gaps, B before A, and negatives from A's document.",
    outputs={"faulty": "ids"},
    compute=_faulty_pairs,
    cases=_cases,
    mistakes=(
        Mistake(
            "label-swapped",
            {"label": "swapped"},
            "the labels' meanings are swapped. In BERT's checkpoints 0 says that B follows A.",
            _listed,
        ),
        Mistake(
            "negative-from-the-same-document",
            {"random_is": "not next"},
            "every pair that isn't next passed as random. A random B comes from another document: "
            "one from A's own shares its topic, and may even come close behind it.",
            _listed,
        ),
        Mistake(
            "gap-accepted",
            {"next_is": "later"},
            "any later sentence passed as next. B begins right after A: b_first = a_last + 1.",
            _listed,
        ),
        Mistake(
            "backwards-accepted",
            {"next_is": "neighbour"},
            "the sentence *before* A's last passed as next. B comes after A.",
            _listed,
        ),
        Mistake(
            "only-documents-compared",
            {"next_is": "any"},
            "any B of A's document passed as next. It must be the sentence right after A's last.",
            _listed,
        ),
        Mistake(
            "documents-not-compared",
            {"documents": "ignored"},
            "only sentence numbers were compared. Sentence 8 of another document doesn't follow "
            "sentence 7 of this one.",
            _listed,
        ),
        Mistake(
            "only-label-0-checked",
            {"checked": "next"},
            "pairs with label 1 were never found faulty. They have a rule, too: another document.",
            _listed,
        ),
        Mistake(
            "only-label-1-checked",
            {"checked": "random"},
            "pairs with label 0 were never found faulty. They have a rule, too: right after A.",
            _listed,
        ),
        Mistake(
            "right-pairs-listed",
            {"answer": "fine"},
            "the pairs that keep the rules were listed. List those that break one.",
            _listed,
        ),
        Mistake("counted-from-1", {"first": 1}, "pairs are counted from 0.", _listed),
    ),
)

EXERCISES = (FAULTY_PAIRS,)
