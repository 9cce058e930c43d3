"""Sets of the hub get our columns and splits. A stand-in gives the rows: nothing is fetched."""

from typing import Any

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from bertlab import DataError
from bertlab.data import load
from bertlab.data.hub import cut
from bertlab.data.hub_table import HUB_SETS

SENTIMENT = ClassLabel(names=["negative", "positive"])
TAGS = List(ClassLabel(names=["O", "B-PER", "I-PER"]))


def table(types: dict[str, Any], *rows: tuple[Any, ...]) -> Dataset:
    columns = {name: [row[place] for row in rows] for place, name in enumerate(types)}
    return Dataset.from_dict(columns, features=Features(types))


def texts(count: int, label: Any = SENTIMENT, value: Any = 1, name: str = "text") -> Dataset:
    return table(
        {name: Value("string"), "label": label}, *((f"{name} {n}", value) for n in range(count))
    )


@pytest.fixture
def hub(monkeypatch):
    """Serve splits, and remember with what they were asked for."""

    def serve(**splits: Dataset) -> list[Any]:
        asked: list[Any] = []

        def load_dataset(*names: Any, **options: Any) -> dict[str, Dataset]:
            asked.append((names, options))
            return splits

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        return asked

    return serve


def test_names_of_labels_and_hidden_tests(hub) -> None:
    asked = hub(
        train=texts(20, name="sentence"),
        validation=texts(3, value=0, name="sentence"),
        test=texts(4, value=-1, name="sentence"),
    )
    said: list[str] = []
    splits = load("stanfordnlp/sst2", report=said.append)
    assert asked == [(("stanfordnlp/sst2", None), {})]
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 18, "dev": 2, "test": 3}
    assert splits["test"].to_list()[0] == {"text": "sentence 0", "label": "negative"}
    assert set(splits["train"]["text"]).isdisjoint(splits["dev"]["text"])
    assert said == [
        "stanfordnlp/sst2 (train): 20 examples",
        "stanfordnlp/sst2 (validation): 3 examples",
        "stanfordnlp/sst2: no dev split; 2 rows of train became it (seed 0), 18 are left",
    ]


def test_the_seed_draws_dev(hub) -> None:
    hub(train=texts(50), test=texts(5))
    drawn = [load("stanfordnlp/imdb", seed, report=str)["dev"]["text"][:] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_set_of_train_alone_gives_dev_and_test(hub) -> None:
    hub(train=texts(100))
    splits = load("someone/something", report=str)
    assert [len(splits[name]) for name in ("train", "dev", "test")] == [81, 10, 9]
    assert len({text for rows in splits.values() for text in rows["text"]}) == 100


def test_all_three_splits_are_taken_as_they_are(hub) -> None:
    asked = hub(train=texts(3), validation=texts(2), test=texts(1))
    splits = load("someone/something:small", report=str)
    assert asked == [(("someone/something", "small"), {})]
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 3, "dev": 2, "test": 1}


def test_pairs_of_glue_and_its_own_names_of_splits(hub) -> None:
    types = {"premise": Value("string"), "hypothesis": Value("string"), "label": SENTIMENT}
    asked = hub(
        train=table(types, *((f"p{n}", f"h{n}", 0) for n in range(10))),
        validation_matched=table(types, ("p", "h", 1)),
        validation_mismatched=table(types, ("p", "h", 1)),
    )
    splits = load("nyu-mll/glue:mnli", report=str)
    assert asked[0][0] == ("nyu-mll/glue", "mnli")
    row = {"text": "p", "text_pair": "h", "label": "positive"}
    assert splits["test"].to_list() == [row]


@pytest.mark.parametrize(
    ("label", "value", "expected"),
    [
        (Value("float32"), 2.5, 2.5),
        (Value("int64"), 3, "3"),
        (Value("string"), "x", "x"),
        (List(Value("string")), ["x", "y"], ["x", "y"]),
        (List(SENTIMENT), [1, 0], ["positive", "negative"]),
    ],
)
def test_labels_of_every_kind(hub, label: Any, value: Any, expected: Any) -> None:
    hub(
        train=texts(2, label, value), validation=texts(1, label, value), test=texts(1, label, value)
    )
    assert load("someone/something", report=str)["test"]["label"][0] == expected


