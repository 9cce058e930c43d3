"""BERT's tokenizer in plain Python, made to be read: text -> words -> pieces -> ids.

It gives the same pieces, ids and offsets as ``transformers.BertTokenizer``, which is fast.

Source: Wu et al. 2016, section 4.1; Devlin et al. 2019, section 3; chapter 1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from bertlab.tokenization.checks import check_vocab, number_pieces, require

# The five tokens that stand for no text: padding, an unknown word, the start of a text (its vector
# sums the text up), the end of each text, and a hidden place. Tokenizers never cut them.
PAD, UNK, CLS, SEP, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_WORD = 100  # longer words become [UNK] unseen: greedy matching takes quadratic time
_SPECIAL = re.compile("(" + "|".join(re.escape(token) for token in SPECIAL_TOKENS) + ")")
# The blocks of Chinese characters that the `tokenizers` library spaces. (Google's code starts the
# seventh block at U+2B820; the library wrote 2B920, and every tokenizer since has followed it.)
_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class Char(NamedTuple):
    """A character after normalisation, and the place ``[start, end)`` in the text it came from."""

    text: str
    start: int
    end: int


class Piece(NamedTuple):
    """A word piece, its id, and the place ``[start, end)`` of the text that it stands for."""

    text: str
    id: int
    start: int
    end: int


class Encoding(NamedTuple):
    """What the model gets, one entry a token, and the tokens and offsets to read it by."""

    input_ids: list[int]
    token_type_ids: list[int]
    attention_mask: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]


def _is_whitespace(char: str) -> bool:
    return char in "\t\n\r" or unicodedata.category(char) in ("Zs", "Zl", "Zp")


def _is_control(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co")


def _is_punctuation(char: str) -> bool:
    # Every ASCII sign counts, also "$", "+" or "^", which Unicode calls symbols.
    ascii_sign = "!" <= char <= "~" and not char.isalnum()
    return ascii_sign or unicodedata.category(char).startswith("P")


def _is_chinese(char: str) -> bool:
    return char >= "\u3400" and any(first <= ord(char) <= last for first, last in _CHINESE)


def normalise(text: str, lowercase: bool = True) -> list[Char]:
    """Clean a text character by character, and remember where each character came from.

    In this order: drop control and private-use characters, make every white space a blank, put
    blanks around Chinese characters; then, with ``lowercase``, strip accents and lower the case.

    Args:
        text: any text.
        lowercase: True for an uncased model.

    Returns:
        The characters that remain.

    Source: chapter 1.
    """
    chars: list[Char] = []
    for place, char in enumerate(text):
        if _is_whitespace(char):
            chars.append(Char(" ", place, place + 1))
        elif _is_chinese(char):
            chars += [Char(c, place, place + 1) for c in (" ", char, " ")]
        elif not _is_control(char):
            chars.append(Char(char, place, place + 1))
    if not lowercase:
        return chars
    return [
        Char(low, char.start, char.end)
        for char in _decompose(chars)
        if unicodedata.category(char.text) != "Mn"  # a combining accent
        for low in char.text.lower()
    ]


def _decompose(chars: list[Char]) -> list[Char]:
    """Write "é" as "e" and an accent, and sort the accents on one letter by class (Unicode NFD)."""
    parts: list[tuple[int, int, bool, str]] = []
    letter = 0
    for char in chars:
        for turn, part in enumerate(unicodedata.normalize("NFD", char.text)):
            order = unicodedata.combining(part)  # 0 for a letter, above 0 for what it carries
            letter += order == 0
            parts.append((letter, order, turn > 0, part))
    parts.sort(key=lambda part: part[:2])
    # The places keep their order, as in the library; parts of one character share its place.
    places = iter(chars)
    decomposed: list[Char] = []
    for _, _, split_off, part in parts:
        place = decomposed[-1] if split_off else next(places)
        decomposed.append(Char(part, place.start, place.end))
    return decomposed


def split_words(chars: Iterable[Char]) -> list[list[Char]]:
    """Split characters into words: at blanks, and each punctuation mark is a word of its own.

    Args:
        chars: what ``normalise`` returns.

    Returns:
        The words, as lists of characters.

    Source: chapter 1.
    """
    words: list[list[Char]] = [[]]
    for char in chars:
        if char.text == " ":
            words.append([])
        elif _is_punctuation(char.text):
            words += [[char], []]
        else:
            words[-1].append(char)
    return [word for word in words if word]


def basic_words(text: str, lowercase: bool = True) -> list[str]:
    """Return the words of a text as strings, normalised, special tokens not treated apart."""
    words = split_words(normalise(text, lowercase))
    return ["".join(char.text for char in word) for word in words]


def match_pieces(word: str, vocab: Collection[str]) -> list[str]:
    """Cut one word into pieces: take the longest piece that fits, and go on behind it.

    Args:
        word: a word without blanks.
        vocab: the pieces; those that continue a word begin with ``##``.

    Returns:
        The pieces, or ``["[UNK]"]`` when some part fits no piece or the word is longer than 100
        characters.

    Source: Wu et al. 2016, section 4.1; chapter 1.
    """
    if len(word) > MAX_WORD:
        return [UNK]
    pieces: list[str] = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            if prefix + word[start:end] in vocab:
                pieces.append(prefix + word[start:end])
                start = end
                break
        else:
            return [UNK]
    return pieces


class WordPieceTokenizer:
    """BERT's tokenizer in plain Python, to read; ``load_tokenizer`` gives the fast one.

    Args:
        vocab: the pieces in the order of their ids, or a mapping from piece to id.
        lowercase: True for an uncased vocabulary.

    Raises:
        ValueError: when one of the five special tokens is missing, a piece comes twice, or the
            pieces have no order.
    """

    def __init__(self, vocab: Mapping[str, int] | Sequence[str], lowercase: bool = True) -> None:
        require(isinstance(lowercase, bool), "lowercase", lowercase, "True or False")
        read = check_vocab if isinstance(vocab, Mapping) else number_pieces
        vocab = read(vocab, "vocab")
        missing = [token for token in SPECIAL_TOKENS if token not in vocab]
        if missing:
            raise ValueError(
                f"the vocabulary has {len(vocab)} pieces, but not {', '.join(missing)}; "
                f"BERT needs {', '.join(SPECIAL_TOKENS)} among them"
            )
        self.vocab = vocab
        self.lowercase = lowercase

    def pieces(self, text: str) -> list[Piece]:
        """Return the pieces of a text with ids and offsets, without [CLS] and [SEP]."""
        found: list[Piece] = []
        offset = 0
        # A special token written out in the text stays whole: odd parts of the split are those.
        for turn, part in enumerate(_SPECIAL.split(text)):
            if turn % 2:
                found.append(Piece(part, self.vocab[part], offset, offset + len(part)))
            else:
                for word in split_words(normalise(part, self.lowercase)):
                    found += self._word_pieces(word, offset)
            offset += len(part)
        return found

    def _word_pieces(self, word: list[Char], offset: int) -> Iterable[Piece]:
        pieces = match_pieces("".join(char.text for char in word), self.vocab)
        start = 0
        for piece in pieces:
            length = len(word) if piece == UNK else len(piece) - 2 * (start > 0)  # without "##"
            first, last = word[start], word[start + length - 1]
            yield Piece(piece, self.vocab[piece], offset + first.start, offset + last.end)
            start += length

    def tokenize(self, text: str) -> list[str]:
        """Return the pieces of a text as strings."""
        return [piece.text for piece in self.pieces(text)]

    def encode(self, text: str, pair: str | None = None) -> Encoding:
        """Encode a text as ``[CLS] text [SEP]``, or a pair as ``[CLS] text [SEP] pair [SEP]``.

        Token types are 0 up to the first [SEP] and 1 behind it; offsets of special tokens that
        the tokenizer adds are (0, 0), and those of the pair count from the pair's own start.
        """
        cls, sep = Piece(CLS, self.vocab[CLS], 0, 0), Piece(SEP, self.vocab[SEP], 0, 0)
        first = [cls, *self.pieces(text), sep]
        second = [] if pair is None else [*self.pieces(pair), sep]
        row = first + second
        return Encoding(
            input_ids=[piece.id for piece in row],
            token_type_ids=[0] * len(first) + [1] * len(second),
            attention_mask=[1] * len(row),
            tokens=[piece.text for piece in row],
            offsets=[(piece.start, piece.end) for piece in row],
        )
