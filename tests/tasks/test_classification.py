"""Texts and labels: rows as transformers makes them, the right loss, the mean over windows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import bertlab
from bertlab import metrics
from bertlab.data.errors import DataError
from bertlab.tasks.classification import Classification
from bertlab.tasks.task import SETTINGS, Features, read_settings, windows
from bertlab.training import TrainingConfig, train
from bertlab.training.batching import by_length

WORDS = ["the", "river", "is", "wide", "and", "Mississippi", "antiquarian", "unbelievably"]
WORDS += ["東京", "naïve", ",", ".", "42"]
RECORDS = [
    {"text": "The river is wide.", "label": "bad"},
    {"text": "unbelievably wide, and naïve", "label": "good"},
    {"text": "42", "label": "so-so"},
    {"text": "", "label": "good"},
    {"text": "The antiquarian is in 東京. " * 5, "label": "bad"},
    {"text": "Mississippi", "label": "good"},
    {"text": "the river, the river", "label": "good"},
]
SEVERAL = [[], ["a"], ["a", "b", "c"], ["c"], ["b", "c"], ["a"], []]
NUMBERS = [0.5, -1.25, 3.0, 2.0, 0.0, 1.0, -2.0]

tokenizer = bertlab.load_tokenizer("bertlab-mini")
words = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)


def relabelled(labels: list[Any]) -> list[dict[str, Any]]:
    return [{**record, "label": label} for record, label in zip(RECORDS, labels, strict=True)]


PROBLEMS: dict[str, tuple[list[dict[str, Any]], list[str] | None]] = {
    "single": (RECORDS, ["bad", "good", "so-so"]),
    "multi": (relabelled(SEVERAL), ["a", "b", "c"]),
    "regression": (relabelled(NUMBERS), None),
}


def make(problem: Any = "single", **options: Any) -> tuple[Classification, nn.Module]:
    """Return a task and a random model for it, whose answers differ from text to text."""
    records, labels = PROBLEMS[problem]
    given = {"labels": labels, "problem": problem, "train": Dataset.from_list(records)}
    task = Classification(tokenizer, **{**given, **options})
    torch.manual_seed(0)
    config = bertlab.BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, initializer_range=0.2, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, **task.overrides,
    )  # fmt: skip
    model = bertlab.BertForSequenceClassification(config)
    with torch.no_grad():  # no label is every text's
        model.classifier.bias -= torch.stack([by_hand(model, record) for record in RECORDS]).mean(0)
    return task, model


def by_hand(model: nn.Module, record: dict[str, Any], max_length: int = 512) -> Tensor:
    """Return the logits for one record, by transformers' tokenizer."""
    inputs = tokenizer(
        record["text"], record.get("text_pair"), truncation=True, max_length=max_length,
        return_tensors="pt",
    )  # fmt: skip
    model.eval()
    with torch.no_grad():
        return model(**inputs).logits[0]


def plain(features: Features) -> list[tuple[list[int], list[int]]]:
    return [(list(row["input_ids"]), list(row["token_type_ids"])) for row in features.rows]


# --- rows


@settings(max_examples=150, deadline=None)
@given(words, st.none() | words, st.integers(8, 40))
def test_rows_are_those_of_transformers(text: str, pair: str | None, max_length: int) -> None:
    """Ids and token types, for single texts and pairs, empty ones, and cut ones."""
    task = Classification(tokenizer, labels=["a", "b"], max_length=max_length)
    features = task.features([{"text": text, "text_pair": pair}], labelled=False)
    pairs = None if pair is None else [pair]
    theirs = tokenizer([text], pairs, truncation=True, max_length=max_length)
    assert plain(features) == [(theirs["input_ids"][0], theirs["token_type_ids"][0])]
    assert features.record == [0]
    whole = len(tokenizer([text], pairs)["input_ids"][0])
    assert features.counts == ({"texts cut": 1} if whole > max_length else {})


