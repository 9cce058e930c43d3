"""Reading: each kind of source, and whatever is wrong with it counted, said, or refused."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bertlab
from bertlab.pretraining import Corpus
from bertlab.pretraining.readers import read_manual


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_parquet(path: Path, **columns: list[Any]) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


# --- text files


def test_a_blank_line_or_the_end_closes_a_document(tmp_path: Path) -> None:
    text = "\n\nOne. Two.\nThree.\n\n\n \t \nFour.\n   \u00a0\nFive. Six"
    corpus = Corpus(write(tmp_path / "a.txt", text))
    assert list(corpus) == [["One.", "Two.", "Three."], ["Four."], ["Five.", "Six"]]
    report = corpus.report
    assert (report.files, report.documents, report.sentences) == (1, 3, 6)
    assert report.characters == sum(len(s) for d in corpus for s in d)
    assert report.one_sentence_documents == 1
    assert report.empty_documents == 0, "several blank lines are one end"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
def test_line_ends_of_all_systems_and_a_byte_order_mark(
    tmp_path: Path, start: bytes, end: str
) -> None:
    text = end.join(["Été un.", "Two.", "", "Three.", ""])
    corpus = Corpus(write(tmp_path / "a.txt", start + text.encode()))
    assert list(corpus) == [["Été un.", "Two."], ["Three."]]
    assert corpus.report.bad_bytes == 0


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_with_its_mark_is_read_as_such(tmp_path: Path, encoding: str) -> None:
    content = "\ufeffOne.\r\nTwo.\r\n\r\nÉté.\r\n".encode(encoding)
    corpus = Corpus(write(tmp_path / "a.txt", content))
    assert list(corpus) == [["One.", "Two."], ["Été."]]
    assert corpus.report.bad_bytes == 0
    broken = Corpus(write(tmp_path / "b.txt", content + "\ud800".encode(encoding, "surrogatepass")))
    assert len(list(broken)) == 2
    assert broken.report.bad_bytes == 1


def test_bad_bytes_are_replaced_counted_and_named(tmp_path: Path) -> None:
    latin = "Caf\u00e9 ol\u00e9.\n".encode("latin-1")
    real = "A real \ufffd.\n".encode()
    corpus = Corpus([write(tmp_path / "a.txt", latin + real), write(tmp_path / "b.txt", "Fine.")])
    assert list(corpus) == [["Caf\ufffd ol\ufffd.", "A real \ufffd."], ["Fine."]]
    assert corpus.report.bad_bytes == 2
    assert corpus.report.files_with_bad_bytes == ["a.txt"]
    assert "2 bytes that no UTF-8 text holds, each replaced by U+FFFD, in a.txt" in str(
        corpus.report
    )


def test_empty_files_are_counted_and_not_fatal(tmp_path: Path) -> None:
    for name, content in (("a.txt", ""), ("b.txt", "\n \n"), ("c.jsonl", "\n"), ("d.txt", "Yes.")):
        write(tmp_path / name, content)
    corpus = Corpus(tmp_path)
    assert list(corpus) == [["Yes."]]
    assert corpus.report.empty_files == ["a.txt", "b.txt", "c.jsonl"]
    assert "3 files without text: a.txt, b.txt, c.jsonl" in str(corpus.report)


def test_a_file_named_itself_is_text_whatever_its_ending(tmp_path: Path) -> None:
    assert list(Corpus(write(tmp_path / "README", "Hello."))) == [["Hello."]]


def test_a_corpus_is_read_as_a_stream(tmp_path: Path) -> None:
    """Would catch a reader that takes in the whole file."""
    file = write(tmp_path / "a.txt", ("A sentence of some length. " * 40 + "\n\n") * 1500)
    assert file.stat().st_size > 1_500_000
    tracemalloc.start()
    documents = sum(1 for _ in Corpus(file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert documents == 1500
    assert peak < 500_000


# --- folders


def test_a_folder_is_read_in_order_with_what_lies_below(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "Three.")
    write(tmp_path / "a" / "z.TXT", "One.")
    write(tmp_path / "a.jsonl", '{"text": "Two."}')
    write(tmp_path / "c.md", "Four.")
    write(tmp_path / ".hidden.txt", "No.")
    write(tmp_path / ".git" / "x.txt", "No.")
    for i in range(5):
        write(tmp_path / f"p{i}.csv", "No.")
    corpus = Corpus(tmp_path)
    assert list(corpus) == [["One."], ["Two."], ["Three."], ["Four."]]
    assert "5 files of other kinds passed over: p0.csv, p1.csv, p2.csv and 2 more" in str(
        corpus.report
    )


def test_folders_without_a_file_to_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(bertlab.DataError, match=r"found an empty folder; expected files that end"):
        Corpus(tmp_path)
    write(tmp_path / "a.pdf", "x")
    with pytest.raises(bertlab.DataError, match="found 1 file of other kinds") as raised:
        Corpus(str(tmp_path))
    assert raised.value.path == str(tmp_path)


# --- JSONL


def test_jsonl_has_a_document_a_line(tmp_path: Path) -> None:
    rows = [{"text": "One. Two.\n\nThree."}, {"text": ""}, {"text": None}, {"id": 1, "text": "4"}]
    lines = "\r\n".join(["\ufeff" + json.dumps(rows[0]), "", *map(json.dumps, rows[1:])])
    corpus = Corpus(write(tmp_path / "a.jsonl", lines))
    assert list(corpus) == [["One.", "Two.", "Three."], ["4"]]
    assert corpus.report.empty_documents == 2
    assert "2 rows without text" in str(corpus.report)


def test_the_text_may_have_another_name(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", '{"content": "Hello."}')
    assert list(Corpus(file, text_field="content")) == [["Hello."]]


def test_half_a_character_that_json_escapes_is_replaced(tmp_path: Path) -> None:
    corpus = Corpus(write(tmp_path / "a.jsonl", '{"text": "A \\ud83d b."}\n' * 2))
    assert list(corpus) == [["A \ufffd b."]] * 2
    assert corpus.report.bad_bytes == 2
    assert corpus.report.files_with_bad_bytes == ["a.jsonl"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("{", "no valid JSON"),
        ("Plain text.", "no valid JSON"),
        ('["text"]', "a JSON list"),
        ('{"texts": "x", "id": 1}', r'no field "text" \(fields: texts, id\)'),
        ("{}", r'no field "text" \(fields: none\)'),
        ('{"text": 5}', '"text" of type int'),
        ('{"text": ["a"]}', '"text" of type list'),
    ],
)
def test_malformed_jsonl_is_refused_with_its_line(tmp_path: Path, line: str, found: str) -> None:
    file = write(tmp_path / "a.jsonl", '{"text": "Good."}\n\n' + line)
    with pytest.raises(bertlab.DataError, match=rf"a\.jsonl, line 3: found {found}") as raised:
        list(Corpus(file))
    assert raised.value.path == str(file)
    assert raised.value.line == 3
    assert '"text"' in raised.value.expected


# --- parquet and the hub


def test_parquet_has_a_document_a_row(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", text=["One. Two.", None, "Three."], id=[1, 2, 3])
    corpus = Corpus(tmp_path)
    assert list(corpus) == [["One.", "Two."], ["Three."]]
    assert corpus.report.empty_documents == 1


def test_parquet_without_the_column_or_that_is_none_is_refused(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "a.parquet", content=["One."], id=[1])
    with pytest.raises(bertlab.DataError, match=r'no column "text" \(columns: content, id\)'):
        list(Corpus(file))
    assert list(Corpus(file, text_field="content")) == [["One."]]
    with pytest.raises(bertlab.DataError, match=r"b\.parquet: found no parquet"):
        list(Corpus(write(tmp_path / "b.parquet", "text")))
    with pytest.raises(bertlab.DataError, match='"id" of type int'):
        list(Corpus(file, text_field="id"))


def test_a_hub_id_is_opened_by_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parquet(tmp_path / "a.parquet", text=["One. Two.", "", "Three."], id=[1, 2, 3])
    asked = []

    def load(*arguments: Any, split: str) -> datasets.Dataset:
        asked.append((*arguments, split))
        return datasets.Dataset.from_parquet(
            str(tmp_path / "a.parquet"), cache_dir=str(tmp_path / "cache")
        )

    monkeypatch.setattr(datasets, "load_dataset", load)
    corpus = Corpus(["owner/name", "owner/name:small"])
    assert list(corpus) == [["One.", "Two."], ["Three."]] * 2
    assert corpus.report.empty_documents == 2
    assert asked == [("owner/name", None, "train"), ("owner/name", "small", "train")]
    assert corpus.fingerprint() == Corpus(["owner/name", "owner/name:small"]).fingerprint()
    assert corpus.fingerprint() != Corpus(["owner/name"]).fingerprint()
    with pytest.raises(bertlab.DataError, match=r'owner/name: found no column "content"'):
        Corpus("owner/name", text_field="content")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (datasets.exceptions.DatasetNotFoundError("no"), FileNotFoundError, "DatasetNotFoundError"),
        (ConnectionError("no"), FileNotFoundError, "'owner/name' is no file or folder here"),
        (
            ValueError("Config name is missing.\n"),
            bertlab.DataError,
            r"owner/name: found a data set that does not open \(Config name is missing\.\)",
        ),
        (RuntimeError("Dataset scripts are no longer supported"), bertlab.DataError, "scripts"),
    ],
)
def test_a_hub_id_that_does_not_open_says_why(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception], message: str
) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(kind, match=message):
        Corpus("owner/name")


@pytest.mark.parametrize("missing", ["./no", "/no/such", "~/no", "a/b/c", "no.txt", "no.jsonl"])
def test_a_missing_file_is_not_asked_of_the_hub(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(datasets, "load_dataset", None)
    with pytest.raises(FileNotFoundError, match=f"there is no file or folder '{missing}'"):
        Corpus(missing)
    with pytest.raises(FileNotFoundError):
        Corpus(Path("owner/name"))


# --- Python's manual


def test_the_manual_is_prose_in_some_eighty_topics() -> None:
    corpus = Corpus("python-manual")
    documents = list(corpus)
    assert 60 < len(documents) < 120
    assert corpus.report.files == 0
    assert corpus.report.characters > 200_000
    text = " ".join(sentence for document in documents for sentence in document)
    assert "all comparison operations in Python have the same priority, which is lower" in text
    assert "::=" not in text
    assert ">>>" not in text
    assert "****" not in text
    assert list(corpus) == documents


def test_a_topic_keeps_its_paragraphs_apart() -> None:
    paragraphs = [p for document in read_manual() for p in document]
    assert len(paragraphs) > 800
    assert all("\n" not in p and p[-1] in ".:!?)\"'”’*" for p in paragraphs)


# --- the whole


def test_several_sources_are_one_corpus_read_anew_at_each_pass(tmp_path: Path) -> None:
    a = write(tmp_path / "a.txt", "One.")
    corpus = Corpus([str(a), a, "python-manual"])
    first = list(corpus)
    assert first[:2] == [["One."], ["One."]]
    documents = corpus.report.documents
    assert list(corpus) == first
    assert corpus.report.documents == documents == len(first)
    assert repr(corpus) == f"Corpus({str(a)!r}, {str(a)!r}, 'python-manual')"


def test_nothing_usable_is_an_error_that_names_the_sources(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.txt", "\n"), write(tmp_path / "b.txt", "")
    with pytest.raises(bertlab.DataError, match=r"a\.txt, .*b\.txt: found no text; expected"):
        list(Corpus([a, b]))
    with pytest.raises(bertlab.DataError, match="found no source"):
        Corpus([])


def test_the_fingerprint_changes_with_the_text_and_only_with_it(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt", "One.")
    other = write(tmp_path / "elsewhere" / "a.txt", "One.")
    first = Corpus(file).fingerprint()
    assert Corpus(other).fingerprint() == first
    os.utime(file, (1, 1))
    assert Corpus(file).fingerprint() == first
    write(file, "Two.")
    assert Corpus(file).fingerprint() != first
    assert Corpus([other, other]).fingerprint() != first
    assert Corpus(other, text_field="content").fingerprint() != first
    manual = Corpus("python-manual").fingerprint()
    assert manual == Corpus("python-manual").fingerprint() != first


def test_the_report_reads_well(tmp_path: Path) -> None:
    corpus = Corpus(write(tmp_path / "a.txt", "One. Two.\n\nThree.\n"))
    list(corpus)
    assert str(corpus.report) == (
        "2 documents, 3 sentences, 14 characters from 1 file\n"
        "1 document of one sentence: they can only begin a pair whose second segment comes from "
        "elsewhere"
    )
    corpus = Corpus(write(tmp_path / "b.txt", "One. Two."))
    list(corpus)
    assert str(corpus.report) == "1 document, 2 sentences, 8 characters from 1 file"


# --- documents held out


def numbered(path: Path, lengths: list[int]) -> Corpus:
    """A document for each length: so many sentences with the document's number in each."""
    documents = [
        "\n".join(f"Document {number}, sentence {s}." for s in range(length))
        for number, length in enumerate(lengths)
    ]
    return Corpus(write(path, "\n\n".join(documents)))


