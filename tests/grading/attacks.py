"""Code that a hostile or careless student could write; ``submissions.py`` puts it into notebooks.

Everything here is bounded: in processes, in memory, in time. Attempts to get at something raise
``Succeeded`` where they succeed, before the right answer is defined, so that a submission that gets
full marks is one whose attack failed. ``TOKEN`` is in the names of all processes and files.
"""

from __future__ import annotations

TOKEN = "bertlab-hostile-submission"

_SUCCEEDED = "class Succeeded(Exception):\n    pass\n"

LOOP = "while True:\n    pass"

LOOP_THAT_SWALLOWS_INTERRUPTS = """\
import time
while True:
    try:
        while True:
            time.sleep(0.05)
    except BaseException:
        pass"""

SIGNALS_IGNORED = """\
import signal, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
while True:
    time.sleep(0.05)"""

MUCH_MEMORY = """\
import time
held = []
for _ in range(28):  # 1.4 GB at most
    held.append(bytearray(b"x") * (50 << 20))
    time.sleep(0.03)
time.sleep(5)"""

MEMORY_OF_CHILDREN = """\
import subprocess, sys, time
CODE = "import time; held = bytearray(b'x') * (175 << 20); time.sleep(60)"
children = [subprocess.Popen([sys.executable, "-c", CODE]) for _ in range(8)]  # 1.4 GB at most
time.sleep(8)"""

FULL_DISK = """\
import os, time
for number in range(4):  # 1.6 GB at most, none of it written
    with open(f"hole-{number}", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 400 << 20)
time.sleep(5)"""

MANY_FILES = """\
import time
for number in range(25_000):
    open(f"file-{number}", "wb").close()
time.sleep(5)"""

EXIT = "import os\nos._exit(0)"

KILL_ITSELF = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"

KILL_THE_WORKER = "import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(1)"

SYSTEM_EXIT = "import sys\nsys.exit()"

IPYTHON_EXIT = "exit()"

HUGE_OUTPUT = """\
line = "x" * 99 + "\\n"
for _ in range(100):  # 100 MB
    print(line * 10_000, end="")"""

FLOOD_OF_LINES = """\
for number in range(50_000):
    print(number, flush=number % 100 == 0)"""

IMPORT_ERROR = "import a_library_that_nobody_has"

NOISE = """\
import logging, sys, warnings
warnings.warn("this is only a warning")
logging.getLogger().warning("and this is only a log")
print("and this is only noise", file=sys.stderr)"""

PROCESS_LEFT_BEHIND = f"""\
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(3):
            os.close(number)
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "{TOKEN}"])
    os._exit(0)
os.wait()"""

THREAD_LEFT_BEHIND = """\
import threading, time
def for_ever():
    while True:
        time.sleep(0.05)
threading.Thread(target=for_ever).start()"""

AT_EXIT = """\
import atexit, time
atexit.register(time.sleep, 600)"""

OTHER_FOLDER = 'import os\nos.chdir("/")'

FOLDER_DELETED = """\
import os, shutil
from pathlib import Path
here = Path.cwd()
os.chdir("/")
shutil.rmtree(here, ignore_errors=True)"""

INPUT = 'name = input("What is your name? ")'

SHELL_MAGIC = "!(sleep 100 &) > /dev/null 2>&1"

RESET_MAGIC = "%reset -f"

SCRIPT_MAGIC = "%%bash\nexit 1"

CAPTURED_CELL = '%%capture\nprint("nothing of this is seen")'

STDOUT_CLOSED = "import os, sys\nsys.stdout.close()\nos.close(1)"

RANDOM_NUMBERS = "import random\nrandom.seed(5)"


SYSTEM_OPENED = f"""\
{_SUCCEEDED}
for path in ("/proc/sys/kernel/core_pattern", "/proc/irq/default_smp_affinity", "/dev/kmsg"):
    try:
        open(path, "r+b", buffering=0).close()  # and nothing is written
    except OSError:
        continue
    raise Succeeded(path)"""


def processes(count: int) -> str:
    """Start so many that do nothing, each in a session of its own."""
    return f"""\
import shutil, subprocess, time
sleep = shutil.which("sleep")
for _ in range({count}):
    subprocess.Popen(["{TOKEN}", "600"], executable=sleep, start_new_session=True)
time.sleep(1)"""


