"""Question answering: windows, places of answers, decoding beside plain Python, thresholds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset

import bertlab
from bertlab.tasks import QuestionAnswering
from bertlab.tasks.task import Features
from bertlab.training import TrainingConfig, train

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import span_reference

TOKENIZER = bertlab.load_tokenizer("bertlab-mini")
CLS, SEP = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id
WORDS = """the river Rhine rises in the Alps , about 1,230 km long . New York - based firms naïve
Zürich cafe\u0301 東京 Москва 한국 👩\u200d👩\u200d👧 ❤️ don't U.S. [MASK] unaffordable""".split()  # noqa: SIM905


def record(context: str, answer: str | None, question: str = "What is it?", n: int = 0) -> Any:
    """Make a record whose answer is the n-th occurrence of a text, or none."""
    if answer is None:
        return record(context, "", question) | {"answers": {"text": [], "answer_start": []}}
    start = -1
    for _ in range(n + 1):
        start = context.index(answer, start + 1)
    answers = {"text": [answer], "answer_start": [start]}
    return {"id": "x", "question": question, "context": context, "answers": answers}


def random_records(seed: int, count: int, unanswerable: float = 0.0) -> list[Any]:
    """Make records of any words and blanks, whose answers are whole words at random places."""
    chance = np.random.default_rng(seed)
    records = []
    for number in range(count):
        words = chance.choice(WORDS, size=chance.integers(5, 90)).tolist()
        blanks = chance.choice([" ", "  ", "\r\n", "\t", "\u00a0"], size=len(words))
        context = "".join(word + blank for word, blank in zip(words, blanks, strict=True))
        first = int(chance.integers(len(words)))
        last = min(first + int(chance.integers(4)), len(words) - 1)
        before = sum(len(words[i]) + len(blanks[i]) for i in range(first))
        length = sum(len(words[i]) + len(blanks[i]) for i in range(first, last)) + len(words[last])
        answers = {"text": [context[before : before + length]], "answer_start": [before]}
        if chance.random() < unanswerable:
            answers = {"text": [], "answer_start": []}
        question = " ".join(chance.choice(WORDS, size=chance.integers(0, 12)))
        records.append(
            {"id": str(number), "question": question, "context": context, "answers": answers}
        )
    return records


def random_logits(features: Features, seed: int, ties: bool = False) -> list[np.ndarray]:
    """Draw logits; with ``ties``, of few different values."""
    chance = np.random.default_rng(seed)
    tables = [chance.normal(size=(len(row["input_ids"]), 2)) * 3 for row in features.rows]
    return [(table.round() if ties else table).astype(np.float32) for table in tables]


def oracle(features: Features) -> list[np.ndarray]:
    """Return the logits of a model that knows each row's labels."""
    tables = []
    for row in features.rows:
        table = np.zeros((len(row["input_ids"]), 2), dtype=np.float32)
        inside = row["start_positions"] > 0
        table[row["start_positions"], 0] = 9 if inside else 5
        table[row["end_positions"], 1] = 9 if inside else 5
        tables.append(table)
    return tables


def tiny_model(seed: int = 0, **options: Any) -> bertlab.BertForQuestionAnswering:
    torch.manual_seed(seed)
    config = bertlab.BertConfig.tiny(vocab_size=len(TOKENIZER), **options)
    return bertlab.BertForQuestionAnswering(config)


def short_task(**settings: Any) -> QuestionAnswering:
    return QuestionAnswering(TOKENIZER, **({"max_length": 40, "stride": 8} | settings))


def test_windows_of_a_context_with_the_places_of_the_answer() -> None:
    context = " ".join(["the"] * 10 + ["river"] + ["in"] * 10)
    task = QuestionAnswering(TOKENIZER, max_length=16, stride=3)
    features = task.features([record(context, "river", "in the river")], labelled=True)
    the, river, inside = TOKENIZER.convert_tokens_to_ids(["the", "river", "in"])
    question = [CLS, inside, the, river, SEP]
    whole = [the] * 10 + [river] + [inside] * 10
    expected = [(0, 10), (7, 17), (14, 21)]  # ten pieces each, three of them shared
    assert [row["input_ids"].tolist() for row in features.rows] == [
        [*question, *whole[start:stop], SEP] for start, stop in expected
    ]
    for row in features.rows:
        assert row["token_type_ids"].tolist() == [0] * 5 + [1] * (len(row["input_ids"]) - 5)
    places = [(row["start_positions"], row["end_positions"]) for row in features.rows]
    assert places == [(0, 0), (8, 8), (0, 0)]  # 5 before the context, the answer 3 into the window
    assert features.record == [0, 0, 0]
    assert features.counts == {"contexts read in windows": 1}


