"""What is written below the interactive figures: what to try, and what one finds.

Every number, and every head or word that is named, is read from the figure's data.
"""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

BANK_HEAD = (0, 3)  # chapter 4 looks no further into it; the caption quotes what it gives


def attention_caption(data: dict[str, Any]) -> tuple[str, str]:
    """Return the caption of chapter 4's figure, in two texts of HTML."""
    pair, *banks = data["sentences"]
    weights = np.array(pair["weights"]) / 1000  # (L, H, T, T)
    before, share_before = _most(weights, -1)
    after, share_after = _most(weights, 1)
    pairs = [
        f"{_percent(weight)} to <i>{escape(word)}</i>"
        for word, weight in (_partner(sentence, "bank") for sentence in banks)
    ]
    attempt = (
        "Choose a head by its small map (click it, or use the arrow keys), then hover over the "
        "tokens, tap them, or walk through them with ← and →. The outlined row of each map belongs "
        "to the chosen token."
    )
    finding = (
        f"On the first pair of sentences, head {_name(before)} (layer {before[0]}, head "
        f"{before[1]}) gives {_percent(share_before)} of all its weight to the token before, and "
        f"head {_name(after)} gives {_percent(share_after)} to the token after. Head "
        f"{_name(BANK_HEAD)} is of another kind. In one sentence with <i>bank</i> it lets the word "
        f"give {pairs[0]}, in the other {pairs[1]}; no token but the word itself gets more. "
        f"Three texts are an anecdote; the chapter soon counts."
    )
    return attempt, finding


def _most(weights: Any, offset: int) -> tuple[tuple[int, int], float]:
    """Return the head that gives most to the token at an offset, and how much."""
    shares = np.diagonal(weights, offset, axis1=2, axis2=3).sum(axis=-1) / weights.shape[-1]
    layer, head = divmod(int(shares.argmax()), shares.shape[1])
    return (layer, head), float(shares.max())


def _partner(sentence: dict[str, Any], word: str) -> tuple[str, float]:
    """Return the other token to which a word gives most in BANK_HEAD, and how much."""
    layer, head = BANK_HEAD
    place = sentence["tokens"].index(word)
    row = np.array(sentence["weights"][layer][head][place]) / 1000
    row[place] = 0
    return sentence["tokens"][int(row.argmax())], float(row.max())


def spans_caption(data: dict[str, Any]) -> tuple[str, str]:
    """Return the caption of chapter 10's figure, in two texts of HTML."""
    attempt = (
        "Change the overlap and the length of the rows: which windows hold the true answer "
        "(dashed), and which span does each of them find best (orange)? Then tap a token, or move "
        "the slider, to choose a start: the ends that it allows are underlined. The last button "
        "takes the two maxima apart."
    )
    right = [_right(question) for question in data["questions"]]
    cut = [
        f"“{escape(question['accepted'][0])}” in rows of {setting['length']} that share "
        f"{setting['stride'] or 'nothing'}"
        for question in data["questions"]
        for setting in question["settings"]
        if not holders(question, setting)
    ]
    windows = [
        (len(question["question_pieces"]) + 2, window)
        for question in data["questions"]
        for setting in question["settings"]
        for window in setting["windows"]
    ]
    spans = sum(_is_span(first, window, data["longest"]) for first, window in windows)
    kinds = len(data["questions"][0]["settings"])
    finding = (
        "The questions are from the test set: two chosen because the model can answer them, and "
        f"the one decoded by hand above. Each text was cut in {kinds} ways. The first question is "
        f"answered rightly in {right[0]} of them, the second in {right[1]}, the third in "
        f"{right[2]}: with the same weights and the same text, the answer depends on where the "
        f"text is cut. A border cuts {' and '.join(cut)}. "
        "And the highest start and the highest end, taken apart, are a valid span in only "
        f"{spans} of all {len(windows)} windows."
    )
    return attempt, finding


def _right(question: dict[str, Any]) -> int:
    """Return in how many settings the answer is one of those accepted."""
    accepted = {text.lower() for text in question["accepted"]}
    answers = (setting["answer"] for setting in question["settings"])
    return sum(question["context"][a["start"] : a["end"]].lower() in accepted for a in answers)


def holders(question: dict[str, Any], setting: dict[str, Any]) -> list[int]:
    """Return the windows that hold the first accepted answer whole."""
    start = question["answer_start"]
    end = start + len(question["accepted"][0])
    touched = [k for k, (a, b) in enumerate(question["offsets"]) if a < end and b > start]
    holders = []
    for number, window in enumerate(setting["windows"]):
        size = len(window["starts"]) - len(question["question_pieces"]) - 3
        if window["first"] <= touched[0] and touched[-1] < window["first"] + size:
            holders.append(number)
    return holders


def _is_span(first: int, window: dict[str, Any], longest: int) -> bool:
    """Say whether the highest start and the highest end of a window make a span."""
    start, end = (int(np.argmax(window[side])) for side in ("starts", "ends"))
    return first <= start <= end < min(start + longest, len(window["starts"]) - 1)


def _name(head: tuple[int, int]) -> str:
    return f"{head[0]}.{head[1]}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
