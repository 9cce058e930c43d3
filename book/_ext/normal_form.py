"""The normal form of a notebook: nothing in it depends on an editor, a machine or a moment.

Cells keep their ids; outputs lose what differs between two runs. The form of a form is itself.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterable
from typing import Any

import nbformat

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = {"cellView", "mystnb", "nbgrader", "tags"}  # all other keys belong to some editor
CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
KERNEL_FILE = re.compile(r"/\S*/ipykernel_\d+/\d+\.py")  # where ipykernel pretends a cell's code is
VOLATILE_CHUNKS = {b"tEXt", b"zTXt", b"iTXt", b"tIME"}  # a PNG's texts: software, version, date


class NotebookError(Exception):
    """A notebook that cannot be read or does not run, with a message for its author."""


def join_lines(notebook: dict[str, Any]) -> dict[str, Any]:
    """Join the lists of lines that a file holds, in place: every text becomes one string."""
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = "".join(output["text"])
            for kind, data in output.get("data", {}).items():
                if isinstance(data, list) and not kind.endswith("json"):
                    output["data"][kind] = "".join(data)
    return notebook


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook without anything that depends on editor, machine or moment."""
    cells: list[dict[str, Any]] = []
    used: set[str] = set()
    executions = 0
    for cell in notebook.cells:
        source = cell.source.rstrip("\n")
        if not source.strip():
            continue
        plain: dict[str, Any] = {
            "cell_type": cell.cell_type,
            "id": cell_id(cell.get("id"), len(cells), used),
            "metadata": {k: v for k, v in cell.metadata.items() if k in CELL_METADATA},
            "source": source,
        }
        if cell.cell_type == "code":
            count = None
            if cell.execution_count is not None:
                count = executions = executions + 1
            plain["execution_count"] = count
            plain["outputs"] = normal_outputs(cell.outputs, count)
        elif cell.get("attachments"):
            plain["attachments"] = cell.attachments
        cells.append(plain)
    return nbformat.from_dict(
        {"cells": cells, "metadata": NOTEBOOK_METADATA, "nbformat": 4, "nbformat_minor": 5}
    )


def cell_id(old: str | None, position: int, used: set[str]) -> str:
    """Keep a valid id that no earlier cell has; otherwise make one from the cell's position."""
    new = old if old and CELL_ID.fullmatch(old) else f"cell-{position:03d}"
    stem, copy = new[:58], 1
    while new in used:
        copy += 1
        new = f"{stem}-{copy}"
    used.add(new)
    return new


def normal_outputs(outputs: Iterable[Any], count: int | None) -> list[dict[str, Any]]:
    """Merge neighbouring streams, number results, and clean text and images."""
    result: list[dict[str, Any]] = []
    for output in outputs:
        if output.output_type == "stream":
            add_stream(result, output.name, clean(output.text))
        elif output.output_type == "error":  # tracebacks are full of this machine's paths
            line = f"{output.ename}: {clean(output.evalue)}"
            result.append(
                {
                    "output_type": "error",
                    "ename": output.ename,
                    "evalue": clean(output.evalue),
                    "traceback": [line],
                }
            )
        else:
            plain = {
                "output_type": output.output_type,
                "data": {kind: normal_data(kind, data) for kind, data in output.data.items()},
                "metadata": output.metadata,
            }
            if output.output_type == "execute_result":
                plain["execution_count"] = count
            result.append(plain)
    return result


def add_stream(outputs: list[dict[str, Any]], name: str, text: str) -> None:
    """Append text to the stream of that name since the last picture or result, or begin one.

    Within such a stretch stdout stands before stderr: how the two interleave is chance.
    """
    stretch = len(outputs)
    while stretch and outputs[stretch - 1]["output_type"] == "stream":
        stretch -= 1
    for output in outputs[stretch:]:
        if output["name"] == name:
            output["text"] += text
            return
    stream = {"output_type": "stream", "name": name, "text": text}
    outputs.insert(stretch if name == "stdout" else len(outputs), stream)


def clean(text: str) -> str:
    return KERNEL_FILE.sub("<cell>", text)


def normal_data(kind: str, data: Any) -> Any:
    if kind == "image/png":
        png = strip_png(base64.b64decode("".join(data)))
        return base64.b64encode(png).decode("ascii")
    return clean(data) if isinstance(data, str) else data


def strip_png(png: bytes) -> bytes:
    """Leave out a PNG's text and time chunks; the pixels stay as they are."""
    signature, rest = png[:8], png[8:]
    if signature != b"\x89PNG\r\n\x1a\n":
        raise NotebookError("an output of type image/png is not a PNG file")
    kept = [signature]
    while rest:
        size = 12 + struct.unpack(">I", rest[:4])[0]  # length, kind, data, checksum
        if rest[4:8] not in VOLATILE_CHUNKS:
            kept.append(rest[:size])
        rest = rest[size:]
    return b"".join(kept)


def to_text(notebook: nbformat.NotebookNode) -> str:
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"
