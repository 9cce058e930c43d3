"""A task in two processes, as users start them, ends as in one."""

from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_runs import assert_same, timeless

from bertlab.training import History

SCRIPT = Path(__file__).with_name("train_classification.py")


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """The same scores, the same early stop, the same best weights in each and on the disk.

    ``--multi_gpu`` is the launcher's word for several processes, also where there is no GPU: told
    ``--cpu --num_processes 2``, it starts one.
    """
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    runpy.run_path(str(SCRIPT))["main"](one)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes", "2", "--num_machines", "1", "--main_process_port", str(port)]
    result = subprocess.run(
        [*launch, str(SCRIPT), str(two)],
        capture_output=True,
        text=True,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert result.returncode == 0, result.stderr

    histories = [History.read(one), History.read(two)]
    for a, b in zip(*map(timeless, histories), strict=True):
        assert (a["step"], a["epoch"], a["tokens"]) == (b["step"], b["epoch"], b["tokens"])
        assert a.get("loss") == pytest.approx(b.get("loss"), abs=1e-3)
        assert a.get("held_out", {}).get("loss") == pytest.approx(
            b.get("held_out", {}).get("loss"), abs=1e-3
        )
    scores = [record["held_out"]["accuracy"] for record in histories[1].evaluations]
    assert scores[0] < 0.7, "or it proves nothing"
    assert scores[1:] == [1, 1, 1]
    assert histories[1].steps[-1]["step"] == 40, "of 100: stopped early"

    left = load_file(two / "left0.safetensors")
    assert_same(left, load_file(two / "left1.safetensors"))
    assert_same(left, load_file(two / "saved.safetensors"))
    for name, weight in load_file(one / "left0.safetensors").items():
        torch.testing.assert_close(left[name], weight, atol=0.01, rtol=1e-3, msg=name)