def test_pairs_and_single_texts_can_be_mixed() -> None:
    records = [
        {"text": "the river"},
        {"text": "the river", "text_pair": "is wide"},
        {"text": "wide", "text_pair": None},
    ]
    features = make()[0].features(records, labelled=False)
    expected = [tokenizer(record["text"], record.get("text_pair")) for record in records]
    assert plain(features) == [(row["input_ids"], row["token_type_ids"]) for row in expected]
    assert [sum(types) for _, types in plain(features)] == [0, 3, 0]


def test_texts_are_tokenised_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time is many times slower (pitfall 26)."""
    calls: list[int] = []
    call = type(tokenizer).__call__

    def counting(self: Any, texts: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(len(texts))
        return call(self, texts, *arguments, **options)

    task, _ = make()
    monkeypatch.setattr(type(tokenizer), "__call__", counting)
    task.features(RECORDS, labelled=True)
    assert calls == [len(RECORDS)]


def test_no_row_is_longer_than_its_text() -> None:
    """Padding is for batches, and to their longest row only (pitfall 26)."""
    task, _ = make()
    batches = task.batches(TrainingConfig(epochs=1, batch_size=2))
    sizes = [len(tokenizer(record["text"])["input_ids"]) for record in RECORDS]
    assert [len(row["input_ids"]) for row in batches.rows] == sizes
    shapes = [batches.next_batch(0.0)["input_ids"].shape for _ in range(len(batches))]
    assert sum(rows for rows, _ in shapes) == len(RECORDS)
    assert sum(math.prod(shape) for shape in shapes) < 1.6 * sum(sizes)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 19))
def test_windows_cover_all_and_share_what_they_should(length: int, room: int, stride: int) -> None:
    if stride >= room:
        with pytest.raises(ValueError, match=f"stride is {stride}: expected a number from 0 to"):
            windows(length, room, stride)
        return
    found = windows(length, room, stride)
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(end - start == room for start, end in found[:-1])
    assert found[-1][1] - found[-1][0] <= room
    for (_, end), (start, _) in pairwise(found):
        assert end - start == stride
    assert len(found) == max(1, math.ceil((length - stride) / (room - stride)))


def test_long_texts_are_read_in_windows() -> None:
    task, _ = make(long="windows", max_length=12, stride=3)
    text = " ".join(WORDS * 3)
    features = task.features([{"text": "wide"}, {"text": text}, {"text": "river"}], labelled=False)
    pieces = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert features.record == [0, *[1] * (len(features.rows) - 2), 2]
    assert features.counts == {"texts read in windows": 1}
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    read: list[int] = []
    for row in features.rows[1:-1]:
        ids = list(row["input_ids"])
        assert (ids[0], ids[-1]) == (cls, sep)
        assert len(ids) <= 12
        assert not row["token_type_ids"].any()
        assert not read or read[-3:] == ids[1:4], "three pieces are in both"
        read += ids[1:-1] if not read else ids[4:-1]
    assert read == pieces


def test_the_second_text_of_a_pair_is_read_in_windows() -> None:
    """Beside the first one, which is cut to half of the row only where the second one is long."""
    task, _ = make(long="windows", max_length=23, stride=4)
    a, b = "the river is wide", " ".join(WORDS * 3)
    first, second = (tokenizer(x, add_special_tokens=False)["input_ids"] for x in (a, b))
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id

    features = task.features([{"text": a, "text_pair": b}], labelled=False)
    room = 20 - len(first)
    expected = [[cls, *first, sep, *second[s:e], sep] for s, e in windows(len(second), room, 4)]
    assert [ids for ids, _ in plain(features)] == expected
    assert all(len(ids) <= 23 for ids in expected)
    assert all(types.index(1) == len(first) + 2 for _, types in plain(features))
    assert features.counts == {"texts read in windows": 1}

    features = task.features([{"text": b, "text_pair": b}], labelled=False)
    expected = [[cls, *second[:10], sep, *second[s:e], sep] for s, e in windows(len(second), 10, 4)]
    assert [ids for ids, _ in plain(features)] == expected
    assert features.counts == {"texts read in windows": 1, "first texts cut": 1}

    features = task.features([{"text": b, "text_pair": a}], labelled=False)
    kept = second[: 20 - len(first)]
    assert [ids for ids, _ in plain(features)] == [[cls, *kept, sep, *first, sep]]
    assert features.counts == {"first texts cut": 1}


def test_pairs_fit_into_the_shortest_rows() -> None:
    task, _ = make(long="windows", max_length=8, stride=4)
    long = " ".join(WORDS * 2)
    features = task.features([{"text": long, "text_pair": long}], labelled=False)
    pieces = tokenizer(long, add_special_tokens=False)["input_ids"]
    assert {len(ids) for ids, _ in plain(features)[:-1]} == {8}
    assert len(plain(features)) == len(windows(len(pieces), 3, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"problem": "several"}, "problem is 'several': expected one of single, multi, regression"),
        ({"long": "drop"}, "long is 'drop': expected cut or windows"),
        ({"max_length": 7}, "max_length is 7: expected a number from 8 to 512"),
        ({"max_length": 513}, "max_length is 513: expected a number from 8 to 512"),
        ({"long": "windows", "max_length": 40}, "stride is 64: expected a number from 0 to 36"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Classification(tokenizer, labels=["a", "b"], **options)


# --- labels


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["b", "a", "b"], ["a", "b"]),
        (["10", "2", "0", "-1"], ["-1", "0", "2", "10"]),
        (["1", "01", "001", "0"], ["0", "001", "01", "1"]),
        (["10", "2", "x"], ["10", "2", "x"]),
        (["²", "1"], ["1", "²"]),
    ],
)
def test_labels_are_sorted_and_numbers_by_their_size(
    labels: list[str], expected: list[str]
) -> None:
    """The same in each process: no order of a set."""
    data = Dataset.from_list([{"text": "", "label": label} for label in labels])
    assert Classification(tokenizer, data).labels == expected
    several = Dataset.from_list([{"text": "", "label": labels}, {"text": "", "label": []}])
    assert Classification(tokenizer, several, problem="multi").labels == expected


def test_one_label_teaches_nothing() -> None:
    data = Dataset.from_list([{"text": "", "label": "a"}] * 2)
    with pytest.raises(DataError, match="the label 'a' only"):
        Classification(tokenizer, data)
    with pytest.raises(DataError, match="no labels"):
        Classification(tokenizer)


@pytest.mark.parametrize(
    ("problem", "shape", "dtype", "problem_type"),
    [
        ("single", (7,), torch.int64, "single_label_classification"),
        ("multi", (7, 3), torch.float32, "multi_label_classification"),
        ("regression", (7,), torch.float32, "regression"),
    ],
)
def test_labels_have_the_shape_and_kind_that_their_loss_wants(
    problem: str, shape: tuple[int, ...], dtype: torch.dtype, problem_type: str
) -> None:
    """Pitfall 22: ``(B, 1)``, whole numbers for several labels, classes for a regression."""
    task, model = make(problem)
    batch = task.batches(TrainingConfig(epochs=1, batch_size=7)).next_batch(0.0)
    assert tuple(batch["labels"].shape) == shape
    assert batch["labels"].dtype == dtype
    assert model.config.problem_type == problem_type
    assert model.config.num_labels == (1 if problem == "regression" else 3)


def right_loss(problem: str, logits: Tensor, label: Any) -> float:
    """The loss of one record, written out."""
    if problem == "single":
        probabilities = torch.softmax(logits.double(), 0)
        return -math.log(probabilities[["bad", "good", "so-so"].index(label)])
    if problem == "multi":
        p = torch.sigmoid(logits.double())
        return (
            sum(-math.log(p[i] if name in label else 1 - p[i]) for i, name in enumerate("abc")) / 3
        )
    return float(logits[0] - label) ** 2


@pytest.mark.parametrize("batch_size", [1, 3, 32])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_loss_is_that_of_each_record_by_itself(problem: str, batch_size: int) -> None:
    """The right one for the labels (pitfall 22)."""
    task, model = make(problem)
    records, _ = PROBLEMS[problem]
    losses = [right_loss(problem, by_hand(model, r), r["label"]) for r in records]
    found = task.evaluate(model, Dataset.from_list(records), batch_size)["loss"]
    assert found == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_the_loss_is_a_mean_over_records_not_over_batches() -> None:
    """Pitfall 28: the last batch is smaller."""
    task, model = make("regression")
    records, _ = PROBLEMS["regression"]
    losses = np.array([right_loss("regression", by_hand(model, r), r["label"]) for r in records])
    rows = task.features(records, labelled=True).rows
    wrong = np.mean([losses[batch].mean() for batch in by_length(rows, 3)])
    found = task.evaluate(model, Dataset.from_list(records), 3)["loss"]
    assert found == pytest.approx(losses.mean(), rel=1e-4)
    assert found != pytest.approx(wrong, rel=0.01)


# --- answers


def test_an_answer_is_the_most_probable_label() -> None:
    task, model = make()
    seen = set()
    for record, answer in zip(RECORDS, task.predict(model, RECORDS), strict=True):
        probabilities = torch.softmax(by_hand(model, record), 0)
        best = int(probabilities.argmax())
        assert answer["label"] == task.labels[best]
        assert answer["score"] == pytest.approx(float(probabilities[best]), abs=1e-5)
        assert list(answer["scores"]) == task.labels
        assert list(answer["scores"].values()) == pytest.approx(probabilities.tolist(), abs=1e-5)
        seen.add(answer["label"])
    assert len(seen) > 1, "or it proves nothing"


def test_with_several_labels_each_decides_for_itself() -> None:
    task, model = make("multi")
    seen = Counter()
    for record, answer in zip(RECORDS, task.predict(model, RECORDS), strict=True):
        likely = torch.sigmoid(by_hand(model, record)).tolist()
        chosen = [(name, p) for name, p in zip("abc", likely, strict=True) if p >= 0.5]
        assert answer["label"] == [name for name, _ in chosen]
        assert answer["score"] == pytest.approx([p for _, p in chosen], abs=1e-5)
        assert list(answer["scores"].values()) == pytest.approx(likely, abs=1e-5)
        seen[len(chosen)] += 1
    assert len(seen) > 1, "or it proves nothing"


def test_a_regression_answers_with_its_number() -> None:
    task, model = make("regression")
    for record, answer in zip(RECORDS, task.predict(model, RECORDS), strict=True):
        number = pytest.approx(float(by_hand(model, record)[0]), abs=1e-5)
        assert answer == {"label": number, "score": number, "scores": {}}
        assert isinstance(answer["label"], float)


@pytest.mark.parametrize(
    ("problem", "squash"),
    [
        ("single", lambda logits: torch.softmax(logits, -1)),
        ("multi", torch.sigmoid),
        ("regression", lambda logits: logits),
    ],
)
def test_windows_are_averaged_as_probabilities(
    problem: str, squash: Callable[[Tensor], Tensor]
) -> None:
    """Not as logits, and not by votes."""
    task, model = make(problem, long="windows", max_length=10, stride=2)
    records = [{"text": " ".join(WORDS[::step] * 2)} for step in (1, 2, 3)] + [{"text": "wide"}]
    features = task.features(records, labelled=False)
    model.eval()
    with torch.no_grad():
        probabilities = [
            squash(model(torch.tensor(row["input_ids"][None]).long()).logits)[0]
            for row in features.rows
        ]
    for number, answer in enumerate(task.predict(model, records)):
        mine = [p for p, r in zip(probabilities, features.record, strict=True) if r == number]
        mean = torch.stack(mine).mean(0).tolist()
        found = [answer["score"]] if problem == "regression" else list(answer["scores"].values())
        assert found == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("long", ["cut", "windows"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_answers_depend_on_nothing_but_the_text(problem: str, long: str) -> None:
    """Batch size, neighbours, order: padding is not attended to (pitfall 27)."""
    task, model = make(problem, long=long, max_length=16, stride=3)
    texts = [{"text": record["text"]} for record in RECORDS] * 2

    def numbers(answers: Any) -> list[list[float]]:
        return [
            [a["score"]] if problem == "regression" else list(a["scores"].values()) for a in answers
        ]

    expected = numbers(next(task.predict(model, [text])) for text in texts)
    for batch_size, at_a_time in ((1, 1024), (3, 1024), (64, 5), (4, 1)):
        found = numbers(task.predict(model, iter(texts), batch_size, at_a_time))
        np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(numbers(task.predict(model, texts[::-1])), expected[::-1], atol=1e-5)
    assert len({tuple(np.round(line, 3)) for line in expected}) > 3, "or it proves nothing"


def test_predictions_are_made_as_they_are_asked_for() -> None:
    """A stream of any length: no more is read than is in work."""
    task, model = make()
    read = 0

    def stream() -> Iterator[dict[str, Any]]:
        nonlocal read
        while True:
            read += 1
            yield {"text": "the river"}

    answers = task.predict(model, stream(), at_a_time=4)
    assert [next(answers)["label"] for _ in range(5)]
    assert read == 8
    assert list(task.predict(model, [])) == []


@pytest.mark.parametrize("training", [True, False])
def test_the_models_mode_is_left_as_it_was(training: bool) -> None:
    """And dropout takes no part meanwhile."""
    task, model = make()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.5
    model.train(training)
    first = list(task.predict(model, RECORDS))
    assert model.training is training
    figures = task.evaluate(model, Dataset.from_list(RECORDS))
    assert all(module.training is training for module in model.modules())
    assert list(task.predict(model, RECORDS)) == first
    assert task.evaluate(model, Dataset.from_list(RECORDS)) == figures


# --- figures


@pytest.mark.parametrize("problem", PROBLEMS)
def test_figures_are_those_of_the_answers(problem: str) -> None:
    task, model = make(problem)
    records, labels = PROBLEMS[problem]
    true = [record["label"] for record in records]
    predicted = [answer["label"] for answer in task.predict(model, records)]
    figures = task.evaluate(model, Dataset.from_list(records))
    figures.pop("loss")
    assert (
        figures
        == {
            "single": lambda: metrics.classification_scores(true, predicted),
            "multi": lambda: metrics.multi_label_scores(true, predicted, labels or ()),
            "regression": lambda: metrics.regression_scores(true, predicted),
        }[problem]()
    )
    assert isinstance(figures[task.metric], float)
    assert task.metric == {"single": "accuracy", "multi": "micro_f1", "regression": "r2"}[problem]


def test_a_label_unknown_to_training_is_counted_and_wrong() -> None:
    task, model = make()
    known = Dataset.from_list(RECORDS)
    records = Dataset.from_list([*RECORDS, {"text": "the river", "label": "new"}])
    before, figures = task.evaluate(model, known), task.evaluate(model, records)
    assert figures["accuracy"] == pytest.approx(before["accuracy"] * 7 / 8)
    assert figures["per_label"]["new"]["support"] == 1
    assert figures["loss"] == pytest.approx(before["loss"]), "no loss can be said of it"
    assert figures["counts"] == {"labels unknown to training": 1}
    assert "counts" not in before
    alone = task.evaluate(model, records.select([7]), batch_size=1)
    assert (alone["loss"], alone["accuracy"]) == (None, 0)


def test_one_of_several_labels_unknown_to_training_is_counted_and_missed() -> None:
    task, model = make("multi")
    records = [*PROBLEMS["multi"][0], {"text": "the river", "label": ["new", "a", "newer"]}]
    figures = task.evaluate(model, Dataset.from_list(records))
    assert figures["counts"] == {"labels unknown to training": 2}
    assert figures["per_label"]["new"]["recall"] == 0
    assert list(figures["per_label"]) == ["a", "b", "c", "new", "newer"]
    assert math.isfinite(figures["loss"])


@pytest.mark.parametrize(
    ("long", "expected"), [("cut", "texts cut"), ("windows", "texts read in windows")]
)
def test_what_is_too_long_is_told_wherever_it_is_read(long: str, expected: str) -> None:
    """Pitfall 31: of training, evaluation and prediction."""
    task, model = make(long=long, max_length=16, stride=3)
    task.batches(TrainingConfig(epochs=1))
    assert task.counts == {expected: 1}
    assert task.evaluate(model, Dataset.from_list(RECORDS))["counts"] == {expected: 1}
    counts: Counter[str] = Counter()
    assert len(list(task.predict(model, RECORDS * 3, at_a_time=4, counts=counts))) == 21
    assert counts == {expected: 3}


def test_there_must_be_records() -> None:
    task, model = make()
    with pytest.raises(ValueError, match="no records to evaluate on"):
        task.evaluate(model, Dataset.from_list([]))
    with pytest.raises(ValueError, match="no development records: give dev="):
        task.measure(model)
    with pytest.raises(ValueError, match="no training records: give train="):
        Classification(tokenizer, labels=["a", "b"]).batches(TrainingConfig(epochs=1))


# --- training


class Watched(nn.Module):
    """A model that notes what it is called with."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.calls = model, []

    def forward(self, **inputs: Tensor) -> Any:
        self.calls.append((self.training, inputs))
        return self.model(**inputs)


