"""Every known mistake is named as itself: as planted, and two at once."""

import itertools

import pytest
from exercise_answers import check_planted

from bertlab.exercises import _SPECS
from bertlab.exercises.spec import Mistake, Spec

SPECS = list(_SPECS.values())
PLANTED = [
    pytest.param(spec, mistake, id=f"{spec.exercise.name}-{mistake.name}-{number}")
    for spec in SPECS
    for number, mistake in enumerate(spec.mistakes)
]


@pytest.mark.parametrize(("spec", "mistake"), PLANTED)
def test_a_planted_mistake_gets_its_own_diagnosis(spec: Spec, mistake: Mistake) -> None:
    result = check_planted(spec, mistake.flags)
    assert not result.passed
    assert result.mistake == mistake.name
    assert mistake.explanation[1:] in result.message
    assert ("Example (" in result.message) == (spec.asks != "value")


@pytest.mark.parametrize(("spec", "mistake"), PLANTED[::3])
def test_other_examples_lead_to_the_same_diagnosis(spec: Spec, mistake: Mistake) -> None:
    result = check_planted(spec, mistake.flags, seed=7)
    assert result.mistake == mistake.name


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.exercise.name)
def test_the_reference_passes_on_20_seeds(spec: Spec) -> None:
    for seed in range(20):
        result = check_planted(spec, {}, seed)
        assert result.passed, result


def _pairs(spec: Spec) -> list[tuple[Mistake, Mistake]]:
    return [
        (one, two)
        for one, two in itertools.combinations(spec.mistakes, 2)
        if not one.flags.keys() & two.flags.keys()
    ]


@pytest.mark.parametrize("spec", [s for s in SPECS if _pairs(s)], ids=lambda s: s.exercise.name)
def test_two_mistakes_at_once_are_never_passed_and_mostly_named(spec: Spec) -> None:
    pairs = _pairs(spec)
    pairs = pairs[:: 1 + len(pairs) // 12]
    named = 0
    for one, two in pairs:
        result = check_planted(spec, {**one.flags, **two.flags})
        assert not result.passed, (one.name, two.name)
        named += one.name in (result.mistake or "") or two.name in (result.mistake or "")
    assert named >= 0.75 * len(pairs), f"{named} of {len(pairs)}"


def test_names_and_words_follow_the_rules() -> None:
    for spec in SPECS:
        for mistake in spec.mistakes:
            assert mistake.name == mistake.name.lower().replace(" ", "-")
            words = mistake.explanation
            assert words[0].islower() or not words[0].isalpha(), words
            assert words.rstrip()[-1] in ".)", words
