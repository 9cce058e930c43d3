"""Starting, killing and resuming real ``bertlab`` processes, for the tests of each command."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from bertlab.training import History

PATIENCE = 120  # seconds; a busy machine can be slow


def wait_for(condition: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.002)


class Process:
    """A running ``bertlab``."""

    def __init__(self, starter: Starter, number: int, log: Path) -> None:
        self.starter, self.number, self.log = starter, number, log

    def send(self, number: int) -> None:
        os.kill(self.number, number)

    def wait(self) -> int:
        """Return the exit code; negative: the signal that killed it."""
        return int(self.starter.ask({"wait": self.number}))

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL

    @property
    def done(self) -> bool:
        """Whether it has said its last words (its number stays in use until it is waited for)."""
        last_words = ("the checkpoint is in", "was finished already")
        return any(words in self.output for words in last_words)

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")


class Starter(ABC):
    """Starts one command again and again; see ``bertlab_processes.py``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("bertlab_processes.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )
        assert self.server.stdout is not None
        assert self.server.stdout.readline() == "ready\n"

    def ask(self, task: dict[str, Any]) -> str:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(task) + "\n")
        self.server.stdin.flush()
        return self.server.stdout.readline()

    @abstractmethod
    def words(self, output: Path, *more: str) -> list[str]:
        """The command line, with ``--save-every 0``: a checkpoint after each step."""

    def start(
        self,
        output: Path,
        *more: str,
        stall: tuple[str, str, int, str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> Process:
        self.count += 1
        log = self.folder / f"log{self.count}"
        log.touch()
        task = {
            "words": self.words(output, *more),
            "log": str(log),
            "stall": stall,
            "environment": environment or {},
        }
        return Process(self, int(self.ask(task)), log)

    def finish(self, output: Path, *more: str) -> Process:
        process = self.start(output, *more)
        code = process.wait()
        assert code == 0, process.output
        return process

    def killed_at(self, output: Path, module: str, name: str, nth: int, *more: str) -> bool:
        """Kill a run at the nth call of a function; tell whether there was such a call."""
        mark = self.folder / f"stalled{self.count}"
        process = self.start(output, *more, stall=(module, name, nth, str(mark)))
        wait_for(lambda: mark.exists() or process.done)
        if not mark.exists():
            assert process.wait() == 0, process.output
            return False
        process.kill()
        return True

    def close(self) -> None:
        self.server.stdin.close()  # type: ignore[union-attr]
        self.server.wait()


def timeless(folder: Path) -> list[dict[str, Any]]:
    clock = ("seconds", "tokens_per_second", "examples_per_second")
    return [{k: v for k, v in record.items() if k not in clock} for record in History.read(folder)]


def kill_and_resume(starter: Starter, output: Path, seed: int, kills: int) -> None:
    """Kill at random moments after the first checkpoint, each time a little further on."""
    draw = random.Random(seed)
    state = output / "training_state.pt"

    def saved() -> int:
        return state.stat().st_mtime_ns if state.exists() else 0

    for _ in range(kills):
        before = saved()
        process = starter.start(output, *(["--resume"] if output.exists() else []))
        while saved() == before and not process.done:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.1))
        process.send(signal.SIGKILL)
        process.wait()  # it may have been done already
    starter.finish(output, "--resume")
