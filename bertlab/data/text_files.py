"""From bytes to lines: encodings, marks, and what is no text at all.

Only ``\\n``, ``\\r\\n`` and ``\\r`` end a line. Python's ``str.splitlines`` also cuts at U+2028,
U+0085 and six others, which stand in the middle of real texts.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from os import PathLike

from bertlab.data.errors import DataError

_UNICODE_MARKS = {  # UTF-32's first: UTF-16's is how it begins
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    codecs.BOM_UTF8: "utf-8",
}
_NO_TEXT = {
    b"\x1f\x8b": "a gzip archive",
    b"PK\x03\x04": "a zip archive (Excel's files are such)",
    b"PAR1": "a parquet file",
}
_ESCAPED = re.compile("[\udc80-\udcff]")  # a byte that could not be decoded


def read_lines(path: str | PathLike[str], encoding: str = "utf-8") -> Iterator[str]:
    """Yield a file's lines with their ends, a byte order mark taken off.

    Raises:
        DataError: when it isn't text in that encoding; it names the line and the byte.
        OSError: when it can't be opened.
    """
    with open(path, "rb") as file:
        yield from decode_lines(file, path, encoding)


def decode_lines(
    file: io.BufferedReader, path: str | PathLike[str], encoding: str = "utf-8"
) -> Iterator[str]:
    """Yield an open file's lines as they come, so that a stream of any length can be read.

    Args:
        file: opened for bytes, such as ``sys.stdin.buffer``.
        path: what to call it in errors.
        encoding: its encoding.
    """
    codec = _check_codec(encoding, path)
    _check_start(file.peek(4)[:4], codec, encoding, path)
    # What cannot be decoded becomes half of a surrogate pair, which no text holds otherwise, so
    # that the line is known when it is found.
    text = io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape", newline="")
    number = 0
    try:
        for number, line in enumerate(text, start=1):
            if not line.isascii():
                _check_decoded(line, codec, encoding, path, number)
            if "\0" in line:
                raise DataError(
                    path=path,
                    line=number,
                    found="a NUL character",
                    expected="text; if the file is UTF-16 without a mark, say "
                    + _advice("utf-16-le"),
                )
            if number == 1:
                line = line.removeprefix("\ufeff")
            if line:
                yield line
    except UnicodeDecodeError as error:  # encodings of several bytes, cut or damaged
        raise DataError(
            path=path,
            line=number + 1,
            found=f"bytes that aren't {encoding}, here or later ({error.reason})",
            expected=f"text in {encoding}",
        ) from error
    finally:
        text.detach()  # the file is the caller's to close


def read_text(path: str | PathLike[str], encoding: str = "utf-8") -> str:
    """Return a whole file, checked as by ``read_lines``."""
    return "".join(read_lines(path, encoding))


def _check_codec(encoding: str, path: str | PathLike[str]) -> str:
    """Return Python's own name of an encoding."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(encoding)  # some codecs, such as base64, aren't of text
    except LookupError as error:
        raise DataError(
            path=path,
            found=f"the encoding {encoding!r}, which Python doesn't know",
            expected="a name such as utf-8, latin-1, cp1252, utf-16 or gb18030",
        ) from error
    return "utf-8" if name == "utf-8-sig" else name


def _check_start(start: bytes, codec: str, encoding: str, path: str | PathLike[str]) -> None:
    for mark, kind in _NO_TEXT.items():
        if start.startswith(mark):
            raise DataError(path=path, found=kind, expected="plain text: unpack or export it first")
    for mark, name in _UNICODE_MARKS.items():
        if start.startswith(mark):
            if not codec.startswith(name):
                raise DataError(
                    path=path,
                    found=f"the mark with which {name.upper()} begins ({mark.hex(' ').upper()})",
                    expected=f"text in {encoding}; say {_advice(name)}",
                )
            return


def _check_decoded(
    line: str, codec: str, encoding: str, path: str | PathLike[str], number: int
) -> None:
    wrong = _ESCAPED.search(line)
    if wrong is None:
        return
    byte = ord(wrong[0]) - 0xDC00
    before = line[max(0, wrong.start() - 20) : wrong.start()]
    found = f"the byte 0x{byte:02X}, which isn't {encoding}"
    if before:
        found += f", after {before!r}"
    if codec == "utf-8":
        # Latin-1 has no characters from 0x80 to 0x9F; Windows put its quotes and dashes there.
        other = "cp1252" if byte < 0xA0 else "latin-1"
        name = "Windows' cp1252 or Latin-1" if byte < 0xA0 else "Latin-1"
        expected = f"UTF-8; if it is {name}, say {_advice(other)}"
        if byte < 0xA0:
            expected += " or latin-1"
    else:
        expected = f"text in {encoding}"
    raise DataError(path=path, line=number, found=found, expected=expected)


def _advice(encoding: str) -> str:
    return f'encoding="{encoding}" (on the command line: --encoding {encoding})'
