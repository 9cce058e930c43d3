"""Chapter 10's exercises on spans: the labels of a window, and the best span of its logits.

Dimensions: ``T`` tokens of a row.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor

Offsets = list[tuple[int, int]]


def _answer_positions(
    offsets: Offsets,
    first: int,
    answer_start: int,
    answer_end: int,
    *,
    origin: str = "row",
    last: str = "included",
    partly: str = "refused",
    lost: int | str = 0,
    match: str = "overlap",
) -> tuple[int, int]:
    """The places of an answer's first and last piece; each keyword makes one step wrong."""
    if match == "equal":
        inside = [k for k, (a, _) in enumerate(offsets) if a == answer_start]
        ends = [k for k, (_, b) in enumerate(offsets) if b == answer_end]
        inside = [inside[0], ends[-1]] if inside and ends else []
    elif match == "touching":
        inside = [k for k, (a, b) in enumerate(offsets) if b >= answer_start and a <= answer_end]
    elif match == "within":
        inside = [k for k, (a, b) in enumerate(offsets) if a >= answer_start and b <= answer_end]
    else:
        inside = [k for k, (a, b) in enumerate(offsets) if b > answer_start and a < answer_end]
    whole = offsets[0][0] <= answer_start and answer_end <= offsets[-1][1]
    if not inside or not (whole or partly == "kept"):
        if lost == "border":
            return first + len(offsets) - 1, first + len(offsets) - 1
        return int(lost), int(lost)
    shift = {"context": 0, "after [CLS]": 1}.get(origin, first)
    return inside[0] + shift, inside[-1] + shift + (last == "excluded")


def _answer_positions_cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def pieces(words: list[int], begin: int = 0) -> list[Offsets]:
        """A list of offsets for each word, which has so many pieces; blanks part the words."""
        result, at = [], begin
        for count in words:
            word = []
            for _ in range(count):
                size = rng.randrange(2, 6)
                word.append((at, at + size))
                at += size
            result.append(word)
            at += 1
        return result

    def case(
        stage: int,
        label: str,
        words: list[int],
        answer: tuple[int, int],
        window: tuple[int, int] | None = None,
        cut: tuple[int, int] = (0, 0),
        head: bool = False,
    ) -> Case:
        """The answer is from a word to a word; the window from a piece to before a piece.

        ``cut`` takes characters from the answer's two ends; ``head`` leaves only the first piece
        of its last word.
        """
        text = pieces(words)
        every = [offset for word in text for offset in word]
        start, stop = window or (0, len(every))
        final = text[answer[1]][0 if head else -1]
        return Case(
            stage,
            label,
            {
                "offsets": every[start:stop],
                "first": rng.randrange(5, 12),
                "answer_start": text[answer[0]][0][0] + cut[0],
                "answer_end": final[1] - cut[1],
            },
        )

    return [
        case(1, "an answer of one piece", [1, 1, 1, 1], (2, 2)),
        case(1, "an answer of two words", [1, 1, 1, 1, 1], (1, 2)),
        case(2, "words in several pieces", [2, 1, 3, 2], (1, 2)),
        case(2, "the answer is all of the window", [1, 2, 1], (0, 2)),
        case(3, "the answer is followed by a piece without a blank", [1, 2, 1], (1, 1), head=True),
        case(3, "the answer ends within a piece", [1, 1, 1, 1], (1, 2), cut=(0, 1)),
        case(3, "the answer begins within a piece", [1, 1, 1, 1], (1, 2), cut=(1, 0)),
        case(4, "a window that begins later", [1, 1, 2, 1, 1, 1], (3, 4), window=(2, 7)),
        case(5, "the answer is beyond the window", [1, 1, 1, 1, 1, 1], (4, 5), window=(0, 3)),
        case(5, "the answer is before the window", [1, 1, 1, 1, 1, 1], (0, 1), window=(3, 6)),
        case(6, "the window ends within the answer", [1, 1, 1, 1, 1], (2, 3), window=(0, 3)),
        case(6, "the window begins within the answer", [1, 1, 2, 1, 1], (2, 3), window=(3, 6)),
    ]