def test_an_answer_that_a_window_cuts_is_not_taught_there() -> None:
    context = " ".join(["the"] * 8 + ["river", "Rhine", "rises"] + ["in"] * 10)
    task = QuestionAnswering(TOKENIZER, max_length=16, stride=1)
    features = task.features([record(context, "river Rhine rises", "the the the")], labelled=True)
    held = [row for row in features.rows if row["start_positions"]]
    for row in features.rows:
        ids = row["input_ids"].tolist()
        whole = TOKENIZER("river Rhine rises", add_special_tokens=False)["input_ids"]
        present = any(ids[i : i + len(whole)] == whole for i in range(len(ids)))
        assert present == (row["start_positions"] > 0)
    assert features.counts["answers that no window holds"] == (not held)


def test_what_is_cut_or_lost_is_counted() -> None:
    task = QuestionAnswering(TOKENIZER, max_length=16, stride=1)
    long = " ".join(["the"] * 30)
    records = [
        record(long, long),  # longer than any window
        record(long, "the", question=long),
        record("the \u200b river", "\u200b"),  # the tokenizer drops that character
    ]
    features = task.features(records, labelled=True)
    assert features.counts == {
        "questions cut": 1,
        "contexts read in windows": 2,
        "answers that no window holds": 2,
    }
    assert all(len(row["input_ids"]) <= 16 for row in features.rows)
    wide = QuestionAnswering(TOKENIZER)
    row = wide.features([record("a", "a", question="the " * 100)], labelled=False).rows[0]
    assert row["input_ids"].tolist().index(SEP) == 65  # as run_squad: 64 pieces
    assert "start_positions" not in row


@pytest.mark.parametrize("seed", range(3))
def test_the_labels_cover_every_answer(seed: int) -> None:
    task = short_task()
    records = random_records(seed, 60)
    features = task.features(records, labelled=True)
    seen = set()
    for row, index, window in zip(features.rows, features.record, features.extras, strict=True):
        start, end = row["start_positions"], row["end_positions"]
        if not start:
            assert end == 0
            continue
        seen.add(index)
        assert row["token_type_ids"][start] == row["token_type_ids"][end] == 1
        first, last = window.offsets[start - window.first, 0], window.offsets[end - window.first, 1]
        begin = records[index]["answers"]["answer_start"][0]
        answer = records[index]["answers"]["text"][0]
        assert first <= begin
        assert last >= begin + len(answer)
        assert records[index]["context"][first:last].strip() == answer.strip()
    assert len(seen) == len(records) - features.counts["answers that no window holds"] >= 55


@pytest.mark.parametrize("null_threshold", [None, 0.0])
def test_the_right_numbers_give_the_right_answers(null_threshold: float | None) -> None:
    """Also in a second window, and with emoji, accents, Korean and Windows' line ends."""
    task = short_task(null_threshold=null_threshold)
    records = random_records(5, 80, unanswerable=0.2 if null_threshold is not None else 0.0)
    features = task.features(records, labelled=True)
    assert len(features.rows) > 1.5 * len(records)
    predictions = task.decode(records, features, oracle(features))
    for one, prediction in zip(records, predictions, strict=True):
        if not one["answers"]["text"]:
            assert prediction["answer"] == ""
            assert prediction["start"] is prediction["end"] is None
            continue
        assert prediction["answer"] == one["answers"]["text"][0]
        assert prediction["start"] == one["answers"]["answer_start"][0]
        assert prediction["answer"] == one["context"][prediction["start"] : prediction["end"]]
    assert task.score(records, predictions)["exact_match"] == 100


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    ("count", "n_best", "max_answer_length"), [(200, 20, 30), (100, 3, 5), (30, 60, 30)]
)
def test_decoding_equals_the_loops_of_the_example(
    null: bool, ties: bool, count: int, n_best: int, max_answer_length: int
) -> None:
    records = random_records(7, count)
    task = short_task(
        null_threshold=0.5 if null else None, n_best=n_best, max_answer_length=max_answer_length
    )
    features = task.features(records, labelled=False)
    logits = random_logits(features, 8, ties)
    windows = [
        {"id": records[index]["id"], "offsets": [None] * row.first + row.offsets.tolist() + [None]}
        for index, row in zip(features.record, features.extras, strict=True)
    ]
    answers, best, differences = span_reference.answer(
        {one["id"]: one["context"] for one in records},
        windows,
        [table[:, 0].copy() for table in logits],
        [table[:, 1].copy() for table in logits],
        null=null,
        n_best=n_best,
        max_length=max_answer_length,
        threshold=0.5,
    )
    compared = 0
    for one, prediction in zip(records, task.decode(records, features, logits), strict=True):
        listed = best[one["id"]]
        if listed[0]["text"] == "empty":  # the example's stand-in where it has found no span
            assert prediction["n_best"][0]["text"] or null
            continue
        compared += 1
        assert prediction["answer"] == answers[one["id"]]
        assert [a["text"] for a in prediction["n_best"]] == [a["text"] for a in listed]
        assert [a["score"] for a in prediction["n_best"]] == pytest.approx(
            [a["probability"] for a in listed], abs=1e-6
        )
        if null:
            assert prediction["null_score"] == pytest.approx(differences[one["id"]], abs=1e-5)
    assert compared > 0.5 * count


