"""The command line: what it prints, how fast its help is, what a wrong word gets."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

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


def test_help_is_quick_and_imports_no_torch() -> None:
    code = "import sys; sys.argv = ['bertlab', '--help']; from bertlab.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\nassert 'torch' not in sys.modules"
    seconds = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        after = os.times()  # the processor's time: a busy machine doesn't change it much
        seconds.append(sum(after[2:4]) - sum(before[2:4]))
    assert min(seconds) < 0.4, seconds