ANSWER_POSITIONS = Spec(
    Exercise("answer_positions", 10, "easy", 15),
    question=(
        "The labels of a window. `offsets` holds a pair (start, end) of characters for each piece\n"
        "of the context in this window; `first` is the place in the row where the first of them\n"
        "stands. The answer goes from character `answer_start` to before `answer_end`. Return the\n"
        "places in the row of its first and its last piece; 0 and 0 if the window doesn't hold\n"
        "all of it. A piece belongs to the answer if they share a character."
    ),
    formula="piece k: end_k > answer_start and start_k < answer_end;   place = first + k",
    stub=(
        "def answer_positions(offsets, first, answer_start, answer_end):\n"
        "    raise NotImplementedError\n"
        "    return start_position, end_position"
    ),
    hints=(
        "First decide whether the window holds the whole answer: compare with the first offset's "
        "start and the last offset's end.",
        "List the indices of the pieces that share a character with the answer. You need the "
        "first and the last of them.",
        "An index among the context's pieces isn't yet a place in the row: add `first`.",
    ),
    verified=(
        "answers of one and of several pieces, answers that begin or end within a piece, windows "
        "that begin later, and answers of which a window holds a part or nothing."
    ),
    outputs={"start_position": "integer", "end_position": "integer"},
    compute=_answer_positions,
    cases=_answer_positions_cases,
    mistakes=(
        Mistake(
            "question-not-counted",
            {"origin": "context"},
            "the places were counted from the beginning of the context. The labels are places in "
            "the row, before which [CLS], the question and [SEP] stand: add `first`.",
        ),
        Mistake(
            "only-cls-counted",
            {"origin": "after [CLS]"},
            "1 was added for [CLS], but the question and its [SEP] come before the context, too: "
            "add `first`.",
        ),
        Mistake(
            "end-excluded",
            {"last": "excluded"},
            "the end is the place after the last piece. In BERT's labels it is the last piece "
            "itself.",
        ),
        Mistake(
            "part-of-the-answer-kept",
            {"partly": "kept"},
            "a window that holds only a part of the answer was given that part as if it were all. "
            "The label is 0, 0: another window holds the whole.",
        ),
        Mistake(
            "border-taken",
            {"lost": "border"},
            "for an answer outside of the window, the last piece was given as the answer. The "
            "model would learn that answers stand at borders. Return 0, 0.",
        ),
        Mistake(
            "ignored-instead-of-cls",
            {"lost": -100},
            "-100 was returned for an answer outside of the window, so nothing is learned from it. "
            "Place 0, [CLS], is what says: not here.",
        ),
        Mistake(
            "only-equal-borders",
            {"match": "equal"},
            "a piece had to begin just where the answer does, or to end where it does. An answer "
            "may begin or end within a piece: take the pieces that share a character with it.",
        ),
        Mistake(
            "only-pieces-within",
            {"match": "within"},
            "a piece had to lie in the answer with all its characters. An answer may begin or end "
            "within a piece: one shared character is enough.",
        ),
        Mistake(
            "touching-pieces-counted",
            {"match": "touching"},
            "a piece that only touches the answer was counted. Ends are excluded: a piece that "
            "ends where the answer starts shares no character with it. Compare with < and >.",
        ),
    ),
)


def _best_span(
    start_logits: Tensor,
    end_logits: Tensor,
    first: int,
    stop: int,
    longest: int,
    *,
    search: str = "joint",
    begin: str = "context",
    until: str = "context",
    length: int | None = 0,
    order: str = "kept",
    combine: str = "sum",
    forbidden: float = -math.inf,
) -> tuple[int, int]:
    """The best valid span; each keyword makes one step wrong."""
    import torch

    T = len(start_logits)
    low = 0 if begin == "row" else first
    high = {"row": T, "one more": min(stop + 1, T)}.get(until, stop)
    if search == "apart":
        start = low + int(start_logits[low:high].argmax())
        return start, low + int(end_logits[low:high].argmax())
    i, j = torch.arange(T)[:, None], torch.arange(T)[None, :]
    valid = (i >= low) & (j < high) & (i < high) & (j >= low)
    if length is not None:
        valid = valid & (j - i < longest + length)
    if order == "kept":
        valid = valid & (i <= j)
    elif order == "strict":
        valid = valid & (i < j)
    if combine == "product":
        scores = start_logits[:, None] * end_logits[None, :]
    else:
        scores = start_logits[:, None] + end_logits[None, :]  # (T, T)
    scores = scores.masked_fill(~valid, forbidden)
    if search == "start first":
        start = low + int(start_logits[low:high].argmax())
        return start, int(scores[start].argmax())
    best = int(scores.argmax())
    return best // T, best % T


