"""The API reference: pages in ``book/api`` say where the names of a room, the table of all names
and the commands go, and this puts them there when the site is built.

A page's line ``<!-- api: model -->`` becomes the entries of that room, made by Sphinx's autodoc
from the docstrings; ``<!-- names -->`` the table of all names; ``<!-- commands -->`` the help of
every command. Each entry links to its lines on GitHub, and to the chapters that use the name.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import is_dataclass
from functools import cache
from typing import Any

from command_help import commands
from name_chapters import Chapter, Name, chapters_of, neighbours, public_names
from source_lines import address, comment_above, fields
from sphinx.application import Sphinx
from sphinx.config import Config

MARKER = re.compile(r"^<!-- (?:(names)|(commands)|api: (\w+)) -->$", re.MULTILINE)
# Bases whose methods stay out of the entries of classes that inherit from them: other libraries',
# and Task, which has an entry of its own.
OUTSIDE = "Module, ABC, Protocol, Generic, list, tuple, dict, BaseException, object, Task"
# The order of the rooms in the table of names: that of the book.
ROOMS = ["bertlab", "tokenization", "model", "data", "pretraining", "training", "tasks"]
ROOMS += ["metrics", "plots", "exercises"]

# What signatures name of other libraries, whose pages aren't part of this site.
FOREIGN = (
    r"(torch|nn|numpy|np|matplotlib|datasets|transformers|IPython|collections|os|pathlib)\..+"
    r"|ArrayLike|BertTokenizer|Dataset|DatasetDict|Figure|Path|PathLike|PreTrainedTokenizerBase|Tensor"
    r"|Long|Problem"  # ours, short for a few words
)


def entry(name: Name) -> str:
    """Return the directive that documents a name, in reStructuredText."""
    if _is_constant(name):
        lines = ["", *comment_above(*name.path.rsplit(".", 1)), "", *chapter_field(name)]
        body = "\n".join(f"   {line}".rstrip() for line in lines)
        return f".. py:data:: {name.path}\n   :value: {name.value!r}\n{body}\n"
    if inspect.isclass(name.value):
        return f".. autoclass:: {name.path}\n   :members:\n   :inherited-members: {OUTSIDE}\n"
    return f".. autofunction:: {name.path}\n"


def _is_constant(name: Name) -> bool:
    return not (inspect.isclass(name.value) or inspect.isroutine(name.value))


def chapter_field(name: Name) -> list[str]:
    """Return the line that leads from an entry to the chapters."""
    used, near = chapters_of(name), neighbours(name)
    if used:
        return [f":Chapter: {_links(used)}"]
    return [f":Chapter: none of its own; its neighbours are in {_links(near)}"] if near else []


def _links(chapters: list[Chapter]) -> str:
    """Link to chapters: the first by its title, the others by their numbers."""
    first, *others = chapters
    named = f":doc:`{first.number}. {first.title} </{first.page}>`"
    return ", ".join([named, *(f":doc:`{c.number} </{c.page}>`" for c in others)])


def table() -> str:
    """Return the table of all public names, in Markdown."""
    rows = ["| Name | What it is | Chapter |", "|:--|:--|:--|"]
    for name in sorted(public_names(), key=lambda name: ROOMS.index(name.room)):
        text = (
            comment_above(*name.path.rsplit(".", 1))
            if _is_constant(name)
            else _first_paragraph(name.value)
        )
        about = re.split(r"(?<=\.) ", " ".join(text))[0].replace("|", r"\|")
        chapters = ", ".join(f"[{c.number}](/{c.page})" for c in chapters_of(name))
        rows.append(f"| {{py:obj}}`{name.path}` | {about} | {chapters} |")
    return "\n".join(rows)


def _first_paragraph(value: Any) -> list[str]:
    return (inspect.getdoc(value) or "").partition("\n\n")[0].splitlines()


def help_page() -> str:
    """Return the help of all commands, in Markdown."""
    return "\n\n".join(f"## {name}\n\n```text\n{text}\n```" for name, text in commands())


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the generated parts into a page of the reference, as it is read."""
    if page.startswith("book/api/"):
        source[0] = MARKER.sub(_part, source[0])


def _part(marker: re.Match[str]) -> str:
    if marker[1]:
        return table()
    if marker[2]:
        return help_page()
    entries = [entry(name) for name in public_names() if name.room == marker[3]]
    return "\n".join(["```{eval-rst}", *entries, "```"])


@cache
def _by_path() -> dict[str, Name]:
    return {name.path: name for name in public_names()}


def finish(app: Sphinx, what: str, path: str, value: Any, options: Any, lines: list[str]) -> None:
    """Make a docstring's last line on its source a field, and add one for the chapters."""
    for number, line in enumerate(lines):
        if line.startswith("Source: "):
            lines[number] = f":{line}"
            lines[number + 1 :] = [f"   {rest}" if rest else "" for rest in lines[number + 1 :]]
            break
    if path in _by_path():
        while lines and not lines[-1].strip():
            lines.pop()
        if not any(line.startswith(":") for line in lines):
            lines.append("")
        lines += [*field_list(value, lines), *chapter_field(_by_path()[path]), ""]


def field_list(value: Any, lines: list[str]) -> list[str]:
    """Return the fields of a data class or named tuple that its code explains in comments."""
    told = any(re.match(":(Parameters|Attributes):", line) for line in lines)
    if told or not (is_dataclass(value) or hasattr(value, "_fields")):
        return []
    items = [
        f"   * **{name}** -- {_escaped(comment)}" for name, comment in fields(value) if comment
    ]
    return [":Fields:", *items] if items else []


def _escaped(text: str) -> str:
    return re.sub(r"([*`|_\\])", r"\\\1", text).replace('""', '``""``')


def leave_out(
    app: Sphinx, what: str, name: str, value: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out a named tuple's fields, which say no more than its signature."""
    return True if (inspect.getdoc(value) or "").startswith("Alias for field number") else None


def configure(app: Sphinx, config: Config) -> None:
    """Set the extensions up; here rather than in _config.yml, as one of the settings is code."""
    config.napoleon_numpy_docstring = False
    config.napoleon_use_param = False  # one line may explain several: "start, end: ..."
    config.napoleon_use_rtype = False
    config.napoleon_custom_sections = [("Attributes", "params_style")]  # for the same reason
    config.autodoc_member_order = "bysource"
    config.autodoc_type_aliases = {"ArrayLike": "ArrayLike"}  # otherwise written out, five lines
    config.python_maximum_signature_line_length = 80
    config.python_use_unqualified_type_names = True
    config.toc_object_entries_show_parents = "hide"
    config.nitpick_ignore_regex = [("py:class", FOREIGN)]
    options = config.html_theme_options
    repository, branch = options["repository_url"], options["repository_branch"]

    def resolve(domain: str, info: dict[str, str]) -> str | None:
        module, qualified = info["module"], info["fullname"]
        if not module:  # of a constant, whose directive has the whole path
            module, _, qualified = qualified.rpartition(".")
        return address(repository, branch, module, qualified)

    config.linkcode_resolve = resolve


def setup(app: Sphinx) -> dict[str, bool]:
    for extension in ("autodoc", "napoleon", "linkcode"):
        app.setup_extension(f"sphinx.ext.{extension}")
    app.connect("config-inited", configure)
    app.connect("source-read", fill)
    app.connect("autodoc-process-docstring", finish, priority=600)  # after napoleon
    app.connect("autodoc-skip-member", leave_out)
    app.add_css_file("api.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
