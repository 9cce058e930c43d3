"""The command line: what it prints, how fast its help is, what a wrong word gets."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import bertlab
from bertlab import cli


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["bertlab", *words])
    cli.main()


def test_doctor_names_versions_device_and_hub(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    run(monkeypatch, "doctor")
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["Python"] == sys.version.split()[0]
    assert rows["device"].split(":")[0] in {"cpu", "cuda", "mps"}
    assert rows["hub"] == "off (HF_HUB_OFFLINE is set)"
    assert "MISSING" not in str(rows)


def test_doctor_says_what_is_missing_and_what_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A GPU, a missing library and a filled cache, none of which this machine needs to have."""
    monkeypatch.setattr(cli, "_LIBRARIES", ("no-such-library",))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda index: "Some GPU")
    card = SimpleNamespace(total_memory=16 * 2**30)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda index: card)
    models = [SimpleNamespace(repo_id=f"someone/{name}", size_on_disk_str="1M") for name in "ba"]
    monkeypatch.setattr("huggingface_hub.scan_cache_dir", lambda: SimpleNamespace(repos=models))
    run(monkeypatch, "doctor")
    text = capsys.readouterr().out
    assert "MISSING: pip install no-such-library" in text
    assert "cuda: Some GPU, 16 GiB" in text
    assert "someone/a (1M), someone/b (1M)" in text

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    run(monkeypatch, "doctor")
    assert "mps: Apple GPU" in capsys.readouterr().out


def test_a_wrong_word_exits_with_2_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "docter")
    assert stop.value.code == 2
    assert "docter" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["'--help'", "'finetune', '--help'"])
def test_help_is_quick_and_imports_no_torch(words: str) -> None:
    code = f"import sys; sys.argv = ['bertlab', {words}]; from bertlab.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\nassert 'torch' not in sys.modules"
    seconds = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        after = os.times()  # the processor's time: a busy machine doesn't change it much
        seconds.append(sum(after[2:4]) - sum(before[2:4]))
    assert min(seconds) < 0.4, seconds


@pytest.mark.parametrize(
    ("command", "order"),
    [
        ("finetune", "model output train dev test dataset encoding labels epochs overwrite"),
        ("evaluate", "model data output encoding batch-size"),
        ("predict", "model input output batch-size"),
    ],
)
def test_a_help_fits_80_columns_and_has_the_files_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, order: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, command, "--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "None" not in text
    shown = re.findall(r"^\W--?([a-z-]+)|^\W+ --([a-z-]+)", text, re.MULTILINE)
    names = [one or other for one, other in shown]
    places = [names.index(name) for name in order.split()]
    assert places == sorted(places), names
    assert f"\nbertlab {command} " in text, "an example"


def test_a_help_that_head_cuts_off_ends_quietly() -> None:
    code = (
        "import sys; sys.argv = ['bertlab', 'finetune', '--help']; from bertlab.cli import main\n"
    )
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-c", code + "main()"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert result.returncode == 141
    assert result.stderr == b""


@pytest.mark.usefixtures("terminate")
def test_a_full_gpu_is_no_traceback_and_a_bug_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    errors: list[Exception] = [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("a bug")]

    def fail(_: object) -> None:
        raise errors.pop(0)

    monkeypatch.setattr("bertlab.tasks.run.finetune", fail)
    words = ["finetune", "ner", "--model", "a", "--dataset", "entities", "--output", "b"]
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, *words)
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert "bertlab: the GPU's memory is full. What helps: accumulation=2, or more" in error
    assert "--batch-size" in error
    with pytest.raises(RuntimeError, match="a bug"):
        run(monkeypatch, *words)


# --- exit codes of bertlab pretrain; whole runs are in tests/pretraining


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    documents = [f"Document {n} is short. It has {n} words or so." for n in range(9)]
    path.write_text("\n\n".join(documents), encoding="utf-8")
    return path


