"""The glossary has the book's words, in both languages, and each where it says."""

from __future__ import annotations

import re
from functools import cache

import glossary
import pytest
from conftest import CHAPTERS, ROOT, load_notebook

PAGE = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
ENTRIES = glossary.entries(PAGE)
TERMS = [entry.term for entry in ENTRIES]
NUMBERS = {int(path.name[:2]): path for path in CHAPTERS}


@cache
def words_of(number: int) -> str:
    """A chapter's text and code, lower case, every run of other signs a blank."""
    cells = load_notebook(NUMBERS[number])["cells"]
    return plain("\n".join(cell["source"] for cell in cells))


def plain(text: str) -> str:
    return re.sub(r"[^a-z0-9\[\]/]+", " ", text.lower())


def used(term: str, number: int) -> bool:
    """Whether a chapter has the term, or its plural; what is in brackets only tells terms apart."""
    words = plain(re.sub(r"\(.+\)$", "", term)).strip()
    plurals = f"(s|es)?{words[-1] if words.endswith('s') else ''}"
    stem = words.removesuffix("s")
    pattern = rf"(?<![a-z0-9]){re.escape(stem)}{plurals}(?![a-z0-9])"
    if words.endswith("y"):
        pattern += f"|{re.escape(words[:-1])}ies"
    return bool(re.search(pattern, words_of(number)))


def test_there_is_a_fair_number_of_terms_and_none_twice() -> None:
    assert len(TERMS) > 100
    assert len({term.casefold() for term in TERMS}) == len(TERMS)
    names = [(entry.term, chinese) for entry in ENTRIES for chinese in entry.chinese]
    assert len(set(names)) == len(names)


def test_no_chinese_word_has_two_meanings() -> None:
    for chinese, terms in glossary.index(ENTRIES).items():
        assert len(terms) == 1, f"{chinese}: {terms}"


def test_terms_are_sorted_by_their_letters() -> None:
    keys = [re.sub(r"[^a-z0-9]+", " ", term.casefold()).strip() for term in TERMS]
    assert keys == sorted(keys)


@pytest.mark.parametrize("entry", ENTRIES, ids=TERMS)
def test_a_term_is_used_in_the_chapters_that_it_names(entry: glossary.Entry) -> None:
    assert entry.chapters
    for number, file in entry.chapters.items():
        assert file == NUMBERS[number].name
        assert used(entry.term, number), f"chapter {number} doesn't say {entry.term!r}"
    assert list(entry.chapters) == sorted(entry.chapters)


@pytest.mark.parametrize("entry", ENTRIES, ids=TERMS)
def test_a_term_has_chinese_and_sentences_that_define_it(entry: glossary.Entry) -> None:
    assert entry.chinese
    for chinese in entry.chinese:
        assert re.search(r"[\u4e00-\u9fff]", chinese)
        assert glossary.pinyin(chinese)
        assert not re.search(r"[\u4e00-\u9fff]", glossary.pinyin(chinese)), "a sign without reading"
    assert re.match(r"[A-Z−$`0-9]", entry.text)
    assert entry.text.endswith((".", ")"))
    outside = re.sub(r"\{zh\}`[^`]+`", "", entry.text)
    assert not re.search(r"[\u4e00-\u9fff]", outside), "Chinese without its language"


def test_names_in_the_code_exist() -> None:
    """What a definition gives as a name in the code stands in the package or a chapter."""
    files = [*(ROOT / "bertlab").rglob("*.py"), *CHAPTERS]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    for entry in ENTRIES:
        for name in re.findall(r"In the code (`[^`]+`)", entry.text):
            last = re.findall(r"[A-Za-z_]+", name)[-1 if "=" not in name else 0]
            assert re.search(rf"\b{last}\b", code), f"{entry.term}: {name}"


def test_the_index_is_in_the_order_of_pinyin() -> None:
    page = "```{glossary}\nb\n  {zh}`值`, {zh}`微调` · One. Chapter [1](01_tokens.ipynb).\n\n"
    page += "a\n  {zh}`编码器`\n  · Two. Chapters [1](01_tokens.ipynb), [2](02_x.ipynb).\n```\n"
    found = glossary.entries(page)
    assert [entry.text for entry in found] == ["One.", "Two."]
    assert found[1].chapters == {1: "01_tokens.ipynb", 2: "02_x.ipynb"}
    assert glossary.index(found) == {"编码器": ["a"], "微调": ["b"], "值": ["b"]}
    assert glossary.pinyin("微调") == "wēi tiáo"


def test_an_entry_of_another_form_is_an_error() -> None:
    for text in ("No Chinese. Chapter [1](01_tokens.ipynb).", "{zh}`值` · No chapter."):
        with pytest.raises(ValueError, match="term: expected"):
            glossary.entries(f"```{{glossary}}\nterm\n  {text}\n```\n")
