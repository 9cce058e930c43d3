"""``bertlab finetune`` from files to a folder: what it writes, reads, refuses and deletes."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import tyro
from fine_tuning_files import reviews, write_files, write_lines, write_model
from safetensors.torch import load_file

import bertlab
from bertlab.tasks import Classification
from bertlab.tasks import run as run_module
from bertlab.tasks.answering import load_task
from bertlab.tasks.config import FinetuneConfig
from bertlab.tasks.run import finetune
from bertlab.training import History

STEMS = {"classification": "texts", "ner": "names", "qa": "questions"}
FILES = [
    "config.json",
    "history.jsonl",
    "metrics.json",
    "model.safetensors",
    "predictions.jsonl",
    "run.json",
    "task.json",
    "tokenizer.json",
    "tokenizer_config.json",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of each task, and a model."""
    folder = write_files(tmp_path_factory.mktemp("finetune"))
    write_model(folder / "model")
    return folder


def settings(folder: Path, output: Path, task: Any = "classification", **changes: Any) -> Any:
    suffix = changes.pop("suffix", "jsonl")
    files = {
        name: folder / f"{STEMS[task]}-{name}.{suffix}"
        for name in ("train", "dev", "test")
        if "dataset" not in changes
    }
    return FinetuneConfig(
        **{
            "task": task,
            "model": str(folder / "model"),
            "output": output,
            **files,
            "epochs": 2,
            "batch_size": 8,
            "learning_rate": 1e-2,
            "precision": "fp32",
            **changes,
        }
    )


