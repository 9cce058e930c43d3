"""Windows over a long text, and their labels. A question of the assignment ``finetuning``."""

from __future__ import annotations

import random

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

Answer = tuple[int, int]


def _window_labels(
    n: int,
    room: int,
    overlap: int,
    first: int,
    answer: Answer,
    *,
    step: str = "room - overlap",
    count: int = 0,
    rounding: str = "up",
    end: str = "as it comes",
    origin: str = "row",
    shift: str = "window",
    partly: str = "lost",
    lost: int = 0,
    last: int = 0,
) -> tuple[list[int], list[int], list[int]]:
    """Starts of windows and their labels, right by default; each keyword makes one step wrong."""
    stride = {"overlap": overlap, "room": room}.get(step, room - overlap)
    rest = max(0, n - room)
    many = max(1, 1 + (rest // stride if rounding == "down" else -(-rest // stride)) + count)
    starts = [number * stride for number in range(many)]
    if end == "pulled back":
        starts = [min(start, max(0, n - room)) for start in starts]
    head = {"context": 0, "[CLS]": 1}.get(origin, first)
    a, z = answer
    begins, ends = [], []
    for start in starts:
        stop = min(start + room, n)
        whole = start <= a and (a if partly == "begin" else z) < stop
        low, high = a, z
        if not whole and partly == "kept" and a < stop and z >= start:
            low, high, whole = max(a, start), min(z, stop - 1), True
        base = head - (start if shift == "window" else 0)
        begins.append(low + base if whole else lost)
        ends.append(high + last + base if whole else lost)
    return starts, begins, ends


def _cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def case(stage: int, label: str, n: int, room: int, overlap: int, answer: Answer) -> Case:
        names = ("n", "room", "overlap", "first", "answer")
        values = (n, room, overlap, rng.randrange(6, 20), answer)
        return Case(stage, label, dict(zip(names, values, strict=True)))

    room, overlap = rng.randrange(20, 30), rng.randrange(4, 9)
    stride = room - overlap
    at = rng.randrange(2, overlap)
    return [
        case(1, "all in one window", room - 3, room, overlap, (at, at + 2)),
        case(1, "a context that just fits", room, room, overlap, (at, at)),
        case(2, "two windows, the answer in the first", room + stride, room, overlap, (at, at + 1)),
        case(2, "one piece more than two windows hold", room + stride + 1, room, overlap, (1, 1)),
        case(3, "in the second window", room + stride, room, overlap, (room + 1, room + 2)),
        case(3, "in the third window", room + 2 * stride - 2, room, overlap, (room + stride,) * 2),
        case(4, "in two windows", room + stride, room, overlap, (stride + 1, stride + 2)),
        case(5, "cut by a window's end", room + stride, room, overlap, (room - 1, room)),
        case(5, "too long for any window", 2 * room, room, overlap, (stride - 1, room + 1)),
    ]


def _windows(failure: Failure) -> str:
    return f"Your windows begin at {failure.found[0]}, and should at {failure.expected[0]}"


WINDOW_LABELS = Spec(
    Exercise("window_labels", 10, "medium", 11, "finetuning"),
    question=(
        "A context of `n` pieces is read in windows of at most `room` pieces; neighbours share\n"
        "`overlap` pieces, so each begins room - overlap after the one before. There are as many\n"
        "as are needed to reach the last piece, (10.1). In each row the context begins at place\n"
        "`first`, after [CLS] question [SEP]. The answer is the pair of its first and its last\n"
        "piece, counted in the whole context from 0. Return three lists with a number for each\n"
        "window: the context piece at which it begins, and the places in its row of the answer's\n"
        "first and last piece; 0 and 0 where it doesn't hold the whole answer."
    ),
    formula=(
        "n = 10, room = 6, overlap = 2, first = 5, answer (4, 5):\n"
        "windows begin at 0, 4;  start places 9, 5;  end places 10, 6"
    ),
    stub=(
        "def window_labels(n, room, overlap, first, answer):\n"
        "    raise NotImplementedError\n"
        "    return starts, start_positions, end_positions"
    ),
    hints=(
        "Add windows until one reaches the end: its start plus `room` is n or more.",
        "The window from `start` holds the pieces from `start` to before min(start + room, n). "
        "Piece k stands at place first + k - start.",
    ),
    verified="one window and several, answers in each of them, in two, in none and cut in two.",
    outputs={"starts": "ids", "start_positions": "ids", "end_positions": "ids"},
    compute=_window_labels,
    cases=_cases,
    mistakes=(
        Mistake(
            "overlap-as-step",
            {"step": "overlap"},
            "each window begins `overlap` pieces after the one before. That is what neighbours "
            "*share*; the step is room - overlap.",
            _windows,
        ),
        Mistake(
            "no-overlap",
            {"step": "room"},
            "the windows stand side by side. They share `overlap` pieces, so that a short answer "
            "on a border is whole in one of them.",
            _windows,
        ),
        Mistake(
            "one-window-missing",
            {"count": -1},
            "the last window is missing, and with it the context's end. Round up.",
            _windows,
        ),
        Mistake(
            "one-window-missing",
            {"rounding": "down"},
            "the number of windows was rounded down, so that the context's end is never read. "
            "Round up.",
            _windows,
        ),
        Mistake(
            "one-window-too-many",
            {"count": 1},
            "there is one window too many: the one before it already reached the last piece.",
            _windows,
        ),
        Mistake(
            "last-window-pulled-back",
            {"end": "pulled back"},
            "the last window was pulled back so that it is full. Here it begins where it falls, "
            "and may be shorter.",
            _windows,
        ),
        Mistake(
            "question-not-counted",
            {"origin": "context"},
            "the places are counted from the window's first piece. [CLS], the question and [SEP] "
            "stand before it: add `first`.",
        ),
        Mistake(
            "only-cls-counted",
            {"origin": "[CLS]"},
            "1 was added for [CLS], but the question and [SEP] come before the context, too.",
        ),
        Mistake(
            "window-start-not-subtracted",
            {"shift": "context"},
            "the answer's pieces are counted in the whole context. In a later window, take off "
            "the piece at which it begins.",
        ),
        Mistake(
            "part-of-the-answer-kept",
            {"partly": "kept"},
            "a window that holds only a part of the answer got that part as its label. It is 0, "
            "0: not here.",
        ),
        Mistake(
            "part-of-the-answer-kept",
            {"partly": "begin"},
            "only the answer's first piece was looked for. Where its last piece lies behind the "
            "window, the label is 0, 0.",
        ),
        Mistake(
            "ignored-instead-of-cls",
            {"lost": -100},
            "windows without the answer got -100. They teach something, too: 0, the place of "
            "[CLS], says that it isn't here.",
        ),
        Mistake(
            "end-excluded",
            {"last": 1},
            "the end is the place after the last piece. It is that of the last piece.",
        ),
    ),
)

EXERCISES = (WINDOW_LABELS,)