def loot(name: str, *words: str) -> str:
    """Look for a file in the folders above, and in those that the environment names.

    Far from the submission only paths with ``TOKEN`` count: others' files are not ours to judge.
    """
    return f"""\
import os
from pathlib import Path
{_SUCCEEDED}
here = Path.cwd()
near = {{p for p in (here, *here.parents[:3]) if len(p.parts) > 2}}
far = {{Path(value) for value in os.environ.values() if value[:1] == "/"}} | {{*here.parents}}
for place in near | {{p for p in far if p.is_dir() and "{TOKEN}" in str(p)}}:
    for depth in ("", "*/", "*/*/", "*/*/*/"):
        for found in place.glob(depth + {name!r}):
            text = found.read_bytes()
            if all(word in text for word in {[w.encode() for w in words]}):
                raise Succeeded(found)"""


def read(path: str) -> str:
    """Read a file whose place is known."""
    return f"""\
{_SUCCEEDED}
try:
    text = open({path!r}, "rb").read()
except OSError:
    text = b""
if text:
    raise Succeeded({path!r})"""


def write(path: str) -> str:
    """Write a file whose place is known; whether it came about, the test sees from outside."""
    return f"""\
try:
    open({path!r}, "wb").write(b"{TOKEN}")
except OSError:
    pass"""


def connect(port: int) -> str:
    """Open a connection to a server on this machine."""
    return f"""\
import socket
{_SUCCEEDED}
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=2).close()
except OSError:
    pass
else:
    raise Succeeded"""


POISONED_FOLDER = """\
from pathlib import Path
for place in [Path.cwd(), *Path.cwd().parents[:3]]:
    if place != Path("/") and "sub" in str(place):
        for name in ("sqlalchemy", "nbformat", "json", "torch", "bertlab"):
            try:
                (place / f"{name}.py").write_text("raise SystemExit('poisoned')")
            except OSError:
                pass"""

DATABASE_CHANGED = """\
import sqlite3
from pathlib import Path
for place in Path.cwd().parents:
    for found in place.glob("*.db"):
        try:
            with sqlite3.connect(found, timeout=1) as database:
                database.execute("UPDATE grade SET auto_score = 100, manual_score = 100")
        except sqlite3.Error:
            pass"""

# What follows is done inside one's own kernel, where nothing can prevent it.

PATCHED = {
    "patched_abs": "import builtins\nbuiltins.abs = lambda x: 0.0",
    "patched_isinstance": "import builtins\nbuiltins.isinstance = lambda x, kind: True",
    "patched_all": "import builtins\nbuiltins.all = builtins.any = lambda values: True",
    "patched_assertion_error": (
        "import builtins\nclass Harmless(Exception):\n    pass\nbuiltins.AssertionError = Harmless"
    ),
    "patched_build_class": (
        "import builtins\nbuiltins.__build_class__ = lambda *a, **k: type('Nothing', (), {})"
    ),
    "patched_check": ("from bertlab import exercises\nexercises.check = lambda *a, **k: None"),
    "patched_engine": (
        "from bertlab import exercises\nfrom bertlab.exercises import engine\n"
        "engine.examine = lambda spec, *rest: exercises.CheckResult(True, None, 'yes')"
    ),
    "patched_allclose": (
        "import torch\ntorch.allclose = torch.equal = lambda *a, **k: True\n"
        "torch.testing.assert_close = lambda *a, **k: None"
    ),
    "asserts_removed": """\
import ast
class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(NoAsserts())""",
    "tests_not_run": """\
shell = get_ipython()
shell.input_transformers_cleanup.append(lambda lines: [])""",
}

ALWAYS_EQUAL = """\
class Always:
    def __eq__(self, other):
        return True
    __lt__ = __gt__ = __le__ = __ge__ = __eq__
    __hash__ = object.__hash__
    def __call__(self, *args, **kwargs):
        return self
    def __getattr__(self, name):
        return self
    def __getitem__(self, place):
        return self
    def __bool__(self):
        return True
    def __float__(self):
        return 0.0
    __sub__ = __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __abs__ = __call__"""
