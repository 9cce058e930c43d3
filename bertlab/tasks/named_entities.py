"""Named entities: a tag for each word, and the entities that tags spell out.

Features: ``[CLS] pieces [SEP]``; a word's label stands at its first piece, and -100 at its other
pieces and at special tokens. Long sentences are read in windows. Head: a linear layer on each
token. Loss: cross-entropy over the labelled places. Decoding: the most probable tag of each word,
or the most probable valid sequence; tags are then read as entities. Metric: F1 of whole entities.

Dimensions: ``W`` words of a record, ``P`` their pieces, ``C`` tags.
Source: Devlin et al. 2019, section 5.3 (first pieces, no CRF); chapter 9.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from bertlab import metrics
from bertlab.data.errors import DataError
from bertlab.data.tags import check_tag, invalid_places, spans
from bertlab.model.heads import IGNORED
from bertlab.tasks.task import Array, Features, Record, Task, softmax, windows
from bertlab.tasks.words import Offsets, Words, most_context, read_words, word_windows
from bertlab.training.batching import Row

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

_SPECIALS = 2  # [CLS] and [SEP]
_STRIDE = 64
_TINY = 1e-300  # unlike 0, it has a logarithm


class Part(NamedTuple):
    """What a row answers: words of a record, and where in the row the first piece of each is."""

    record: Words
    words: Array
    places: Array


class NamedEntities(Task):
    """Sentences, and a tag in IOB2 for each of their words.

    A record has ``tokens``: words, which are tagged as they are. Or, to be answered only, it has a
    ``text``: ``bertlab.tasks.words.read_words`` parts it, and entities are cut from it.

    Args:
        tokenizer: the model's.
        train: records with ``tokens`` and ``tags``.
        dev: the same, to decide which weights are kept.
        labels: the tags, in the order of the model's outputs; by default ``O``, then ``B-`` and
            ``I-`` of each type that occurs in ``train``, sorted.
        max_length: tokens of a row, special ones included; longer sentences take several rows.
        stride: the most pieces that two neighbouring windows share; by default 64, or half a row
            if that is less.
        valid_only: decode the most probable *valid* sequence, in which an ``I-`` goes on with an
            entity of its type, instead of the most probable tag of each word.

    Raises:
        DataError: when ``train`` has no entity, or tags that aren't IOB2.
        ValueError: when a setting is out of range.
    """

    name = "ner"
    model_class = "BertForTokenClassification"
    metric = "f1"
    settings = ("max_length", "stride", "valid_only")

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        train: Dataset | None = None,
        dev: Dataset | None = None,
        *,
        labels: Sequence[str] | None = None,
        max_length: int = 512,
        stride: int | None = None,
        valid_only: bool = False,
    ) -> None:
        super().__init__(tokenizer, train, dev, max_length=max_length)
        self._room = max_length - _SPECIALS
        self.stride = min(_STRIDE, self._room // 2) if stride is None else stride
        windows(1, self._room, self.stride)  # say now if they don't fit
        self.valid_only = valid_only
        if labels is None:
            labels = _labels(train["tags"] if train is not None else [])
        self.labels = list(labels)
        if "O" not in self.labels or any(check_tag(label, "IOB2") for label in self.labels):
            raise ValueError(
                f"the labels are {', '.join(self.labels)}: expected tags of IOB2, which are O, and "
                "B-… and I-… of each type; was the model fine-tuned for named entities?"
            )
        self._ids = {label: index for index, label in enumerate(self.labels)}

    @classmethod
    def arguments(cls, config: Any) -> dict[str, Any]:
        """Return what a fine-tuned model's config says of the task."""
        names = config.id2label or {index: f"LABEL_{index}" for index in range(config.num_labels)}
        return {"labels": [names[index] for index in sorted(names)]}

    @property
    def overrides(self) -> dict[str, Any]:
        """Return the tags' names."""
        return {"id2label": dict(enumerate(self.labels))}

    def features(self, records: Sequence[Record], labelled: bool) -> Features:
        """Turn sentences into rows: one each, or one a window.

        Windows begin and end with a word. Words that two of them share are labelled and answered
        in one only, where they have the most context, so that each counts once in the loss.
        """
        features = Features()
        for index, read in enumerate(read_words(self.tokenizer, records)):
            labels = self._label(index, records[index], features) if labelled else None
            pieces, word_ids = self._cut(read, features)
            starts = np.flatnonzero(np.diff(word_ids, prepend=-1))  # the words' first pieces
            # Words of control characters alone have no piece, so no place in any row: they are O.
            words = word_ids[starts]
            features.counts["words without a piece, taken as O"] += len(read.offsets) - len(words)
            bounds = np.append(starts, len(pieces))
            parts = word_windows(bounds, self._room, self.stride)
            features.counts["sentences read in windows"] += len(parts) > 1
            for (first, end), own in zip(parts, most_context(bounds, parts), strict=True):
                row = self._row(pieces[bounds[first] : bounds[end]])
                part = Part(read, words[own], bounds[own] - bounds[first] + 1)  # [CLS] is place 0
                if labels is not None:
                    row["labels"] = np.full(len(row["input_ids"]), IGNORED, dtype=np.int32)
                    row["labels"][part.places] = labels[part.words]
                features.rows.append(row)
                features.record.append(index)
                features.extras.append(part)
        features.counts += Counter()  # drops what happened 0 times
        return features

    def logits(self, output: Any) -> Tensor:
        """Return ``(B, T, C)``."""
        logits: Tensor = output.logits
        return logits

    def decode(
        self, records: Sequence[Record], features: Features, logits: Sequence[Array]
    ) -> list[dict[str, Any]]:
        """Return ``entities`` for each record, and ``tags`` for one of tokens.

        An entity has ``text``, ``type``, ``start``, ``end`` (exclusive) and ``score``: the mean
        probability of its words' tags. Start and end count characters of a text, which the entity
        is cut from, or tokens, which are joined by spaces. ``tags`` are as they were decoded; an
        ``I-`` with no entity of its type before it begins one, as conlleval reads it.
        """
        outside = np.array([label == "O" for label in self.labels], dtype=float)
        read: dict[int, Words] = {}
        tables: dict[int, Array] = {}  # of probabilities, (W, C)
        for index, part, numbers in zip(features.record, features.extras, logits, strict=True):
            if index not in tables:
                read[index] = part.record
                tables[index] = np.tile(outside, (len(part.record.offsets), 1))
            tables[index][part.words] = softmax(numbers[part.places].astype(float))
        return [
            self._prediction(record, tables[index], read[index].offsets)
            for index, record in enumerate(records)
        ]

    def score(
        self, records: Iterable[Record], predictions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return precision, recall and F1 of entities (strict: see ``bertlab.metrics``), and more.

        Beside them: ``token_accuracy``, to see how much it flatters, and ``invalid_tags``, how many
        ``I-`` were predicted with no entity of their type before them; strict mode finds none
        there.
        """
        true = [record["tags"] for record in records]
        predicted = [prediction["tags"] for prediction in predictions]
        return metrics.entity_scores(true, predicted) | {
            "token_accuracy": metrics.token_accuracy(true, predicted),
            "invalid_tags": sum(len(invalid_places(tags, "IOB2")) for tags in predicted),
        }

    def _label(self, index: int, record: Record, features: Features) -> Array:
        """Return the tags' numbers ``(W,)``.

        Raises:
            DataError: unless there is one for each token.
        """
        tokens, tags = record["tokens"], record["tags"]
        if len(tokens) != len(tags):
            raise DataError(
                found=f"{len(tokens)} tokens and {len(tags)} tags in record {index}",
                expected="a tag for each token",
            )
        labels = np.array([self._ids.get(tag, IGNORED) for tag in tags], dtype=np.int32)
        features.counts["tags unknown to training"] += int((labels == IGNORED).sum())
        return labels

    def _cut(self, read: Words, features: Features) -> tuple[Array, Array]:
        """Return pieces and their word ids, ``(P,)`` each, without the ends of endless words."""
        if len(read.pieces) <= self._room:
            return read.pieces, read.word_ids
        rank = np.arange(len(read.pieces)) - np.searchsorted(read.word_ids, read.word_ids)
        features.counts["words cut"] += int((rank == self._room).sum())
        kept = rank < self._room
        return read.pieces[kept], read.word_ids[kept]

    def _row(self, pieces: Array) -> Row:
        ends = [self.tokenizer.cls_token_id], pieces, [self.tokenizer.sep_token_id]
        ids = np.concatenate(ends).astype(np.int32)
        return {"input_ids": ids, "token_type_ids": np.zeros_like(ids)}

    def _prediction(self, record: Record, table: Array, offsets: Offsets) -> dict[str, Any]:
        """Return the answer that ``(W, C)`` probabilities stand for."""
        best = table.argmax(-1)  # (W,)
        tags = [self.labels[index] for index in best]
        if self.valid_only and invalid_places(tags, "IOB2"):
            best = best_valid(np.log(np.maximum(table, _TINY)), self.labels)
            tags = [self.labels[index] for index in best]
        chosen = table[np.arange(len(best)), best]
        tokens = record.get("tokens")
        entities = []
        for kind, first, after in spans(tags):
            start, end = offsets[first][0], offsets[after - 1][1]
            cut = record["text"][start:end] if tokens is None else " ".join(tokens[start:end])
            entities.append(
                {
                    "text": cut,
                    "type": kind,
                    "start": start,
                    "end": end,
                    "score": float(chosen[first:after].mean()),
                }
            )
        return {"entities": entities} | ({} if tokens is None else {"tags": tags})


def best_valid(log_probabilities: Array, labels: Sequence[str]) -> Array:
    """Return the most probable of all valid sequences: Viterbi's algorithm.

    Args:
        log_probabilities: ``(W, C)``, of each tag for each word.
        labels: the ``C`` tags.

    Returns:
        ``(W,)`` tags' numbers, in which ``I-X`` comes after ``B-X`` or ``I-X`` only.

    Source: Viterbi 1967; chapter 9.
    """
    barred = np.array(
        [[now[0] == "I" and now[1:] != before[1:] for now in labels] for before in labels]
    )  # (C, C)
    barrier = np.where(barred, -np.inf, 0.0)
    # scores[c]: of the best sequence so far that ends in c. At first, none goes on.
    scores = log_probabilities[0] + barrier[labels.index("O")]
    came_from = []
    for step in log_probabilities[1:]:
        paths = scores[:, None] + barrier  # (C, C), from each tag to each
        came_from.append(paths.argmax(0))
        scores = paths.max(0) + step
    best = [int(scores.argmax())]
    for choices in reversed(came_from):
        best.append(int(choices[best[-1]]))
    return np.array(best[::-1])


def _labels(sequences: Iterable[Sequence[str]]) -> list[str]:
    """Return ``O``, and ``B-`` and ``I-`` of each type that occurs, sorted.

    Raises:
        DataError: when there is no type, or a tag that isn't IOB2.
    """
    tags = {tag for sequence in sequences for tag in sequence}
    for tag in tags:
        expected = check_tag(tag, "IOB2")
        if expected is not None:
            raise DataError(found=f"the tag {tag!r} in the training data", expected=expected)
    types = sorted({tag[2:] for tag in tags - {"O"}})
    if not types:
        raise DataError(
            found="the tag 'O' only" if tags else "no tags",
            expected="entities in the training data, such as B-PER I-PER, or labels=",
        )
    return ["O", *(f"{letter}-{kind}" for kind in types for letter in "BI")]
