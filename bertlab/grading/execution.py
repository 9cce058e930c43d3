"""Execute a notebook in a confined kernel, within limits, and note what happened to each cell."""

from __future__ import annotations

import json
import math
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.preprocessors import Execute
from traitlets import Unicode, default
from traitlets.config import Config

from bertlab.grading.course import grade_id

OUTPUT = 1_000_000  # characters that are kept of a cell's output
_SHOWN = 20_000  # characters that are kept of an error's message

# Builtins that tests of values rest on: whoever replaces one of these can make any answer pass.
_TAMPERED = """
import builtins, sys, types
names = '''abs all any bool dict enumerate float getattr hasattr hash id int isinstance issubclass
iter len list map max min next range repr round set sorted str sum tuple type vars zip'''.split()
own = (type, types.BuiltinFunctionType)
changed = [name for name in names if type(getattr(builtins, name)) not in own
           or getattr(builtins, name).__module__ != 'builtins']
changed += [name for name in names if name in globals()]
for module, functions in (('bertlab.exercises', ('check',)), ('torch', ('equal', 'allclose')),
                          ('numpy', ('allclose', 'array_equal')),
                          ('torch.testing', ('assert_close',))):
    loaded = sys.modules.get(module)
    for name in functions if loaded else ():
        found = getattr(getattr(loaded, name, None), '__module__', None) or module
        if found.partition('.')[0] != module.partition('.')[0]:
            changed.append(f'{module}.{name}')
"""


@dataclass
class Run:
    """What is to be known of an execution beside the notebook.

    Args:
        command: that confines a kernel.
        folder: that the kernel can write to.
        cell_limit: seconds for a cell.
    """

    command: list[str]
    folder: Path
    cell_limit: float
    at: str = "the start"  # the cell that is being executed, in words
    started: bool = False
    failure: str = ""  # the status when execution couldn't go on
    slow: list[str] = field(default_factory=list)  # cells that were interrupted
    cut: list[str] = field(default_factory=list)  # cells with too much output
    suspicious: list[str] = field(default_factory=list)


def settings(config: Config, run: Run) -> None:
    """Add to nbgrader's settings those of execution; attributes would be set back to these."""
    config.Execute.timeout = math.ceil(run.cell_limit)
    config.Execute.iopub_timeout = 4  # seconds for the end of what was interrupted
    config.Execute.ipython_hist_file = ":memory:"
    config.Execute.shutdown_kernel = "immediate"


def executor(run: Run) -> type[Execute]:
    """Return nbgrader's preprocessor that executes, in a confined kernel."""

    class Kernel(AsyncKernelManager):
        transport = Unicode("ipc")  # files, so that it works without any network

        @default("ip")
        def _sockets(self) -> str:
            return str(run.folder / "k")

        @default("connection_file")
        def _connection(self) -> str:
            return str(run.folder / "kernel.json")

        @property
        def kernel_spec(self) -> KernelSpec:
            python = [*run.command, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=python, display_name="confined", language="python")

    class Confined(Execute):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, kernel_manager_class=Kernel, **settings)
            self.size = 0

        def preprocess_cell(
            self, cell: NotebookNode, resources: Any, index: int
        ) -> tuple[NotebookNode, Any]:
            run.at, run.started, self.size = _words(cell, index), True, 0
            try:
                cell, resources = super().preprocess_cell(cell, resources, index)
                if index == len(self.nb.cells) - 1:
                    self.look_for_tampering()
            except CellTimeoutError:
                run.failure = "cell_timeout_unkillable"
                raise
            except DeadKernelError:
                run.failure = "kernel_died"
                raise
            for output in cell.get("outputs", ()):
                if output.output_type == "error":
                    if output.ename == "CellTimeoutError":
                        run.slow.append(run.at)
                    output.evalue = str(output.evalue)[:_SHOWN]
            return cell, resources

        def on_cell_executed(self, **hook: Any) -> None:
            """Take `exit()` for the end: IPython ends a moment later, in whichever cell it is."""
            super().on_cell_executed(**hook)
            payload = hook["execute_reply"]["content"].get("payload") or []
            if any(one.get("source") == "ask_exit" for one in payload):
                raise DeadKernelError("the cell called exit()")

        def output(self, outs: list[Any], msg: Any, display_id: Any, cell_index: int) -> Any:
            """Keep an output unless there was too much before; errors always, for the points."""
            if msg["msg_type"] == "execute_result":
                # nbgrader takes a number that a test cell displays for its points.
                msg["msg_type"] = msg["header"]["msg_type"] = "display_data"
            if msg["msg_type"] == "error":
                msg["content"]["traceback"] = [str(msg["content"].get("evalue", ""))[:_SHOWN]]
            else:
                self.size += len(json.dumps(msg["content"], default=str))
                if self.size > OUTPUT:
                    if run.at not in run.cut:
                        run.cut.append(run.at)
                    return None
            return super().output(outs, msg, display_id, cell_index)

        def look_for_tampering(self) -> None:
            """Execute tests that must fail, where nobody sees it."""
            word = secrets.token_hex(8)
            tests = f"{_TAMPERED}\nassert not changed, {word!r} + ' '.join(changed)"
            for source in (tests, f"assert False, {word!r}"):
                cell = new_code_cell(source)
                self.nb.cells.append(cell)
                start = time.monotonic()
                self.size = 0
                self.execute_cell(cell, len(self.nb.cells) - 1)
                self.nb.cells.pop()
                raised = [o.evalue for o in cell.outputs if o.output_type == "error"]
                said = [words.removeprefix(word) for words in raised if words.startswith(word)]
                if source is not tests and not said:
                    run.suspicious.append("asserts can't fail in its kernel: tests were disabled")
                elif source is tests and said and said[0]:
                    run.suspicious.append(f"replaced {said[0]}, on which tests rest")
                if time.monotonic() - start > run.cell_limit:
                    break

    return Confined


def _words(cell: NotebookNode, index: int) -> str:
    name = grade_id(cell)
    return f"cell {index + 1}" + (f" ({name})" if name else "")
