"""A process that starts ``bertlab`` again and again, each time in a process of its own.

The imports take seconds and are made once: the new processes are forked off, and share them. Each
line on stdin is a JSON object, answered by a line on stdout:

    {"words": [...], "log": FILE, "environment": {...}, "stall": [MODULE, NAME, N, FILE] or null}
        starts one; the answer is the process' number
    {"wait": NUMBER}
        waits for its end; the answer is its exit code, negative if a signal killed it

``stall`` makes the process touch FILE and then sleep, instead of calling NAME for the Nth time.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import accelerate  # noqa: F401
import datasets  # noqa: F401
import safetensors.torch  # noqa: F401

import bertlab.pretraining.run
import bertlab.tasks.run  # noqa: F401
from bertlab import cli


def stall(module: str, name: str, nth: int, file: str) -> None:
    """Replace a function by one that goes to sleep at its nth call."""
    owner = importlib.import_module(module)
    function, calls = getattr(owner, name), 0

    def replaced(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            Path(file).touch()
            time.sleep(600)
        return function(*arguments, **options)

    setattr(owner, name, replaced)


def run(task: dict[str, Any]) -> int:
    """Be ``bertlab`` with these words; return the exit code."""
    log = os.open(task["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(task["environment"])
    if task["stall"]:
        stall(*task["stall"])
    sys.argv = ["bertlab", *task["words"]]
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def main() -> None:
    """Answer each line."""
    print("ready", flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        if "wait" in task:
            _, status = os.waitpid(task["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        process = os.fork()
        if not process:
            os._exit(run(task))  # this process' own buffers and handlers stay out of it
        print(process, flush=True)


if __name__ == "__main__":
    main()
