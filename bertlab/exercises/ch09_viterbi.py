"""Chapter 9's exercise on the best valid sequence of tags.

Dimensions: ``n`` words, ``C`` tags.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec

if TYPE_CHECKING:
    from torch import Tensor


def _best_path(
    log_p: Tensor,
    allowed: Tensor,
    may_begin: Tensor,
    *,
    search: str = "viterbi",
    rule: str = "right",
    begin: bool = True,
    back: str = "notes",
    order: str = "right",
) -> list[int]:
    """Viterbi's algorithm, right by default; each keyword makes one step wrong."""
    import torch

    never = -torch.inf
    step_allowed = {
        "transposed": allowed.T,
        "ignored": torch.ones_like(allowed),
    }.get(rule, allowed)
    delta = log_p[0].masked_fill(~may_begin, never) if begin else log_p[0]
    if search == "greedy":
        path = [int(delta.argmax())]
        for row in log_p[1:]:
            path.append(int(row.masked_fill(~step_allowed[path[-1]], never).argmax()))
        return path
    notes, tables = [], [delta]
    for row in log_p[1:]:
        best, came_from = delta[:, None].masked_fill(~step_allowed, never).max(dim=0)
        if search == "no sum":
            best = best.masked_fill(best > never, 0.0)
        elif search == "sum over paths":
            best = delta[:, None].masked_fill(~step_allowed, never).logsumexp(dim=0)
        delta = row + best
        notes.append(came_from)
        tables.append(delta)
    if back == "best of each column":
        return [int(table.argmax()) for table in tables]
    path = [int(delta.argmax())]
    for came_from in reversed(notes):
        path.append(int(came_from[path[-1]]))
    return path if order == "backwards" else path[::-1]


def _cases(seed: int) -> list[Case]:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def case(stage: int, label: str, n: int, types: int, rows: list[list[float]] | None) -> Case:
        C = 1 + 2 * types  # O, then B and I of each type
        scores = torch.randn((n, C), generator=generator) * 2 if rows is None else _jitter(rows)
        allowed = torch.ones(C, C, dtype=torch.bool)
        for inner in range(2, C, 2):
            allowed[:, inner] = False
            allowed[[inner - 1, inner], inner] = True
        may_begin = torch.tensor([tag == 0 or tag % 2 == 1 for tag in range(C)])
        log_p = scores.log_softmax(-1)
        return Case(stage, label, {"log_p": log_p, "allowed": allowed, "may_begin": may_begin})

    def _jitter(rows: list[list[float]]) -> Tensor:
        values = torch.tensor(rows)
        return values + 0.1 * torch.rand(values.shape, generator=generator)

    # Columns: O, B, I. In each, something else goes wrong in a search that doesn't see it.
    return [
        case(1, "one word, and an I would be best", 1, 1, [[1.0, 0.5, 2.0]]),
        case(1, "the best tag of each word is valid", 3, 1, [[0, 3, 0], [0, 0, 3], [3, 0, 0]]),
        case(2, "I after O", 2, 1, [[3, 2, 0], [0, 1, 4]]),
        case(2, "the sentence would begin with I", 3, 1, [[0, 1, 4], [1, 0, 3], [4, 0, 1]]),
        case(2, "I after B of another type", 2, 2, [[0, 4, 0, 3.5, 0], [0, 0, 0, 0, 5]]),
        case(3, "the price shows two words later", 3, 1, [[3, 2, 0], [1, 0, 3], [0, 0, 4]]),
        case(3, "four words, drawn at random", 4, 1, None),
        case(3, "six words and two types, drawn at random", 6, 2, None),
        case(3, "nine words and two types, drawn at random", 9, 2, None),
    ]


def _broken(failure: Failure) -> str:
    path, expected = failure.found[0], failure.expected[0]
    if len(path) != len(expected):
        return ""
    broken = not failure["may_begin"][path[0]] or any(
        not failure["allowed"][before, now] for before, now in pairwise(path)
    )
    log_p = failure["log_p"].double()
    sums = [sum(log_p[i, c].item() for i, c in enumerate(tags)) for tags in (path, expected)]
    if broken:
        return "Your sequence below isn't valid"
    return f"Your sequence below has the sum {sums[0]:.2f}; the best valid one has {sums[1]:.2f}"


def _mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _broken)


BEST_PATH = Spec(
    Exercise("best_path", 9, "hard", 25),
    question=(
        "Viterbi's algorithm. `log_p` is (n, C), `allowed` is (C, C): true where the tag of the\n"
        "row may stand before that of the column. `may_begin` is (C): true for tags that may\n"
        "come first. Return the n tags' numbers of the valid sequence whose log_p have the\n"
        "greatest sum, as a list."
    ),
    formula="delta_w(c) = log_p[w, c] + max over c' with allowed[c', c] of delta_{w-1}(c')",
    stub=(
        "def best_path(log_p, allowed, may_begin):\n    raise NotImplementedError\n    return path"
    ),
    hints=(
        "`delta` begins as `log_p[0]`, with -inf where a tag may not begin.",
        "`delta[:, None]` with -inf where `allowed` is false is (C, C): row before, column now. "
        "`max(dim=0)` gives the best way to each tag, and where it came from.",
        "Note where each tag came from. At the end take the best tag, follow the notes back, and "
        "turn the list round.",
    ),
    verified="tags that may not begin, one wrong step, and choices whose price shows later.",
    outputs={"path": "ids"},
    compute=_best_path,
    cases=_cases,
    equation="9.6",
    mistakes=(
        _mistake(
            "no-constraint",
            "transitions weren't looked at. Where `allowed[before, now]` is false, there is no "
            "way.",
            rule="ignored",
        ),
        _mistake(
            "greedy",
            "from left to right, each word takes the best tag that the one before allows. An early "
            "choice can cost more later than it brought: keep the best way to *every* tag.",
            search="greedy",
        ),
        _mistake(
            "begins-with-inside",
            "the first word may take any tag. Where `may_begin` is false, `delta` begins with "
            "-inf.",
            begin=False,
        ),
        _mistake(
            "transposed",
            "`allowed` was read the wrong way round: its row is the tag before, its column the tag "
            "now.",
            rule="transposed",
        ),
        _mistake(
            "notes-not-followed",
            "the best tag of each `delta` was taken. Only the last one is chosen so; from there "
            "the notes lead back, where a tag that looked best may not be on the way.",
            back="best of each column",
        ),
        _mistake(
            "path-backwards",
            "the path comes out from its end. Turn it round.",
            order="backwards",
        ),
        _mistake(
            "sums-not-carried",
            "each step forgot the sum so far. `delta` of the tag before belongs to it.",
            search="no sum",
        ),
        _mistake(
            "sum-over-paths",
            "the ways to a tag were added up (logsumexp), as for the probability of all of them. "
            "The best sequence needs the maximum.",
            search="sum over paths",
        ),
    ),
)

EXERCISES = (BEST_PATH,)
