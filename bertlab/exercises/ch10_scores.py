"""Chapter 10's exercise on the score of an answer: the F1 of SQuAD's evaluators."""

from __future__ import annotations

import random
import re
import string
from collections import Counter

from bertlab.exercises.spec import Case, Exercise, Failure, Mistake, Spec


def _squad_f1(
    prediction: str,
    references: list[str],
    *,
    lower: bool = True,
    punctuation: str = "removed",
    articles: str = "words",
    bags: str = "counts",
    over: str = "best",
    measure: str = "f1",
    empty: str = "right",
) -> float:
    """The best F1 over the references; each keyword makes one step wrong."""

    def words(text: str) -> list[str]:
        text = text.lower() if lower else text
        if articles == "first":
            text = re.sub(r"\b(a|an|the)\b", " ", text)
        filler = {"removed": "", "blanks": " "}.get(punctuation)
        if filler is not None:
            text = "".join(filler if sign in string.punctuation else sign for sign in text)
        if punctuation == "ends":
            text = " ".join(word.strip(string.punctuation) for word in text.split())
        if articles == "words":
            text = re.sub(r"\b(a|an|the)\b", " ", text)
        elif articles == "letters":
            text = re.sub(r"the|an|a", "", text)
        found = text.split()
        return list(dict.fromkeys(found)) if bags == "sets" else found

    def one(reference: str) -> float:
        said, true = words(prediction), words(reference)
        if measure == "exact":
            return float(said == true)
        shared = (Counter(said) & Counter(true)).total()
        if bags == "membership":
            shared = sum(word in true for word in said)
        if not shared:
            return 0.0
        return {
            "precision": shared / len(said),
            "recall": shared / len(true),
            "mean": (shared / len(said) + shared / len(true)) / 2,
            "half": shared / (len(said) + len(true)),
        }.get(measure, 2 * shared / (len(said) + len(true)))

    if not references:
        return {"zero": 0.0, "one": 1.0}.get(empty, float(not words(prediction)))
    if over in ("first", "last"):
        return one(references[0 if over == "first" else -1])
    if over == "joined":
        return one(" ".join(references))
    scores = [one(reference) for reference in references]
    return {"mean": sum(scores) / len(scores), "worst": min(scores)}.get(over, max(scores))


_NAMES = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Emmy Noether", "Niels Bohr")
_THINGS = ("harbour", "lighthouse", "engine", "bridge", "tower")
_COLOURS = ("red", "green", "old", "tall", "quiet")


def _cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def case(stage: int, label: str, prediction: str, *references: str) -> Case:
        return Case(stage, label, {"prediction": prediction, "references": list(references)})

    one, two, three = rng.sample(_THINGS, 3)
    colour, other = rng.sample(_COLOURS, 2)
    name = rng.choice(_NAMES)
    year = rng.randrange(1500, 1990)
    return [
        case(1, "equal", f"{colour} {one}", f"{colour} {one}"),
        case(1, "one word too many", f"{other} {colour} {one}", f"{colour} {one}"),
        case(1, "two words missed", one, f"{other} {colour} {one}"),
        case(1, "nothing in common", one, f"{colour} {two}"),
        case(2, "capitals", f"{colour} {one}".upper(), f"{colour} {one}"),
        case(2, "a full stop and a comma", f"{name}, {year}.", f"{name} {year}"),
        case(2, "an article", f"the {one} and an {two}", f"{one} and {two}"),
        case(2, "dots and a hyphen within words", f"U.S. well-known {one}", f"US wellknown {two}"),
        case(2, "dots within a word on both sides", f"U.S. {one}", f"U.S. {two}"),
        case(2, "letters of articles in words", f"cane {one}", f"ce {one}"),
        case(2, "an article with a hyphen", f"the-{one} {two}", f"the{one} {three}"),
        case(3, "a word more often than in the reference", f"{one} {one} {two}", f"{one} {three}"),
        case(3, "a word twice", f"{one} {one} {two}", f"{one} {one} {three} {colour}"),
        case(4, "the second reference fits", f"{year}", f"in {year}", f"{year}", f"about {year}"),
        case(4, "the second of three fits", f"{year}", "never", f"{year}", f"{year} {one}"),
        case(4, "the first reference fits", f"{colour} {one}", f"{colour} {one}", two),
        case(5, "no answer, and none given", ""),
        case(5, "no answer, but one given", f"{colour} {two}"),
    ]


def _value(failure: Failure) -> str:
    found, expected = failure.found[0].item(), failure.expected[0].item()
    return f"Your value is {found:.4g}, and should be {expected:.4g}"


