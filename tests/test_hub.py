"""A name means the same checkpoint to models and tokenizers, and what can't be had is said."""

import shutil
import socket
import time
from pathlib import Path

import datasets
import pytest
from huggingface_hub import errors

import bertlab
from bertlab.hub import find_file, find_folder, is_reachable

CONFIG = bertlab.BertConfig.tiny(vocab_size=60)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    bertlab.BertForPreTraining(CONFIG).save_pretrained(folder)
    bertlab.train_tokenizer(["ab ac", "bc ab"], 60, lowercase=False).save_pretrained(folder)
    return folder


@pytest.fixture
def hub(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache that holds the checkpoint as `someone/small-bert`, with the hub out of reach."""
    model = tmp_path / "hub" / "models--someone--small-bert"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40)
    snapshot = model / "snapshots" / ("0" * 40)
    shutil.copytree(checkpoint, snapshot)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return snapshot


def test_a_hub_id_is_found_in_the_cache(hub: Path) -> None:
    model = bertlab.BertForPreTraining.from_pretrained("someone/small-bert")
    assert model.load_report.newly_initialised == []
    assert bertlab.load_tokenizer("someone/small-bert").tokenize("ab") == ["ab"]


def test_one_of_several_forms_in_the_cache_is_enough(hub: Path) -> None:
    """Without a connection, nobody can say whether the hub has the other forms: look on."""
    (hub / "vocab.txt").unlink(missing_ok=True)
    assert (hub / "tokenizer.json").exists()
    assert bertlab.load_tokenizer("someone/small-bert").tokenize("ab") == ["ab"]
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(hub / "model.safetensors"), hub / "pytorch_model.bin")
    (hub / "model.safetensors").unlink()
    bertlab.BertForPreTraining.from_pretrained("someone/small-bert")
    (hub / "pytorch_model.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"could not be had from the hub"):
        bertlab.BertForPreTraining.from_pretrained("someone/small-bert")


@pytest.mark.parametrize("name", ["someone/other-bert", "bert-base-cased"])
def test_a_hub_out_of_reach_is_said(hub: Path, name: str) -> None:
    for load in (bertlab.BertModel.from_pretrained, bertlab.load_tokenizer):
        with pytest.raises(
            FileNotFoundError, match=r"no folder here, and .* could not be had from"
        ):
            load(name)


def test_the_hub_is_asked_once_when_it_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try costs half a minute: four files must not cost two."""
    asked = []

    def download(name: str, filename: str, local_files_only: bool) -> str:
        asked.append(local_files_only)
        raise errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("bertlab.hub.is_reachable", lambda: True)
    with pytest.raises(FileNotFoundError, match="could not be had"):
        bertlab.load_tokenizer("someone/small-bert")
    assert asked.count(False) == 1
    assert len(asked) > 1


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (errors.RepositoryNotFoundError, r"neither a folder here nor a model on the hub"),
        (errors.HFValidationError, r"neither a folder here nor a hub id"),
        (ConnectionError, r"the download failed \(ConnectionError\). What helps: check the"),
    ],
)
def test_answers_of_the_hub_become_sentences(
    kind: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: str, **__: bool) -> None:
        raise kind.__new__(kind)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("bertlab.hub.is_reachable", lambda: True)
    with pytest.raises(FileNotFoundError, match=message):
        find_file("someone/small-bert", "config.json")


def test_a_file_that_a_model_lacks_is_none(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: str, **__: bool) -> None:
        raise errors.RemoteEntryNotFoundError.__new__(errors.RemoteEntryNotFoundError)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert find_file("someone/small-bert", "config.json") is None
    assert find_file(checkpoint, "vocabulary.xml") is None
    with pytest.raises(ValueError, match="has no BERT tokenizer"):
        bertlab.load_tokenizer("someone/small-bert")
    with pytest.raises(FileNotFoundError, match=r"holds no config.json"):
        bertlab.BertModel.from_pretrained("someone/small-bert")


def test_paths_are_never_asked_of_the_hub(checkpoint: Path) -> None:
    assert find_folder(checkpoint) == find_folder(str(checkpoint)) == checkpoint
    for missing in ("./nowhere", "~/no-such-folder", "a/b/c", checkpoint / "no", "/no"):
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            find_folder(missing)
    with pytest.raises(ValueError, match=r"is a file: give the folder"):
        find_folder(checkpoint / "config.json")
    assert find_folder("someone/small-bert") is None
    for nothing in (None, 5, ""):
        with pytest.raises(ValueError, match=r"names no checkpoint: expected a folder or a hub id"):
            find_folder(nothing)  # type: ignore[arg-type]
    for odd in ("~nobody-of-this-name/x", "x" * 5000):
        with pytest.raises(FileNotFoundError, match="can't be looked up"):
            find_folder(odd)


def test_the_bundled_name_is_the_packages_own(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertlab.hub.WEIGHTS", checkpoint.parent)
    with pytest.raises(FileNotFoundError, match="comes with bertlab, but this installation has no"):
        find_folder("bertlab-mini")
    checkpoint.rename(checkpoint.parent / "bertlab-mini")
    assert bertlab.BertModel.from_pretrained("bertlab-mini").config == CONFIG


def test_a_hub_out_of_reach_costs_no_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's library would try six times; here one look at the port is enough."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, but it doesn't listen: refused
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("bertlab.hub.getproxies", dict)
        assert not is_reachable()
        start = time.monotonic()
        for load in (bertlab.BertModel.from_pretrained, bertlab.load_tokenizer, bertlab.data.load):
            with pytest.raises(FileNotFoundError, match="What helps: check the spelling"):
                load("someone/small-bert")
        assert time.monotonic() - start < 15
        assert not datasets.config.HF_HUB_OFFLINE, "left as it was"
        nobody.listen()
        assert is_reachable()


@pytest.mark.parametrize("proxies", [{"https": "http://proxy:3128"}, {"all": "socks5://proxy:1"}])
def test_a_proxy_is_trusted_and_the_variable_obeyed(
    proxies: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("bertlab.hub.getproxies", lambda: proxies)
    assert is_reachable()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert not is_reachable()
    with pytest.raises(FileNotFoundError, match=r"HF_HUB_OFFLINE forbids.*PROFILE = \"mini\""):
        find_file("someone/small-bert", "config.json")
