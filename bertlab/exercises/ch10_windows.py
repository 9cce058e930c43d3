"""Chapter 10's exercise on windows: a long text in parts that overlap."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec
from bertlab.exercises.values import Unusable, kind_of


def _windows(
    ids: list[int],
    length: int,
    overlap: int,
    *,
    step: str = "length - overlap",
    many: str = "all",
    last: str = "as it comes",
) -> list[list[int]]:
    """Windows over a text; each keyword makes one step wrong."""
    move = {"length": length, "overlap": overlap, "one more": length - overlap + 1}.get(
        step, length - overlap
    )
    starts = range(0, len(ids), max(move, 1))
    result = []
    for start in starts:
        result.append(ids[start : start + length])
        if start + length >= len(ids) and many != "beyond the end":
            break
    if many == "first":
        return result[:1]
    if many == "full ones":
        return [window for window in result if len(window) == length] or result[:1]
    if last == "moved back" and len(result) > 1:
        result[-1] = ids[-length:]
    return result


def _observe(arguments: Mapping[str, Any], value: Any) -> Any:
    """Write each window as one string, so that lists of lists can be compared."""
    if not isinstance(value, (list, tuple)):
        return value
    lines = []
    for window in value:
        if hasattr(window, "tolist"):
            window = window.tolist()
        if not isinstance(window, (list, tuple)):
            words = f"a window is {kind_of(window)}: expected a list of lists of ids"
            raise Unusable("wrong-type", words)
        lines.append(" ".join(str(i) for i in window))
    return lines


def _cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def case(stage: int, label: str, n: int, length: int, overlap: int) -> Case:
        ids = rng.sample(range(10, 100), n)
        return Case(stage, label, {"ids": ids, "length": length, "overlap": overlap})

    return [
        case(1, "the text fits", 3, 5, 2),
        case(1, "the text just fits", 5, 5, 2),
        case(2, "two windows", 7, 5, 1),
        case(2, "three windows that fit exactly", 9, 5, 3),
        case(3, "a short last window", 10, 6, 2),
        case(3, "one id too many", 6, 5, 2),
        case(3, "many windows", 23 + seed % 3, 7, 3),
    ]


def _lost(failure: Failure) -> str:
    seen = {i for window in failure.found[0] for i in window.split()}
    lost = len([i for i in failure["ids"] if str(i) not in seen])
    return (
        f"{lost} of the {len(failure['ids'])} ids below are in none of your windows" if lost else ""
    )


WINDOWS = Spec(
    Exercise("windows", 10, "easy", 8, extra=True),
    question=(
        "Cut a long text into windows that overlap. `ids` has at least one id. Each window holds\n"
        "at most `length` ids; each shares its first `overlap` ids with the end of the one before\n"
        "(overlap < length). The last one ends with the text, and may be shorter; no window holds\n"
        "only what the one before had. Return a list of lists."
    ),
    formula=(
        "window w starts at w · (length - overlap);   "
        "there are 1 + ⌈(n - length) / (length - overlap)⌉"
    ),
    stub="def windows(ids, length, overlap):\n    raise NotImplementedError",
    hints=(
        "From one start to the next it is `length - overlap`.",
        "Stop as soon as a window reaches the end of the text.",
    ),
    verified="texts that fit, that just fit, and that need up to seven windows; nothing lost.",
    outputs={"windows": "pieces"},
    compute=_windows,
    cases=_cases,
    observe=_observe,
    equation="10.1",
    mistakes=(
        Mistake(
            "cut-in-silence",
            {"many": "first"},
            "the text was cut after the first window, and the rest is never read.",
            _lost,
        ),
        Mistake(
            "last-part-lost",
            {"many": "full ones"},
            "a last window shorter than `length` was dropped, and the text's end with it.",
            _lost,
        ),
        Mistake(
            "no-overlap",
            {"step": "length"},
            "the windows don't overlap, so that an answer on a border is in none of them whole. "
            "The next one starts `length - overlap` later.",
        ),
        Mistake(
            "overlap-as-step",
            {"step": "overlap"},
            "`overlap` was taken as the distance between two starts. It is what two windows share: "
            "the distance is `length - overlap`.",
        ),
        Mistake(
            "one-id-too-few-shared",
            {"step": "one more"},
            "two windows share one id less than `overlap`.",
        ),
        Mistake(
            "windows-beyond-the-end",
            {"many": "beyond the end"},
            "a window was made of what the one before had already. Stop once the end is reached.",
        ),
        Mistake(
            "last-window-moved-back",
            {"last": "moved back"},
            "the last window was moved back to be full. Here it starts like the others, and may be "
            "shorter.",
        ),
    ),
)

EXERCISES = (WINDOWS,)
