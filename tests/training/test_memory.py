"""Large blocks are asked for once, not in each update."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bertlab.training import memory

# The number of pages that the system had to bring, for twenty blocks of 48 MB, each freed.
COUNT = """
import resource, sys, torch
from bertlab.training.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("no glibc")
for _ in range(20):  # aligned blocks take some room around them at first
    torch.zeros(12_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.zeros(12_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux'")
def test_freed_blocks_are_used_again() -> None:
    faults = {}
    for how in ("keep", "leave"):
        done = subprocess.run(
            [sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=False
        )
        if "no glibc" in done.stderr:
            pytest.skip("this system has another C library")
        faults[how] = int(done.stdout)
    assert faults["keep"] < faults["leave"] / 10


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not memory.keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _name: object())
    assert not memory.keep_freed_memory()
