"""``bertlab pretrain`` from text to checkpoint: what it writes, reads, refuses and deletes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import accelerate
import pytest
import torch
import transformers
from safetensors.torch import load_file
from text import write_text

import bertlab
from bertlab.pretraining import (
    Corpus,
    PretrainingConfig,
    evaluate,
    evaluation_batches,
    pretrain,
    tokenise,
)
from bertlab.pretraining import run as run_module
from bertlab.pretraining.config import PRESETS
from bertlab.training import History

STAGES = ("8x32@0.15:0.5", "8x64@0.15:0.5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text in it, and the cache."""
    folder = tmp_path_factory.mktemp("run")
    write_text(folder / "text.txt")
    return folder


def settings(folder: Path, output: Path, **changes: Any) -> PretrainingConfig:
    return PretrainingConfig(
        **{
            "corpus": (str(folder / "text.txt"),),
            "output": output,
            "preset": "tiny",
            "vocab_size": 120,
            "steps": 4,
            "stages": STAGES,
            "hold_out": 0.1,
            "precision": "fp32",
            "log_every": 2,
            "evaluate_every": 0.5,
            "cache": folder / "cache",
            **changes,
        }
    )


def start(folder: Path, output: Path, **changes: Any) -> History:
    return pretrain(settings(folder, output, **changes), progress_bar=False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def finished(folder: Path) -> Path:
    """A run that is done. Tests read it and change nothing."""
    start(folder, folder / "finished")
    return folder / "finished"


# --- what is written


def test_the_folder_holds_all_of_the_run(finished: Path) -> None:
    assert names(finished) == [
        "config.json",
        "history.jsonl",
        "metrics.json",
        "model.safetensors",
        "run.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "training_state.pt",
    ]
    history = History.read(finished)
    assert [record["step"] for record in history.steps] == [2, 4]
    assert [record["step"] for record in history.evaluations] == [2, 4]
    assert set(history.steps[0]) >= {"rate", "loss", "masked_lm", "next_sentence", "norm"}
    train = read(finished / "metrics.json")["train"]
    assert train["steps"] == 4
    assert train["tokens"] == history.steps[-1]["tokens"]


def test_the_checkpoint_opens_in_transformers_with_the_same_logits(finished: Path) -> None:
    config = read(finished / "config.json")
    assert config["hidden_dropout_prob"] == config["attention_probs_dropout_prob"] == 0.1
    assert config["dtype"] == "float32"
    assert config["architectures"] == ["BertForPreTraining"]
    model = transformers.AutoModelForPreTraining.from_pretrained(finished)
    tokenizer = transformers.AutoTokenizer.from_pretrained(finished)
    batch = tokenizer(
        ["the river sings", "a"], ["old stone."] * 2, padding=True, return_tensors="pt"
    )
    ours = bertlab.BertForPreTraining.from_pretrained(finished)
    with torch.no_grad():
        a, b = ours(**batch), model(**batch)
    torch.testing.assert_close(a.prediction_logits, b.prediction_logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        a.seq_relationship_logits, b.seq_relationship_logits, atol=1e-5, rtol=1e-5
    )
    assert {tensor.dtype for tensor in load_file(finished / "model.safetensors").values()} == {
        torch.float32
    }


def test_positions_that_no_row_reached_are_copies_of_trained_ones(finished: Path) -> None:
    table = bertlab.BertModel.from_pretrained(finished).embeddings.position_embeddings.weight
    assert not any(torch.equal(table[0], row) for row in table[1:])  # [CLS]'s place isn't copied
    for start in range(64, 512, 63):  # the longest stage has rows of 64
        rows = table[start : start + 63]
        assert torch.equal(rows, table[1:64][: len(rows)])


def test_figures_are_of_the_checkpoint_on_the_documents_held_out(
    folder: Path, finished: Path
) -> None:
    """Measured again from the files alone, in float32."""
    tokenizer = bertlab.load_tokenizer(finished)
    _, held_out = Corpus(folder / "text.txt").hold_out(0.1, 0)
    batches = evaluation_batches(tokenise(held_out, tokenizer), tokenizer)
    model = bertlab.BertForPreTraining.from_pretrained(finished)
    expected = evaluate(model, batches.epoch(0))
    assert read(finished / "metrics.json")["held_out"] == pytest.approx(expected, rel=1e-4)
    assert expected["masked_places"] > 50


def test_run_json_has_what_repeats_the_run(folder: Path, finished: Path) -> None:
    run = read(finished / "run.json")
    words = shlex.split(run["command"])
    assert words[:2] == ["bertlab", "pretrain"]
    assert words[words.index("--stages") + 1 :][:2] == list(STAGES)
    assert "--whole-words" not in words
    assert "--learning-rate" not in words, "the preset's values aren't given again"
    assert run["config"]["learning_rate"] == PRESETS["tiny"].learning_rate
    assert run["config"]["corpus"] == [str(folder / "text.txt")]
    assert set(run["corpus"]) == {"documents", "tokens", "held_out_documents", "held_out_tokens"}
    assert run["corpus"]["documents"] + run["corpus"]["held_out_documents"] == 40


def test_documents_held_out_reach_neither_vocabulary_nor_training(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do copies of them. And the text is read anew at each pass, never kept."""
    text = (folder / "text.txt").read_text(encoding="utf-8")
    (tmp_path / "twice.txt").write_text(f"{text}\n{text}", encoding="utf-8")
    learned: list[str] = []
    tokenised: list[list[list[str]]] = []

    def learn(texts: Iterable[str], *rest: Any) -> Any:
        assert not isinstance(texts, Iterator | list)
        learned.extend(texts)
        return bertlab.train_tokenizer(texts, *rest)

    def cut(corpus: Corpus, *rest: Any, **options: Any) -> Any:
        tokenised.append(list(corpus))
        return tokenise(corpus, *rest, **options)

    monkeypatch.setattr(run_module, "train_tokenizer", learn)
    monkeypatch.setattr(run_module, "tokenise", cut)
    start(folder, tmp_path / "run", corpus=(str(tmp_path / "twice.txt"),), steps=1)
    rest, held_out = tokenised
    assert len(rest) + len(held_out) == 80
    outside = {" ".join(document) for document in held_out}
    assert len(held_out) == 2 * len(outside) >= 8, "both copies of each"
    assert outside.isdisjoint(learned)
    assert outside.isdisjoint(" ".join(document) for document in rest)
    assert len(learned) == len(rest)


def test_what_is_found_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain(settings(folder, tmp_path / "run", steps=1))
    said = capsys.readouterr().out
    assert "40 documents, " in said
    assert "training on " in said
    assert "held out: masked-LM loss " in said
    assert f"the checkpoint is in {tmp_path / 'run'}" in said
    start(folder, tmp_path / "quiet", steps=1)
    shown = capsys.readouterr()
    assert shown.out == shown.err == ""


# --- what is read


@pytest.mark.parametrize(
    "changes",
    [
        {"hold_out": 0.0},
        {"whole_words": True, "lowercase": True},
        {"accumulation": 3, "precision": "bf16", "dropout": 0.1},
    ],
)
def test_other_settings_run_too(
    folder: Path, tmp_path: Path, changes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain(settings(folder, tmp_path / "run", steps=2, **changes))
    tokenizer = bertlab.load_tokenizer(tmp_path / "run")
    assert tokenizer.tokenize("The")[0][0] == ("t" if changes.get("lowercase") else "T")
    metrics = read(tmp_path / "run" / "metrics.json")
    assert ("held_out" in metrics) == (changes.get("hold_out") != 0)
    assert "40 documents, " in capsys.readouterr().out, "the report, with and without a split"


def test_jsonl_and_folders_are_read_and_a_tokenizer_is_taken(
    folder: Path, finished: Path, tmp_path: Path
) -> None:
    documents = (folder / "text.txt").read_text(encoding="utf-8").split("\n\n")
    lines = [json.dumps({"text": document}) for document in documents]
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    write_text(tmp_path / "texts" / "b.txt", documents=10, seed=1)
    start(
        folder,
        tmp_path / "run",
        corpus=[tmp_path / "texts"],
        tokenizer=str(finished),
        vocab_size=None,
        steps=2,
    )
    counts = read(tmp_path / "run" / "run.json")["corpus"]
    assert counts["documents"] + counts["held_out_documents"] == 50
    vocabularies = [bertlab.load_tokenizer(f).get_vocab() for f in (tmp_path / "run", finished)]
    assert vocabularies[0] == vocabularies[1]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"corpus": ("no-such.txt",)}, FileNotFoundError, "there is no file or folder 'no-such"),
        ({"steps": None}, ValueError, "by nothing: expected one of steps, tokens, minutes"),
        ({"minutes": 1.0}, ValueError, "length is given by steps and minutes"),
        ({"stages": ("8x32",)}, ValueError, "the stage '8x32' can't be read"),
        ({"stages": ("8x32@0.15:0.5",)}, ValueError, "shares of the stages add up to 0.5"),
        ({"stages": ("8x513@0.15:1",)}, ValueError, "rows of 513 tokens: expected at most 512"),
        ({"vocab_size": 3}, ValueError, "vocab_size is 3"),
        ({"tokenizer": "./no-such"}, FileNotFoundError, "no-such"),
    ],
)
def test_a_run_that_cannot_begin_leaves_nothing(
    folder: Path, tmp_path: Path, changes: dict[str, Any], error: type, message: str
) -> None:
    """So that it can be tried again under the same name."""
    with pytest.raises(error, match=message):
        start(folder, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_a_text_that_is_too_little_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("One document. Two sentences.\n", encoding="utf-8")
    (tmp_path / "none").mkdir()
    for name, message in (
        ("one.txt", "found 1 documents, 1 of them different; expected enough to hold out 10%"),
        ("none", "found an empty folder"),
    ):
        with pytest.raises(bertlab.DataError, match=message):
            start(folder, tmp_path / "run", corpus=(str(tmp_path / name),))
        assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_leaves_no_such_checkpoint(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        start(folder, tmp_path / "run", steps=40, learning_rate=1e30, save_every=0, hold_out=0)
    weights = tmp_path / "run" / "model.safetensors"
    assert not weights.exists() or all(
        tensor.isfinite().all() for tensor in load_file(weights).values()
    )


# --- where it is written


def test_a_folder_with_something_in_it_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="is a file: expected a folder to write to"):
        start(folder, tmp_path / "file")
    with pytest.raises(FileExistsError, match="isn't empty: give --resume to go on with the run"):
        start(folder, tmp_path)
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("flag", ["resume", "overwrite"])
@pytest.mark.parametrize("content", [None, "no json", "[]", '{"command": "another program"}'])
def test_what_is_no_run_is_neither_deleted_nor_resumed(
    folder: Path, tmp_path: Path, flag: str, content: str | None
) -> None:
    """``--overwrite --output ~`` must not be the end of somebody's files."""
    (tmp_path / "thesis.txt").write_text("mine")
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    before = names(tmp_path)
    with pytest.raises(FileExistsError, match="no run of `bertlab pretrain`: nothing to resume"):
        start(folder, tmp_path, **{flag: True})
    assert names(tmp_path) == before


def test_overwrite_deletes_a_run_once_all_is_known_to_be_well(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    start(folder, output, steps=2)
    (output / "notes").mkdir()
    (output / "notes" / "a.txt").write_text("old")
    before = names(output)
    for changes, error in (
        ({"corpus": ("no-such.txt",)}, FileNotFoundError),
        ({"corpus": (str(output / "notes" / "a.txt"),)}, ValueError),
        ({"tokenizer": str(output)}, ValueError),
        ({"stages": ("8x32@0.15:2",)}, ValueError),
    ):
        with pytest.raises(error):
            start(folder, output, overwrite=True, **changes)
        assert names(output) == before
    with pytest.raises(FileExistsError, match="isn't empty"):
        start(folder, output)
    (tmp_path / "link").symlink_to(output)
    start(folder, tmp_path / "link", steps=3, overwrite=True)
    assert "notes" not in names(output)
    assert read(output / "metrics.json")["train"]["steps"] == 3


def test_there_must_be_something_to_resume(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*: nothing to resume"):
        start(folder, tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_a_run_killed_before_its_first_checkpoint_begins_again(
    folder: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it left: nothing, a file half written, or its settings."""
    output = tmp_path / "run"
    output.mkdir()
    (output / ".run.json.12345").mkdir()
    (output / ".run.json.12345" / "run.json").write_text('{"comm')
    pretrain(settings(folder, output, resume=True))
    assert "holds no checkpoint yet: beginning at the beginning" in capsys.readouterr().out
    assert names(output) == names(finished)
    (output / "training_state.pt").unlink()
    for name in (".training_state.pt.9", ".model.safetensors.9"):
        (output / name).mkdir()
        (output / name / ".tmpMejWMV").write_text("half")  # such is safetensors' name for it
    start(folder, output, resume=True)
    assert names(output) == names(finished)
    weights = [(f / "model.safetensors").read_bytes() for f in (output, finished)]
    assert weights[0] == weights[1]


def test_a_finished_run_may_be_resumed_to_be_longer(folder: Path, tmp_path: Path) -> None:
    """Nothing happens at the same length; a greater one goes on."""
    output = tmp_path / "run"
    first = start(folder, output)
    assert start(folder, output, resume=True) == first
    longer = start(folder, output, resume=True, steps=8, log_every=1, save_every=0)
    assert [record["step"] for record in longer.steps] == [2, 4, 5, 6, 7, 8]
    assert list(longer)[: len(first)] == list(first)
    assert read(output / "metrics.json")["train"]["steps"] == 8


def test_other_settings_are_no_resumption(folder: Path, finished: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in finished.iterdir()}
    with pytest.raises(ValueError, match="begun with other settings") as refusal:
        start(folder, finished, resume=True, seed=1, dropout=0.2, stages=("8x32@0.15:1",))
    for change in ("seed was 0, now 1", "dropout was 0.0, now 0.2", "stages was ['8x32@0.15:0.5'"):
        assert change in str(refusal.value)
    assert "vocab_size" not in str(refusal.value)
    assert before == {path.name: path.stat().st_mtime_ns for path in finished.iterdir()}


def test_another_text_is_no_resumption(folder: Path, tmp_path: Path) -> None:
    """Documents that were trained on could be among those held out now."""
    text = write_text(tmp_path / "text.txt")
    start(folder, tmp_path / "run", corpus=(str(text),), steps=2)
    write_text(tmp_path / "text.txt", documents=41)
    with pytest.raises(ValueError, match="the text has changed since the run began"):
        start(folder, tmp_path / "run", corpus=(str(text),), steps=4, resume=True)


def test_a_second_process_reads_what_the_first_has_written(
    folder: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It learns no vocabulary of its own, and writes neither settings nor figures."""
    (tmp_path / "run").mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "run" / name).write_bytes((finished / name).read_bytes())

    @contextmanager
    def first() -> Iterator[None]:
        yield

    second = SimpleNamespace(
        is_main_process=False,
        main_process_first=first,
        device=torch.device("cpu"),
        wait_for_everyone=lambda: None,
    )
    monkeypatch.setattr(accelerate, "PartialState", lambda cpu: second)
    monkeypatch.setattr(run_module, "train_tokenizer", None)
    pretrain(settings(folder, tmp_path / "run", steps=1))
    assert "run.json" not in names(tmp_path / "run")
    assert "metrics.json" not in names(tmp_path / "run")
    before = names(tmp_path / "run")
    (tmp_path / "one.txt").write_text("One document.", encoding="utf-8")
    with pytest.raises(bertlab.DataError):
        start(folder, tmp_path / "run", corpus=(str(tmp_path / "one.txt"),))
    assert names(tmp_path / "run") == before


# --- the configuration


def test_what_is_not_given_comes_from_the_preset() -> None:
    config = PretrainingConfig(corpus=("a",), output=Path("b"), steps=1, warmup=0.5).filled()
    assert config.stages == PRESETS["mini"].stages
    assert (config.vocab_size, config.dropout, config.warmup) == (8192, 0.0, 0.5)
    paper = PretrainingConfig(corpus=("a",), output=Path("b"), preset="base", dropout=0.0).filled()
    assert (paper.dropout, paper.learning_rate, paper.next_sentence_weight) == (0.0, 1e-4, 1.0)
    for preset in PRESETS.values():
        config = PretrainingConfig(corpus=("a",), output=Path("b"), stages=preset.stages)
        run_module._stages(config)


def test_text_and_paths_are_taken_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    config = PretrainingConfig(corpus="python-manual", output="~/run")  # type: ignore[arg-type]
    assert config.corpus == ("python-manual",)
    assert config.output == Path("/somewhere/run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "huge"}, "preset is 'huge': expected one of tiny, mini, base, large"),
        ({"resume": True, "overwrite": True}, "resume and overwrite are both given"),
        ({"hold_out": 1.0}, "hold_out is 1.0: expected a share from 0 to below 1"),
        ({"dropout": 1.0}, "dropout is 1.0: expected a number from 0 to below 1"),
        ({"next_sentence_weight": -1.0}, "next_sentence_weight is -1.0: expected a number from 0"),
        ({"corpus": ()}, "corpus is empty: expected at least one file"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PretrainingConfig(**{"corpus": ("a",), "output": Path("b"), **changes})
