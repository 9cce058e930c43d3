"""Checkpoints come in as transformers writes them, and go out as it reads them."""

import json
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from reference import MODELS, twins
from safetensors.torch import load_file, save_file

import bertlab

SIZES = {
    "vocab_size": 60,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 12,
    "initializer_range": 0.2,
    "num_labels": 3,
}
BATCH = {
    "input_ids": torch.randint(1, 60, (2, 7), generator=torch.Generator().manual_seed(0)),
    "attention_mask": torch.tensor([[1] * 7, [1] * 4 + [0] * 3]),
}
AUTO = {
    "BertModel": "AutoModel",
    "BertForPreTraining": "AutoModelForPreTraining",
    "BertForMaskedLM": "AutoModelForMaskedLM",
    "BertForSequenceClassification": "AutoModelForSequenceClassification",
    "BertForTokenClassification": "AutoModelForTokenClassification",
    "BertForQuestionAnswering": "AutoModelForQuestionAnswering",
}


def outputs(model: Any, name: str) -> list[torch.Tensor]:
    with torch.no_grad():
        output = model(**BATCH)
    return [getattr(output, field) for field in MODELS[name]]


def assert_same_outputs(one: Any, other: Any, name: str) -> None:
    for mine, hers in zip(outputs(one, name), outputs(other, name), strict=True):
        torch.testing.assert_close(mine, hers, atol=1e-5, rtol=1e-5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint with both pretraining heads, written by transformers."""
    _, theirs = twins("BertForPreTraining", SIZES, 2)
    theirs.save_pretrained(tmp_path / "hf")
    return tmp_path / "hf"


def rewrite(folder: Path, change: Any) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file)


@pytest.mark.parametrize("name", MODELS)
def test_every_head_travels_both_ways(name: str, tmp_path: Path) -> None:
    ours, theirs = twins(name, SIZES, 2)
    theirs.save_pretrained(tmp_path / "theirs")
    read = getattr(bertlab, name).from_pretrained(tmp_path / "theirs")
    assert_same_outputs(read, theirs, name)
    report = read.load_report
    assert (report.missing, report.newly_initialised, report.unexpected) == ([], [], [])
    assert not read.training

    ours.save_pretrained(tmp_path / "ours")
    opened = getattr(transformers, AUTO[name]).from_pretrained(tmp_path / "ours").eval()
    assert type(opened).__name__ == name
    assert opened.dtype == torch.float32
    assert_same_outputs(opened, ours, name)
    assert_same_outputs(getattr(bertlab, name).from_pretrained(tmp_path / "ours"), ours, name)
    # The same weights under the same names as transformers writes.
    written = (load_file(tmp_path / who / "model.safetensors").keys() for who in ("ours", "theirs"))
    assert len({frozenset(keys) for keys in written}) == 1


def test_sharded_safetensors_are_read(folder: Path, tmp_path: Path) -> None:
    theirs = transformers.BertForPreTraining.from_pretrained(folder)
    theirs.save_pretrained(tmp_path / "shards", max_shard_size="5KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    read = bertlab.BertForPreTraining.from_pretrained(tmp_path / "shards")
    assert_same_outputs(read, theirs.eval(), "BertForPreTraining")

    next((tmp_path / "shards").glob("*2-of*.safetensors")).unlink()
    with pytest.raises(FileNotFoundError, match=r"names the part .*2-of"):
        bertlab.BertForPreTraining.from_pretrained(tmp_path / "shards")


@pytest.mark.parametrize("sharded", [False, True])
def test_legacy_bin_files_are_read_as_weights_only(folder: Path, sharded: bool) -> None:
    expected = bertlab.BertForPreTraining.from_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    if sharded:
        names = sorted(weights)
        parts = {"one.bin": names[::2], "two.bin": names[1::2]}
        for part, held in parts.items():
            torch.save({name: weights[name] for name in held}, folder / part)
        index = {name: part for part, held in parts.items() for name in held}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    else:
        torch.save(weights, folder / "pytorch_model.bin")
    read = bertlab.BertForPreTraining.from_pretrained(folder)
    assert_same_outputs(read, expected, "BertForPreTraining")


def test_code_in_a_bin_file_never_runs(folder: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "it-ran"),))  # type: ignore[return-value]

    (folder / "model.safetensors").unlink()
    for content in ({"w": Bomb()}, Bomb()):
        torch.save(content, folder / "pytorch_model.bin")
        with pytest.raises(ValueError, match="never runs"):
            bertlab.BertModel.from_pretrained(folder)
    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"w": Bomb()}, file)
    with pytest.raises(ValueError, match="never runs"):
        bertlab.BertModel.from_pretrained(folder)
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.parametrize("prefix", [True, False])
def test_old_names_and_prefixes_are_understood(folder: Path, prefix: bool) -> None:
    """Weights converted from TensorFlow: gamma and beta, with or without `bert.`."""
    expected = bertlab.BertModel.from_pretrained(folder)

    def age(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        old = {}
        for name, tensor in weights.items():
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            name = name.replace("LayerNorm.bias", "LayerNorm.beta")
            old[name if prefix else name.removeprefix("bert.")] = tensor
        old["bert.embeddings.position_ids"] = torch.arange(512)[None]
        old["cls.predictions.decoder.bias"] = old.pop("cls.predictions.bias")
        name = "bert.embeddings.word_embeddings.weight".removeprefix("" if prefix else "bert.")
        old["cls.predictions.decoder.weight"] = old[name].clone()
        return {f"module.{name}": tensor for name, tensor in old.items()}

    rewrite(folder, age)
    read = bertlab.BertModel.from_pretrained(folder)
    assert_same_outputs(read, expected, "BertModel")
    assert read.load_report.missing == []
    masked = bertlab.BertForMaskedLM.from_pretrained(folder)
    assert masked.load_report.newly_initialised == []
    assert masked.cls.predictions.bias.abs().sum() > 0


def test_float16_and_bfloat16_checkpoints_open_in_float32(folder: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        rewrite(folder, lambda weights, to=dtype: {n: t.to(to) for n, t in weights.items()})
        model = bertlab.BertForPreTraining.from_pretrained(folder)
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_what_did_not_load_is_reported(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "bertlab"):
        tagger = bertlab.BertForTokenClassification.from_pretrained(folder, num_labels=9)
    report = tagger.load_report
    assert report.newly_initialised == ["classifier.weight", "classifier.bias"]
    assert report.missing == []
    assert "cls.seq_relationship.weight" in report.unexpected
    assert "newly initialised (train before use): classifier.weight, classifier.bias" in caplog.text
    assert "left out: cls.predictions.bias" in caplog.text
    assert "and 3 more" in caplog.text
    # New weights are drawn as transformers draws them, not left as they lay in memory.
    assert 0 < tagger.classifier.weight.std() < 2 * SIZES["initializer_range"]
    assert (tagger.classifier.bias == 0).all()

    caplog.clear()
    name = "bert.encoder.layer.0.output.LayerNorm.weight"
    rewrite(folder, lambda weights: {n: t for n, t in weights.items() if n != name})
    with caplog.at_level(logging.WARNING, "bertlab"):
        model = bertlab.BertForPreTraining.from_pretrained(folder)
    assert model.load_report.missing == [name]
    assert f"MISSING from the checkpoint, random now (expected them all): {name}" in caplog.text
    assert (model.get_parameter(name) == 1).all()
    assert str(bertlab.model.LoadReport(loaded=["a"])) == "all 1 weights loaded"


def test_new_heads_depend_on_the_seed_only(folder: Path) -> None:
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model = bertlab.BertForSequenceClassification.from_pretrained(folder, num_labels=4)
        drawn.append(model.classifier.weight)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_lost_padding_row_starts_at_zero_again(folder: Path) -> None:
    name = "bert.embeddings.word_embeddings.weight"
    rewrite(folder, lambda weights: {n: t for n, t in weights.items() if n != name})
    model = bertlab.BertForMaskedLM.from_pretrained(folder)
    words = model.bert.embeddings.word_embeddings.weight
    assert (words[0] == 0).all()
    assert model.cls.predictions.decoder.weight is words


@pytest.mark.parametrize("name", ["cls.predictions.decoder.weight", "cls.predictions.decoder.bias"])
def test_an_output_table_of_its_own_is_refused_where_it_matters(folder: Path, name: str) -> None:
    """Computing with the tied table instead would give other logits, and say nothing."""
    shape = {"weight": (60, 24), "bias": (60,)}[name.rpartition(".")[2]]
    rewrite(folder, lambda weights: weights | {name: torch.ones(shape)})
    for model in (bertlab.BertForMaskedLM, bertlab.BertForPreTraining):
        with pytest.raises(ValueError, match=f"{name} differs from .*: bertlab computes BERT as"):
            model.from_pretrained(folder)
    assert bertlab.BertModel.from_pretrained(folder).load_report.missing == []


def test_a_table_saved_under_the_decoders_name_only_is_found(folder: Path) -> None:
    expected = bertlab.BertForPreTraining.from_pretrained(folder)
    rename = {"bert.embeddings.word_embeddings.weight": "cls.predictions.decoder.weight"}
    rewrite(folder, lambda weights: {rename.get(n, n): t for n, t in weights.items()})
    read = bertlab.BertForPreTraining.from_pretrained(folder)
    assert read.load_report.missing == []
    assert_same_outputs(read, expected, "BertForPreTraining")


def test_weights_that_are_no_floats_are_refused(folder: Path) -> None:
    """Would catch a quantised checkpoint read as if its codes were values."""
    rewrite(folder, lambda weights: {n: (10 * t).to(torch.int8) for n, t in weights.items()})
    with pytest.raises(ValueError, match=r"holds torch.int8: expected floating-point weights"):
        bertlab.BertModel.from_pretrained(folder)


def test_a_head_that_contradicts_its_own_config_is_refused(tmp_path: Path) -> None:
    """Throwing a trained head away is for those who asked for other labels."""
    twins("BertForSequenceClassification", SIZES, 2)[0].save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    del values["id2label"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"classifier.weight \(3, 24\) instead of \(2, 24\)"):
        bertlab.BertForSequenceClassification.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"classifier.weight \(3, 24\) instead of \(2, 24\)"):
        bertlab.BertForTokenClassification.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "index",
    [
        "{}",
        "[]",
        "{",
        '{"weight_map": []}',
        '{"weight_map": null}',
        '{"weight_map": {"a": 3}}',
        '{"weight_map": {"a": "../other/model.safetensors"}}',
    ],
)
def test_a_damaged_index_is_named(folder: Path, index: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ValueError, match=r"model.safetensors.index.json: "):
        bertlab.BertModel.from_pretrained(folder)


def test_a_damaged_bin_file_is_named(folder: Path) -> None:
    file = folder / "pytorch_model.bin"
    torch.save(load_file(folder / "model.safetensors"), file)
    (folder / "model.safetensors").unlink()
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"hello world", whole[:30], b""):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"pytorch_model.bin can't be read as plain weights"):
            bertlab.BertModel.from_pretrained(folder)
    torch.save({3: torch.ones(2)}, file)
    with pytest.raises(ValueError, match=r"holds Tensor under 3: expected a name and a tensor"):
        bertlab.BertModel.from_pretrained(folder)


def test_a_home_folder_means_the_same_to_saving_and_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ours, _ = twins("BertModel", SIZES, 2)
    ours.save_pretrained("~/checkpoint")
    assert_same_outputs(bertlab.BertModel.from_pretrained("~/checkpoint"), ours, "BertModel")


def test_untied_by_loading_is_tied_again_by_saving(tmp_path: Path) -> None:
    ours, _ = twins("BertForMaskedLM", SIZES, 2)
    ours.load_state_dict(ours.state_dict(), assign=True)
    ours.save_pretrained(tmp_path)
    assert "cls.predictions.decoder.weight" not in load_file(tmp_path / "model.safetensors")


def test_a_head_for_other_labels_starts_anew(tmp_path: Path) -> None:
    ours, _ = twins("BertForSequenceClassification", SIZES, 2)
    ours.save_pretrained(tmp_path)
    wider = bertlab.BertForSequenceClassification.from_pretrained(
        tmp_path, id2label={i: f"class {i}" for i in range(11)}
    )
    assert wider.classifier.weight.shape[0] == wider.config.num_labels == 11
    assert wider.load_report.newly_initialised == ["classifier.weight", "classifier.bias"]
    assert wider.load_report.resized[0] == "classifier.weight (3, 24) instead of (11, 24)"
    # A question-answering head has two outputs, whatever the checkpoint was for.
    answers = bertlab.BertForQuestionAnswering.from_pretrained(tmp_path)
    assert answers.qa_outputs.weight.shape[0] == 2


def test_weights_that_do_not_fit_the_configuration_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"word_embeddings.weight \(\d+, \d+\) instead of"):
        bertlab.BertModel.from_pretrained(folder, vocab_size=SIZES["vocab_size"] + 1)
    rewrite(folder, lambda weights: {f"x.{n}": t for n, t in weights.items()})
    with pytest.raises(ValueError, match=r"no weight has the name of one of BERT's.*and \d+ more"):
        bertlab.BertModel.from_pretrained(folder)


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    config = transformers.RobertaConfig(
        vocab_size=50, hidden_size=8, num_hidden_layers=1, num_attention_heads=2
    )
    transformers.RobertaModel(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"config.json: this is no BERT checkpoint: .*'roberta'"):
        bertlab.BertModel.from_pretrained(tmp_path)


def test_damaged_and_missing_files_are_named(folder: Path, tmp_path: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"model.safetensors is no whole safetensors file"):
        bertlab.BertModel.from_pretrained(folder)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no weights: expected one of model.safe"):
        bertlab.BertModel.from_pretrained(folder)
    torch.save([torch.ones(2)], folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"holds list: expected names and tensors"):
        bertlab.BertModel.from_pretrained(folder)
    (folder / "config.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"config.json: expected a JSON object, found list"):
        bertlab.BertModel.from_pretrained(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config.json: Expecting property name"):
        bertlab.BertModel.from_pretrained(folder)
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*nowhere'"):
        bertlab.BertModel.from_pretrained(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty' holds no config.json"):
        bertlab.BertModel.from_pretrained(tmp_path / "empty")


def test_an_interrupted_save_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = twins("BertModel", SIZES, 2)
    first.save_pretrained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()

    def fail(weights: dict, path: Path, metadata: dict) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(KeyboardInterrupt):
        twins("BertModel", SIZES, 3)[0].save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "config.json"}
    with pytest.raises(ValueError, match=r"is a file: expected a folder"):
        first.save_pretrained(tmp_path / "config.json")
