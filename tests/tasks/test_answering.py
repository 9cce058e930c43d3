"""``bertlab evaluate`` and ``predict``: equal figures, streams in order, and what they refuse."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fine_tuning_files import (
    questions,
    reviews,
    sentences,
    write_files,
    write_lines,
    write_model,
)

import bertlab
from bertlab import cli
from bertlab.tasks import answering
from bertlab.tasks.answering import evaluate, load_task, predict
from bertlab.tasks.config import EvaluateConfig, FinetuneConfig, PredictConfig
from bertlab.tasks.run import finetune

STEMS = {"classification": "texts", "ner": "names", "qa": "questions"}
RECORDS = {"classification": reviews, "ner": sentences, "qa": questions}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of each task, and a run of each that tests read and don't change."""
    folder = write_files(tmp_path_factory.mktemp("answering"))
    write_model(folder / "model")
    for task, stem in STEMS.items():
        finetune(
            FinetuneConfig(
                task=task,  # type: ignore[arg-type]
                model=str(folder / "model"),
                output=folder / task,
                **{name: folder / f"{stem}-{name}.jsonl" for name in ("train", "dev", "test")},
                epochs=2,
                batch_size=8,
                learning_rate=1e-2,
                precision="fp32",
            ),
            progress_bar=False,
        )
    return folder


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def answer(folder: Path, task: Any, records: list[dict[str, Any]], where: Path) -> Any:
    """Answer records from one file to another."""
    write_lines(where / "in.jsonl", records)
    predict(
        PredictConfig(
            task=task,
            model=str(folder / task),
            input=str(where / "in.jsonl"),
            output=str(where / "out.jsonl"),
            precision="fp32",
        ),
        progress_bar=False,
    )
    return read_lines(where / "out.jsonl")


Feed = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def feed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Feed]:
    """Feed bytes to ``bertlab predict``; returns the exit code, the lines printed, and stderr."""
    former = signal.getsignal(signal.SIGTERM)

    def run(task: str, content: bytes, *words: object) -> tuple[int, list[dict[str, Any]], str]:
        model = [] if "--model" in words else ["--model", str(folder / task)]
        given = ["bertlab", "predict", task, *model, "--precision", "fp32", *map(str, words)]
        monkeypatch.setattr(sys, "argv", given)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        shown = capsys.readouterr()
        return code, [json.loads(line) for line in shown.out.split("\n")[:-1]], shown.err

    yield run
    signal.signal(signal.SIGTERM, former)


