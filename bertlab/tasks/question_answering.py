"""Question answering: the piece of a text that answers a question about it.

Features: ``[CLS] question [SEP] context [SEP]``; a long context is read in windows that overlap.
Head: two numbers a place, how well an answer starts and how well it ends there. Loss: the mean of
two cross-entropies over the places. Decoding: the best span over all windows, cut out of the text.
A window without the answer is taught, and says, that by ``[CLS]``.

Source: Devlin et al. 2019, sections 4.2 and 4.3, and its released ``run_squad.py``; chapter 10.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bertlab import metrics
from bertlab.tasks.pieces import Pieces, read_pieces
from bertlab.tasks.spans import best_spans, null_scores
from bertlab.tasks.task import Array, Features, Record, Task, softmax, windows
from bertlab.training.batching import Row

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

_LONGEST_QUESTION = 64  # pieces, as in run_squad.py
_STRIDE = 128
_NO_SPAN = -1e9  # the score of a span where the context has no piece; finite, for JSON


class Window(NamedTuple):
    """What decoding needs of a row: where the context begins in it, and its pieces' offsets."""

    first: int
    offsets: Array


class QuestionAnswering(Task):
    """Questions, the contexts they are about, and the answers' places there.

    Args:
        tokenizer: the model's.
        train: records with ``question``, ``context`` and ``answers``: a dict of ``text`` and
            ``answer_start``, two lists, empty where the context holds no answer. The first answer
            is learned.
        dev: the same, to decide which weights are kept; if it has questions without an answer,
            it decides ``null_threshold``, too.
        max_length: tokens of a row, special ones included.
        stride: pieces that two neighbouring windows share; by default 128, or half of a shorter
            window.
        n_best: starts and ends of a window that are paired, and answers that are returned.
        max_answer_length: pieces of the longest answer.
        null_threshold: say that there is no answer where its score is greater than the best
            span's by more than this; None: never.

    Raises:
        ValueError: when a setting is out of range.
    """

    name = "qa"
    model_class = "BertForQuestionAnswering"
    metric = "f1"
    longest = 384
    settings = ("max_length", "stride", "n_best", "max_answer_length", "null_threshold")

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        train: Dataset | None = None,
        dev: Dataset | None = None,
        *,
        max_length: int = 384,
        stride: int | None = None,
        n_best: int = 20,
        max_answer_length: int = 30,
        null_threshold: float | None = None,
    ) -> None:
        super().__init__(tokenizer, train, dev, max_length=max_length)
        if n_best < 2:
            raise ValueError(
                f"n_best is {n_best}: expected a number from 2 on; the best start and the best end "
                "alone need not make a span"
            )
        if max_answer_length < 1:
            raise ValueError(
                f"max_answer_length is {max_answer_length}: expected a number from 1 on"
            )
        self._room = max_length - 3  # for question and context: [CLS] and two [SEP] are set
        self._longest_question = min(_LONGEST_QUESTION, self._room // 2)
        least = self._room - self._longest_question
        self.stride = min(_STRIDE, least // 2) if stride is None else stride
        windows(1, least, self.stride)  # say now if they don't fit
        self.n_best, self.max_answer_length = n_best, max_answer_length
        self.null_threshold = null_threshold

    @property
    def overrides(self) -> dict[str, Any]:
        """Return nothing, as the head is the same for all data."""
        return {}

    def features(self, records: Sequence[Record], labelled: bool) -> Features:
        """Turn each question into rows, one a window of its context.

        The labels of a row are the places of the answer's first and last piece if the window holds
        all of it, else 0, the place of ``[CLS]``.
        """
        features = Features()
        contexts = list(dict.fromkeys(record["context"] for record in records))
        pieces = dict(zip(contexts, read_pieces(self.tokenizer, contexts), strict=True))
        questions = read_pieces(self.tokenizer, (record["question"] for record in records))
        for index, (record, question) in enumerate(zip(records, questions, strict=True)):
            context = pieces[record["context"]]
            ids = question.ids[: self._longest_question]
            features.counts["questions cut"] += len(ids) < len(question.ids)
            answer = _answer(record, context) if labelled else None
            held = False
            parts = windows(len(context.ids), self._room - len(ids), self.stride)
            for start, stop in parts:
                row = self._row(ids, context.ids[start:stop])
                if labelled:
                    row["start_positions"] = row["end_positions"] = 0
                    if answer is not None and start <= answer[0] <= answer[1] < stop:
                        shift = len(ids) + 2 - start  # from a place in the context to one in here
                        row["start_positions"] = answer[0] + shift
                        row["end_positions"] = answer[1] + shift
                        held = True
                features.rows.append(row)
                features.record.append(index)
                features.extras.append(Window(len(ids) + 2, context.offsets[start:stop]))
            features.counts["contexts read in windows"] += len(parts) > 1
            features.counts["answers that no window holds"] += answer is not None and not held
        features.counts = +features.counts  # without those that are 0
        return features

    def logits(self, output: Any) -> Tensor:
        """Return ``(B, T, 2)``: of a start and an end at each place."""
        return torch.stack((output.start_logits, output.end_logits), dim=-1)

    def decode(
        self, records: Sequence[Record], features: Features, logits: Sequence[Array]
    ) -> list[dict[str, Any]]:
        """Return the ``answer`` to each question, its place, its score, and the ``n_best``.

        ``start`` and ``end`` count code points of the context; they are None for ``""``, which is
        among the answers if ``null_threshold`` is a number. Scores are probabilities among the
        ``n_best``. ``null_score`` is what the threshold is compared with: the score of ``""`` less
        that of the best span.
        """
        if not records:
            return []
        questions = np.array(features.record)
        extras: list[Window] = features.extras
        contexts = np.array([(row.first, row.first + len(row.offsets)) for row in extras])
        nulls = null_scores(logits, questions)  # (Q,)
        spans = best_spans(
            logits,
            contexts,
            questions,
            self.n_best,
            self.max_answer_length,
            nulls=None if self.null_threshold is None else nulls,
        )  # (Q, N)
        real = spans.start > 0
        best = np.where(real, spans.score, _NO_SPAN).max(axis=1)  # (Q,)
        # The offsets of all windows, one after the other: (pieces, 2). The window's shift makes a
        # line of that table of a place in the window's row.
        offsets = np.concatenate([row.offsets for row in extras])
        shifts = np.cumsum(contexts[:, 1] - contexts[:, 0]) - contexts[:, 1]  # (W,)
        starts, ends = np.zeros((2, *real.shape), dtype=int)
        starts[real] = offsets[(shifts[spans.window] + spans.start)[real], 0]
        ends[real] = offsets[(shifts[spans.window] + spans.end)[real], 1]
        found = np.isfinite(spans.score)  # (Q, N)
        scores = softmax(np.where(found.any(axis=1, keepdims=True), spans.score, 0).astype(float))
        columns = (starts, ends, scores, found.sum(axis=1), nulls - best)
        lists = [column.tolist() for column in columns]
        with _no_collection():
            return [
                self._prediction(record["context"], *numbers)
                for record, *numbers in zip(records, *lists, strict=True)
            ]

    def score(
        self, records: Iterable[Record], predictions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return exact match and F1 in per cent, as SQuAD's evaluators do."""
        answers = [prediction["answer"] for prediction in predictions]
        return metrics.squad_scores(_numbered(answers), _numbered(_texts(records)))

    def measure(self, model: nn.Module) -> dict[str, Any]:
        """Return the figures of ``dev``, where ``null_threshold`` is chosen first.

        It is what gives the best F1; but it stays where all of ``dev`` has answers.

        Raises:
            ValueError: when the task has no development records.
        """
        if self.dev is None or all(_texts(self.dev)):
            return super().measure(model)
        records = list(self.dev)
        predictions, loss = self._answer(model, records, 32, True, False)
        spans = [next((a["text"] for a in p["n_best"] if a["text"]), "") for p in predictions]
        nulls = [prediction["null_score"] for prediction in predictions]
        found = metrics.best_null_threshold(
            _numbered(spans), _numbered(nulls), _numbered(_texts(records))
        )
        self.null_threshold = found["best_f1_thresh"]
        chosen = [
            {"answer": "" if null > self.null_threshold else span}
            for span, null in zip(spans, nulls, strict=True)
        ]
        return {"loss": loss, **self.score(records, chosen), "null_threshold": self.null_threshold}

    def finish(self, figures: Mapping[str, Any]) -> None:
        """Take over the ``null_threshold`` that ``measure`` chose for the best weights."""
        self.null_threshold = figures.get("null_threshold", self.null_threshold)

    def _prediction(
        self,
        context: str,
        starts: list[int],
        ends: list[int],
        scores: list[float],
        count: int,
        null_score: float,
    ) -> dict[str, Any]:
        """Return the answer to a question, given the ``count`` best ones; "" ends at 0."""
        n_best: list[dict[str, Any]] = [
            {"text": context[start:end], "score": score, "start": start, "end": end}
            for start, end, score in zip(starts[:count], ends, scores, strict=False)
        ]
        chosen: dict[str, Any] = {"text": "", "score": 0.0, "start": None, "end": None}
        if self.null_threshold is not None:
            null = next(answer for answer in n_best if not answer["end"])
            null["start"] = null["end"] = None
            if null_score > self.null_threshold or len(n_best) == 1:
                chosen = null
            else:
                chosen = n_best[n_best[0] is null]
        elif n_best:
            chosen = n_best[0]
        return {
            "answer": chosen["text"],
            "start": chosen["start"],
            "end": chosen["end"],
            "score": chosen["score"],
            "n_best": n_best,
            "null_score": null_score,
        }

    def _row(self, question: Array, context: Array) -> Row:
        cls, sep = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        ids = np.concatenate(([cls], question, [sep], context, [sep]), dtype=np.int32)
        types = np.zeros(len(ids), dtype=np.int8)
        types[len(question) + 2 :] = 1
        return {"input_ids": ids, "token_type_ids": types}


@contextmanager
def _no_collection() -> Iterator[None]:
    """Don't look for garbage: among so many small dicts that takes time, and there is none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _answer(record: Record, context: Pieces) -> tuple[int, int] | None:
    """Return the first and the last piece of the first answer, if there is one."""
    answers = record["answers"]
    if not answers["text"]:
        return None
    start = answers["answer_start"][0]
    return context.touching(start, start + len(answers["text"][0]))


def _texts(records: Iterable[Record]) -> list[list[str]]:
    return [record["answers"]["text"] for record in records]


def _numbered(values: Iterable[Any]) -> dict[str, Any]:
    return {str(number): value for number, value in enumerate(values)}
