"""What transformers' question answering example does with a model's numbers, in plain Python.

Written out anew after ``postprocess_qa_predictions`` (examples/pytorch/question-answering), loop
by loop: the measure of ``bertlab.tasks.question_answering`` in its tests and in
``qa_decoding.py``. Features are lists here; the example reads them from a ``datasets.Dataset``,
which takes longer still.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Found = dict[str, Any]


def answer(
    contexts: Mapping[str, str],
    features: Sequence[Mapping[str, Any]],
    start_logits: Sequence[np.ndarray],
    end_logits: Sequence[np.ndarray],
    null: bool = False,
    n_best: int = 20,
    max_length: int = 30,
    threshold: float = 0.0,
) -> tuple[dict[str, str], dict[str, list[Found]], dict[str, float]]:
    """Answer every question.

    Args:
        contexts: by the question's id.
        features: a window each: ``id``, and ``offsets``, a list of pairs, None outside the context.
        start_logits: for each window ``(T,)``.
        end_logits: for each window ``(T,)``.
        null: whether "" may be the answer.
        n_best: how many starts, ends and answers.
        max_length: of an answer, in pieces.
        threshold: answer "" where its score is greater than the best span's by more than this.

    Returns:
        By id: the answer; the best answers; with ``null``, the score of "" less the best span's.
    """
    windows = defaultdict(list)
    for number, feature in enumerate(features):
        windows[feature["id"]].append(number)
    answers, best, differences = {}, {}, {}
    for key, context in contexts.items():
        found: list[Found] = []
        nothing: Found | None = None
        for number in windows[key]:
            starts, ends = start_logits[number], end_logits[number]
            offsets = features[number]["offsets"]
            widest = features[number].get("token_is_max_context")  # the example fills it in never
            score = starts[0] + ends[0]
            if nothing is None or nothing["score"] > score:
                nothing = _found((0, 0), score, starts[0], ends[0])
            best_starts = np.argsort(starts)[-1 : -n_best - 1 : -1].tolist()
            best_ends = np.argsort(ends)[-1 : -n_best - 1 : -1].tolist()
            for start in best_starts:
                for end in best_ends:
                    if (
                        start >= len(offsets)
                        or end >= len(offsets)
                        or offsets[start] is None
                        or len(offsets[start]) < 2
                        or offsets[end] is None
                        or len(offsets[end]) < 2
                    ):
                        continue
                    if end < start or end - start + 1 > max_length:
                        continue
                    if widest is not None and not widest.get(str(start), False):
                        continue
                    found.append(
                        {
                            "offsets": (offsets[start][0], offsets[end][1]),
                            "score": starts[start] + ends[end],
                            "start_logit": starts[start],
                            "end_logit": ends[end],
                        }
                    )
        assert nothing is not None
        if null:
            found.append(nothing)
        found = sorted(found, key=lambda one: one["score"], reverse=True)[:n_best]
        if null and not any(one["offsets"] == (0, 0) for one in found):
            found.append(nothing)
        for one in found:
            start, end = one.pop("offsets")
            one["text"] = context[start:end]
        if not any(one["text"] for one in found):
            found.insert(0, _found(None, 0.0, 0.0, 0.0) | {"text": "empty"})
        scores = np.array([one.pop("score") for one in found])
        powers = np.exp(scores - np.max(scores))
        for one, probability in zip(found, powers / powers.sum(), strict=True):
            one["probability"] = probability
        if null:
            span = next(one for one in found if one["text"])
            score = nothing["start_logit"] + nothing["end_logit"]
            differences[key] = float(score - span["start_logit"] - span["end_logit"])
            answers[key] = "" if differences[key] > threshold else span["text"]
        else:
            answers[key] = found[0]["text"]
        best[key] = [
            {
                name: float(value) if isinstance(value, np.float32 | np.float64) else value
                for name, value in one.items()
            }
            for one in found
        ]
    return answers, best, differences


def _found(offsets: tuple[int, int] | None, score: float, start: float, end: float) -> Found:
    return {"offsets": offsets, "score": score, "start_logit": start, "end_logit": end}
