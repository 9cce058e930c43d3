"""Entities are scored as the programs do that papers use."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from bertlab.metrics import entity_scores, entity_spans, token_accuracy

# What seqeval 1.2.2 reports on random and on odd tags, two lines for each pair of tag lists.
REPORTS = [
    json.loads(line)
    for line in (Path(__file__).parent / "seqeval_reports.jsonl").read_text().splitlines()
]


@pytest.mark.filterwarnings("ignore:tag .* has no hyphen")
@pytest.mark.parametrize("mode", ["strict", "conlleval"])
@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOBES", "IOE1", "IOE2"])
def test_scores_are_those_that_seqeval_reports(scheme: str, mode: Any) -> None:
    mine = [r for r in REPORTS if (r["scheme"], r["mode"]) == (scheme, mode)]
    assert len(mine) > 10
    for case in mine:
        true, predicted = ([s.split() for s in case[side]] for side in ("true", "predicted"))
        scores = entity_scores(true, predicted, scheme=scheme, mode=mode)
        scores["macro"]["support"] = scores["support"]
        rows = scores["per_type"] | {"micro avg": scores, "macro avg": scores["macro"]}
        names = ("precision", "recall", "f1", "support")
        assert rows.keys() == case["report"].keys()
        for kind, row in case["report"].items():
            assert [rows[kind][name] for name in names] == pytest.approx(row, abs=1e-6), case


def spans_by_state(tags: list[str], mode: str) -> list[tuple[str, int, int]]:
    """Read IOB2 token by token, in the manner of the script conlleval; no pattern, no groups."""
    spans: list[tuple[str, int, int]] = []
    current = None  # type and first token
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        goes_on = prefix == "I" and current is not None and current[0] == kind
        if not goes_on:
            if current is not None:
                spans.append((*current, place))
            begins = prefix == "B" or (prefix == "I" and mode == "conlleval")
            current = (kind, place) if begins else None
    return spans


@pytest.mark.parametrize("mode", ["strict", "conlleval"])
def test_spans_of_random_tags_equal_those_of_a_plain_state_machine(mode: Any) -> None:
    choose = random.Random(0).choices
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-per-son", "I-per-son"]
    for length in [*range(12)] * 40:
        tags = choose(names, k=length)
        assert entity_spans(tags, mode=mode) == spans_by_state(tags, mode)


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("IOB1", "I-PER I-PER B-PER O I-LOC I-PER"),
        ("IOB2", "B-PER I-PER B-PER O B-LOC B-PER"),
        ("BIOES", "B-PER E-PER S-PER O S-LOC S-PER"),
        ("IOBES", "B-PER E-PER S-PER O S-LOC S-PER"),
        ("IOE1", "I-PER E-PER I-PER O I-LOC I-PER"),
        ("IOE2", "I-PER E-PER E-PER O E-LOC E-PER"),
    ],
)
def test_each_scheme_writes_the_same_entities(scheme: str, tags: str) -> None:
    wanted = [("PER", 0, 2), ("PER", 2, 3), ("LOC", 4, 5), ("PER", 5, 6)]
    assert entity_spans(tags.split(), scheme) == wanted


def test_the_two_modes_part_over_an_inside_tag_that_nothing_began() -> None:
    """Mistake 20: such tags are neither accepted nor dropped unasked; the mode says which."""
    tags = ["I-PER", "O", "B-PER", "I-LOC", "I-LOC"]
    assert entity_spans(tags) == [("PER", 2, 3)]
    assert entity_spans(tags, mode="conlleval") == [("PER", 0, 1), ("PER", 2, 3), ("LOC", 3, 5)]


def test_scores_by_hand() -> None:
    """Right: Anna, Rome. Cut short: New York. The wrong type: Ajax. Invented: a MISC."""
    true = [["B-PER", "O", "B-LOC", "I-LOC"], ["B-LOC", "O", "B-ORG"], ["O"]]
    predicted = [["B-PER", "O", "B-LOC", "O"], ["B-LOC", "O", "B-PER"], ["B-MISC"]]
    scores = entity_scores(true, predicted)
    assert (scores["precision"], scores["recall"]) == (2 / 5, 2 / 4)
    assert scores["f1"] == pytest.approx(4 / 9)
    assert scores["support"] == 4
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert scores["per_type"] == {
        "LOC": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2},
        "MISC": nothing | {"support": 0},
        "ORG": nothing | {"support": 1},
        "PER": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1},
    }
    assert scores["macro"]["f1"] == pytest.approx((1 / 2 + 2 / 3) / 4)
    assert scores["macro"]["recall"] == pytest.approx(1.5 / 4)


def test_token_accuracy_flatters_a_model_that_finds_nothing() -> None:
    true = [["O"] * 9 + ["B-PER"], []]
    predicted = [["O"] * 10, []]
    assert token_accuracy(true, predicted) == 0.9
    assert entity_scores(true, predicted)["f1"] == 0


@pytest.mark.parametrize("mode", ["strict", "conlleval"])
@pytest.mark.parametrize("tags", [[], [[]], [["O", "O"], []]])
def test_where_nothing_is_to_be_found_scores_are_0(tags: list[list[str]], mode: Any) -> None:
    scores = entity_scores(tags, tags, mode=mode)
    assert (scores["f1"], scores["macro"]["f1"], scores["per_type"]) == (0, 0, {})


def test_an_entity_must_be_in_the_right_sentence() -> None:
    one, other = ["B-PER", "O"], ["O", "O"]
    assert entity_scores([one, other], [other, one])["f1"] == 0


@pytest.mark.parametrize(
    ("true", "predicted", "words"),
    [
        ([["O"]], [], "there are 1 true sentences but 0 predicted ones"),
        ([["O"], ["O", "O"]], [["O"], ["O"]], "sentence 1 has 2 true tags but 1 predicted"),
        (["O", "B-PER"], ["O", "O"], "sentence 0 is a string: expected a list of tags for each"),
        ([["O"]], [["PER"]], r"sentence 0: tag 'PER' at token 0: expected O, .* one of B-, I-$"),
        ([["O", "S-PER"]], [["O", "O"]], "sentence 0: tag 'S-PER' at token 1"),
        ([["O"]], [[""]], "tag '' at token 0"),
    ],
)
def test_what_does_not_fit_is_refused_by_sentence(true: Any, predicted: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        entity_scores(true, predicted)


def test_tags_without_a_prefix_fit_no_mode() -> None:
    with pytest.raises(ValueError, match=r"tag 'PER' .* one of B-, E-, I-, S-$"):
        entity_spans(["PER"], mode="conlleval")


def test_odd_tags_are_read_as_seqeval_does_and_said() -> None:
    with pytest.warns(UserWarning, match="'ORG' has no hyphen after its first letter: .* as O"):
        assert entity_spans(["ORG"]) == []
    with pytest.warns(UserWarning, match="it is read as B-PER"):
        assert entity_spans(["BPER"]) == [("PER", 0, 1)]


@pytest.mark.parametrize(("scheme", "mode"), [("IOB", "strict"), ("IOB2", "loose")])
def test_an_unknown_scheme_or_mode_is_refused(scheme: str, mode: Any) -> None:
    with pytest.raises(ValueError, match=r"expected one of IOB2, .* 'strict' or 'conlleval'"):
        entity_spans([], scheme, mode)
