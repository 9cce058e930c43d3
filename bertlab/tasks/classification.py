"""Classification: one label a text or a pair of texts, several, or a number.

Features: ``[CLS] text [SEP]``, or ``[CLS] text [SEP] text_pair [SEP]``; long texts are cut, or read
in windows. Head: a linear layer on the pooled ``[CLS]``. Loss: what fits the labels. Decoding: the
most probable label; with windows, of the mean of their probabilities.

Dimensions: ``C`` classes. Source: Devlin et al. 2019, section 4.1; chapter 8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from torch import Tensor

from bertlab import metrics
from bertlab.data.errors import DataError
from bertlab.model.heads import IGNORED
from bertlab.tasks.task import Array, Features, Record, Task, softmax, windows
from bertlab.training.batching import Row

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

Problem = Literal["single", "multi", "regression"]
Long = Literal["cut", "windows"]
_PROBLEM_TYPES = {
    "single": "single_label_classification",
    "multi": "multi_label_classification",
    "regression": "regression",
}
_METRICS = {"single": "accuracy", "multi": "micro_f1", "regression": "r2"}
_LIKELY = 0.5  # with several labels, each that is more probable than not


class Classification(Task):
    """Texts, or pairs of them, and their labels.

    Args:
        tokenizer: the model's.
        train: records with ``text``, perhaps ``text_pair``, and ``label``.
        dev: the same, to decide which weights are kept.
        labels: the labels' names, in the order of the model's outputs; by default those that occur
            in ``train``, sorted.
        problem: ``"single"`` label a text (softmax, cross-entropy), ``"multi"``, any number of
            them (a sigmoid and binary cross-entropy each), or ``"regression"`` (squared error).
        max_length: tokens of a row, special ones included.
        long: what happens to longer texts: ``"cut"``, or ``"windows"``, whose probabilities are
            averaged.
        stride: tokens that two neighbouring windows share.

    Raises:
        DataError: when there are fewer than two labels.
        ValueError: when a setting is out of range.
    """

    name = "classification"
    model_class = "BertForSequenceClassification"
    settings = ("max_length", "problem", "long", "stride")

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        train: Dataset | None = None,
        dev: Dataset | None = None,
        *,
        labels: Sequence[str] | None = None,
        problem: Problem = "single",
        max_length: int = 512,
        long: Long = "cut",
        stride: int = 64,
    ) -> None:
        super().__init__(tokenizer, train, dev, max_length=max_length)
        if problem not in _PROBLEM_TYPES:
            raise ValueError(f"problem is {problem!r}: expected one of {', '.join(_PROBLEM_TYPES)}")
        if long not in ("cut", "windows"):
            raise ValueError(f"long is {long!r}: expected cut or windows")
        self.problem, self.long, self.stride = problem, long, stride
        self.metric = _METRICS[problem]
        if long == "windows":
            windows(1, max_length - 3, stride)  # say now if they don't fit
        if labels is None and problem != "regression":
            labels = _names(train["label"] if train is not None else [])
        self.labels = list(labels or ())
        self._ids = {label: index for index, label in enumerate(self.labels)}

    @classmethod
    def arguments(cls, config: Any) -> dict[str, Any]:
        """Return what a fine-tuned model's config says of the task."""
        problems = {theirs: ours for ours, theirs in _PROBLEM_TYPES.items()}
        default = "regression" if config.num_labels == 1 else "single"
        problem = problems.get(config.problem_type, default)
        names = config.id2label or {index: f"LABEL_{index}" for index in range(config.num_labels)}
        return {
            "problem": problem,
            "labels": None if problem == "regression" else [names[i] for i in sorted(names)],
        }

    @property
    def overrides(self) -> dict[str, Any]:
        """Return the kind of labels, and their names."""
        problem = {"problem_type": _PROBLEM_TYPES[self.problem]}
        if self.problem == "regression":
            return problem | {"num_labels": 1}
        return problem | {"id2label": dict(enumerate(self.labels))}

    def features(self, records: Sequence[Record], labelled: bool) -> Features:
        """Turn texts into rows: one each, or one a window."""
        features = Features()
        pairs = [i for i, record in enumerate(records) if record.get("text_pair") is not None]
        first = self._pieces([record["text"] for record in records])
        pieces = self._pieces([records[index]["text_pair"] for index in pairs])
        second = dict(zip(pairs, pieces, strict=True))
        for index, record in enumerate(records):
            label = {"labels": self._label(record["label"], features)} if labelled else {}
            for a, b in self._fit(first[index], second.get(index), features):
                features.rows.append(self._row(a, b) | label)
                features.record.append(index)
                features.extras.append(None)
        features.counts += Counter()  # drops what happened 0 times
        return features

    def logits(self, output: Any) -> Tensor:
        """Return ``(B, C)``."""
        logits: Tensor = output.logits
        return logits

    def decode(
        self, records: Sequence[Record], features: Features, logits: Sequence[Array]
    ) -> list[dict[str, Any]]:
        """Return ``label``, ``score`` and all ``scores`` for each text.

        With one label, its probability is the score; with several, each has one; a regression's
        number is both label and score.
        """
        table = np.array(logits).reshape(len(logits), -1)  # (rows, C)
        if self.problem == "single":
            table = softmax(table)
        elif self.problem == "multi":
            table = 1 / (1 + np.exp(-table))
        sums = np.zeros((len(records), table.shape[1]))  # (records, C)
        np.add.at(sums, features.record, table)
        means = sums / np.bincount(features.record, minlength=len(records))[:, None]
        return [self._prediction(numbers) for numbers in means]

    def score(
        self, records: Iterable[Record], predictions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return accuracy and F1, or what fits several labels or numbers."""
        true = [record["label"] for record in records]
        predicted = [prediction["label"] for prediction in predictions]
        if self.problem == "regression":
            return metrics.regression_scores(true, predicted)
        if self.problem == "multi":
            known = dict.fromkeys([*self.labels, *(label for labels in true for label in labels)])
            return metrics.multi_label_scores(true, predicted, list(known))
        return metrics.classification_scores(true, predicted)

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        """Return the texts' piece ids, without special tokens."""
        if not texts:
            return []
        encoded = self.tokenizer(
            texts,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,  # longer than the model can read: that is what _fit is for
        )
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def _fit(
        self, a: list[int], b: list[int] | None, features: Features
    ) -> list[tuple[list[int], list[int] | None]]:
        """Cut a text or a pair to the row's length, or into several."""
        room = self.max_length - (2 if b is None else 3)
        if len(a) + len(b or ()) <= room:
            return [(a, b)]
        if self.long == "windows":
            if b is None:
                features.counts["texts read in windows"] += 1
                return [(a[start:end], None) for start, end in windows(len(a), room, self.stride)]
            # The first text stays, as a question would; the second one is read in windows, which
            # have half of the row, or less if that is all it needs.
            most = max(room // 2, room - len(b))
            features.counts["first texts cut"] += len(a) > most
            a = a[:most]
            room -= len(a)
            features.counts["texts read in windows"] += len(b) > room
            stride = min(self.stride, room // 2)
            return [(a, b[start:end]) for start, end in windows(len(b), room, stride)]
        features.counts["texts cut"] += 1
        if b is None:
            return [(a[:room], None)]
        # As the tokenizer's "longest_first": the longer one loses until both are equally long.
        half = room // 2
        if len(a) <= half:
            return [(a, b[: room - len(a)])]
        if len(b) <= half:
            return [(a[: room - len(b)], b)]
        half += room % 2 if len(a) > len(b) else 0  # the longer one has the odd place
        return [(a[:half], b[: room - half])]

    def _row(self, a: list[int], b: list[int] | None) -> Row:
        cls, sep = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        ids = [cls, *a, sep] if b is None else [cls, *a, sep, *b, sep]
        types = np.zeros(len(ids), dtype=np.int32)
        types[len(a) + 2 :] = 1
        return {"input_ids": np.array(ids, dtype=np.int32), "token_type_ids": types}

    def _label(self, label: Any, features: Features) -> Any:
        """Return a label as the loss wants it."""
        if self.problem == "regression":
            return float(label)
        if self.problem == "multi":
            unknown = [name for name in label if name not in self._ids]
            features.counts["labels unknown to training"] += len(unknown)
            return np.array([float(name in label) for name in self.labels], dtype=np.float32)
        if label not in self._ids:
            features.counts["labels unknown to training"] += 1
        return self._ids.get(label, IGNORED)

    def _prediction(self, numbers: Array) -> dict[str, Any]:
        """Return the answer that one row of ``(C,)`` probabilities, or a number, stands for."""
        if self.problem == "regression":
            return {"label": float(numbers[0]), "score": float(numbers[0]), "scores": {}}
        scores = dict(zip(self.labels, numbers.tolist(), strict=True))
        if self.problem == "multi":
            chosen = [label for label in self.labels if scores[label] >= _LIKELY]
            return {
                "label": chosen,
                "score": [scores[label] for label in chosen],
                "scores": scores,
            }
        best = self.labels[int(numbers.argmax())]
        return {"label": best, "score": scores[best], "scores": scores}


def _names(values: Iterable[str | list[str]]) -> list[str]:
    """Return the names that occur, sorted; numbers by their size.

    Raises:
        DataError: when there are fewer than two.
    """
    names = {name for value in values for name in ([value] if isinstance(value, str) else value)}
    if len(names) < 2:
        raise DataError(
            found=f"the label {names.pop()!r} only" if names else "no labels",
            expected="at least two different ones in the training data, or labels=",
        )
    numbers = all(name.removeprefix("-").isdecimal() for name in names)
    return sorted(sorted(names), key=int) if numbers else sorted(names)  # "1" and "01" differ