def test_tags_get_their_names(hub) -> None:
    types = {"tokens": List(Value("string")), "ner_tags": TAGS}
    rows = table(types, (["Ann", "is"], [1, 0]), ([], []), (["Bo"], [2]))
    asked = hub(train=rows, validation=rows, test=rows)
    said: list[str] = []
    splits = load("eriktks/conll2003", report=said.append)
    assert asked[0] == (("eriktks/conll2003", None), {"revision": "refs/convert/parquet"})
    assert splits["dev"].to_list() == [
        {"tokens": ["Ann", "is"], "tags": ["B-PER", "O"]},
        {"tokens": ["Bo"], "tags": ["B-PER"]},
    ]
    assert said[0] == (
        "eriktks/conll2003 (train): 2 sentences, 1 empty sentence left out, "
        "1 tag out of place in IOB2, read as conlleval does (line 3)"
    )
    assert load("someone/something", report=str)["test"].column_names == ["tokens", "tags"]
    plain = {"tokens": List(Value("string")), "tags": List(Value("string"))}
    named = table(plain, (["Ann"], ["B-PER"]))
    hub(train=named, validation=named, test=named)
    assert load("someone/else", report=str)["dev"]["tags"][0] == ["B-PER"]


def questions(titles: bool) -> Dataset:
    answers = {"text": List(Value("string")), "answer_start": List(Value("int64"))}
    types = {name: Value("string") for name in ("id", "title", "context", "question")}
    rows = [
        (f"{n}", f"title {n // 5}" if titles else "", f"a cat {n // 5}", "?", answer)
        for n in range(50)
        for answer in [{"text": ["cat"], "answer_start": [1]}]
    ]
    return table({**types, "answers": answers}, *rows)


@pytest.mark.parametrize("titles", [True, False])
def test_questions_are_checked_and_parted_by_articles(hub, titles: bool) -> None:
    hub(train=questions(titles), validation=questions(titles))
    said: list[str] = []
    splits = load("rajpurkar/squad", report=said.append)
    assert said[0].startswith("rajpurkar/squad (train): 50 questions, 50 offsets repaired (ids 0,")
    assert splits["test"][0]["answers"] == {"text": ["cat"], "answer_start": [2]}
    assert (len(splits["train"]), len(splits["dev"])) == (45, 5)
    assert set(splits["train"]["context"]).isdisjoint(splits["dev"]["context"])
    assert load("someone/something", report=str)["dev"].to_list() == splits["dev"].to_list()


def test_a_cut_keeps_the_order(hub) -> None:
    rest, drawn = cut(texts(40), seed=3)
    numbers = [[int(text.split()[1]) for text in rows["text"]] for rows in (rest, drawn)]
    assert numbers == [sorted(part) for part in numbers]
    assert sorted(numbers[0] + numbers[1]) == list(range(40))


@pytest.mark.parametrize(
    ("name", "splits", "found"),
    [
        ("someone/a", {"train": texts(1, name="sentence")}, "the columns label, sentence"),
        ("stanfordnlp/sst2", {"train": texts(1)}, "no column 'sentence'"),
        ("someone/b", {"dev": texts(1)}, "the splits dev; expected a split 'train'"),
        ("nyu-mll/glue:rte", {"train": texts(1)}, "the splits train; expected a split 'valid"),
        ("someone/c", {"train": texts(1, value=-1)}, r"rows without labels in someone/c \(train"),
        ("someone/d", {"train": texts(1, Value("string"), None)}, "rows without labels"),
    ],
)
def test_sets_that_do_not_fit_are_named(hub, name, splits, found) -> None:
    hub(**splits)
    with pytest.raises(DataError, match=found) as caught:
        load(name, report=str)
    assert caught.value.path == name


@pytest.mark.parametrize(
    ("reachable", "error", "raised", "says"),
    [
        (True, ConnectionError("no way"), FileNotFoundError, "no bundled set and no folder here"),
        (True, ValueError("no such config"), DataError, r"does not open \(no such config\)"),
        (False, ValueError("config not in the cache"), FileNotFoundError, "can't be reached"),
        (True, RuntimeError("scripts"), DataError, "of a set in parquet"),
    ],
)
def test_what_the_hub_refuses_is_said(monkeypatch, reachable, error, raised, says) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("bertlab.data.hub.is_reachable", lambda: reachable)

    def load_dataset(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(raised, match=says):
        load("sentimant")


def test_the_table_is_of_one_form() -> None:
    for name, known in HUB_SETS.items():
        assert name.partition(":")[2] == (known.configuration or "")
        assert set(known.columns) <= {"text", "text_pair", "label", "tags"}
        assert not known.splits or {"train", "test"} <= set(known.splits)
