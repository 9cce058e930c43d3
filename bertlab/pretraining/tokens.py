"""A corpus as ids: tokenised once, kept in flat arrays, cached on disk.

``N`` ids, ``S`` sentences, ``D`` documents. A sentence is a slice of the ids, a document is a run
of sentences, and so any segment of whole sentences is one slice as well: pairs need nothing else.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from bertlab.data import DataError
from bertlab.pretraining.corpus import Corpus, CorpusReport

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Raise it when the same text and tokenizer give other ids: the rule for sentences, the file format.
_FORMAT = 1
_DOCUMENTS_AT_ONCE = 256


@dataclass(frozen=True)
class TokenisedCorpus:
    """The ids of a corpus, and where its sentences and documents are.

    Attributes:
        ids: ``(N,)``, uint16 or uint32; read from the disk as needed if they are cached there.
        sentences: ``(S + 1,)``; sentence s is ``ids[sentences[s] : sentences[s + 1]]``.
        documents: ``(D, 2)``; document d has the sentences ``documents[d, 0]`` up to, not
            including, ``documents[d, 1]``.
        report: what reading the text found.
    """

    ids: NDArray[Any]
    sentences: NDArray[np.int64]
    documents: NDArray[np.int64]
    report: CorpusReport

    @classmethod
    def from_ids(cls, documents: Sequence[Sequence[Sequence[int]]]) -> TokenisedCorpus:
        """Make one of documents, given as the ids of each of their sentences, none empty."""
        flat = [sentence for document in documents for sentence in document]
        ends = np.cumsum([len(document) for document in documents], dtype=np.int64)
        return cls(
            ids=np.array([i for sentence in flat for i in sentence], dtype=np.uint32),
            sentences=np.cumsum([0, *map(len, flat)], dtype=np.int64),
            documents=np.stack([np.append(0, ends[:-1]), ends], axis=1),
            report=CorpusReport(documents=len(documents), sentences=len(flat)),
        )

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.documents)

    @property
    def tokens(self) -> int:
        """The number of ids."""
        return len(self.ids)

    def sentence(self, index: int) -> list[int]:
        """Return the ids of a sentence, counted over the whole corpus."""
        return self.ids[self.sentences[index] : self.sentences[index + 1]].tolist()

    def document(self, index: int) -> list[list[int]]:
        """Return a document: the ids of each of its sentences."""
        return [self.sentence(s) for s in range(*self.documents[index])]


def tokenise(
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerBase,
    cache: str | PathLike[str] | None = None,
    progress_bar: bool = False,
) -> TokenisedCorpus:
    """Turn a corpus into ids, or read them from the cache if they are there.

    "[MASK]" and the like in the text are text: they are cut into pieces as any other word.
    Sentences without a piece are left out, and documents without such sentences.

    Args:
        corpus: the text; it is read once, and not at all if the cache has it.
        tokenizer: a BERT tokenizer.
        cache: a folder. The ids are kept there under a hash of the text, the tokenizer and the
            settings, and read from there when all are unchanged, without being loaded into memory.
            A new entry is written under another name and then renamed, so that an interruption
            leaves none. Without a folder, the ids are kept in memory.
        progress_bar: show one.

    Raises:
        DataError: when the corpus is malformed, or holds nothing that gives a piece.
    """
    from tokenizers import Tokenizer

    backend = tokenizer.backend_tokenizer.to_str()
    fast = Tokenizer.from_str(backend)  # a copy: its settings are ours to change
    fast.no_truncation()
    fast.no_padding()
    fast.encode_special_tokens = True
    dtype = np.dtype(np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32)

    if cache is None:
        with tempfile.TemporaryDirectory() as folder:
            _write(corpus, fast, dtype, Path(folder), progress_bar)
            return _open(Path(folder), in_memory=True)
    key = hashlib.blake2b(
        repr((_FORMAT, backend, corpus.fingerprint())).encode(), digest_size=16
    ).hexdigest()
    target = Path(cache).expanduser() / key
    if not target.is_dir():
        _remove_leftovers(target.parent)
        with _under_another_name(target) as folder:
            _write(corpus, fast, dtype, folder, progress_bar)
    return _open(target)


def _remove_leftovers(cache: Path) -> None:
    """Remove unfinished entries that nobody has written to for a day: of killed processes."""
    for folder in cache.glob("*.part"):
        with suppress(OSError):  # another process may be removing it
            if (
                time.time() - max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
                > 86400
            ):
                shutil.rmtree(folder)


@contextmanager
def _under_another_name(target: Path) -> Iterator[Path]:
    """Give a folder to write to, which becomes ``target`` if all goes well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent))
    try:
        yield folder
        try:
            folder.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster, and wrote the same
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(
    corpus: Corpus, tokenizer: Any, dtype: np.dtype[Any], folder: Path, progress_bar: bool
) -> None:
    """Write the ids and the ends of sentences and documents, some documents at a time."""
    with (
        (folder / "ids.bin").open("wb") as ids,
        (folder / "sentences.bin").open("wb") as sentences,
        (folder / "documents.bin").open("wb") as documents,
    ):
        tokens, count, kept = 0, 0, 0
        _append(sentences, np.zeros(1, np.int64))
        stream = iter(
            tqdm(corpus, "cutting it into pieces", unit=" documents", disable=not progress_bar)
        )
        while some := list(islice(stream, _DOCUMENTS_AT_ONCE)):
            texts = [sentence for document in some for sentence in document]
            encoded = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            rows = iter([encoding.ids for encoding in encoded])
            for document in some:
                pieces = [row for row in islice(rows, len(document)) if row]
                if not pieces:
                    continue
                _append(ids, np.concatenate([np.array(row, dtype) for row in pieces]))
                ends = tokens + np.cumsum([len(row) for row in pieces], dtype=np.int64)
                _append(sentences, ends)
                _append(documents, np.array([[count, count + len(pieces)]], np.int64))
                tokens, count, kept = int(ends[-1]), count + len(pieces), kept + 1
    if not kept:
        raise DataError(
            path=", ".join(corpus.names),
            found="text that the tokenizer makes nothing of",
            expected="text in the language that its vocabulary was made for",
        )
    meta = {"dtype": dtype.name, "report": asdict(corpus.report)}
    (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _append(file: IO[bytes], array: NDArray[Any]) -> None:
    file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())


def _open(folder: Path, in_memory: bool = False) -> TokenisedCorpus:
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))

    def read(name: str, dtype: str) -> NDArray[Any]:
        kind = np.dtype(dtype).newbyteorder("<")
        if in_memory:
            return np.fromfile(folder / name, kind)
        return np.asarray(np.memmap(folder / name, kind, mode="r"))  # a plain view is quicker

    return TokenisedCorpus(
        ids=read("ids.bin", meta["dtype"]),
        sentences=read("sentences.bin", "int64"),
        documents=read("documents.bin", "int64").reshape(-1, 2),
        report=CorpusReport(**meta["report"]),
    )