def test_the_model_is_given_mask_and_labels() -> None:
    """Pitfall 27; and no row is seen twice in an epoch."""
    task, model = make()
    watched = Watched(model)
    config = TrainingConfig(epochs=1, batch_size=3, precision="fp32")
    train(watched, task, config, progress_bar=False)
    assert sum(len(inputs["labels"]) for training, inputs in watched.calls if training) == 7
    for _, inputs in watched.calls:
        assert set(inputs) == {"input_ids", "attention_mask", "token_type_ids", "labels"}
        real = inputs["input_ids"] != tokenizer.pad_token_id
        assert torch.equal(inputs["attention_mask"].bool(), real)
    watched.calls.clear()
    list(task.predict(watched, RECORDS))
    assert set(watched.calls[0][1]) == {"input_ids", "attention_mask", "token_type_ids"}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_handful_of_texts_is_learned_by_heart(problem: str) -> None:
    """And the best weights are left (pitfall 29): evaluated again, they give the best figures."""
    records, _ = PROBLEMS[problem]
    data = Dataset.from_list(records)
    task, model = make(problem, dev=data)
    config = TrainingConfig(epochs=30, batch_size=4, learning_rate=5e-3, precision="fp32")
    history = train(model, task, config, progress_bar=False)
    scores = [record["held_out"][task.metric] for record in history.evaluations]
    assert len(scores) == 30
    assert max(scores) > 0.95
    assert task.evaluate(model, data)[task.metric] == pytest.approx(max(scores), abs=1e-6)
    if problem == "single":
        answers = [answer["label"] for answer in task.predict(model, records)]
        assert answers == [record["label"] for record in records]


