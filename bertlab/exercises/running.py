"""Run a learner's function: in a thread of its own, quietly, for a limited time.

The limit is kept by raising an exception inside that thread, which works on every platform and
takes effect at the next step of Python code. Code that catches every exception is put to sleep
instead. What can't be stopped is a single long operation in C: its thread is left behind, and the
message says so; if it also holds the interpreter's lock (``9**9**9``), or under a debugger on
Python 3.11, ``check`` waits for its end.
Nothing bounds memory. This serves honest learners; withstanding attacks takes a process of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import linecache
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType, TracebackType
from typing import Any

LIMIT = 10.0  # seconds for all calls of one check
GRACE = 1.0  # seconds to stop once the time is up
KEPT = 2_000  # characters of print that are kept from one call
_LIBRARIES = ("torch.", "sklearn.", "seqeval.", "transformers.")  # of ready-made functions


class Stopped(BaseException):
    """Raised inside the learner's code when the time is up."""


class Asleep(BaseException):
    """Sleeps for ever when it is raised, so that nothing can catch it."""

    def __init__(self) -> None:
        threading.Event().wait()


class Printed(io.TextIOBase):
    """Collects what is printed, up to a length."""

    def __init__(self) -> None:
        self.text = ""
        self.dropped = 0

    def write(self, text: str) -> int:
        """Keep what fits, count the rest."""
        kept = text[: KEPT - len(self.text)]
        self.text += kept
        self.dropped += len(text) - len(kept)
        return len(text)

    def take(self) -> str:
        """Return what was printed since the last time."""
        text = self.text.rstrip()
        if self.dropped:
            text += f"\n… and {self.dropped:,} characters more"
        self.text, self.dropped = "", 0
        return text


def run_limited(work: Callable[[Printed], None], limit: float) -> tuple[bool, bool]:
    """Run ``work(printed)`` in a thread; what it prints goes to ``printed``.

    Returns:
        Whether it finished in time, and whether its thread has ended by now.
    """
    printed = Printed()
    ended = threading.Event()

    def target() -> None:
        try:
            with contextlib.suppress(Stopped):
                work(printed)
        finally:
            ended.set()

    thread = threading.Thread(target=target, name="bertlab-check", daemon=True)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        thread.start()
        finished = False
        try:
            finished = ended.wait(limit)
        finally:  # also when the learner interrupts the wait
            deadline = time.monotonic() + GRACE
            while not ended.is_set() and time.monotonic() < deadline:
                _raise_in(thread, Stopped)
                ended.wait(0.05)
            if not ended.is_set():
                _raise_in(thread, Asleep)
    return finished, ended.is_set()


def _raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raise an exception in another thread, at its next step of Python code."""
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(error)
    )


@dataclass(frozen=True)
class Raised:
    """An exception in the learner's code: its kind, its words and the learner's line."""

    kind: type[BaseException]
    words: str
    line: int | None  # None: the call itself failed, before any line of the function ran
    source: str

    @property
    def is_stub(self) -> bool:
        """Whether this is the NotImplementedError that an exercise starts with."""
        return self.kind is NotImplementedError and (
            not self.source or "NotImplementedError" in self.source
        )

    @classmethod
    def of(cls, error: BaseException) -> Raised:
        """Describe an exception caught around a call of the learner's function."""
        try:
            words = str(error)
        except Stopped:
            raise
        except BaseException:
            words = ""
        line, source = _learners_line(error.__traceback__)
        return cls(type(error), words if len(words) <= 400 else words[:400] + " …", line, source)


def _learners_line(traceback: TracebackType | None) -> tuple[int | None, str]:
    """Return the deepest line in the file where the learner's code stands.

    That is the first file that is neither the checker's nor what calls a module's ``forward``.
    """
    file, line = None, None
    step = traceback
    while step:
        name = step.tb_frame.f_code.co_filename
        module = str(step.tb_frame.f_globals.get("__name__", ""))
        if file is None and not module.startswith(("bertlab.exercises", "torch.nn.modules.module")):
            file = name
        if name == file:
            line = step.tb_lineno
        step = step.tb_next
    return line, linecache.getline(file, line).strip() if file and line else ""


@contextlib.contextmanager
def watching(seen: set[str], reference: CodeType, ready_made: Sequence[str]) -> Any:
    """Note in ``seen`` which functions that do the exercise's work are called in this thread.

    Args:
        reference: the code of the exercise's own right answer.
        ready_made: names of other libraries' functions.
    """

    # Coverage can't see into a profiler, hence the pragma; a test sees what it finds.
    def note(frame: FrameType, event: str, function: Any) -> None:  # pragma: no cover
        if event == "c_call":
            if getattr(function, "__name__", "") in ready_made:
                seen.add(f"{getattr(function, '__module__', None) or 'torch'}.{function.__name__}")
        elif event == "call":
            module = str(frame.f_globals.get("__name__", ""))
            own = module.startswith("bertlab.") and not module.startswith("bertlab.exercises")
            other = frame.f_code.co_name in ready_made and module.startswith(_LIBRARIES)
            if own or other or frame.f_code is reference:
                seen.add(f"{module}.{frame.f_code.co_qualname}")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)
