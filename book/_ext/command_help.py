"""The help of every command, as ``--help`` prints it."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from unittest.mock import patch

from bertlab import cli

WIDTH = "80"


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command and its help: ``bertlab``, and all that it lists, and what they list."""
    for group in ((), ("assign",)):
        text = help_text(*group)
        yield " ".join(["bertlab", *group]), text
        listed = re.search(r"^usage: .*\{(.+)\}$", text, re.MULTILINE)
        assert listed is not None, text
        for word in listed[1].split(","):
            if word != "assign":
                yield " ".join(["bertlab", *group, word]), help_text(*group, word)


def help_text(*words: str) -> str:
    """Return what ``bertlab WORDS --help`` prints, on a terminal of 80 columns."""
    printed = io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)  # the command line sets its own
    try:
        with (
            patch.object(sys, "argv", ["bertlab", *words, "--help"]),
            patch.dict(os.environ, {"COLUMNS": WIDTH}),
            redirect_stdout(printed),
        ):
            cli.main()
    except SystemExit:
        pass
    finally:
        signal.signal(signal.SIGTERM, handler)
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())