def test_only_dev_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 28: there is no way for a test set to get into training."""
    train_set, dev = (Dataset.from_list(RECORDS[:n]) for n in (7, 3))
    task, model = make(train=train_set, dev=dev)
    measured: list[int] = []
    evaluate = task.evaluate

    def noting(model: nn.Module, records: Dataset, *rest: Any) -> dict[str, Any]:
        measured.append(len(records))
        return evaluate(model, records, *rest)

    monkeypatch.setattr(task, "evaluate", noting)
    config = TrainingConfig(epochs=2, batch_size=4, precision="fp32")
    train(model, task, config, progress_bar=False)
    assert measured == [3, 3]


# --- transformers


@pytest.mark.parametrize("problem", PROBLEMS)
def test_transformers_models_give_equal_numbers(problem: str, tmp_path: Path) -> None:
    """Their model in our task: the same answers and losses; and one update changes it alike."""
    task, ours = make(problem)
    records = Dataset.from_list(PROBLEMS[problem][0])
    ours.save_pretrained(tmp_path)
    theirs = transformers.BertForSequenceClassification.from_pretrained(tmp_path)

    def compare() -> None:
        a, b = (task.evaluate(model, records) for model in (ours, theirs))
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
        assert a[task.metric] == pytest.approx(b[task.metric], rel=1e-4)
        for one, other in zip(
            task.predict(ours, records), task.predict(theirs, records), strict=True
        ):
            if problem == "regression":
                assert one["score"] == pytest.approx(other["score"], abs=1e-4)
            else:
                assert one["scores"] == pytest.approx(other["scores"], abs=1e-4)

    compare()
    config = TrainingConfig(steps=3, batch_size=3, learning_rate=1e-3, eps=1e-3, precision="fp32")
    for model in (ours, theirs):
        train(model, task, config, progress_bar=False)
    compare()


@pytest.mark.parametrize("problem", PROBLEMS)
def test_checkpoints_open_in_a_pipeline_with_the_users_names(problem: str, tmp_path: Path) -> None:
    """Pitfall 29: no ``LABEL_1``; pairs and cut texts too, with equal scores."""
    task, model = make(problem, max_length=16)
    model.save_pretrained(tmp_path)
    task.save(tmp_path)
    pipe = transformers.pipeline("text-classification", model=str(tmp_path), device="cpu")
    records: list[dict[str, Any]] = [{"text": record["text"]} for record in RECORDS]
    records += [{"text": "the river", "text_pair": "is wide"}]
    for record, answer in zip(records, task.predict(model, records), strict=True):
        found = pipe(record, truncation=True, max_length=16, top_k=None)
        scores = {line["label"]: line["score"] for line in found}
        if problem == "regression":
            assert list(scores.values()) == pytest.approx([answer["score"]], abs=1e-5)
        else:
            assert scores == pytest.approx(answer["scores"], abs=1e-5)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_checkpoint_says_what_its_task_was(problem: str) -> None:
    task, model = make(problem)
    arguments = Classification.arguments(model.config)
    again = Classification(tokenizer, **arguments)
    assert (again.problem, again.labels) == (task.problem, task.labels)


def test_a_checkpoint_remembers_settings(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == {}
    make("multi", long="windows", max_length=99, stride=7)[0].save(tmp_path)
    assert read_settings(tmp_path) == {
        "task": "classification", "max_length": 99, "problem": "multi", "long": "windows",
        "stride": 7,
    }  # fmt: skip
    for damaged in ("{", "3", "[1]"):
        (tmp_path / SETTINGS).write_text(damaged)
        with pytest.raises(ValueError, match=r"task\.json is damaged: expected what"):
            read_settings(tmp_path)


def test_a_checkpoint_of_other_programs_says_it_too() -> None:
    """Without a problem type: one output is a regression; without names, numbers stand in."""
    config = bertlab.BertConfig(num_labels=1)
    assert Classification.arguments(config) == {"problem": "regression", "labels": None}
    config = bertlab.BertConfig(num_labels=3)
    assert Classification.arguments(config) == {
        "problem": "single",
        "labels": ["LABEL_0", "LABEL_1", "LABEL_2"],
    }


def test_a_softmax_before_the_loss_would_show() -> None:
    """That the test of the losses can fail: the mistakes of pitfall 22 give other numbers."""
    _, model = make()
    logits = by_hand(model, RECORDS[0])[None]
    right = right_loss("single", logits[0], "bad")
    label = torch.tensor([0])
    assert float(F.cross_entropy(logits, label)) == pytest.approx(right, rel=1e-4)
    twice = F.cross_entropy(torch.softmax(logits, -1), label)
    binary = F.binary_cross_entropy_with_logits(logits, F.one_hot(label, 3).float())
    assert abs(float(twice) - right) > 0.01
    assert abs(float(binary) - right) > 0.01
