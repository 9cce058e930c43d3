"""Start a command with as little around it as the system allows: a script, not a module.

It is run by its path, ``python -I -S confine.py JOB.json COMMAND ...``, and imports the standard
library only, so that it starts in a moment. It has three levels; two of them need Linux:

- ``full``: processes, network (none) and files of its own. There are only the files that Python
  needs, to be read, and one folder to write to: no masters, no submissions, nobody's home.
- ``network``: processes and network of its own, and the machine's files.
- ``none``: nothing of this. Only the limits on a single process hold.

The command gets an init of its own. When that ends, or whoever started this script does, the
system kills all processes of the command (``full`` and ``network``), also those that hide.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any

# Coverage can't see into the processes that this runs in, hence the pragmas; tests see the walls.
LEVELS = ("full", "network", "none")

# From Linux's headers: unshare(2), mount(2), mount_setattr(2), prctl(2).
_USER, _MOUNTS, _PROCESSES, _NETWORK, _IPC = 0x10000000, 0x20000, 0x20000000, 0x40000000, 0x8000000
_NO_SUID, _NO_DEVICES, _NO_PROGRAMS = 2, 4, 8
_BIND, _MOVE, _RECURSIVE, _PRIVATE = 0x1000, 0x2000, 0x4000, 0x40000
_MOUNT_SETATTR, _HERE, _AT_RECURSIVE, _READ_ONLY = 442, -100, 0x8000, 1
_DEATH_SIGNAL, _SUBREAPER, _DROP_CAPABILITY, _NO_NEW_PRIVILEGES = 1, 36, 24, 38

_DEVICES = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS = {"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> None:  # pragma: no cover
    """Call a function of the C library, and raise when it says that it failed."""
    words = [word.encode() if isinstance(word, str) else word for word in arguments]
    if getattr(_libc, name)(*words) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def die_with_parent() -> None:  # pragma: no cover
    """Have this process killed when the thread that started it ends."""
    if sys.platform == "linux":
        _call("prctl", _DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:  # pragma: no cover
    """Become the parent of descendants whose own parent ended, so that they can be found."""
    if sys.platform == "linux":
        _call("prctl", _SUBREAPER, 1, 0, 0, 0)


def _enter(level: str) -> None:  # pragma: no cover
    """Leave the machine's processes, network and, if asked, files; the next child is inside."""
    user, group = os.getuid(), os.getgid()
    spaces = _USER | _PROCESSES | _NETWORK | _IPC
    _call("unshare", spaces | (_MOUNTS if level == "full" else 0))
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{file}", "w") as to:
            to.write(text)


def _mount(
    source: str, target: str, kind: str, flags: int, options: str = ""
) -> None:  # pragma: no cover
    _call("mount", source, target, kind, ctypes.c_ulong(flags), options)


