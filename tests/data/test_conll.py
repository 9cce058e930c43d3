"""CoNLL columns: tokens are kept, everything else is counted or refused."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertlab import DataError
from bertlab.data import read_conll


@pytest.fixture
def write(tmp_path: Path):
    def write_text(content: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "file.conll"
        path.write_bytes(content.encode(encoding))
        return path

    return write_text


def pairs(path: Path, **options) -> tuple[list[str], str]:
    """Each sentence as ``token/tag``, and what was reported."""
    said: list[str] = []
    data = read_conll(path, report=said.append, **options)
    (line,) = said
    sentences = [zip(row["tokens"], row["tags"], strict=True) for row in data.to_list()]
    return [" ".join("/".join(pair) for pair in sentence) for sentence in sentences], line


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("between", [" ", "\t", "  ", " \t "])
@pytest.mark.parametrize("blank", ["", " ", "\t", " \t"])
@pytest.mark.parametrize("last", ["", "\n", "\n\n"])
def test_columns_blank_lines_and_ends(write, end, between, blank, last) -> None:
    lines = ["New NNP B-LOC", "York NNP I-LOC", blank, blank, "is VBZ O ", "it PRP O"]
    content = ("\n".join(lines) + last).replace(" ", between).replace("\n", end)
    assert pairs(write(content)) == (
        ["New/B-LOC York/I-LOC", "is/O it/O"],
        "file.conll: 2 sentences",
    )


def test_other_blanks_belong_to_tokens(write) -> None:
    path = write("\ufeff10\xa0000 O\n\u2028 O\na\x85b O\n\u3000 O\n")
    assert pairs(path)[0] == ["10\xa0000/O \u2028/O a\x85b/O \u3000/O"]


def test_with_tabs_alone_spaces_belong_to_tokens(write) -> None:
    assert pairs(write("New York\tB-LOC\nis \t O\t\n"))[0] == ["New York/B-LOC is/O"]


def test_document_lines_are_left_out_and_end_sentences(write) -> None:
    path = write("-DOCSTART- -X- O\n\na X O\n-DOCSTART- (2)\nb X O\n\n-DOCSTART-\n")
    assert pairs(path) == (
        ["a/O", "b/O"],
        "file.conll: 2 sentences, 3 -DOCSTART- lines left out",
    )


def test_comments_are_left_out_and_tokens_kept(write) -> None:
    path = write(
        "#begin document (x);\n# id = 3\n# text O B-LOC\n# O\n# B-X\n#tag O\n\n#\n# newdoc\nb O\n\n"
        "#end document\n"
    )
    assert pairs(path) == (
        ["#/O #/B-X #tag/O", "b/O"],
        "file.conll: 2 sentences, 6 comments left out (lines 1, 2, 3 and 3 more)",
    )


def test_a_file_of_number_signs_alone(write) -> None:
    assert pairs(write("#\tO\n#1\tB-X\n"))[0] == ["#/O #1/B-X"]


@pytest.mark.parametrize(
    ("content", "sentences", "says"),
    [
        (
            "a I-X\nb I-X\nc B-X\nd O\n",
            ["a/B-X b/I-X c/B-X d/O"],
            "IOB1 converted to IOB2: 1 tag changed",
        ),
        (
            "a S-X\nb B-X\nc I-X\nd E-X\n",
            ["a/B-X b/B-X c/I-X d/I-X"],
            "BIOES converted to IOB2: 2 tags changed",
        ),
        (
            "a B-X\n\nb O\nc I-X\n\nd B-Y\ne I-X\n",
            ["a/B-X", "b/O c/B-X", "d/B-Y e/B-X"],
            "2 tags out of place in IOB2, read as conlleval does (lines 4, 7)",
        ),
        (
            "a B-X\nb O\nc E-X\n",
            ["a/B-X b/O c/B-X"],
            "BIOES converted to IOB2: 1 tag changed, "
            "2 tags out of place in BIOES, read as conlleval does (lines 1, 3)",
        ),
    ],
)
def test_tags_become_iob2_and_it_is_said(write, content, sentences, says) -> None:
    found, line = pairs(write(content))
    assert found == sentences
    assert line.endswith(says)


def test_the_scheme_can_be_said(write) -> None:
    path = write("a I-X\nb O\n")
    assert "IOB1 converted" in pairs(path)[1]
    assert "1 tag out of place in IOB2" in pairs(path, scheme="IOB2")[1]
    with pytest.raises(DataError, match="line 1: found the tag 'S-X'; expected a tag of IOB2"):
        read_conll(write("a S-X\n"), scheme="IOB2")
    with pytest.raises(ValueError, match="scheme is 'IO'"):
        read_conll(path, scheme="IO")


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("", None, "no sentence"),
        ("\n \n-DOCSTART- O\n", None, "no sentence"),
        ("a O\nb\n", 2, "'b' alone"),
        ("a O\n#b\n", 2, "'#b' alone"),
        ("#b\na O\n", 1, "'#b' alone"),  # a token without a tag is no comment
        ("a O\n# comment here\n", 2, "3 columns"),  # nor is what stands within a sentence
        ("a X O\nb O\n", 2, "2 columns"),
        ("a\tO\n\tO\n", 2, "an empty token"),
        ("a\tO\nb\tO\tO\n", 2, "3 columns"),
        ("a O\nb o\n", 2, "the tag 'o'"),
        ("a O\n\nb PER\n", 3, "the tag 'PER'"),
        ("a O\nb B-\n", 2, "the tag 'B-'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(write, content, line, found) -> None:
    with pytest.raises(DataError, match=found) as caught:
        read_conll(write(content))
    assert caught.value.line == line


def test_another_encoding(write) -> None:
    path = write("Zürich B-LOC\n", "latin-1")
    with pytest.raises(DataError, match="line 1: found the byte 0xFC"):
        read_conll(path)
    assert pairs(path, encoding="latin-1")[0] == ["Zürich/B-LOC"]


tokens = st.text(
    st.characters(exclude_characters="\0\r\n\t ", exclude_categories=["Cs"]), min_size=1
).filter(lambda token: not token.startswith(("-DOCSTART-", "\ufeff")))
sentence = st.lists(st.tuples(tokens, st.sampled_from(["O", "B-X", "B-Y"])), min_size=1)


@given(st.lists(sentence, min_size=1), st.sampled_from(" \t"))
def test_what_is_written_comes_back(sentences, between) -> None:
    blocks = ["".join(f"{a}{between}{b}\n" for a, b in block) for block in sentences]
    with TemporaryDirectory() as folder:
        path = Path(folder, "file.conll")
        path.write_bytes("\n".join(blocks).encode())
        found = read_conll(path, report=str).to_list()
    assert [list(zip(row["tokens"], row["tags"], strict=True)) for row in found] == sentences