def _mistake(name: str, explanation: str, **flags: object) -> Mistake:
    return Mistake(name, flags, explanation, _value)


SQUAD_F1 = Spec(
    Exercise("squad_f1", 10, "medium", 20),
    question=(
        "The F1 of one answer, as SQuAD's evaluators compute it, from 0 to 1. Normalise\n"
        "prediction and references: lower case; the signs of string.punctuation removed; then\n"
        "the words a, an, the; split at blanks. F1 compares bags of words. The best over the\n"
        'references counts. Where `references` is empty there is no answer: 1 for "", else 0.'
    ),
    formula="F1 = 2 shared / (words of prediction + words of reference)",
    stub="def squad_f1(prediction, references):\n    raise NotImplementedError",
    hints=(
        "Write `normalise(text)` first; it returns a list of words.",
        r"`re.sub(r'\b(a|an|the)\b', ' ', text)` removes articles as words only.",
        "`(Counter(p) & Counter(q)).total()` counts shared words, repeated ones as often as both "
        "have them.",
    ),
    verified=(
        "capitals, punctuation, articles, repeated words, several references, and questions "
        "without an answer."
    ),
    outputs={"f1": "number"},
    compute=_squad_f1,
    cases=_cases,
    equation="10.6",
    mistakes=(
        _mistake(
            "capitals-kept",
            "capitals make a difference in your version. Put both texts in lower case.",
            lower=False,
        ),
        _mistake(
            "punctuation-kept",
            "punctuation was left on the words. Remove all signs of `string.punctuation`.",
            punctuation="kept",
        ),
        _mistake(
            "punctuation-to-blanks",
            'punctuation became blanks, so that "U.S." is two words. Remove the signs: "us".',
            punctuation="blanks",
        ),
        _mistake(
            "punctuation-at-ends-only",
            'punctuation was taken off the ends of words only, so that "U.S." is "u.s". Remove all '
            "signs.",
            punctuation="ends",
        ),
        _mistake(
            "articles-before-punctuation",
            'articles were removed before punctuation, so that "the-end" lost one. First the '
            "signs, then the articles.",
            articles="first",
        ),
        _mistake(
            "articles-kept",
            "a, an and the were counted as words. Leave them out.",
            articles="kept",
        ),
        _mistake(
            "articles-within-words",
            'the letters of articles were removed from within words, so that "than" lost some. '
            r"Only whole words are articles: `\b` stands for a word's edge.",
            articles="letters",
        ),
        _mistake(
            "sets-instead-of-bags",
            "a word that occurs twice was counted once. Words are compared as bags: use `Counter`.",
            bags="sets",
        ),
        _mistake(
            "repeated-words-overcounted",
            "a word said twice counted twice, though the reference has it once. Words are compared "
            "as bags: use `Counter`.",
            bags="membership",
        ),
        _mistake(
            "last-reference-only",
            "only the last reference was compared. The best over all of them counts.",
            over="last",
        ),
        _mistake(
            "first-reference-only",
            "only the first reference was compared. The best over all of them counts.",
            over="first",
        ),
        _mistake(
            "mean-over-references",
            "the mean over the references was taken. The best of them counts.",
            over="mean",
        ),
        _mistake(
            "worst-reference",
            "the smallest value over the references was taken. The best of them counts.",
            over="worst",
        ),
        _mistake(
            "references-joined",
            "all references were put into one bag. Compare with each alone, and take the best.",
            over="joined",
        ),
        _mistake(
            "precision-only",
            "this is the precision: words of the reference that were missed don't count.",
            measure="precision",
        ),
        _mistake(
            "recall-only",
            "this is the recall: needless words in the prediction don't count.",
            measure="recall",
        ),
        _mistake(
            "arithmetic-mean",
            "this is the arithmetic mean of precision and recall. F1 is the harmonic one.",
            measure="mean",
        ),
        _mistake(
            "factor-two-missing",
            "the factor 2 is missing: an answer that is right must score 1.",
            measure="half",
        ),
        _mistake(
            "exact-match",
            "this is exact match: an answer that is right in part scores 0. F1 counts shared "
            "words.",
            measure="exact",
        ),
        _mistake(
            "no-answer-scores-zero",
            'where there is no answer, "" is right and scores 1.',
            empty="zero",
        ),
        _mistake(
            "no-answer-scores-one",
            "where there is no answer, any answer was taken as right. Only an empty one is.",
            empty="one",
        ),
    ),
)

EXERCISES = (SQUAD_F1,)
