"""From text to ids, once; the cache."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest
from small_corpus import small_tokenizer

import bertlab
from bertlab.pretraining import Corpus, TokenisedCorpus, tokenise

TEXT = "abc. The de.\n\nThe.\n\u200b\n\n\u200b\n\nbing a. c\nd the\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    return Corpus(tmp_path / "a.txt")


def contents(corpus: TokenisedCorpus) -> list[list[list[int]]]:
    return [corpus.document(d) for d in range(len(corpus))]


def pieces(corpus: TokenisedCorpus) -> list[list[str]]:
    name = small_tokenizer().convert_ids_to_tokens
    return [[" ".join(name(s)) for s in document] for document in contents(corpus)]


def test_documents_become_ids_without_special_tokens(corpus: Corpus) -> None:
    """A zero-width space gives no piece: that sentence is left out, and so is that document."""
    tokens = tokenise(corpus, small_tokenizer())
    assert pieces(tokens) == [
        ["a ##b ##c .", "the d ##e ."],
        ["the ."],
        ["b ##ing a . c", "d the"],
    ]
    assert len(tokens) == 3
    assert tokens.tokens == 17
    assert tokens.ids.dtype == np.uint16
    assert tokens.report == corpus.report
    assert tokens.report.documents == 4


def test_special_tokens_in_the_text_are_text(tmp_path: Path) -> None:
    """Would catch a [SEP] of the text that the model takes for the end of a segment."""
    (tmp_path / "a.txt").write_text("a [SEP] b [MASK] c", encoding="utf-8")
    tokenizer = small_tokenizer()
    assert tokenizer.sep_token_id in tokenizer("a [SEP] b", add_special_tokens=False)["input_ids"]
    ids = tokenise(Corpus(tmp_path / "a.txt"), tokenizer).ids
    assert not set(ids.tolist()) & {tokenizer.sep_token_id, tokenizer.mask_token_id}


def test_a_tokenizers_own_limits_are_neither_used_nor_changed(corpus: Corpus) -> None:
    tokenizer = small_tokenizer()
    tokenizer.backend_tokenizer.enable_truncation(2)
    tokenizer.backend_tokenizer.enable_padding(length=9)
    assert contents(tokenise(corpus, tokenizer)) == contents(tokenise(corpus, small_tokenizer()))
    assert tokenizer.backend_tokenizer.truncation["max_length"] == 2
    assert tokenizer.backend_tokenizer.padding["length"] == 9


def test_a_large_vocabulary_has_room(corpus: Corpus) -> None:
    tokenizer = small_tokenizer(words=70_000)
    tokens = tokenise(corpus, tokenizer)
    assert tokens.ids.dtype == np.uint32
    assert pieces(tokens) == pieces(tokenise(corpus, small_tokenizer()))


def test_the_manual_comes_back_from_its_ids() -> None:
    manual = Corpus("python-manual")
    tokenizer = bertlab.train_tokenizer([s for d in manual for s in d][:300], 300, True)
    tokens = tokenise(manual, tokenizer)
    expected = [
        tokenizer(document, add_special_tokens=False)["input_ids"] for document in list(manual)[:5]
    ]
    assert contents(tokens)[:5] == expected
    assert len(tokens) == manual.report.documents


# --- the cache


def test_the_cache_is_used_while_nothing_changed(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "deep" / "cache"
    first = tokenise(corpus, small_tokenizer(), cache)
    assert contents(first) == contents(tokenise(corpus, small_tokenizer()))

    def refuse(_: Corpus) -> Iterator[list[str]]:
        raise AssertionError("the text was read again")

    monkeypatch.setattr(Corpus, "__iter__", refuse)
    again = tokenise(Corpus(tmp_path / "a.txt"), small_tokenizer(), str(cache))
    assert contents(again) == contents(first)
    assert again.report == first.report
    assert len(list(cache.iterdir())) == 1
    assert not again.ids.flags.writeable, "ids of a cache must be read from the disk, never written"


def test_another_text_or_tokenizer_is_another_entry(corpus: Corpus, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = contents(tokenise(corpus, small_tokenizer(), cache))
    tokenise(corpus, small_tokenizer(words=1), cache)
    (tmp_path / "a.txt").write_text("ab.\n\nc.", encoding="utf-8")
    assert contents(tokenise(corpus, small_tokenizer(), cache)) != first
    assert len(list(cache.iterdir())) == 3


def test_an_interruption_leaves_no_entry(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"

    def stop(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(json, "dumps", stop)  # everything but the last file is written by then
        with pytest.raises(KeyboardInterrupt):
            tokenise(corpus, small_tokenizer(), cache)
    assert list(cache.iterdir()) == []
    tokenise(corpus, small_tokenizer(), cache)
    assert len(list(cache.iterdir())) == 1


def test_what_a_killed_process_left_is_removed_after_a_day(corpus: Corpus, tmp_path: Path) -> None:
    """Not at once: another process may be writing it."""
    cache = tmp_path / "cache"
    for name in ("old.x.part", "new.y.part"):
        (cache / name).mkdir(parents=True)
        (cache / name / "ids.bin").write_bytes(b"12")
    yesterday = time.time() - 90_000
    for path in (cache / "old.x.part" / "ids.bin", cache / "old.x.part", cache / "new.y.part"):
        os.utime(path, (yesterday, yesterday))
    tokenise(corpus, small_tokenizer(), cache)
    left = sorted(path.name for path in cache.iterdir())
    assert len(left) == 2
    assert "new.y.part" in left, "its file was written to"
    assert "old.x.part" not in left


def test_two_processes_at_once_end_with_one_entry(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    expected = contents(tokenise(corpus, small_tokenizer(), cache))
    with monkeypatch.context() as patch:
        seen = chain([False], repeat(True))  # not there at first, but before this one renames
        patch.setattr(Path, "is_dir", lambda _: next(seen))
        found = tokenise(corpus, small_tokenizer(), cache)
    assert contents(found) == expected
    assert len(list(cache.iterdir())) == 1


def test_a_cache_that_cannot_be_renamed_is_an_error(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        tokenise(corpus, small_tokenizer(), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_text_that_gives_no_piece_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("\u200b\n", encoding="utf-8")
    with pytest.raises(bertlab.DataError, match="text that the tokenizer makes nothing of"):
        tokenise(Corpus(file), small_tokenizer(), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