@pytest.fixture
def terminate() -> Iterator[None]:
    """The command line changes what SIGTERM does; here it is put back."""
    former = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, former)


@pytest.mark.usefixtures("terminate")
def test_pretrain_makes_a_checkpoint(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--preset", "tiny", "--vocab-size", "60", "--steps", "1", "--hold-out", "0.2"]
    words += ["--stages", "4x16@0.15:1", "--cache", str(tmp_path / "cache")]
    output = tmp_path / "run"
    run(monkeypatch, "pretrain", "--corpus", str(text), "--output", str(output), *words)
    assert f"the checkpoint is in {output}" in capsys.readouterr().out
    assert bertlab.BertForPreTraining.from_pretrained(output).config.hidden_size == 128
    written = json.loads((output / "run.json").read_text(encoding="utf-8"))
    assert shlex.split(written["command"])[:4] == ["bertlab", "pretrain", "--corpus", str(text)]


@pytest.mark.usefixtures("terminate")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--corpus", "no-such.txt", "--steps", "1"], "there is no file or folder 'no-such.txt'"),
        (["--steps", "1", "--minutes", "1"], "length is given by steps and minutes: expected one"),
        ([], "the run's length is given by nothing: expected one of steps, tokens, minutes"),
        (["--steps", "1", "--stages", "16"], "the stage '16' can't be read: expected BATCHxLENGTH"),
        (["--steps", "1", "--stages", "1x600@0.15:1"], "rows of 600 tokens: expected at most 512"),
        (["--steps", "1", "--vocab-size", "2"], "vocab_size is 2"),
        (["--steps", "1", "--resume"], "nothing to resume"),
        (["--steps", "1", "--resume", "--overwrite"], "resume and overwrite are both given"),
        (["--steps", "1", "--preset", "huge"], "huge"),
        (["--steps", "one"], "one"),
        (["--steps", "1", "--output", "{text}"], "is a file: expected a folder to write to"),
        (["--steps", "1", "--output", "{text}/deeper"], "Not a directory"),
        (["--steps", "1", "--output", "{folder}"], "isn't empty: give --resume to go on"),
        (["--steps", "1", "--output", "{folder}", "--overwrite"], "nothing is deleted"),
    ],
)
def test_bad_input_exits_with_2_and_a_sentence(
    text: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    words = [word.format(text=text, folder=tmp_path) for word in words]
    for name, value in (("--corpus", text), ("--output", tmp_path / "run")):
        if name not in words:
            words += [name, str(value)]
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "pretrain", *words)
    assert stop.value.code == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert list(tmp_path.iterdir()) == [text]


@pytest.mark.usefixtures("terminate")
@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (FloatingPointError("the loss is nan"), 1, "bertlab: the loss is nan"),
        (OSError(28, "No space left on device"), 1, "bertlab: [Errno 28] No space left on device"),
        (PermissionError(13, "Permission denied"), 2, "bertlab: [Errno 13] Permission denied"),
        (bertlab.DataError(found="a", expected="b"), 2, "bertlab: found a; expected b"),
        (KeyboardInterrupt(), 130, "bertlab: stopped"),
        (KeyboardInterrupt("stopped after step 3"), 130, "bertlab: stopped after step 3"),
    ],
)
def test_what_goes_wrong_has_its_exit_code(
    text: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    message: str,
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("bertlab.pretraining.run.pretrain", fail)
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "pretrain", "--corpus", str(text), "--output", "unused", "--steps", "1")
    assert stop.value.code == code
    assert capsys.readouterr().err == message + "\n"


@pytest.mark.usefixtures("terminate")
def test_sigterm_is_a_ctrl_c(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As schedulers and containers send it: whatever is open is closed and cleaned up."""

    def stopped(_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("bertlab.pretraining.run.pretrain", stopped)
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "pretrain", "--corpus", str(text), "--output", "unused", "--steps", "1")
    assert stop.value.code == 130