def characters(documents: list[list[str]]) -> int:
    return sum(len(sentence) for document in documents for sentence in document)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.integers(1, 9), min_size=12, max_size=30), st.floats(0.01, 0.4), st.integers(0, 99)
)
def test_documents_held_out_are_whole_and_in_no_other_part(
    tmp_path: Path, lengths: list[int], share: float, seed: int
) -> None:
    corpus = numbered(tmp_path / "a.txt", lengths)
    everything = list(corpus)
    rest, held_out = (list(part) for part in corpus.hold_out(share, seed))
    assert sorted(rest + held_out) == sorted(everything)
    assert [d for d in everything if d in rest] == rest, "in the order of the text"
    assert [d for d in everything if d in held_out] == held_out
    longest = max(characters([document]) for document in everything)
    wanted = share * characters(everything)
    assert len(held_out) >= 2
    assert wanted <= characters(held_out) < wanted + 2 * longest
    assert list(corpus.hold_out(share, seed)[1]) == held_out, "the same seed, the same split"
    assert list(corpus) == everything, "the corpus itself is as before"


def test_holding_out_depends_on_the_seed(tmp_path: Path) -> None:
    corpus = numbered(tmp_path / "a.txt", [3] * 60)
    assert len({str(list(corpus.hold_out(0.1, seed)[1])) for seed in range(5)}) == 5


