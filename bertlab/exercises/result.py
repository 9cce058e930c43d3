"""What a check says, as plain text in terminals and as HTML in notebooks."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

_COLOURS = {"✓": "#009E73", "✗": "#D55E00", "○": "#7A828A"}


@dataclass(frozen=True, repr=False)
class CheckResult:
    """The answer of ``check``; true where the exercise is passed.

    Args:
        passed: whether everything that was tried came out right.
        mistake: a short id of what went wrong (several joined by "+"); None when passed.
        message: the diagnosis, or what was verified.
        exercise: the exercise's name.
    """

    passed: bool
    mistake: str | None
    message: str
    exercise: str = ""

    def __bool__(self) -> bool:
        return self.passed

    @property
    def _title(self) -> tuple[str, str]:
        if self.passed:
            return "✓", "passed"
        words = " + ".join((self.mistake or "not right yet").split("+")).replace("-", " ")
        return ("○", "not attempted yet") if self.mistake == "not-attempted" else ("✗", words)

    def __str__(self) -> str:
        mark, title = self._title
        return f"{mark} {self.exercise}: {title}\n\n{self.message}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Render paragraphs, `code` and indented blocks; notebooks call this."""
        mark, title = self._title
        parts = [
            f'<p style="margin:0"><strong><span style="color:{_COLOURS[mark]}">{mark}</span> '
            f"{html.escape(self.exercise)}: {html.escape(title)}</strong></p>"
        ]
        for block in self.message.split("\n\n"):
            text = html.escape(block)
            if block.startswith("    "):
                lines = "\n".join(line.removeprefix("    ") for line in text.split("\n"))
                parts.append(f'<pre style="margin:.4em 0">{lines}</pre>')
            else:
                text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text).replace("\n", "<br>")
                parts.append(f'<p style="margin:.4em 0">{text}</p>')
        style = f"border-left:4px solid {_COLOURS[mark]};padding:.2em .8em"
        return f'<div style="{style}">{"".join(parts)}</div>'
