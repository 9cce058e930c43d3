"""What runs in the sandbox stays in it, ends in time and leaves nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("nbgrader")

from bertlab.grading import sandbox
from bertlab.grading.confine import LEVELS
from bertlab.grading.sandbox import Limits

NAMES = [level for level in LEVELS if level in ("none", sandbox.isolation())]
walls = pytest.mark.skipif(
    sandbox.isolation() != "full", reason="this system lets no program have its own files"
)


def program(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def confine(
    folder: Path, code: str, level: str, limits: Limits | None = None, hidden: tuple[Path, ...] = ()
) -> list[str]:
    return sandbox.confined(
        program(code),
        folder,
        mark=folder.name,
        level=level,
        limits=limits or Limits(),
        hidden=hidden,
    )


def run(folder: Path, code: str, level: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = confine(folder, code, level, **more)  # type: ignore[arg-type]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def watched(
    folder: Path, code: str, level: str, limits: Limits, stop: threading.Event | None = None
) -> tuple[str | None, float]:
    """Run code under a watch; return what it was killed for, and the seconds."""
    command = confine(folder, code, level, limits)
    start = time.monotonic()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as started:
        process = psutil.Process(started.pid)
        killed = sandbox.watch(process, folder, limits, stop or threading.Event())
    return killed, time.monotonic() - start


def left(word: str) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if word in " ".join(process.info["cmdline"] or ()):
            found.append(process.pid)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / f"box-{os.getpid()}-{time.monotonic_ns()}"
    made.mkdir()
    return made


def test_the_isolation_of_this_system_is_one_of_the_levels() -> None:
    assert sandbox.isolation() in LEVELS


def test_a_system_that_allows_nothing_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = subprocess.CompletedProcess([], 125, b"", b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    assert sandbox.isolation.__wrapped__() == "none"


@pytest.mark.parametrize("level", NAMES)
def test_a_command_runs_in_its_folder_and_its_exit_code_comes_back(
    folder: Path, level: str
) -> None:
    code = "import os; print(os.getcwd()); open('here', 'w').close(); raise SystemExit(7)"
    done = run(folder, code, level)
    assert done.returncode == 7, done.stderr
    assert done.stdout.strip() == str(folder.resolve() / "box" / "home")
    assert (folder / "box" / "home" / "here").exists()


@pytest.mark.parametrize("level", NAMES)
def test_nothing_of_the_environment_is_passed_on(
    folder: Path, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "a-secret")
    monkeypatch.setenv("MY_PASSWORD", "a-secret")
    done = run(folder, "import json, os; print(json.dumps(dict(os.environ)))", level)
    seen = json.loads(done.stdout)
    assert "a-secret" not in done.stdout
    assert seen["HF_HUB_OFFLINE"] == "1"
    assert seen["OMP_NUM_THREADS"] == "1"
    own = [name for name in seen if name.startswith(("XDG_", "JUPYTER_", "IPYTHON", "MPLC"))]
    assert len(own) >= 7
    for name in ("HOME", "TMPDIR", *own):
        assert seen[name].startswith(str(folder.resolve())), f"{name}={seen[name]}"


@walls
def test_only_what_python_needs_can_be_seen(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "gradebook.db"
    secret.write_text("hidden tests")
    code = f"""
        import os, torch, bertlab, ipykernel
        print(os.path.exists({str(secret)!r}), os.path.exists("/var"))
        print(os.path.exists({str(Path(__file__))!r}), len(os.listdir('/proc')) > 5)
        print([name for name in os.listdir('/proc') if name.isdigit() and int(name) > 50])
    """
    done = run(folder, code, "full")
    assert done.stdout.split("\n")[:3] == ["False False", "False True", "[]"], done.stderr


@walls
def test_a_hidden_folder_is_empty_even_among_python_s_own(folder: Path) -> None:
    package = Path(psutil.__file__).parent
    code = f"import os; print(os.listdir({str(package)!r}))"
    assert "_common.py" in run(folder, code, "full").stdout
    other = folder / "other"
    other.mkdir()
    assert run(other, code, "full", hidden=(package,)).stdout.strip() == "[]"


@walls
def test_python_itself_is_never_hidden(folder: Path) -> None:
    done = run(folder, "import bertlab", "full", hidden=(Path(sys.prefix), Path("/")))
    assert done.returncode == 0, done.stderr


@walls
def test_nothing_outside_the_folder_can_be_written(folder: Path) -> None:
    package = Path(sandbox.__file__).parent
    code = f"""
        import os
        for path in ({str(package / "new")!r}, "/usr/new", "/new", "/etc/new", "/proc/new"):
            try:
                open(path, "w")
            except OSError:
                continue
            print("could write", path)
        open("/tmp/new", "w"); open("/dev/shm/new", "w"); open(os.environ["TMPDIR"] + "/too", "w")
        print("end")
    """
    done = run(folder, code, "full")
    assert done.stdout.strip() == "end", done.stderr
    assert (folder / "box" / "tmp" / "new").exists()


@walls
def test_the_walls_cannot_be_taken_down_from_inside(folder: Path) -> None:
    code = """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.unshare(0x10000000 | 0x20000), libc.mount(b"", b"/", b"", 0x1020, b""))
        print(open("/proc/self/status").read().count("0000000000000000"))
    """
    first, caps = run(folder, code, "full").stdout.strip().split("\n")
    assert first.split()[1] == "-1"
    assert int(caps) >= 4  # of CapInh, CapPrm, CapEff, CapBnd


@walls
def test_there_is_no_network_not_even_this_machine(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 3)"
        done = run(folder, code, "full")
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()
    assert "OSError" in done.stderr or "ConnectionRefused" in done.stderr


@walls
def test_the_second_level_has_no_network_but_the_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "seen").write_text("content")
    code = f"""
        import socket
        print(open({str(tmp_path / "seen")!r}).read())
        print([name for _, name in socket.if_nameindex()])
    """
    done = run(folder, code, "network")
    assert done.stdout.split("\n")[:2] == ["content", "['lo']"], done.stderr


def test_a_command_that_cannot_start_says_why(folder: Path) -> None:
    command = sandbox.confined(
        ["/no/such/program"], folder, mark="x", level="none", limits=Limits(), hidden=()
    )
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 126
    assert "confine:" in done.stderr


@pytest.mark.parametrize("level", NAMES)
def test_files_are_bounded_by_the_system(folder: Path, level: str) -> None:
    code = "open('large', 'wb').write(bytes(5 * 2**20))"
    done = run(folder, code, level, limits=Limits(disk=1))
    assert done.returncode != 0
    assert (folder / "box" / "home" / "large").stat().st_size <= 2**20


@pytest.mark.parametrize("level", NAMES)
def test_the_clock_ends_what_does_not_end(folder: Path, level: str) -> None:
    killed, seconds = watched(folder, "while True: pass", level, Limits(seconds=1))
    assert killed == "timeout"
    assert seconds < 30


@pytest.mark.parametrize("level", NAMES)
def test_memory_is_bounded_also_when_children_hold_it(folder: Path, level: str) -> None:
    code = """
        import subprocess, sys, time
        hold = "import time; held = bytearray(b'x') * (60 << 20); time.sleep(60)"
        children = [subprocess.Popen([sys.executable, "-c", hold]) for _ in range(4)]
        time.sleep(60)
    """
    assert watched(folder, code, level, Limits(seconds=60, memory=200))[0] == "out_of_memory"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere shared memory counts as often")
def test_memory_that_processes_share_counts_once(folder: Path) -> None:
    code = """
        import os, time
        held = bytearray(b"x") * (60 << 20)
        children = [os.fork() for _ in range(1)] + [os.fork()]
        time.sleep(1.5)
    """
    assert watched(folder, code, "none", Limits(seconds=60, memory=180))[0] is None


def test_memory_asked_for_at_once_is_refused_by_the_system(folder: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("other systems don't count what is only asked for")
    done = run(folder, "bytearray(4 * 2**30)", "none", limits=Limits(memory=64))
    assert "MemoryError" in done.stderr


@pytest.mark.parametrize("level", NAMES)
def test_processes_are_bounded(folder: Path, level: str) -> None:
    code = """
        import subprocess, time
        children = [subprocess.Popen(["sleep", "61"]) for _ in range(30)]
        time.sleep(60)
    """
    limits = Limits(seconds=60, processes=20)
    assert watched(folder, code, level, limits)[0] == "too_many_processes"


@pytest.mark.parametrize(
    "code",
    [
        "import time\nfor i in range(400): open(f'file-{i}', 'w').close()\ntime.sleep(60)",
        "import time\nfor i in range(4): open(str(i), 'wb').write(bytes(900_000))\ntime.sleep(60)",
    ],
    ids=["files", "bytes"],
)
def test_what_is_written_is_bounded(folder: Path, code: str) -> None:
    limits = Limits(seconds=60, disk=2, files=300)
    assert watched(folder, code, sandbox.isolation(), limits)[0] == "disk_full"


@pytest.mark.parametrize("level", NAMES)
def test_processes_that_left_their_session_are_killed_too(folder: Path, level: str) -> None:
    word = f"runaway-{folder.name}"
    code = f"""
        import os, subprocess, sys, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execve(sys.executable, [sys.executable, "-c",
                          "import time; time.sleep(99) # {word}"], {{}})
            os._exit(0)
        os.wait()
        time.sleep(60)
    """
    killed, _ = watched(folder, code, level, Limits(seconds=3))
    assert killed == "timeout"
    assert not left(f"# {word}")


@pytest.mark.parametrize("level", NAMES)
def test_processes_left_behind_end_with_the_command(folder: Path, level: str) -> None:
    word = f"left-{folder.name}"
    code = f"""
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99) # {word}"],
                         start_new_session=True)
    """
    killed, _ = watched(folder, code, level, Limits(seconds=60))
    assert killed is None
    assert not left(f"time.sleep(99) # {word}\x00") or level == "none"
    time.sleep(0.3)
    assert not left(f"import time; time.sleep(99) # {word}")


@walls
def test_everything_ends_when_whoever_started_it_is_killed(folder: Path) -> None:
    word = f"orphan-{folder.name}"
    command = confine(folder, f"import time; time.sleep(99) # {word}", "full")
    code = f"import subprocess, time; subprocess.Popen({command!r}); time.sleep(99)"
    starter = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    deadline = time.monotonic() + 30
    while len(left(word)) < 4 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(left(word)) >= 4  # the starter, the walls, their init, the command
    starter.kill()
    starter.wait()
    while left(word) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left(word)


def test_stopping_ends_a_watch(folder: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    killed, seconds = watched(folder, "import time; time.sleep(60)", "none", Limits(), stop)
    assert killed == "stopped"
    assert seconds < 30


def test_a_folder_is_removed_whatever_was_made_of_it(folder: Path, tmp_path: Path) -> None:
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").write_text("content")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o500)
    (folder / "link").symlink_to(elsewhere)
    deep.chmod(0)
    (folder / "a").chmod(0)
    sandbox.remove(folder)
    assert not folder.exists()
    assert elsewhere.stat().st_mode & 0o777 == 0o500
