"""Bytes become lines; what isn't text in the encoding given is named with its line."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertlab import DataError
from bertlab.data.text_files import decode_lines, read_lines, read_text


@pytest.fixture
def write(tmp_path: Path):
    def write_bytes(content: bytes) -> Path:
        path = tmp_path / "file.txt"
        path.write_bytes(content)
        return path

    return write_bytes


TEXT = "é ß\u2028still\x85the\x0bsame\x1cline\r\nnext\rlast\n\nend"
LINES = ["é ß\u2028still\x85the\x0bsame\x1cline\r\n", "next\r", "last\n", "\n", "end"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "UTF8", "utf-16", "utf-32"])
def test_only_line_feeds_and_carriage_returns_end_lines(write, encoding: str) -> None:
    path = write(TEXT.encode(encoding))
    assert list(read_lines(path, encoding)) == LINES
    assert read_text(path, encoding) == TEXT


def test_a_mark_is_taken_off_and_only_at_the_start(write) -> None:
    path = write("\ufeffa\n\ufeffb".encode())
    for encoding in ("utf-8", "utf-8-sig"):
        assert list(read_lines(path, encoding)) == ["a\n", "\ufeffb"]
    assert read_text(write("\ufeffa".encode("utf-16-le")), "utf-16-le") == "a"
    assert read_text(write(b"")) == ""


@pytest.mark.parametrize(
    ("content", "encoding", "line", "found", "expected"),
    [
        (b"a\ncaf\xe9 x", "utf-8", 2, "0xE9, which isn't utf-8, after 'caf'", "--encoding latin-1"),
        (b"\xe9", "utf-8", 1, "0xE9, which isn't utf-8", 'encoding="latin-1"'),
        (b"a\r\nb\n\x93x\x94", "utf-8", 3, "0x93", 'encoding="cp1252"'),
        (b"\xed\xa0\x80", "utf-8", 1, "0xED", "latin-1"),  # half a surrogate pair, encoded
        ("né".encode()[:-1], "utf-8", 1, "0xC3", "latin-1"),  # cut within a character
        (b"x\x81", "cp1252", 1, "0x81, which isn't cp1252", "text in cp1252"),
        (b"a\n\0", "utf-8", 2, "a NUL character", 'encoding="utf-16-le"'),
        (b"a\n\0", "latin-1", 2, "a NUL character", 'encoding="utf-16-le"'),
        ("a\nb".encode("utf-16") + b"!", "utf-16", 2, "aren't utf-16", "text in utf-16"),
        ("a".encode("utf-16"), "utf-8", None, r"UTF-16 begins \(FF FE\)", "--encoding utf-16"),
        ("a".encode("utf-32"), "utf-8", None, "UTF-32", "--encoding utf-32"),
        ("\ufeffa".encode("utf-16-be"), "latin-1", None, "UTF-16", "--encoding utf-16"),
        ("é".encode("utf-8-sig"), "latin-1", None, "UTF-8", "--encoding utf-8"),
        (b"\x1f\x8b\x08", "utf-8", None, "a gzip archive", "unpack or export it"),
        (b"PK\x03\x04", "utf-8", None, "a zip archive", "unpack or export it"),
        (b"PAR1", "utf-8", None, "a parquet file", "unpack or export it"),
        (b"a", "latin-99", None, "the encoding 'latin-99'", "a name such as utf-8"),
        (b"a", "base64", None, "the encoding 'base64'", "a name such as utf-8"),
    ],
)
def test_what_is_not_text_is_named(write, content, encoding, line, found, expected) -> None:
    path = write(content)
    with pytest.raises(DataError, match=found) as caught:
        read_text(path, encoding)
    assert (caught.value.line, caught.value.path) == (line, str(path))
    assert expected in caught.value.expected


def test_other_encodings_are_read_when_named(write) -> None:
    assert read_text(write("naïve “x”".encode("cp1252")), "cp1252") == "naïve “x”"
    assert read_text(write("文字".encode("gb18030")), "gb18030") == "文字"


def test_a_stream_is_read_line_by_line_and_left_open() -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            buffer[:6] = b"lines\n"
            return 6

    file = io.BufferedReader(Endless())
    lines = decode_lines(file, "<stdin>")
    assert [next(lines) for _ in range(5)] == ["lines\n"] * 5
    lines.close()
    assert not file.closed


@given(st.lists(st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]))))
def test_lines_come_back_as_they_were_written(lines: list[str]) -> None:
    content = "".join(f"{line}\n" for line in lines).encode("utf-8-sig")
    found = decode_lines(io.BufferedReader(io.BytesIO(content)), "file.txt")
    assert [line.rstrip("\n") for line in found] == lines