def as_bytes(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


# --- figures and answers are those of finetune


@pytest.mark.parametrize("task", STEMS)
@pytest.mark.parametrize("split", ["dev", "test"])
def test_evaluate_gives_the_figures_of_finetune(
    folder: Path, tmp_path: Path, task: Any, split: str
) -> None:
    """To the last digit: nothing that decides them is lost with the run."""
    config = EvaluateConfig(
        task=task,
        model=str(folder / task),
        data=folder / f"{STEMS[task]}-{split}.jsonl",
        output=tmp_path / "scores.json",
        precision="fp32",
    )
    returned = evaluate(config, progress_bar=False)
    expected = json.loads((folder / task / "metrics.json").read_text())[split]
    chosen = expected.pop("null_threshold", None)  # of dev's: chosen on it, and then a setting
    settings = json.loads((folder / task / "task.json").read_text())
    assert chosen is None or chosen == settings["null_threshold"]
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written == {"task": task, "records": 8} | expected
    assert returned == expected


@pytest.mark.parametrize("task", STEMS)
def test_predict_gives_the_answers_of_finetune(folder: Path, tmp_path: Path, task: str) -> None:
    records = read_lines(folder / f"{STEMS[task]}-test.jsonl")
    found = answer(folder, task, records, tmp_path)
    expected = read_lines(folder / task / "predictions.jsonl")
    for line in expected:
        line.pop("title", None)  # the reader adds it
    assert found == expected


def test_evaluate_knows_the_kind_of_labels(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [{"text": f"text {n}", "label": ["a", "b"][: n % 3]} for n in range(9)]
    train = write_lines(tmp_path / "train.jsonl", records)
    dev = write_lines(tmp_path / "dev.jsonl", records[::-1])
    finetune(
        FinetuneConfig(
            task="classification", model=str(folder / "model"), output=tmp_path / "run",
            train=train, dev=dev, labels="multi", epochs=1, precision="fp32",
        ),
        progress_bar=False,
    )  # fmt: skip
    config = EvaluateConfig(
        task="classification", model=str(tmp_path / "run"), data=dev, output=tmp_path / "scores"
    )
    assert "micro_f1" in evaluate(config)
    assert "dev.jsonl: micro_f1 " in capsys.readouterr().out


# --- predict


@pytest.mark.parametrize("task", STEMS)
def test_lines_come_back_in_order_with_their_fields(
    folder: Path, tmp_path: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several portions, and though batches are sorted by length."""
    monkeypatch.setattr(answering, "_AT_A_TIME", 7)
    records = RECORDS[task](0, 20)
    for number, record in enumerate(records):
        record["number"], record["extra"] = number, {"nested": ["ä", None]}
    records[3] = {"text": "word " * 200, "number": 3, "extra": {"nested": ["ä", None]}}
    if task == "qa":
        records[3] |= {"question": "Who?", "context": "word " * 200}
    found = answer(folder, task, records, tmp_path)
    assert [line["number"] for line in found] == list(range(20))
    assert all(line["extra"] == {"nested": ["ä", None]} for line in found)
    alone = answer(folder, task, [records[5]], tmp_path)[0]
    assert _rounded(alone) == _rounded(found[5]), "an answer depends on its line only"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("task", "record"),
    [
        ("classification", {"text": "Ein Kessel. 水壶 🫖 \u2028 e\u0301"}),
        ("classification", {"text": ""}),
        ("classification", {"text": "a kettle", "text_pair": "a pot"}),
        ("classification", {"text": "a kettle", "text_pair": None}),
        ("ner", {"text": "Ada Byron lived in Göttingen, 东京 and 🗼."}),
        ("ner", {"text": ""}),
        ("ner", {"tokens": ["Ada", "Byron", "🗼", "e\u0301"]}),
        ("ner", {"tokens": []}),
        ("qa", {"question": "Who came?", "context": "In 1800 Emmy 🗼 Noether came."}),
        ("qa", {"question": "", "context": ""}),
    ],
)
def test_any_text_is_answered_and_unchanged(feed: Feed, task: str, record: dict[str, Any]) -> None:
    code, (line,), said = feed(task, as_bytes([record]))
    assert (code, said) == (0, "")
    assert record.items() <= line.items()
    if task == "classification":
        assert set(line) - set(record) == {"label", "score", "scores"}
    for entity in line.get("entities", []):
        where = record.get("text") or record["tokens"]
        cut = where[entity["start"] : entity["end"]]
        assert entity["text"] == (cut if isinstance(cut, str) else " ".join(cut))
    if task == "qa":
        assert line["answer"] == record["context"][line["start"] or 0 : line["end"] or 0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content, ""),
        (lambda content: content.rstrip(b"\n"), ""),
        (lambda content: content.replace(b"\n", b"\r\n"), ""),
        (lambda content: b"\xef\xbb\xbf" + content, ""),
        (
            lambda content: content.replace(b"\n", b"\n \n", 2),
            "standard input: 5 lines answered, 2 blank lines skipped (lines 2, 4)\n",
        ),
    ],
)
def test_line_ends_marks_and_blank_lines(
    feed: Feed, change: Callable[[bytes], bytes], said: str
) -> None:
    plain = as_bytes(reviews(0, 5))
    expected = feed("classification", plain)
    assert feed("classification", change(plain)) == (0, expected[1], said)


def test_nothing_in_nothing_out(feed: Feed) -> None:
    assert feed("classification", b"") == (0, [], "")


@pytest.mark.parametrize(
    ("task", "bad", "message"),
    [
        ("classification", b'{"text": ', "line 4: found no valid JSON"),
        (
            "classification",
            b'{"txet": "a", "n": 1}',
            'found "txet" that is a string, "n" that',
        ),
        (
            "classification",
            b'{"text": 5}',
            '"text" that is a whole number; expected an obj',
        ),
        ("classification", b'{"text": "a", "text_pair": 1}', '"text_pair" that is a whole number'),
        ("classification", b"{}", "line 4: found no field; expected"),
        ("classification", b"[1]", "line 4: found a list; expected an object"),
        ("classification", b'{"text": "a", "text": "b"}', 'an object with "text" twice'),
        ("classification", b'{"text": "\xe9"}', "line 4: found bytes that aren't UTF-8"),
        ("ner", b'{"tokens": "a b"}', 'found "tokens" that is a string'),
        ("ner", b'{"tokens": ["a", 1]}', 'found "tokens" that is a list'),
        ("qa", b'{"question": "Who?"}', 'an object with "question" and "context"'),
    ],
)
def test_lines_before_a_malformed_one_are_answered(
    feed: Feed, task: str, bad: bytes, message: str
) -> None:
    good = as_bytes(RECORDS[task](0, 3))
    code, lines, said = feed(task, good + bad + b"\n" + good)
    assert code == 2
    assert lines == feed(task, good)[1]
    assert said.startswith("bertlab: standard input, line 4: ")
    assert message in said
    assert said.count("\n") == 1


def test_a_file_is_whole_or_not_there(feed: Feed, tmp_path: Path) -> None:
    good = as_bytes(reviews(0, 5))
    (tmp_path / "old.jsonl").write_text("old")
    for name in ("new.jsonl", "old.jsonl"):
        assert feed("classification", good + b"[]\n", "--output", tmp_path / name)[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["old.jsonl"]
    assert (tmp_path / "old.jsonl").read_text() == "old"
    assert feed("classification", good, "--output", tmp_path / "old.jsonl") == (0, [], "")
    assert read_lines(tmp_path / "old.jsonl") == feed("classification", good)[1]


def test_what_was_done_to_the_texts_is_said(feed: Feed) -> None:
    records = [{"text": "word " * 300}, {"text": "short"}, {"text": "half \ud83d"}]
    _, lines, said = feed("classification", as_bytes(records))
    expected = "3 lines answered, 1 half character replaced by U+FFFD (line 3), 1 texts cut"
    assert said == f"standard input: {expected}\n"
    assert lines[2]["text"] == "half \ufffd"


def test_a_terminal_is_told_what_it_is_waiting_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = SimpleNamespace(buffer=io.BytesIO(b'{"text": "a"}\n'), isatty=lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # as in a notebook: it has no encoding
    predict(PredictConfig(task="classification", model=str(folder / "classification")), False)
    assert "from the keyboard" in capsys.readouterr().err
    assert json.loads(sys.stdout.getvalue())["text"] == "a"  # type: ignore[attr-defined]


def start(folder: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``bertlab predict`` as a shell does, in a locale that isn't UTF-8."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "bertlab.cli", "predict", "classification"),
            *("--model", str(folder / "classification"), "--precision", "fp32"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"},
        **options,
    )


def test_a_pipe_that_has_read_enough_ends_it_quietly(folder: Path) -> None:
    """``bertlab predict … | head -1``. What it reads is UTF-8, whatever the locale."""
    process = start(folder)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(as_bytes(reviews(0, 1100)))
    process.stdin.close()
    first = json.loads(process.stdout.readline().decode("utf-8"))
    assert set(first["scores"]) == {"👍", "nicht gut"}
    process.stdout.close()
    assert process.wait() == 141
    assert process.stderr.read() == b""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_stream_is_answered_in_constant_memory(folder: Path) -> None:
    """20,000 lines need hardly more than 5,000."""
    process = start(folder)
    assert process.stdin is not None
    assert process.stdout is not None
    sizes = []

    def resident() -> int:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) // 1024  # MiB

    lines = 1024
    for portion in range(20):
        process.stdin.write(as_bytes(reviews(portion * lines, lines)))
        process.stdin.flush()
        for number in range(lines):
            assert f"buyer {portion * lines + number}." in process.stdout.readline().decode()
        if portion in (4, 19):
            sizes.append(resident())
    process.stdin.close()
    assert process.wait() == 0
    assert sizes[1] - sizes[0] < 30, sizes


# --- what is refused


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """Checkpoints that aren't what was asked for."""
    here = tmp_path_factory.mktemp("others")
    shutil.copytree(folder / "classification", here / "damaged")
    (here / "damaged" / "task.json").write_text("{")
    for task in STEMS:  # as others have fine-tuned them
        shutil.copytree(folder / task, here / task)
        (here / task / "task.json").unlink()
    return here


@pytest.mark.parametrize(
    ("task", "model", "message"),
    [
        ("classification", "./none", "there is no folder './none'"),
        (
            "classification",
            "{folder}/model",
            "has no weights for classifier.weight, ",
        ),
        ("ner", "{folder}/model", "run `bertlab finetune ner --model"),
        ("qa", "{folder}/model", "so it was not fine-tuned for qa"),
        (
            "ner",
            "{folder}/classification",
            "was fine-tuned for classification: expected a",
        ),
        ("classification", "{folder}/qa", "was fine-tuned for qa: expected a model for classif"),
        ("classification", "{others}/damaged", "task.json is damaged"),
        ("classification", "{others}/ner", "has no weights for bert.pooler"),
        ("ner", "{others}/classification", "expected tags of IOB2"),
        ("qa", "{others}/ner", "has no weights for qa_outputs.weight"),
    ],
)
def test_a_model_for_something_else_is_refused(
    folder: Path, others: Path, feed: Feed, task: str, model: str, message: str
) -> None:
    code, lines, said = feed(task, b"", "--model", model.format(folder=folder, others=others))
    assert (code, lines) == (2, [])
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("task", STEMS)
def test_others_checkpoints_open_too(folder: Path, others: Path, task: Any) -> None:
    """Without task.json, what the model's config says is enough."""
    record = RECORDS[task](0, 1)
    answers = []
    for model in (folder / task, others / task):
        opened, network = load_task(task, model)
        assert opened.max_length == 128, "the places that the model has"
        answers.append(next(opened.predict(network, record)))
    if task == "qa":  # the threshold is in task.json
        answers = [{"null_score": found["null_score"]} for found in answers]
    assert _rounded(answers[0]) == _rounded(answers[1])


def test_settings_can_be_other_than_in_training(folder: Path) -> None:
    task, model = load_task("ner", folder / "ner", valid_only=True, max_length=20, stride=3)
    assert (task.valid_only, task.max_length) == (True, 20)
    assert not model.training
    assert next(model.parameters()).device == answering.device()


def test_a_tokenizer_that_allows_less_decides(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "qa", tmp_path / "qa")
    (tmp_path / "qa" / "task.json").unlink()
    path = tmp_path / "qa" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 50}))
    assert load_task("qa", tmp_path / "qa")[0].max_length == 50


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predict", "ner", "--input", "{tmp}/none.jsonl"], "none.jsonl"),
        (["predict", "ner", "--input", "{tmp}"], "Is a directory"),
        (["predict", "ner", "--output", "{tmp}"], "is a folder: expected a file to write to"),
        (["predict", "ner", "--output", "{tmp}/a/b"], "there is no folder '{tmp}/a' to write b"),
        (["predict", "ner", "--batch-size", "0"], "batch_size is 0: expected a number from 1 on"),
        (["evaluate", "ner", "--data", "{tmp}/none.conll"], "there is no file"),
        (["evaluate", "ner", "--data", "{tmp}"], "is a folder: expected a file"),
        (["evaluate", "ner", "--data", "{folder}/texts-dev.csv"], "expected a .conll file"),
        (["evaluate", "ner", "--output", "{tmp}"], "is a folder: expected a file to write to"),
        (
            ["evaluate", "ner", "--output", "{tmp}/a/b"],
            "there is no folder '{tmp}/a' to write b",
        ),
        (["evaluate", "ner", "--batch-size", "-1"], "batch_size is -1: expected"),
        (["evaluate", "ner", "--label-column", "a"], "--label-column: for classification only"),
        (
            ["evaluate", "ner", "--output", "{folder}/names-dev.conll"],
            "is the data: expected an",
        ),
    ],
)
def test_a_mistake_gets_one_line_and_exit_code_2(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    feed: Feed,
    words: list[str],
    message: str,
) -> None:
    before = (folder / "names-dev.conll").read_bytes()
    words = [word.format(tmp=tmp_path, folder=folder) for word in words]
    words += ["--model", str(folder / "ner")]
    if words[0] == "evaluate":
        for name, value in (("--data", folder / "names-dev.conll"), ("--output", tmp_path / "s")):
            words += [] if name in words else [name, str(value)]
    monkeypatch.setattr(sys, "argv", ["bertlab", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capsys.readouterr().err
    assert stop.value.code == 2, said
    assert message.format(tmp=tmp_path) in said
    assert said.startswith("bertlab: ")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert (folder / "names-dev.conll").read_bytes() == before


def test_bf16_is_computed_where_it_is_asked_for(folder: Path) -> None:
    task, model = load_task("classification", folder / "classification")
    figures = {}
    records = bertlab.data.read(folder / "texts-dev.csv", "classification", report=str)
    for chosen in ("fp32", "bf16"):
        with answering.precision(chosen):  # type: ignore[arg-type]
            figures[chosen] = task.evaluate(model, records)["loss"]
    assert figures["fp32"] != figures["bf16"]
    assert figures["fp32"] == pytest.approx(figures["bf16"], abs=0.02)
    assert not torch.is_autocast_enabled("cpu")
