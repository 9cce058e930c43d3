"""Strings that try every rule of BERT's normalisation, and what may fairly be compared.

Python's ``unicodedata`` and the Rust crates inside ``tokenizers`` carry different versions of the
Unicode tables (14 or later here, about 8 for categories there), so a character that came or was
moved to another category in between is cleaned, stripped or split by one and not by the other. Such
characters are left out: those unknown to Python, and those whose category, asked of the library one
character at a time, is another there.
"""

import random
import unicodedata
from functools import cache

from tokenizers import normalizers, pre_tokenizers

_CLEAN = normalizers.BertNormalizer(True, False, False, False)
_STRIP = normalizers.BertNormalizer(False, False, True, False)
_LOWER = normalizers.BertNormalizer(False, False, False, True)
_ORDER = normalizers.NFD()
_SPLIT = pre_tokenizers.BertPreTokenizer()


def tables_agree(char: str) -> bool:
    """Tell whether the two Unicode tables agree on what a character is."""
    category = unicodedata.category(char)
    if category in ("Cn", "Cs"):
        return False
    removed = category in ("Cc", "Cf", "Co") and char not in "\t\n\r"
    if (_CLEAN.normalize_str(char) == "") != (removed or char == "\ufffd"):
        return False
    decomposed = unicodedata.normalize("NFD", char)
    kept = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    if _STRIP.normalize_str(char) != kept or _LOWER.normalize_str(char) != char.lower():
        return False
    around = f"\u0345{char}\u0334"  # combining classes 240 and 1: sorted around the character's own
    if _ORDER.normalize_str(around) != unicodedata.normalize("NFD", around):
        return False
    if category.startswith("Z") or removed or char in "\t\n\r" or ord(char) < 128:
        return True
    return (len(_SPLIT.pre_tokenize_str(f"a{char}a")) == 3) == category.startswith("P")


def _span(first: int, last: int, step: int = 1) -> list[str]:
    return [chr(code) for code in range(first, last + 1, step)]


@cache
def pools() -> tuple[list[str], ...]:
    """Return groups of characters and fragments; the last group holds whole fragments."""
    groups = [
        _span(0x20, 0x7E),
        _span(0x00, 0x1F) + _span(0x7F, 0x9F),  # controls, tab and newline among them
        _span(0xA0, 0x24F) + _span(0x1E00, 0x1EFF),  # Latin with accents, ß, İ
        _span(0x300, 0x36F) + _span(0x1AB0, 0x1ABE) + _span(0x20D0, 0x20F0) + ["\u302e", "\u302f"],
        _span(0x370, 0x52F) + _span(0x1F00, 0x1FFF),  # Greek, Cyrillic
        _span(0x590, 0x7BF),  # Hebrew, Arabic, Syriac
        _span(0x900, 0xE7F),  # Indic scripts, Thai
        _span(0x1100, 0x11FF) + _span(0xAC00, 0xD7A3, 53),  # Hangul, both ways
        _span(0x2000, 0x20CF) + _span(0x2190, 0x27BF, 3),  # spaces, zero-width, quotes, symbols
        _span(0x3000, 0x30FF) + _span(0x4E00, 0x9FFF, 97) + _span(0xF900, 0xFAFF, 5),
        _span(0x3400, 0x4DBF, 61) + _span(0x20000, 0x2EBEF, 331) + _span(0x2F800, 0x2FA1D, 11),
        # The edges of the Chinese blocks, where the library's tables begin and end.
        [chr(c + d) for c in (0x3400, 0x4DBF, 0x4E00, 0x9FFF, 0xF900, 0xFAFF) for d in (-1, 0, 1)]
        + [chr(c + d) for c in (0x2B81D, 0x2B820, 0x2B920, 0x2CEA1) for d in (-1, 0, 1)],
        _span(0xE000, 0xE010) + _span(0xFE00, 0xFE0F) + _span(0xFF00, 0xFFFD) + ["\U000f0000"],
        _span(0x1F300, 0x1F5FF, 3) + _span(0x1F600, 0x1F64F) + _span(0xE0001, 0xE007F, 9),
        _span(0x10000, 0x1FFFF, 17) + _span(0x0080, 0xFFFF, 41),  # a bit of everything
    ]
    fragments = [
        "[MASK]",
        "[SEP]",
        "[CLS]",
        "[PAD]",
        "[UNK]",
        "[mask]",
        "[MASK",
        "MASK]",
        "##",
        "#",
    ]
    fragments += [
        "don't",
        "naïve",
        "nai\u0308ve",
        "Straße",
        "İstanbul",
        "ΟΔΟΣ",
        "the",
        "Token",
        "…",
    ]
    fragments += [
        "\U0001f469\u200d\U0001f4bb",
        "e\u0301\u0323",
        "e\u0323\u0301",
        "\u1e69",
        "한국어",
    ]
    fragments += ["x" * 100, "y" * 101, "é" * 60, "e\u0301" * 100, "語" * 101, " ", "  \t", "\r\n"]
    agreed = [[char for char in group if tables_agree(char)] for group in groups]
    return (*agreed, fragments)


def strings(number: int, seed: int) -> list[str]:
    """Make strings of 0 to 30 characters or fragments, most of them from one or two groups."""
    random_ = random.Random(seed)
    groups = pools()
    made = []
    for _ in range(number):
        few = [groups[0], *random_.choices(groups, k=random_.randint(1, 3)), groups[-1]]
        weights = [4] + [4] * (len(few) - 2) + [1]
        length = random_.randint(0, 30)
        parts = random_.choices(few, weights, k=length)
        made.append("".join(random_.choice(part) for part in parts))
    return made