@pytest.mark.parametrize("seed", range(6))
def test_copies_of_a_document_held_out_are_held_out_too(tmp_path: Path, seed: int) -> None:
    """Here every other document is the same one, so that the first two drawn may be copies."""
    documents = [f"Document {n}. It has two sentences." if n % 2 else "A copy." for n in range(20)]
    corpus = Corpus(write(tmp_path / "a.txt", "\n\n".join(documents)))
    rest, held_out = (list(part) for part in corpus.hold_out(0.02, seed))
    assert not [document for document in rest if document in held_out]
    assert len(rest) + len(held_out) == 20
    assert len({str(document) for document in held_out}) >= 2


def test_each_part_reports_and_hashes_what_it_holds(tmp_path: Path) -> None:
    corpus = numbered(tmp_path / "a.txt", [1, 2, 3, 4, 5] * 4)
    rest, held_out = corpus.hold_out(0.2)
    assert corpus.report.documents == 20, "the split has read all of it"
    assert rest.report.documents == held_out.report.documents == 0
    parts = [list(rest), list(held_out)]
    for part, documents in zip((rest, held_out), parts, strict=True):
        assert part.report.documents == len(documents)
        assert part.report.sentences == sum(map(len, documents))
        assert part.report.characters == characters(documents)
        assert part.report.one_sentence_documents == sum(len(d) == 1 for d in documents)
    assert corpus.report.documents == 20
    other = corpus.hold_out(0.2, seed=1)[0]
    prints = [part.fingerprint() for part in (corpus, rest, held_out, other)]
    assert len(set(prints)) == 4
    assert corpus.hold_out(0.2)[0].fingerprint() == rest.fingerprint()


def test_what_cannot_be_held_out_is_refused(tmp_path: Path) -> None:
    corpus = numbered(tmp_path / "a.txt", [2] * 9)
    for share in (0, 1, -1, float("nan")):
        with pytest.raises(ValueError, match=f"share is {share}: expected a number above 0"):
            corpus.hold_out(share)
    for lengths in ([5], [5, 5], [5, 5, 5]):
        few = numbered(tmp_path / "b.txt", lengths)
        with pytest.raises(bertlab.DataError, match=rf"b\.txt: found {len(lengths)} documents"):
            few.hold_out(0.01)
    copies = Corpus(write(tmp_path / "c.txt", "\n\n".join(["The same."] * 9)))
    with pytest.raises(bertlab.DataError, match="found 9 documents, 1 of them different"):
        copies.hold_out(0.01)
    assert list(numbered(tmp_path / "d.txt", [1] * 4).hold_out(0.01)[1])


def test_a_bar_shows_what_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbered(tmp_path / "a.txt", [1] * 9).hold_out(0.1, progress_bar=True)
    assert "reading the text: 9 documents" in capsys.readouterr().err
