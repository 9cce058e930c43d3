"""Cutting a paragraph into sentences, by a rule.

Next-sentence pairs are cut between sentences, so a wrong cut costs little: a segment that begins in
the middle of one. A rule does, then, where a trained model (Punkt, say) would need a download.

The rule: a sentence ends at ``.``, ``!``, ``?`` or ``…``, with the quotes or brackets that close
after it, if blanks follow and then no lower-case letter. A full stop doesn't end it

- after a title or another word that calls for the next one: *Dr.*, *Mrs.*, *e.g.*, *vs.*;
- after *No.*, *vol.*, *p.* and the like, if a digit or a Roman numeral follows;
- after an initial, an acronym with stops, or *etc.*, *Inc.*, *Jr.* and the like (*J.*, *U.S.*),
  unless the next word is one that often begins a sentence (*The*, *He*, *But*);
- after a number that stands alone at the beginning: *1. First of all*.

``。``, ``！`` and ``？`` end a sentence without a blank.

Source: the classes are those of Kiss and Strunk 2006 (Punkt), with lists instead of learning.
"""

from __future__ import annotations

import re

_CLOSING = "\"'”’»)\\]"
_OPENING = "\"'“‘«([—–-"
_END = re.compile(rf"([.!?…]+[{_CLOSING}]*)\s+|[。！？]+[”』」）]*\s*")
_LAST_WORD = re.compile(r"[^\s—–(\[“‘\"']*$")
_NUMBERS_ONLY = re.compile(r"\W*\d+\W*")
_WORD = re.compile(r"\w+")
_ROMAN = re.compile(r"[IVXLCDM]+\b")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # J and U.S, their last stop taken off
_NEAR = 40  # characters on either side of a mark that are looked at


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_NEVER = _words(
    "mr mrs ms messrs mme mmes mlle dr prof st ste rev revd hon gen lieut lt col capt maj cmdr "
    "comdr adm sgt sergt pvt gov pres sen rep supt fr bp abp e.g i.e viz cf vs ca mt approx "
    "univ"
)
_BEFORE_NUMBERS = _words(
    "no nos vol vols p pp ch chap chaps sec secs sect art arts fig figs eq eqs par pt bk op ed ver "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
_MAY_END = _words("etc inc ltd co corp bros dept est jr sr esq al ave blvd rd ph.d a.m p.m")
_BEGINNERS = _words(
    "A After All Also Although An And Another As At Because Before Both But By Each Every Finally "
    "First For From Had Has Have He Her Here His How However I If In Instead Is It Its Just Like "
    "Many Most Mr Mrs My No Not Nothing Now Of On Once One Only Or Other Our Perhaps She Since So "
    "Some Such That The Their Then There These They This Those Though Thus To Under Until We What "
    "When Where Whether Which While Who Why With Would Yes Yet You Your"
)


def split_sentences(paragraph: str) -> list[str]:
    """Cut a paragraph into sentences; see this file's head for the rule.

    Args:
        paragraph: text without line breaks that mean anything: runs of blanks become one.

    Returns:
        The sentences, stripped, none of them empty; joined by blanks they are the paragraph again
        (where no sentence ends without a blank).
    """
    paragraph = " ".join(paragraph.split())
    sentences: list[str] = []
    start = 0
    for match in _END.finditer(paragraph):
        if match[1] is None or _ends(paragraph, start, match):
            sentences.append(paragraph[start : match.end()].rstrip())
            start = match.end()
    if start < len(paragraph):
        sentences.append(paragraph[start:])
    return sentences


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
    """Tell whether the mark that was found ends the sentence that begins at ``start``."""
    rest = text[match.end() : match.end() + _NEAR].lstrip(_OPENING)
    if rest[:1].islower():
        return False
    if match[1] != ".":  # "!", "?", an ellipsis, or a stop before a closing quote
        return True
    before = text[start : match.start()]
    if _NUMBERS_ONLY.fullmatch(before):
        return False
    word = _LAST_WORD.findall(before[-_NEAR:])[0]  # perhaps empty
    lower = word.lower()
    if lower in _BEFORE_NUMBERS and (rest[:1].isdigit() or _ROMAN.match(rest)):
        return False
    if lower in _MAY_END or _ACRONYM.fullmatch(word):
        following = _WORD.match(rest)
        return following is not None and following[0] in _BEGINNERS and lower not in _NEVER
    return lower not in _NEVER