def test_every_answer_is_a_span_of_the_context() -> None:
    records = random_records(11, 60)
    task = short_task(max_answer_length=6)
    features = task.features(records, labelled=False)
    for one, prediction in zip(
        records, task.decode(records, features, random_logits(features, 12)), strict=True
    ):
        assert 1 <= len(prediction["n_best"]) <= 20
        places = TOKENIZER(one["context"], return_offsets_mapping=True)["offset_mapping"]
        for answer in prediction["n_best"]:
            assert 0 <= answer["start"] < answer["end"] <= len(one["context"])
            assert answer["text"] == one["context"][answer["start"] : answer["end"]]
            inside = [a for a, b in places if answer["start"] <= a < b <= answer["end"]]
            assert 1 <= len(inside) <= 6
        scores = [answer["score"] for answer in prediction["n_best"]]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1)
        assert prediction["score"] == scores[0]
        json.dumps(prediction)


def test_best_places_outside_the_context_still_leave_an_answer() -> None:
    context = "the river Rhine rises in the Alps"
    task = QuestionAnswering(TOKENIZER, n_best=2)
    one = record(context, "Rhine", "the the the")
    features = task.features([one], labelled=True)
    table = oracle(features)[0]
    table[1:4] = 50  # all of the best places are in the question
    prediction = task.decode([one], features, [table])[0]
    assert prediction["answer"] == "Rhine"


def test_a_context_without_pieces_has_no_answer() -> None:
    records = [record("\u200b", None), record("the river", "river")]
    for threshold in (None, 0.0):
        task = QuestionAnswering(TOKENIZER, null_threshold=threshold)
        features = task.features(records, labelled=True)
        empty, other = task.decode(records, features, oracle(features))
        assert empty["answer"] == ""
        assert empty["start"] is None
        assert len(empty["n_best"]) == (threshold is not None)
        assert np.isfinite(empty["null_score"])
        assert other["answer"] == "river"
    assert list(task.predict(tiny_model(), [])) == []
    assert task.decode([], Features(), []) == []


def test_accents_that_the_tokenizer_drops_stay_in_the_answer() -> None:
    context = "a cafe\u0301 and a nai\u0308ve one"
    lower = bertlab.train_tokenizer(["a cafe and a naive one"] * 20, 60, lowercase=True)
    task = QuestionAnswering(lower, max_length=64)
    records = [record(context, "cafe\u0301"), record(context, "nai\u0308ve")]
    features = task.features(records, labelled=True)
    predictions = task.decode(records, features, oracle(features))
    assert [prediction["answer"] for prediction in predictions] == ["cafe\u0301", "nai\u0308ve"]


# --- the mistakes of tutorials, each beside what it breaks


def test_the_place_of_the_answer_counts_not_its_text() -> None:
    """Searching the text would find the first of two."""
    context = "Rhine water is cold . The Rhine rises here"
    one = record(context, "Rhine", n=1)
    task = QuestionAnswering(TOKENIZER)
    features = task.features([one], labelled=True)
    prediction = task.decode([one], features, oracle(features))[0]
    assert prediction["start"] == 26 != context.find("Rhine")


def test_labels_are_places_not_token_ids() -> None:
    one = record("the river Rhine", "Rhine")
    row = QuestionAnswering(TOKENIZER).features([one], labelled=True).rows[0]
    assert 0 < row["start_positions"] <= row["end_positions"] < len(row["input_ids"])
    pieces = row["input_ids"][row["start_positions"] : row["end_positions"] + 1]
    assert pieces.tolist() == TOKENIZER("Rhine", add_special_tokens=False)["input_ids"]


def test_answers_are_cut_from_the_text_not_rebuilt_from_pieces() -> None:
    one = record("It is a New York-based, so-called firm.", "New York-based")
    task = QuestionAnswering(TOKENIZER)
    features = task.features([one], labelled=True)
    row = features.rows[0]
    ids = row["input_ids"][row["start_positions"] : row["end_positions"] + 1]
    assert " ".join(TOKENIZER.convert_ids_to_tokens(ids.tolist())) != "New York-based"
    assert task.decode([one], features, oracle(features))[0]["answer"] == "New York-based"