def _bind(source: str, target: str) -> None:  # pragma: no cover
    """Show a file or folder of the machine at another place too."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "a"):
            pass
    _mount(source, target, "", _BIND | _RECURSIVE)


def _read_only(target: str) -> None:  # pragma: no cover
    """Forbid writing to a mount and all in it."""
    _set_attributes(target, _AT_RECURSIVE, _READ_ONLY | _NO_SUID, 0)


def _writable(target: str) -> None:  # pragma: no cover
    """Allow writing to a mount again, and not to those in it."""
    _set_attributes(target, 0, 0, _READ_ONLY)


def _set_attributes(target: str, flags: int, on: int, off: int) -> None:  # pragma: no cover
    attributes = (ctypes.c_uint64 * 4)(on, off, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    _call("syscall", _MOUNT_SETATTR, _HERE, target, flags, attributes, size)


def _small_root(job: dict[str, Any]) -> None:  # pragma: no cover
    """Replace the file system by one that holds only what the job names."""
    root, folder = job["root"], job["folder"]
    _mount("", "/", "", _PRIVATE | _RECURSIVE)
    _mount("tmpfs", root, "tmpfs", _NO_SUID | _NO_DEVICES, "size=1m,mode=755")
    _bind(folder + "/tmp", root + "/tmp")  # first: Python may be in /tmp, and so may the folder
    for path in job["readable"]:
        if os.path.islink(path):  # such as /lib, which is usr/lib today
            os.symlink(os.readlink(path), root + path)
        elif os.path.exists(path):
            _bind(path, root + path)
    for name in job["hidden"]:
        if os.path.isdir(root + name):
            _mount("tmpfs", root + name, "tmpfs", 0, "size=4k,mode=755")
    os.makedirs(root + "/proc")
    os.makedirs(root + "/dev/shm")
    os.makedirs(root + "/dev/pts")
    os.symlink("pts/ptmx", root + "/dev/ptmx")
    for device in _DEVICES:
        open(f"{root}/dev/{device}", "w").close()
    for name, target in _DEVICE_LINKS.items():
        os.symlink(f"/proc/self/{target}", f"{root}/dev/{name}")
    os.makedirs(root + folder, exist_ok=True)
    _read_only(root)
    _writable(root + "/tmp")
    for device in _DEVICES:  # on a read-only file system a place to mount must be there before
        _mount(f"/dev/{device}", f"{root}/dev/{device}", "", _BIND)
    _mount("tmpfs", root + "/dev/shm", "tmpfs", _NO_SUID | _NO_DEVICES, "size=256m,mode=1777")
    with contextlib.suppress(OSError):  # IPython's `!command` needs terminals, nothing else does
        terminals = "newinstance,ptmxmode=0666,mode=620"
        _mount("devpts", root + "/dev/pts", "devpts", _NO_SUID | _NO_PROGRAMS, terminals)
    _mount("proc", root + "/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_PROGRAMS)
    _read_only(root + "/proc")  # where the grader is root, the machine's settings could be written
    _mount(folder, root + folder, "", _BIND)
    os.chdir(root)
    _mount(".", "/", "", _MOVE)
    os.chroot(".")


def _drop_capabilities() -> None:  # pragma: no cover
    """Give up for good what one may do in namespaces of one's own, such as mounting."""
    for capability in range(64):
        if _libc.prctl(_DROP_CAPABILITY, capability, 0, 0, 0) < 0:
            break  # the system knows no more
    _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def _limit(limits: dict[str, int]) -> None:  # pragma: no cover
    for name, wanted in limits.items():
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS knows some by name only
            resource.setrlimit(number, (value, value))


def _start(job: dict[str, Any], command: list[str]) -> int:  # pragma: no cover
    """Start the command as a child and return its process id."""
    child = os.fork()
    if child:
        return child
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if job["level"] != "none":
            _drop_capabilities()
        _limit(job["limits"])
        os.chdir(job["cwd"])
        os.execve(command[0], command, job["environment"])
    except OSError as error:
        print(f"confine: {error}", file=sys.stderr, flush=True)
    os._exit(126)


def _wait_for(child: int) -> int:  # pragma: no cover
    """Wait until the child ends, and bury orphans meanwhile."""
    while True:
        process, status = os.wait()
        if process == child:
            return os.waitstatus_to_exitcode(status) & 0xFF


def main(path: str, command: list[str]) -> int:  # pragma: no cover
    """Run a command and return its exit code; 125 or 126 when it couldn't be started.

    Args:
        path: of a JSON file with the level, the environment and the working folder ``cwd``, the
            ``limits`` of ``setrlimit``, the ``folder`` to write to (with ``tmp`` in it), what is
            ``readable``, folders that are ``hidden`` although they are in readable ones, and an
            empty folder ``root``.
        command: a program's path and its arguments.
    """
    with open(path, encoding="utf-8") as file:
        job = json.load(file)
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupting a cell signals the whole group
    if job["level"] == "none":
        adopt_orphans()
        return _wait_for(_start(job, command))
    _enter(job["level"])
    init = os.fork()
    if init:
        return _wait_for(init)
    try:
        die_with_parent()
        if job["level"] == "full":
            _small_root(job)
        code = _wait_for(_start(job, command))
    except OSError as error:
        print(f"confine: {error}", file=sys.stderr, flush=True)
        code = 125
    os._exit(code)  # all that is left of the command ends with its init


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