def _best_span_cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(
        stage: int,
        label: str,
        starts: dict[int, float],
        ends: dict[int, float],
        T: int = 12,
        first: int = 4,
        stop: int = 10,
        longest: int = 3,
    ) -> Case:
        """High and low logits at some places, and small ones elsewhere."""
        logits = 0.2 * torch.rand((2, T), generator=generator)
        for side, values in enumerate((starts, ends)):
            for place, value in values.items():
                logits[side, place] = value
        return Case(
            stage,
            label,
            {
                "start_logits": logits[0],
                "end_logits": logits[1],
                "first": first,
                "stop": stop,
                "longest": longest,
            },
        )

    return [
        case(1, "one clear span", {5: 5.0}, {6: 5.0}),
        case(1, "an answer of one piece", {7: 5.0}, {7: 5.0}),
        case(2, "the best end is before the best start", {8: 5.0, 5: 1.0}, {6: 5.0, 9: 3.0}),
        case(2, "the best start has no good end", {8: 5.0, 5: 4.0}, {6: 5.0}),
        case(2, "two logits below zero", {5: 3.0, 7: -6.0}, {5: 3.0, 8: -6.0}),
        case(3, "the question looks like an answer", {1: 6.0, 6: 3.0}, {2: 6.0, 7: 3.0}),
        case(3, "[SEP] looks like an end", {9: 3.0, 5: 2.5}, {10: 6.0, 6: 2.5}),
        case(3, "padding looks like an answer", {10: 6.0, 6: 3.0}, {11: 6.0, 6: 3.0}),
        case(4, "a long span looks good", {4: 6.0, 6: 3.0}, {9: 6.0, 6: 3.0}),
        case(4, "the longest that is allowed", {5: 5.0}, {7: 5.0, 6: 1.0}),
        case(4, "one piece too long", {5: 5.0}, {8: 5.0, 6: 1.0}),
        case(
            4,
            "all logits far below zero",
            {k: -5.0 + (k == 6) for k in range(12)},
            {k: -5.0 + (k == 7) for k in range(12)},
        ),
        case(5, "a context of one piece", {2: 1.0}, {6: 1.0}, first=4, stop=5),
    ]


def _chosen(failure: Failure) -> str:
    start, end = failure.found
    first, stop = failure["first"], failure["stop"]
    if end < start:
        return f"Your span ends at place {end}, before it starts at {start}"
    if start < first or end >= stop:
        return f"Your span {start} to {end} leaves the context, places {first} to {stop - 1}"
    return ""


_ALL = "Look for the largest sum among all pairs that are valid."

BEST_SPAN = Spec(
    Exercise("best_span", 10, "medium", 20),
    question=(
        "Decode a window. `start_logits` and `end_logits` are (T,). The context stands at the\n"
        "places from `first` to before `stop`; an answer has at most `longest` pieces. Return the\n"
        "first and the last place of the span with the largest sum of its two logits."
    ),
    formula="argmax s_i + e_j  over  first <= i <= j < min(i + longest, stop)",
    stub=(
        "def best_span(start_logits, end_logits, first, stop, longest):\n"
        "    raise NotImplementedError\n"
        "    return start, end"
    ),
    hints=(
        "Two loops will do: over the starts, and for each over the ends that are allowed.",
        "`range(i, min(i + longest, stop))` are the ends for the start i.",
        "Without loops: a (T, T) table of sums, -inf where the pair isn't valid, then argmax.",
    ),
    verified=(
        "spans of one piece and of the longest length, ends before starts, and the question, "
        "[SEP] and padding as temptations."
    ),
    outputs={"start": "integer", "end": "integer"},
    compute=_best_span,
    cases=_best_span_cases,
    equation="10.4",
    mistakes=(
        Mistake(
            "start-and-end-apart",
            {"search": "apart"},
            f"the best start and the best end were taken apart from each other. {_ALL}",
            _chosen,
        ),
        Mistake(
            "start-first",
            {"search": "start first"},
            "the best start was taken, and then the best end for it. A start that is slightly "
            f"worse may have a much better end. {_ALL}",
        ),
        Mistake(
            "end-before-start",
            {"order": "any"},
            "ends before starts were allowed. An answer ends where it starts, or later.",
            _chosen,
        ),
        Mistake(
            "single-pieces-refused",
            {"order": "strict"},
            "answers of one piece were left out. Start and end may be the same place.",
        ),
        Mistake(
            "question-allowed",
            {"begin": "row"},
            "places before `first` were allowed. The question's words are no answer.",
            _chosen,
        ),
        Mistake(
            "end-of-row-allowed",
            {"until": "row"},
            "places from `stop` on were allowed. [SEP] and padding are no answer.",
            _chosen,
        ),
        Mistake(
            "stop-included",
            {"until": "one more"},
            "the place `stop` itself was allowed. There stands [SEP]: the context ends before it.",
            _chosen,
        ),
        Mistake(
            "length-unlimited",
            {"length": None},
            "`longest` was ignored: the span is longer than allowed.",
        ),
        Mistake(
            "one-piece-too-long",
            {"length": 1},
            "the span may have one piece more than `longest`. From i to j there are j - i + 1 "
            "pieces.",
        ),
        Mistake(
            "one-piece-too-short",
            {"length": -1},
            "a span of `longest` pieces was refused. From i to j there are j - i + 1 pieces.",
        ),
        Mistake(
            "forbidden-spans-at-zero",
            {"forbidden": 0.0},
            "pairs that aren't valid got the sum 0, and where all logits are below zero 0 is the "
            "largest. Give them -inf.",
        ),
        Mistake(
            "logits-multiplied",
            {"combine": "product"},
            "the two logits were multiplied. Two low ones then make a high score. A product of "
            "probabilities is a sum of logits: add them.",
        ),
    ),
)

EXERCISES = (ANSWER_POSITIONS, BEST_SPAN)