def test_the_best_start_and_the_best_end_are_not_taken_apart() -> None:
    one = record("the river Rhine rises in the Alps", "Rhine")
    task = QuestionAnswering(TOKENIZER)
    features = task.features([one], labelled=True)
    table = oracle(features)[0]
    table[features.extras[0].first, 1] = 20  # the best end is before the best start
    start, end = table.argmax(axis=0)
    assert end < start
    prediction = task.decode([one], features, [table])[0]
    assert prediction["start"] < prediction["end"]


# --- with a model


@pytest.mark.parametrize("null_threshold", [None, 0.0])
def test_answers_do_not_depend_on_the_batch(null_threshold: float | None) -> None:
    task, model = short_task(null_threshold=null_threshold), tiny_model()
    records = random_records(3, 25)
    alone = list(task.predict(model, records, batch_size=1))
    together = list(task.predict(model, records, batch_size=16, at_a_time=9))
    for one, other in zip(alone, together, strict=True):
        assert one["answer"] == other["answer"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)
    assert not model.train().eval().training


def test_transformers_model_gives_the_same(tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path)
    theirs = transformers.BertForQuestionAnswering.from_pretrained(tmp_path)
    task, records = short_task(), Dataset.from_list(random_records(4, 10))
    ours, other = task.evaluate(model, records), task.evaluate(theirs, records)
    for name in ("loss", "exact_match", "f1", "total"):
        assert ours[name] == pytest.approx(other[name], abs=1e-4)
    assert ours["loss"] == pytest.approx(np.log(40), rel=0.5)


def test_a_model_learns_a_batch_by_heart() -> None:
    records = Dataset.from_list(random_records(6, 6, unanswerable=0.3))
    task = QuestionAnswering(TOKENIZER, records, records, max_length=128)
    model = tiny_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    config = TrainingConfig(steps=60, learning_rate=3e-3, batch_size=8, evaluate_every=1.0)
    train(model, task, config, progress_bar=False)
    figures = task.evaluate(model, records)
    assert figures["f1"] == 100
    assert figures["loss"] < 0.1


def test_the_threshold_is_chosen_on_dev_and_saved(tmp_path: Path) -> None:
    dev = Dataset.from_list(random_records(9, 40, unanswerable=0.5))
    task, model = short_task(dev=dev), tiny_model()
    before = task.evaluate(model, dev)
    assert task.null_threshold is None  # evaluating chooses nothing
    assert before["NoAns_f1"] == 0
    figures = task.measure(model)
    chosen = task.null_threshold
    assert figures["null_threshold"] == chosen
    assert figures["f1"] >= max(before["f1"], 100 * figures["NoAns_total"] / 40)
    assert task.evaluate(model, dev)["f1"] == pytest.approx(figures["f1"])
    task.null_threshold = 99.0
    task.finish(figures)
    assert task.null_threshold == chosen
    task.save(tmp_path)
    saved = json.loads((tmp_path / "task.json").read_text(encoding="utf-8"))
    del saved["task"]
    assert QuestionAnswering(TOKENIZER, **saved).null_threshold == chosen
    assert task.overrides == {}


def test_no_threshold_is_chosen_where_all_have_answers() -> None:
    dev = Dataset.from_list(random_records(9, 5))
    task, model = short_task(dev=dev), tiny_model()
    figures = task.measure(model)
    assert "null_threshold" not in figures
    task.finish(figures)
    assert task.null_threshold is None
    with pytest.raises(ValueError, match="no development records"):
        QuestionAnswering(TOKENIZER).measure(model)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"n_best": 1}, "n_best is 1: expected a number from 2"),
        ({"max_answer_length": 0}, "max_answer_length is 0"),
        ({"stride": 400}, "stride is 400: expected a number from 0 to 316"),
        ({"max_length": 4}, "max_length is 4"),
    ],
)
def test_settings_out_of_range(setting: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        QuestionAnswering(TOKENIZER, **setting)


def test_the_stride_fits_short_rows() -> None:
    assert QuestionAnswering(TOKENIZER).stride == 128
    assert QuestionAnswering(TOKENIZER, max_length=64).stride == 15


def test_training_ends_with_the_threshold_of_the_best_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not with that of the last evaluation."""
    records = Dataset.from_list(random_records(6, 6, unanswerable=0.3))
    task = QuestionAnswering(TOKENIZER, records, records, max_length=128)
    found = iter([(10.0, 0.5), (30.0, -1.5), (20.0, 2.5)])

    def measure(model: torch.nn.Module) -> dict[str, float]:
        f1, task.null_threshold = next(found)
        return {"f1": f1, "null_threshold": task.null_threshold}

    monkeypatch.setattr(task, "measure", measure)
    config = TrainingConfig(steps=3, evaluate_every=1 / 3, precision="fp32")
    train(tiny_model(), task, config, progress_bar=False)
    assert task.null_threshold == -1.5
