"""A corpus: documents made of sentences, read as a stream, with a report of what was found.

Source: Devlin et al. 2019, section 3.1 ("a document-level corpus"); chapter 7.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from bertlab.data import DataError
from bertlab.pretraining import readers
from bertlab.pretraining.sentences import split_sentences

MANUAL = "python-manual"

Source = str | PathLike[str]


@dataclass
class CorpusReport:
    """What one pass over a corpus found."""

    files: int = 0
    documents: int = 0
    sentences: int = 0
    characters: int = 0
    one_sentence_documents: int = 0
    empty_documents: int = 0  # rows without text
    bad_bytes: int = 0
    files_with_bad_bytes: list[str] = field(default_factory=list)
    empty_files: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)  # files of a kind that isn't read

    def note_bad(self, name: str, found: int) -> None:
        """Count what a file holds that is no UTF-8."""
        self.bad_bytes += found
        if found and name not in self.files_with_bad_bytes:
            self.files_with_bad_bytes.append(name)

    def __str__(self) -> str:
        """Say it in lines: the counts, then whatever is worth a look."""
        lines = [
            f"{_count(self.documents, 'document')}, {_count(self.sentences, 'sentence')}, "
            f"{_count(self.characters, 'character')}"
            + (f" from {_count(self.files, 'file')}" if self.files else "")
        ]
        if self.one_sentence_documents:
            lines.append(
                f"{_count(self.one_sentence_documents, 'document')} of one sentence: they can "
                "only begin a pair whose second segment comes from elsewhere"
            )
        if self.empty_documents:
            lines.append(f"{_count(self.empty_documents, 'row')} without text")
        if self.empty_files:
            files = _count(len(self.empty_files), "file")
            lines.append(f"{files} without text: {_listed(self.empty_files)}")
        if self.bad_bytes:
            lines.append(
                f"{_count(self.bad_bytes, 'byte')} that no UTF-8 text holds, each replaced by "
                f"U+FFFD, in {_listed(self.files_with_bad_bytes)}"
            )
        if self.passed_over:
            files = _count(len(self.passed_over), "file")
            lines.append(f"{files} of other kinds passed over: {_listed(self.passed_over)}")
        return "\n".join(lines)


class Corpus:
    """Documents from text, read anew at each pass; each document is a list of sentences.

    - A text file (``.txt``, ``.text``, ``.md``, or any file named itself) has a paragraph a line; a
      blank line or the file's end closes the document. It should be UTF-8; UTF-16 with its mark
      works too.
    - JSONL (``.jsonl``, ``.ndjson``) has a document a line, ``{"text": "..."}``; parquet
      (``.parquet``) has a document a row. Lines of the text are its paragraphs.
    - A folder stands for all files of these kinds in it and below, in the order of their names;
      hidden ones are left out.
    - A data set of the hub has a document a row: ``"owner/name"``, or
      ``"owner/name:configuration"``.
    - ``"python-manual"`` is the prose of Python's language manual, which every Python carries.

    One document is in memory at a time, so a corpus may be larger than memory.

    Args:
        sources: one of these, or several.
        text_field: where JSONL, parquet and the hub have the text.

    Attributes:
        report: what the last pass found so far; complete when the pass is.

    Raises:
        FileNotFoundError: when there is no such file, folder or data set.
        DataError: when a folder holds nothing to read; at a pass, when a file is malformed or the
            sources hold no text at all.
    """

    def __init__(self, sources: Source | Sequence[Source], text_field: str = "text") -> None:
        if isinstance(sources, str | PathLike):
            sources = [sources]
        if not sources:
            raise DataError(found="no source", expected="at least one file, folder or hub id")
        self.text_field = text_field
        self.report = CorpusReport()
        self._held_out: frozenset[bytes] = frozenset()  # the documents that hold_out has drawn
        self._side: bool | None = None  # True: these only; False: all others; None: all
        self._passed_over: list[str] = []
        self._parts: list[Any] = []  # files, "python-manual", or (name, rows) of the hub
        self.names = [os.fspath(source) for source in sources]
        for source in sources:
            self._parts += self._find(source)

    def __repr__(self) -> str:
        return f"Corpus({', '.join(map(repr, self.names))})"

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the documents, each a list of one sentence or more."""
        self.report = report = CorpusReport(passed_over=list(self._passed_over))
        for part in self._parts:
            for paragraphs in self._read(part, report):
                document = [s for paragraph in paragraphs for s in split_sentences(paragraph)]
                if not document:
                    report.empty_documents += 1
                    continue
                if self._side not in (None, _digest(document) in self._held_out):
                    continue
                report.documents += 1
                report.sentences += len(document)
                report.characters += sum(map(len, document))
                report.one_sentence_documents += len(document) == 1
                yield document
        if not report.documents:
            raise DataError(
                path=", ".join(self.names),
                found="no text",
                expected="paragraphs, one a line, with a blank line between documents",
            )

    def fingerprint(self) -> str:
        """Return a hash of what is read: the same for the same texts under the same names."""
        digest = hashlib.blake2b(repr(self.text_field).encode(), digest_size=16)
        for part in self._parts:
            if isinstance(part, Path):
                digest.update(repr((part.name, part.stat().st_size)).encode())
                with part.open("rb") as file:
                    while block := file.read(1 << 20):
                        digest.update(block)
            elif part == MANUAL:
                digest.update(repr(list(readers.read_manual())).encode())
            else:
                digest.update(repr((part[0], part[1]._fingerprint)).encode())
        if self._side is not None:
            digest.update(repr((self._side, sorted(self._held_out))).encode())
        return digest.hexdigest()

    def hold_out(
        self, share: float = 0.01, seed: int = 0, progress_bar: bool = False
    ) -> tuple[Corpus, Corpus]:
        """Split off random documents with at least ``share`` of the characters, two at least.

        This comes before anything is learned from the text, the vocabulary included. Documents are
        told apart by their text: a copy of one that is held out is held out as well.

        Args:
            share: above 0 and below 1.
            seed: of the draw; the same documents and seed give the same split.
            progress_bar: show one; the text is read once.

        Returns:
            The corpus to train on and the corpus that is held out; no document is in both.

        Raises:
            DataError: when there are too few documents to split.
            ValueError: when ``share`` is no share.
        """
        if not 0 < share < 1:
            raise ValueError(f"share is {share}: expected a number above 0 and below 1")
        digests, sizes = [], []
        bar = tqdm(self, "reading the text", unit=" documents", disable=not progress_bar)
        for document in bar:
            digests.append(_digest(document))
            sizes.append(sum(map(len, document)))
        order = np.random.default_rng(seed).permutation(len(sizes))
        so_far = np.array(sizes)[order].cumsum()
        count = max(2, 1 + int(np.searchsorted(so_far, share * so_far[-1])))
        while len({digests[index] for index in order[:count]}) < 2 and count < len(order):
            count += 1  # the first ones are copies of one another
        drawn = frozenset(digests[index] for index in order[:count])
        left = sum(digest not in drawn for digest in digests)
        if left < 2 or len(drawn) < 2:
            raise DataError(
                path=", ".join(self.names),
                found=f"{len(sizes)} documents, {len(set(digests))} of them different",
                expected=f"enough to hold out {share:.0%} of the text, two documents at least, and "
                "to train on two or more. Put blank lines between documents, or add text",
            )
        held_out, rest = copy(self), copy(self)
        for part, side in ((held_out, True), (rest, False)):
            part._held_out, part._side, part.report = drawn, side, CorpusReport()
        return rest, held_out

    def _find(self, source: Source) -> list[Any]:
        """Return the parts that a source stands for."""
        name = os.fspath(source)
        if name == MANUAL:
            return [MANUAL]
        path = Path(source).expanduser()
        if path.is_file():
            return [path]
        if path.is_dir():
            return self._find_files(path)
        looks_like_a_path = not isinstance(source, str) or name.startswith((".", "/", "~"))
        if looks_like_a_path or name.count("/") > 1 or path.suffix in readers.SUFFIXES:
            raise FileNotFoundError(f"there is no file or folder {name!r}")
        return [(name, readers.open_hub(name, self.text_field))]

    def _find_files(self, folder: Path) -> list[Path]:
        files: list[Path] = []
        for path in sorted(folder.rglob("*")):
            inner = path.relative_to(folder)
            if not path.is_file() or any(part.startswith(".") for part in inner.parts):
                continue
            if path.suffix.lower() in readers.SUFFIXES:
                files.append(path)
            else:
                self._passed_over.append(path.name)
        if not files:
            others = _count(len(self._passed_over), "file") + " of other kinds"
            raise DataError(
                path=folder,
                found=others if self._passed_over else "an empty folder",
                expected=f"files that end in {', '.join(readers.SUFFIXES)}",
            )
        return files

    def _read(self, part: Any, report: CorpusReport) -> Iterator[readers.Paragraphs]:
        if isinstance(part, Path):
            return readers.read_file(part, self.text_field, report)
        if part == MANUAL:
            return readers.read_manual()
        name, rows = part
        return readers.read_rows(rows, name, self.text_field, report)


def _digest(document: list[str]) -> bytes:
    return hashlib.blake2b("\n".join(document).encode(), digest_size=16).digest()


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _listed(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
