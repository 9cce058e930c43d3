"""Run what can't be trusted: with how much isolation, in which environment, within which limits.

``confine.py`` builds the walls, before the command starts. Here is what is done from outside while
it runs: the clock, memory, processes and files of the whole tree are watched, and in the end
nothing of it is left.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import site
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

import bertlab
from bertlab.grading.confine import LEVELS
from bertlab.grading.surroundings import MARK, environment

CONFINE = Path(__file__).with_name("confine.py")

_POLL = 0.1  # seconds between two looks at a running tree
_DISK_POLL = 1.0
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime", "/etc/passwd"),
    *("/etc/group", "/etc/nsswitch.conf", "/sys/devices/system/cpu"),
)


@dataclass(frozen=True)
class Limits:
    """What a submission may use before it is stopped.

    Args:
        seconds: on the clock.
        memory: megabytes that all its processes hold together.
        processes: how many there may be.
        disk: megabytes in its folder.
        files: how many there may be in it.
    """

    seconds: float = 300.0
    memory: int = 4096
    processes: int = 200
    disk: int = 1024
    files: int = 20_000

    def of_a_process(self) -> dict[str, int]:
        """Return the limits that the system itself keeps, for each process alone.

        Memory is counted with what was only asked for, hence the wide margin: it is there for what
        grows faster than anybody can look.
        """
        return {
            "RLIMIT_FSIZE": self.disk * 2**20,
            "RLIMIT_DATA": (2 * self.memory + 1024) * 2**20,
            "RLIMIT_CORE": 0,
        }


@functools.cache
def isolation() -> str:
    """Return the strongest level of ``confine.LEVELS`` that works on this system; tried once."""
    program = [sys.executable, "-c", "import bertlab, ipykernel, zmq"]
    for level in LEVELS[:-1] if sys.platform == "linux" else ():
        with tempfile.TemporaryDirectory(prefix="bertlab-") as name:
            command = confined(
                program, Path(name), mark=Path(name).name, level=level, limits=Limits(), hidden=()
            )
            tried = subprocess.run(command, capture_output=True, check=False)
            if tried.returncode == 0:
                return level
    return LEVELS[-1]


def confined(
    command: list[str],
    folder: Path,
    *,
    mark: str,
    level: str,
    limits: Limits,
    hidden: Iterable[Path],
) -> list[str]:
    """Return the command that runs a command in isolation.

    Args:
        command: a program's path and its arguments.
        folder: an empty one, of which ``box`` will be all that the command can write to.
        mark: by which its processes are known.
        level: of isolation.
        limits: for each of its processes.
        hidden: folders that it must not see, wherever they are.
    """
    folder = folder.resolve()
    box, root = folder / "box", folder / "root"
    root.mkdir(parents=True)
    readable = _readable()
    # Hiding a folder that Python itself is in would leave nothing to run.
    unseen = [str(path.resolve()) for path in hidden]
    unseen = [path for path in unseen if not any(_inside(one, path) for one in readable)]
    job = {
        "level": level,
        "environment": environment(box, mark),
        "cwd": str(box / "home"),
        "limits": limits.of_a_process(),
        "folder": str(box),
        "readable": readable,
        "hidden": unseen,
        "root": str(root),
    }
    file = folder / "confine.json"
    file.write_text(json.dumps(job), encoding="utf-8")
    return [sys.executable, "-I", "-S", str(CONFINE), str(file), *command]


def _readable() -> list[str]:
    """Return the files and folders that Python, its packages and bertlab need."""
    python = [sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(bertlab.__file__).parent)]
    if site.ENABLE_USER_SITE:
        python.append(site.getusersitepackages())
    found: list[str] = []
    for path in (*_SYSTEM, *python):
        if not any(_inside(path, one) for one in found):
            found.append(path)
    return found


def _inside(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def watch(
    process: psutil.Process, folder: Path, limits: Limits, stop: threading.Event
) -> str | None:
    """Wait until a process ends; kill it and all its descendants when they go too far.

    Args:
        process: that was started.
        folder: that it writes to; its name is the mark of its processes.
        limits: of the whole tree.
        stop: set when everything is to end.

    Returns:
        None when it ended by itself, or what it was killed for: ``timeout``, ``out_of_memory``,
        ``too_many_processes``, ``disk_full``, ``stopped``.
    """
    deadline = time.monotonic() + limits.seconds
    look_at_disk = time.monotonic() + _DISK_POLL
    try:
        while _runs(process):
            tree = _tree(process)
            if stop.is_set():
                return "stopped"
            if time.monotonic() > deadline:
                return "timeout"
            if len(tree) > limits.processes:
                return "too_many_processes"
            if _memory(tree, limits.memory * 2**20) > limits.memory * 2**20:
                return "out_of_memory"
            if time.monotonic() > look_at_disk:
                if _too_full(folder, limits):
                    return "disk_full"
                look_at_disk = time.monotonic() + _DISK_POLL
            stop.wait(_POLL)
        return None
    finally:
        kill_tree(process, folder.name)


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _tree(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def _memory(tree: list[psutil.Process], enough: int) -> int:
    """Return the bytes that processes hold; what they share counts once, if it matters."""
    held = sum(_bytes(process) for process in tree)
    if held > enough and sys.platform == "linux":
        return sum(_bytes(process, shared_once=True) for process in tree)
    return held


def _bytes(process: psutil.Process, shared_once: bool = False) -> int:
    with contextlib.suppress(psutil.Error, OSError):
        if shared_once:
            return int(process.memory_full_info().pss)
        return int(process.memory_info().rss)
    return 0


def _too_full(folder: Path, limits: Limits) -> bool:
    held = files = 0
    for where, folders, names in os.walk(folder):
        files += len(folders) + len(names)
        for name in names:
            with contextlib.suppress(OSError):
                held += os.lstat(os.path.join(where, name)).st_blocks * 512
        if files > limits.files or held > limits.disk * 2**20:
            return True
    return False


def kill_tree(process: psutil.Process, mark: str) -> None:
    """Kill a process, its descendants, and whatever else carries its mark in the environment."""
    for _ in range(100):  # while one list is being killed, more may be born
        others = [one for one in _tree(process) if one != process and _runs(one)]
        if not others:
            break
        for one in others:
            _kill(one)
        time.sleep(0.02)
    _kill(process)
    for one in _marked(mark):
        _kill(one)
    with contextlib.suppress(psutil.Error):
        process.wait(5)


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.kill()


def _marked(mark: str) -> list[psutil.Process]:
    """Find processes that outlived the one they descend from: without isolation there can be."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
    return found


def short_folder() -> str:
    """Return the folder for temporary files, or ``/tmp`` where its path is long.

    The paths of sockets hold some 100 characters, half of which stand below this folder.
    """
    usual = os.path.realpath(tempfile.gettempdir())
    return "/tmp" if len(os.fsencode(usual)) > 55 and os.access("/tmp", os.W_OK) else usual


def remove(folder: Path) -> None:
    """Delete a folder, also what was made unreadable in it."""
    for where, folders, _ in os.walk(folder):  # a folder is opened before it is looked into
        for path in (os.path.join(where, name) for name in folders):
            if not os.path.islink(path):  # the mode of what it leads to isn't ours to change
                os.chmod(path, stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