def start(folder: Path, output: Path, task: Any = "classification", **changes: Any) -> Any:
    return finetune(settings(folder, output, task, **changes), progress_bar=False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def finished(folder: Path) -> dict[str, Path]:
    """A run of each task that is done. Tests read them and change nothing."""
    runs = {task: folder / "finished" / task for task in STEMS}
    for task, output in runs.items():
        start(folder, output, task, epochs=3)
    return runs


# --- what is written


@pytest.mark.parametrize("task", STEMS)
def test_the_folder_holds_all_of_the_run(finished: dict[str, Path], task: str) -> None:
    assert names(finished[task]) == FILES
    history = History.read(finished[task])
    assert [record["epoch"] for record in history.evaluations] == [1, 2, 3]
    metrics = read(finished[task] / "metrics.json")
    assert set(metrics) == {"dev", "test", "train"}
    metric = {"classification": "accuracy"}.get(task, "f1")
    best = max(record["held_out"][metric] for record in history.evaluations)
    assert metrics["dev"][metric] == pytest.approx(best)
    train = metrics["train"]
    assert (train["epochs"], train["steps"], train["records"], train["rows"]) == (3, 9, 24, 24)
    assert train["seconds"] > 0
    assert train["examples_per_second"] > 0


@pytest.mark.parametrize("task", STEMS)
def test_predictions_are_in_order_with_the_true_answers_beside(
    folder: Path, finished: dict[str, Path], task: str
) -> None:
    given = read_lines(folder / f"{STEMS[task]}-test.jsonl")
    answered = read_lines(finished[task] / "predictions.jsonl")
    kept = {"classification": ("text",), "ner": ("tokens",), "qa": ("id", "question", "answers")}
    for record, answer in zip(given, answered, strict=True):
        assert [record[name] for name in kept[task]] == [answer[name] for name in kept[task]]
        if task == "classification":
            assert answer["true_label"] == record["label"]
            assert answer["label"] in ("👍", "nicht gut")
        if task == "ner":
            assert answer["true_tags"] == record["tags"]
            assert len(answer["tags"]) == len(record["tags"])
        if task == "qa":
            assert answer["answer"] == record["context"][answer["start"] or 0 : answer["end"] or 0]
    assert "👍" in (finished["classification"] / "predictions.jsonl").read_text(encoding="utf-8")


def test_a_classifier_opens_in_transformers_with_the_users_labels(
    finished: dict[str, Path],
) -> None:
    output = finished["classification"]
    pipe = transformers.pipeline("text-classification", str(output), device="cpu")
    for answer in read_lines(output / "predictions.jsonl"):
        theirs = pipe(answer["text"])[0]
        assert theirs["label"] == answer["label"]
        assert theirs["score"] == pytest.approx(answer["score"], abs=1e-5)


def test_a_tagger_opens_in_transformers_with_the_users_types(finished: dict[str, Path]) -> None:
    output = finished["ner"]
    pipe = transformers.pipeline(
        "token-classification", str(output), device="cpu", aggregation_strategy="first"
    )
    for answer in read_lines(output / "predictions.jsonl"):
        theirs = pipe(" ".join(answer["tokens"]))
        found = [(entity["entity_group"], entity["word"]) for entity in theirs]
        assert found == [(entity["type"], entity["text"]) for entity in answer["entities"]]


def test_a_reader_opens_in_transformers_with_the_same_logits(finished: dict[str, Path]) -> None:
    output = finished["qa"]
    theirs = transformers.AutoModelForQuestionAnswering.from_pretrained(output)
    ours = bertlab.BertForQuestionAnswering.from_pretrained(output)
    tokenizer = transformers.AutoTokenizer.from_pretrained(output)
    batch = tokenizer("Who came?", "Ada Byron came to Paris.", return_tensors="pt")
    with torch.no_grad():
        a, b = ours(**batch), theirs(**batch)
    torch.testing.assert_close(a.start_logits, b.start_logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(a.end_logits, b.end_logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("task", STEMS)
def test_the_command_in_run_json_makes_the_same_run(finished: dict[str, Path], task: str) -> None:
    run = read(finished[task] / "run.json")
    words = shlex.split(run["command"])
    assert words[:3] == ["bertlab", "finetune", task]
    config = tyro.cli(FinetuneConfig, args=words[2:], config=(tyro.conf.FlagCreatePairsOff,))
    assert json.loads(json.dumps(vars(config), default=str)) == run["config"]


@pytest.mark.parametrize(
    ("task", "suffix"),
    [("classification", "csv"), ("classification", "tsv"), ("ner", "conll"), ("qa", "json")],
)
def test_each_format_and_each_repetition_gives_the_same_bytes(
    folder: Path, finished: dict[str, Path], tmp_path: Path, task: str, suffix: str
) -> None:
    start(folder, tmp_path / "run", task, suffix=suffix, epochs=3)
    whole = finished[task]
    for name in ("model.safetensors", "config.json", "task.json", "tokenizer.json"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes(), name
    metrics = [read(output / "metrics.json") for output in (tmp_path / "run", whole)]
    assert metrics[0]["dev"] == metrics[1]["dev"]
    assert metrics[0]["test"] == metrics[1]["test"]
    if task != "qa":  # SQuAD's file has titles
        lines = [(f / "predictions.jsonl").read_bytes() for f in (tmp_path / "run", whole)]
        assert lines[0] == lines[1]


def test_another_seed_gives_another_head(folder: Path, tmp_path: Path) -> None:
    heads = []
    for seed in (0, 1):
        start(folder, tmp_path / str(seed), seed=seed)
        heads.append(load_file(tmp_path / str(seed) / "model.safetensors")["classifier.weight"])
    assert not torch.equal(*heads)


def test_the_best_weights_are_kept_and_measured_not_the_last(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, seen = iter([0.2, 0.9, 0.1, 0.3]), []

    real = Classification.measure

    def measure(task: Classification, model: torch.nn.Module) -> dict[str, Any]:
        seen.append({name: weight.clone() for name, weight in model.state_dict().items()})
        return real(task, model) | {"accuracy": next(scores)}

    monkeypatch.setattr(Classification, "measure", measure)
    metrics = start(folder, tmp_path / "run", epochs=4)
    saved = load_file(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(weight, seen[1][name]) for name, weight in saved.items())
    assert not torch.equal(saved["classifier.weight"], seen[3]["classifier.weight"])
    monkeypatch.undo()
    task, model = load_task("classification", tmp_path / "run")
    records = bertlab.data.read(folder / "texts-dev.jsonl", "classification", report=str)
    assert task.evaluate(model, records)["loss"] == metrics["dev"]["loss"]


def test_patience_stops_early(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.9, 0.8, 0.7, 0.6])
    monkeypatch.setattr(Classification, "measure", lambda *_: {"accuracy": next(scores)})
    metrics = start(folder, tmp_path / "run", epochs=4, patience=2)
    assert metrics["train"]["epochs"] == 3


def test_what_is_found_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finetune(settings(folder, tmp_path / "run", max_length=10))
    said = capsys.readouterr().out
    for line in (
        "texts-train.jsonl: 24 examples",
        "training data: 24 texts cut",
        "24 training records make 24 rows",
        "8 texts cut",
        f"the checkpoint is in {tmp_path / 'run'}",
    ):
        assert line in said
    assert "dev: accuracy " in said
    assert "test: accuracy " in said
    start(folder, tmp_path / "quiet")
    shown = capsys.readouterr()
    assert shown.out == shown.err == ""


# --- what is read


def test_a_share_is_held_out(folder: Path, tmp_path: Path) -> None:
    metrics = start(folder, tmp_path / "run", dev=None, test=None, hold_out=0.25)
    assert metrics["train"]["records"] == 18
    answered = read_lines(tmp_path / "run" / "predictions.jsonl")
    assert len(answered) == 6, "dev's, as there is no test"
    assert set(metrics) == {"dev", "train"}


def test_questions_about_one_context_are_held_out_together(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    begin = run_module._begin
    monkeypatch.setattr(
        run_module, "_begin", lambda config, sets: found.append(sets) or begin(config, sets)
    )
    start(folder, tmp_path / "run", "qa", dev=None, hold_out=0.3)
    train, dev = found[0]["train"], found[0]["dev"]
    assert set(train["context"]).isdisjoint(dev["context"])
    assert len(train) + len(dev) == 24
    assert len(dev) == 8, "4 of 12 contexts"


@pytest.mark.parametrize(
    ("task", "name"), [("classification", "sentiment"), ("ner", "entities"), ("qa", "questions")]
)
def test_bundled_sets_by_their_names(folder: Path, tmp_path: Path, task: str, name: str) -> None:
    metrics = start(folder, tmp_path / "run", task, dataset=name, epochs=0.1, max_length=48)
    assert set(metrics) == {"dev", "test", "train"}
    assert metrics["train"]["records"] >= 300


def write_folder(folder: Path, name: str = "text") -> Path:
    """Write CSV files in Latin-1 with names of their own."""
    folder.mkdir()
    for split, first, count in (("train", 0, 24), ("test", 24, 8)):
        rows = [f"category;{name}"]
        rows += [f"{'für' if n % 2 else 'gegen'};Größe {n}" for n in range(first, first + count)]
        (folder / f"{split}.csv").write_bytes("\n".join(rows).encode("latin-1"))
    return folder


def test_a_folder_with_other_columns_and_encoding(folder: Path, tmp_path: Path) -> None:
    start(
        folder, tmp_path / "run", dataset=str(write_folder(tmp_path / "set", "review")),
        hold_out=0.2, encoding="latin-1", text_column="review", label_column="category",
        delimiter=";",
    )  # fmt: skip
    answered = read_lines(tmp_path / "run" / "predictions.jsonl")
    assert answered[0]["text"] == "Größe 24"
    assert answered[0]["true_label"] == "gegen"


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("ner", {"dataset": "sentiment"}, 'sentiment, train: found the columns .*column "tags"'),
        ("classification", {"dataset": "questions"}, 'expected a column "label"'),
        (
            "classification",
            {"dataset": "sentiment", "labels": "multi"},
            "the labels of sentiment are for --labels single",
        ),
        ("ner", {"dataset": "entities", "hold_out": 0.1}, "entities has a dev split: leave --hold"),
        (
            "classification",
            {"dataset": "{folder}/set"},
            "set has no dev split: give --hold-out 0.1",
        ),
        ("classification", {"dev": "{folder}/texts-train.jsonl"}, "--train and --dev are the same"),
        ("classification", {"test": "{folder}/texts-dev.jsonl"}, "--dev and --test are the same"),
        ("qa", {"dev": None, "hold_out": 0.99}, "found 12 contexts to split; expected enough"),
    ],
)
def test_data_that_does_not_fit_is_refused(
    folder: Path, tmp_path: Path, task: str, changes: dict[str, Any], message: str
) -> None:
    if not (folder / "set").exists():
        (folder / "set").mkdir()
        shutil.copy(folder / "texts-train.csv", folder / "set" / "train.csv")
    filled = {
        name: value.format(folder=folder) if isinstance(value, str) else value
        for name, value in changes.items()
    }
    for name in {"dev", "test"} & set(filled):
        filled[name] = filled[name] and Path(filled[name])
    with pytest.raises(ValueError, match=message):
        start(folder, tmp_path / "run", task, **filled)
    assert not (tmp_path / "run").exists()


def test_several_labels(folder: Path, tmp_path: Path) -> None:
    files = {}
    for name, first in (("train", 0), ("dev", 24)):
        records = [
            {"text": record["text"], "label": [["a"], ["a", "b|c"], []][n % 3]}
            for n, record in enumerate(reviews(first))
        ]
        files[name] = write_lines(tmp_path / f"{name}.jsonl", records)
    metrics = start(folder, tmp_path / "run", labels="multi", **files, test=None)
    assert "micro_f1" in metrics["dev"]
    assert read(tmp_path / "run" / "config.json")["problem_type"] == "multi_label_classification"
    answer = read_lines(tmp_path / "run" / "predictions.jsonl")[1]
    assert answer["true_label"] == ["a", "b|c"]
    assert list(answer["scores"]) == ["a", "b|c"]


def test_a_regression(folder: Path, tmp_path: Path) -> None:
    files = {}
    for name, first in (("train", 0), ("dev", 24)):
        rows = [f"{record['text']}\t{n % 5 + 0.5}" for n, record in enumerate(reviews(first))]
        files[name] = tmp_path / f"{name}.tsv"
        files[name].write_text("\n".join(["text\tlabel", *rows]), encoding="utf-8")
    metrics = start(folder, tmp_path / "run", labels="regression", **files, test=None)
    assert "r2" in metrics["dev"]
    config = read(tmp_path / "run" / "config.json")
    assert config["problem_type"] == "regression"
    pipe = transformers.pipeline("text-classification", str(tmp_path / "run"), device="cpu")
    answer = read_lines(tmp_path / "run" / "predictions.jsonl")[0]
    assert answer["true_label"] == 0.5
    score = pipe(answer["text"], function_to_apply="none")[0]["score"]
    assert score == pytest.approx(answer["score"], abs=1e-5)


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("classification", {"long": "windows", "max_length": 10}),
        ("ner", {"max_length": 12}),
        ("qa", {"max_length": 12}),
    ],
)
def test_long_texts_are_read_in_windows(
    folder: Path, tmp_path: Path, task: str, changes: dict[str, Any]
) -> None:
    rows = []
    for stride in (0, 4):
        output = tmp_path / str(stride)
        metrics = start(folder, output, task, stride=stride, **changes)
        assert read(output / "task.json")["stride"] == stride
        assert len(read_lines(output / "predictions.jsonl")) == 8
        rows.append(metrics["train"]["rows"])
    assert 24 < rows[0] < rows[1]


def test_a_row_is_as_long_as_model_and_tokenizer_allow(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_length is 129: expected at most 128, the places"):
        start(folder, tmp_path / "run", max_length=129)
    assert not (tmp_path / "run").exists()
    shutil.copytree(folder / "model", tmp_path / "model")
    path = tmp_path / "model" / "tokenizer_config.json"
    path.write_text(json.dumps(read(path) | {"model_max_length": 40}))
    start(folder, tmp_path / "run", model=str(tmp_path / "model"))
    assert read(tmp_path / "run" / "task.json")["max_length"] == 40


def test_labels_that_training_does_not_know_are_wrong_and_counted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [record | {"label": "neu"} if n < 2 else record for n, record in enumerate(reviews())]
    dev = write_lines(tmp_path / "dev.jsonl", records)
    finetune(settings(folder, tmp_path / "run", dev=dev, test=None))
    metrics = read(tmp_path / "run" / "metrics.json")
    assert metrics["dev"]["counts"] == {"labels unknown to training": 2}
    assert metrics["dev"]["accuracy"] <= 22 / 24
    assert metrics["dev"]["per_label"]["neu"]["support"] == 2
    assert ", 2 labels unknown to training" in capsys.readouterr().out


def test_a_checkpoint_of_one_task_is_a_start_for_another(
    folder: Path, finished: dict[str, Path], tmp_path: Path
) -> None:
    """Names and heads of before are gone."""
    for task, before in (("ner", "classification"), ("classification", "ner"), ("qa", "ner")):
        start(folder, tmp_path / task, task, model=str(finished[before]))
        assert read(tmp_path / task / "task.json")["task"] == task
        fresh = [read(f / "config.json") for f in (tmp_path / task, finished[task])]
        if task != "qa":  # which has no names
            assert fresh[0]["id2label"] == fresh[1]["id2label"]
        assert fresh[0]["architectures"] == fresh[1]["architectures"]


@pytest.mark.parametrize(
    ("hidden_size", "rate"), [(32, 5e-4), (384, 1e-4), (768, 5e-5), (1024, 5e-5)]
)
def test_the_rate_suits_the_width(tmp_path: Path, hidden_size: int, rate: float) -> None:
    config = bertlab.BertConfig(hidden_size=hidden_size, num_attention_heads=4)
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    given = FinetuneConfig(
        task="ner", model=str(tmp_path), output=tmp_path / "run", dataset="entities"
    )
    assert run_module._training(given).learning_rate == rate


# --- where it is written


def test_a_folder_with_something_in_it_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for output, message in ((tmp_path / "file", "is a file"), (tmp_path, "isn't empty")):
        with pytest.raises(FileExistsError, match=message):
            start(folder, output)
    for flag in ("resume", "overwrite"):
        with pytest.raises(FileExistsError, match="no run of `bertlab finetune`"):
            start(folder, tmp_path, **{flag: True})
    assert names(tmp_path) == ["file"]


def test_a_run_that_begins_elsewhere_is_left_alone(folder: Path, tmp_path: Path) -> None:
    """Another process has come no further than its run.json."""
    output = tmp_path / "run"
    start(folder, output)
    for path in output.iterdir():
        if path.name != "run.json":
            path.unlink()
    with pytest.raises(FileExistsError, match="isn't empty"):
        start(folder, output)
    assert names(output) == ["run.json"]


def test_overwrite_deletes_a_run_once_all_is_known_to_be_well(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    start(folder, output)
    (output / "notes").mkdir()
    (output / "notes" / "a.jsonl").write_text((folder / "texts-train.jsonl").read_text("utf-8"))
    (tmp_path / "bad.jsonl").write_text('{"text": "no label"}\n')
    before = names(output)
    for changes, error in (
        ({"train": tmp_path / "none.jsonl"}, FileNotFoundError),
        ({"dev": tmp_path / "bad.jsonl"}, bertlab.DataError),
        ({"train": output / "notes" / "a.jsonl"}, ValueError),
        ({"model": str(output)}, ValueError),
        ({"model": "./none"}, FileNotFoundError),
        ({"batch_size": 0}, ValueError),
        ({"max_length": 3}, ValueError),
    ):
        with pytest.raises(error):
            start(folder, output, overwrite=True, **changes)
        assert names(output) == before
    metrics = start(folder, output, overwrite=True, epochs=1)
    assert names(output) == FILES
    assert metrics["train"]["epochs"] == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"train": "bad.jsonl"}, bertlab.DataError),
        ({"dev": "bad.jsonl"}, bertlab.DataError),
        ({"test": "bad.jsonl"}, bertlab.DataError),
        ({"train": "one.jsonl"}, bertlab.DataError),
        ({"max_length": 7}, ValueError),
        ({"track": "tensorboard"}, ValueError),
    ],
)
def test_a_run_that_cannot_begin_leaves_nothing(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    error: type,
) -> None:
    """So that it can be tried again under the same name."""
    monkeypatch.setattr("accelerate.utils.is_tensorboard_available", lambda: False)
    (tmp_path / "bad.jsonl").write_text('{"text": "no label"}\n')
    (tmp_path / "one.jsonl").write_text('{"text": "only one", "label": "a"}\n' * 2)
    for name in {"train", "dev", "test"} & set(changes):
        changes = changes | {name: tmp_path / changes[name]}
    with pytest.raises(error):
        start(folder, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_leaves_no_such_checkpoint(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        start(folder, tmp_path / "run", learning_rate=1e15, epochs=30, save_every=0, warmup=0.9)
    weights = tmp_path / "run" / "model.safetensors"
    assert weights.exists(), "of before; otherwise this test proves nothing"
    assert all(tensor.isfinite().all() for tensor in load_file(weights).values())


# --- resuming (kills are in test_finetune_kills.py)


def test_a_finished_run_is_not_made_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even read: its data may be gone."""
    train = tmp_path / "train.jsonl"
    shutil.copy(folder / "texts-train.jsonl", train)
    metrics = start(folder, tmp_path / "run", train=train)
    train.unlink()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()}
    (tmp_path / "run" / "training_state.pt").write_text("left by a kill")
    again = finetune(settings(folder, tmp_path / "run", train=train, resume=True))
    assert again == metrics
    assert "was finished already" in capsys.readouterr().out
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()}
    assert set(after) == set(before)
    assert after["model.safetensors"] == before["model.safetensors"]


def test_other_settings_are_no_resumption(folder: Path, finished: dict[str, Path]) -> None:
    before = names(finished["classification"])
    with pytest.raises(ValueError, match="begun with other settings") as refusal:
        start(folder, finished["classification"], epochs=3, resume=True, seed=1, batch_size=4)
    assert "seed was 0, now 1" in str(refusal.value)
    assert "batch_size was 8, now 4" in str(refusal.value)
    assert "epochs" not in str(refusal.value)
    assert names(finished["classification"]) == before


def test_there_must_be_something_to_resume(
    folder: Path,
    finished: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        start(folder, tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".run.json.12345").mkdir()
    finetune(settings(folder, tmp_path / "run", epochs=3, resume=True))
    assert "holds no checkpoint yet: beginning at the beginning" in capsys.readouterr().out
    runs = (tmp_path / "run", finished["classification"])
    weights = [(output / "model.safetensors").read_bytes() for output in runs]
    assert weights[0] == weights[1]


def test_a_damaged_state_is_said(folder: Path, tmp_path: Path) -> None:
    start(folder, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()
    (tmp_path / "run" / "training_state.pt").write_text("half")
    with pytest.raises(ValueError, match="damaged: start the run anew, with --overwrite"):
        start(folder, tmp_path / "run", resume=True)


# --- users' mistakes: exit code 2 and one line


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run the command line in this process; returns the exit code and stderr."""
    import signal

    from bertlab import cli

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["bertlab", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, capsys.readouterr().err

    return run


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """Files and folders that aren't what they should be."""
    here = tmp_path_factory.mktemp("mistakes")
    (here / "empty.csv").write_text("")
    (here / "one.csv").write_text("text,label\nfine,good\nwell,good\n")
    (here / "nolabel.csv").write_text("text,category\nfine,good\nwell,good\n")
    (here / "ragged.csv").write_text("text,label\nfine,good,really\n")
    (here / "latin.csv").write_bytes("text,label\nGröße,a\nkurz,b\n".encode("latin-1"))
    (here / "broken.jsonl").write_text('{"text": "fine", "label": "a"}\n{"text": \n')
    (here / "outside.conll").write_text("a O\nb O\n\nc O\n")
    (here / "tags.conll").write_text("a B-PER\nb Q-PER\n")
    (here / "noanswer.json").write_text('{"data": []}')
    (here / "words.json").write_text("not json")
    (here / "words.docx").write_text("text")

    def model(name: str, **config: Any) -> Path:
        shutil.copytree(folder / "model", here / name)
        path = here / name / "config.json"
        path.write_text(json.dumps(read(path) | config))
        return here / name

    model("roberta", model_type="roberta")
    model("deeper", num_hidden_layers=3)
    model("wider", hidden_size=64)
    (model("noconfig") / "config.json").unlink()
    (model("noweights") / "model.safetensors").unlink()
    (model("half") / "model.safetensors").write_bytes(b"\x10" * 100)
    for path in model("notokenizer").glob("tokenizer*"):
        path.unlink()
    return here


NER = {"task": "ner", "--train": "{good}/names-train.conll", "--dev": "{good}/names-dev.conll"}
QA = {"task": "qa", "--train": "{good}/questions-train.json", "--dev": "{good}/questions-dev.json"}
NOTHING = {"--train": None, "--dev": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # the model
        ({"--model": "./none"}, "there is no folder './none'"),
        ({"--model": "someone/none"}, "'someone/none' is no folder here"),
        ({"--model": "{good}/texts-train.csv"}, "is a file: give the folder that holds it"),
        ({"--model": "{bad}/noconfig"}, "config.json"),
        ({"--model": "{bad}/noweights"}, "noweights"),
        ({"--model": "{bad}/notokenizer"}, "notokenizer"),
        ({"--model": "{bad}/half"}, "is no whole safetensors file"),
        ({"--model": "{bad}/roberta"}, "roberta"),
        ({"--model": "{bad}/deeper"}, "lacks weights of the encoder"),
        ({"--model": "{bad}/wider"}, "don't have the shape"),
        # the files
        ({"--train": "{good}/none.csv"}, "there is no file"),
        ({"--dev": "{good}/none.csv"}, "there is no file"),
        ({"--test": "{good}/none.csv"}, "there is no file"),
        ({"--train": "{good}"}, "is a folder: expected a file"),
        ({"--train": "{bad}/words.docx"}, "ends in '.docx'; expected a .csv, .tsv or .jsonl file"),
        ({"--train": "{good}/names-train.conll"}, "expected a .csv, .tsv or .jsonl file for the"),
        ({"--train": "{good}/names-train.jsonl"}, 'line 1: found no field "text"'),
        ({"--train": "{bad}/empty.csv"}, "found an empty file"),
        ({"--train": "{bad}/one.csv"}, "found the label 'good' only"),
        ({"--train": "{bad}/nolabel.csv"}, "found no column 'label'"),
        ({"--train": "{bad}/ragged.csv"}, "line 2: found 3 cells; expected 2"),
        ({"--train": "{bad}/latin.csv"}, "line 2: found the byte 0xF6"),
        ({"--train": "{bad}/broken.jsonl"}, "line 2: found no valid JSON"),
        (NER | {"--train": "{good}/texts-train.jsonl"}, 'found no field "tokens"'),
        (NER | {"--train": "{good}/texts-train.csv"}, "expected a .conll file"),
        (NER | {"--train": "{bad}/outside.conll"}, "found the tag 'O' only"),
        (NER | {"--train": "{bad}/tags.conll"}, "line 2: found the tag 'Q-PER'"),
        (QA | {"--train": "{good}/names-train.conll"}, "expected a .json file in SQuAD's format"),
        (QA | {"--train": "{bad}/noanswer.json"}, "found 0 questions"),
        (QA | {"--train": "{bad}/words.json"}, "found no valid JSON"),
        (NOTHING | {"--dataset": "entities"}, 'expected a column "label"'),
        (NOTHING | {"--dataset": "{bad}"}, "found no file for the split train"),
        (NOTHING | {"--dataset": "no-such-set"}, "no-such-set"),
        # settings that contradict each other
        (NOTHING, "there is nothing to learn from"),
        ({"--dataset": "sentiment"}, "--dataset and --train and --dev are given"),
        ({"--dev": None}, "expected either --dev FILE or --hold-out 0.1"),
        ({"--hold-out": "0.1"}, "expected either --dev FILE or --hold-out 0.1"),
        ({"--stride": "4"}, "--stride is for windows: expected --long windows"),
        (QA | {"--valid-only": ""}, "--valid-only is for ner"),
        (NER | {"--labels": "multi"}, "--labels: for classification only, not for ner"),
        (QA | {"--long": "windows", "--text-column": "a"}, "--text-column and --long: for class"),
        # settings out of range
        ({"--hold-out": "1"}, "hold_out is 1.0: expected a share from 0 to below 1"),
        ({"--epochs": "0"}, "epochs is 0.0: expected a number above 0"),
        ({"--epochs": "-1"}, "epochs is -1.0: expected a number above 0"),
        ({"--epochs": "nan"}, "epochs is nan"),
        ({"--batch-size": "0"}, "batch_size is 0: expected a number above 0"),
        ({"--learning-rate": "0"}, "learning_rate is 0.0: expected a number above 0"),
        ({"--warmup": "2"}, "warmup is 2.0: expected a number from 0 to 1"),
        ({"--accumulation": "0"}, "accumulation is 0"),
        ({"--patience": "-1"}, "patience is -1"),
        ({"--seed": "-1"}, "seed is -1: expected a number from 0 to 4294967295"),
        ({"--seed": "99999999999999999999"}, "expected a number from 0 to 4294967295"),
        ({"--save-every": "-1"}, "save_every is -1.0"),
        ({"--log-every": "0"}, "log_every is 0"),
        ({"--max-length": "129"}, "max_length is 129: expected at most 128"),
        ({"--max-length": "0"}, "max_length is 0: expected a number from 8"),
        ({"--long": "windows", "--stride": "200"}, "stride is 200: expected a number from 0 to"),
        (NER | {"--stride": "-1"}, "stride is -1"),
        ({"--encoding": "no-such"}, "the encoding 'no-such', which Python doesn't know"),
        # the folder
        ({"--output": "{good}/texts-train.csv"}, "is a file: expected a folder to write to"),
        ({"--output": "{good}/texts-train.csv/a"}, "Not a directory"),
        ({"--output": "{good}"}, "isn't empty: give --resume to go on with the run in it"),
        ({"--output": "{good}", "--overwrite": ""}, "nothing is deleted"),
        ({"--resume": ""}, "nothing to resume"),
        ({"--resume": "", "--overwrite": ""}, "resume and overwrite are both given"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_code_2(
    folder: Path,
    mistakes: Path,
    tmp_path: Path,
    shell: Callable[..., tuple[int, str]],
    changes: dict[str, Any],
    message: str,
) -> None:
    options: dict[str, Any] = {
        "task": "classification",
        "--model": "{good}/model",
        "--output": str(tmp_path / "run"),
        "--train": "{good}/texts-train.csv",
        "--dev": "{good}/texts-dev.csv",
        **changes,
    }
    words = [options.pop("task")]
    for name, value in options.items():
        if value is not None:
            words += [name, value.format(good=folder, bad=mistakes)][: 2 if value else 1]
    code, said = shell("finetune", *words)
    assert code == 2, said
    assert said.startswith("bertlab: ")
    assert said.count("\n") == 1
    assert message in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["translation"],
        ["classification", "--no-such-option"],
        ["classification", "--batch-size", "many"],
        ["classification", "--precision", "fp8"],
        ["classification"],
    ],
)
def test_a_word_that_is_none_is_explained(
    shell: Callable[..., tuple[int, str]], words: list[str]
) -> None:
    code, said = shell("finetune", *words)
    assert code == 2
    assert "Traceback" not in said
    assert words[-1] in said or "--model" in said


def test_a_loss_that_is_no_number_exits_with_1(
    folder: Path, tmp_path: Path, shell: Callable[..., tuple[int, str]]
) -> None:
    code, said = shell(
        "finetune", "classification", "--model", folder / "model", "--output", tmp_path / "run",
        "--train", folder / "texts-train.csv", "--dev", folder / "texts-dev.csv",
        "--learning-rate", "1e30",
    )  # fmt: skip
    assert code == 1
    assert "lower the learning rate" in said
    assert "Traceback" not in said
