"""A process that has imported everything, and forks a worker for each submission.

Importing nbgrader takes longer than most submissions.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil

from bertlab.grading.confine import die_with_parent


class Warm:
    """The side of it that asks for workers. To be used from several threads, and closed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._server: subprocess.Popen[str] | None = None  # started when it is needed

    def _open(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "bertlab.grading.warm"],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self, job: Path, environment: dict[str, str], said: Path) -> psutil.Process | None:
        """Start a worker in a session of its own.

        Args:
            job: its file.
            environment: all of it.
            said: the file for what it prints.

        Returns:
            The process; None when it has ended already.
        """
        words = {"job": str(job), "environment": environment, "said": str(said)}
        with self._lock:
            server = self._server
            if server is None or server.poll() is not None:
                server = self._server = self._open()
            assert server.stdin
            assert server.stdout
            server.stdin.write(json.dumps(words) + "\n")
            server.stdin.flush()
            answer = server.stdout.readline()
        try:
            return psutil.Process(int(answer))
        except (psutil.NoSuchProcess, ValueError):
            return None

    def close(self) -> None:
        """End the process."""
        if self._server:
            self._server.kill()
            self._server.communicate()


# Coverage can't see into other processes, hence the pragmas; every test of grade needs them.
def serve() -> None:  # pragma: no cover
    """Fork a worker for each line, and answer its process id."""
    die_with_parent()
    from bertlab.grading import worker

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: no zombies
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        wanted: dict[str, Any] = json.loads(line)
        child = os.fork()
        if child:
            print(child, flush=True)
            continue
        code = 1
        try:
            _become(wanted)
            worker.main(wanted["job"])
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)


def _become(wanted: dict[str, Any]) -> None:  # pragma: no cover
    """Turn this fork into a process like any that was started anew."""
    os.setsid()
    for number in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    said = os.open(wanted["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(wanted["environment"])


if __name__ == "__main__":
    serve()
