"""The best answers that a model's numbers allow: pairs of a start and an end, over all windows.

Everything is computed for hundreds of windows at once; the order, also of equal scores, is that of
the loops in transformers' question answering example.

Dimensions: ``Q`` questions, ``W`` windows, ``T`` places of the longest, ``N`` best places, ``S``
spans. Source: Devlin et al. 2019, sections 4.2 and 4.3; chapter 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bertlab.tasks.task import Array

_PAIRS_AT_ONCE = 100_000  # few enough for a processor's cache


class Spans(NamedTuple):
    """Spans of windows: the window, the first and the last place there, the score; of one shape.

    "There is no answer" is the span from place 0 to 0, ``[CLS]``.
    """

    window: Array
    start: Array
    end: Array
    score: Array


def best_spans(
    logits: Sequence[Array],
    contexts: Array,
    questions: Array,
    n_best: int,
    max_length: int,
    nulls: Array | None = None,
) -> Spans:
    """Find the best spans of each question.

    In each window, the ``n_best`` starts and as many ends are paired. A pair is a span if it lies
    in the context, doesn't end before it starts, and is not too long; its score is the sum of its
    two logits. Where a question has no such pair at all, every start is paired with every end.

    Args:
        logits: for each window ``(T, 2)``, of a start and an end at each place.
        contexts: ``(W, 2)``; where the context begins in the window's row, and where it is over.
        questions: ``(W,)``, the number of each window's question: 0, 1, 2, …, in that order.
        n_best: how many starts, ends and spans.
        max_length: of a span, in pieces.
        nulls: ``(Q,)``, each question's score of "there is no answer", which is among its spans
            then, and comes on top of ``n_best`` if it isn't so good.

    Returns:
        ``(Q, n_best)``, or one more with ``nulls``; the best span first. The score is -inf where a
        question has no more spans.
    """
    begins = np.append(_beginnings(questions), len(questions))
    marks = np.arange(0, len(questions), max(1, _PAIRS_AT_ONCE // n_best**2))
    cuts = np.unique(begins[np.searchsorted(begins, marks)])  # no question is cut in two
    parts = []
    for first, stop in zip(cuts, np.append(cuts[1:], len(questions)), strict=True):
        windows = np.arange(first, stop)
        owners = questions[first:stop] - questions[first]
        spans = _pair(logits, contexts, windows, n_best, n_best, max_length)
        alone = np.bincount(owners[spans.window - first], minlength=owners[-1] + 1) == 0
        for window in windows[alone[owners]]:
            length = len(logits[int(window)])
            more = _pair(logits, contexts, window[None], n_best, length, max_length)
            spans = _join(spans, more)
        some = None if nulls is None else nulls[questions[first] : questions[stop - 1] + 1]
        parts.append(_rank(spans, owners[spans.window - first], owners[-1] + 1, n_best, some))
    return _join(*parts)


def null_scores(logits: Sequence[Array], questions: Array) -> Array:
    """Return for each question how well ``[CLS]`` answers it: "there is no answer".

    A window without the answer may be sure of that, so the least sure of a question's windows
    counts.

    Args:
        logits: for each window ``(T, 2)``.
        questions: ``(W,)``, as in ``best_spans``.
    """
    first = np.array([window[0] for window in logits], dtype=np.float32)  # (W, 2)
    scores: Array = np.minimum.reduceat(first[:, 0] + first[:, 1], _beginnings(questions))
    return scores


def best_places(logits: Array, lengths: Array, count: int) -> Array:
    """Return the places with the highest logits, the highest first.

    Args:
        logits: ``(W, T)``, float32; -inf where a window is over.
        lengths: ``(W,)``, of the windows.
        count: ``N``; at most ``T``.

    Returns:
        ``(W, N)``: ``np.argsort(row)[::-1][:N]`` of each row, which says nothing of the order of
        equal numbers, but is always the same for the same row. A row of fewer places has 0 after
        them.
    """
    longest = logits.shape[1]
    taken = min(count + 1, longest)  # one more shows whether the last one has its equals
    least = np.partition(logits, longest - taken, axis=1)[:, longest - taken, None]  # (W, 1)
    rows, places = np.divmod(np.flatnonzero(logits >= least), longest)
    sizes = np.bincount(rows, minlength=len(logits))
    usual = sizes == taken
    best = np.zeros((len(logits), taken), dtype=np.int32)
    best[usual] = places[usual[rows]].reshape(-1, taken)
    values = np.take_along_axis(logits, best, axis=1)
    order = np.argsort(-values, axis=1)
    best = np.take_along_axis(best, order, axis=1)
    values = np.take_along_axis(values, order, axis=1)
    usual &= (values[:, 1:] < values[:, :-1]).all(axis=1)
    for row in np.flatnonzero(~usual):
        exact = np.argsort(logits[row, : lengths[row]])[::-1][:count]
        best[row] = 0
        best[row, : len(exact)] = exact
    return best[:, :count]


def _pair(
    logits: Sequence[Array],
    contexts: Array,
    windows: Array,
    n_best: int,
    places: int,
    max_length: int,
) -> Spans:
    """Pair the best starts and ends of some windows.

    Returns:
        ``(S,)``: the ``n_best`` spans of each window, and all that are as good as the last of them;
        ordered by window, then by the start's rank, then by the end's.
    """
    rows = [logits[window] for window in windows.tolist()]
    lengths = np.array([len(row) for row in rows])
    table = np.full((2, len(rows), lengths.max()), -np.inf, dtype=np.float32)  # (2, W, T)
    for line, row in enumerate(rows):
        table[:, line, : len(row)] = row.T
    count = min(places, table.shape[2])
    starts, ends = (best_places(side, lengths, count) for side in table)  # (W, N) each
    scores = (
        np.take_along_axis(table[0], starts, axis=1)[:, :, None]
        + np.take_along_axis(table[1], ends, axis=1)[:, None, :]
    )  # (W, N, N): a start's row, an end's column
    first, stop = contexts[windows].T[:, :, None]  # (W, 1) each
    # An end beyond the context becomes -1 and a start before it T: no span fits them.
    gaps = (
        np.where(ends < stop, ends, -1)[:, None, :]
        - np.where(starts >= first, starts, table.shape[2])[:, :, None]
    )  # (W, N, N)
    valid = (gaps >= 0) & (gaps < max_length)
    np.copyto(scores, -np.inf, where=~valid)
    flat = scores.reshape(len(rows), -1)  # (W, N·N)
    last = max(flat.shape[1] - n_best, 0)
    least = np.partition(flat, last, axis=1)[:, last, None]  # (W, 1): the score of the last one
    kept = np.flatnonzero((flat >= least) & valid.reshape(flat.shape))
    index, start, end = np.unravel_index(kept, scores.shape)
    return Spans(windows[index], starts[index, start], ends[index, end], flat.ravel()[kept])


def _rank(spans: Spans, owners: Array, count: int, n_best: int, nulls: Array | None) -> Spans:
    """Put the spans of each question in order.

    Args:
        spans: ``(S,)``; those of a question side by side.
        owners: ``(S,)``, the question of each.
        count: ``Q``.
        n_best: how many are kept of each question.
        nulls: ``(Q,)`` or None, as in ``best_spans``.

    Returns:
        As ``best_spans``. Equal scores stay in order: the earlier window first, then the better
        start; "there is no answer" is last.
    """
    begins = _beginnings(owners)
    lengths = np.diff(begins, append=len(owners))
    places = np.arange(len(owners)) - np.repeat(begins, lengths)  # among the question's spans
    null = max([n_best, *lengths])  # the last column
    numbers = np.full((count, null + 1), len(owners))
    numbers[owners, places] = np.arange(len(owners))
    scores = np.full((count, null + 1), -np.inf, dtype=np.float32)
    scores[owners, places] = spans.score
    if nulls is not None:
        scores[:, null] = nulls
    chosen = np.argsort(-scores, axis=1, kind="stable")[:, :n_best]
    if nulls is not None:
        chosen = np.column_stack([chosen, np.full(count, null)])
    best = np.take_along_axis(scores, chosen, axis=1)
    if nulls is not None:  # it doesn't come twice
        best[(chosen[:, :-1] == null).any(axis=1), -1] = -np.inf
    picked = np.take_along_axis(numbers, chosen, axis=1)
    window, start, end = (np.append(column, 0)[picked] for column in spans[:3])
    return Spans(window, start, end, best)


def _join(*parts: Spans) -> Spans:
    return Spans(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _beginnings(values: Array) -> Array:
    """Return where each run of equal numbers, of 0 and more, begins."""
    begins: Array = np.flatnonzero(np.diff(values, prepend=-1))
    return begins
