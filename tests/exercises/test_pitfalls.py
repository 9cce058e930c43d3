"""The mistakes that tutorials make, one by one: which exercise recognises each, by which name.

The numbers are those of the list that the chapters' "Mistakes you'll meet" are made from. Each
pair is planted and must come back as named. What no exercise can ask stands in NOT_ASKED.
"""

import pytest
from exercise_answers import check_planted

from bertlab.exercises import _SPECS

RECOGNISED: dict[int, list[tuple[str, str]]] = {
    1: [
        ("attention", "divided-by-d"),
        ("attention", "scaled-after-softmax"),
        ("attention", "not-scaled"),
    ],
    2: [
        ("attention", "no-softmax"),
        ("attention", "softmax-over-queries"),
        ("attention", "softmax-over-heads"),
    ],
    3: [
        ("dot_product_variances", "scale-not-squared"),
        ("dot_product_variances", "scale-without-effect"),
    ],
    4: [
        ("attention", "mask-ignored"),
        ("attention", "mask-added"),
        ("attention", "mask-after-softmax"),
        ("attention", "nan-where-all-masked"),
    ],
    5: [("split_heads", "view-without-transpose")],
    6: [
        ("embed", "position-after-layernorm"),
        ("embed", "position-normalised-alone"),
        ("embed", "positions-sinusoidal"),
        ("feed_forward_block", "pre-ln"),
        ("feed_forward_block", "relu"),
        ("feed_forward_block", "tanh-gelu"),
    ],
    7: [("attention_pattern", "left-to-right"), ("attention_pattern", "right-to-left")],
    8: [("encode_pair", "token-types-all-zero"), ("embed", "positions-restarted")],
    9: [
        ("feed_forward_block", "dropout-left-on"),
        ("predict_probabilities", "eval-forgotten"),
        ("fit", "train-called-once"),
    ],
    10: [
        ("masked_lm_loss", "averaged-over-all-places"),
        ("masked_lm_loss", "divided-by-all-places"),
        ("masked_lm_loss", "masked-after-the-mean"),
    ],
    11: [
        ("mask_tokens", "labels-everywhere"),
        ("mask_tokens", "ignored-label-zero"),
        ("masked_lm_loss", "label-zero-ignored"),
        ("next_sentence_loss", "label-zero-ignored"),
    ],
    12: [
        ("mask_tokens", "nested-80-2-18"),
        ("mask_tokens", "nested-81-9-10"),
        ("mask_tokens", "special-tokens-chosen"),
        ("mask_tokens", "special-tokens-drawn"),
        ("whole_word_places", "pieces-masked-apart"),
    ],
    13: [
        ("masked_lm_loss", "sigmoid-of-true-piece"),
        ("masked_lm_loss", "softmax-over-places"),
    ],
    14: [
        ("make_pair", "negative-from-the-same-document"),
        ("make_pair", "single-sentence-is-next"),
        ("make_pair", "label-swapped"),
    ],
    15: [
        ("masked_word_head", "decoder-not-tied"),
        ("masked_word_head", "bias-forgotten"),
        ("pseudo_perplexity", "word-left-visible"),
    ],
    17: [
        ("answer_positions", "question-not-counted"),
        ("answer_positions", "ignored-instead-of-cls"),
    ],
    18: [
        ("answer_positions", "only-equal-borders"),
        ("answer_positions", "part-of-the-answer-kept"),
        ("best_span", "question-allowed"),
        ("best_span", "end-of-row-allowed"),
        ("best_span", "end-before-start"),
        ("best_span", "start-and-end-apart"),
    ],
    19: [
        ("align_labels", "labels-by-token"),
        ("align_labels", "continuation-labelled-o"),
        ("align_labels", "special-tokens-labelled-o"),
    ],
    20: [
        ("tags_to_spans", "stray-inside-begins-a-name"),
        ("tags_to_spans", "type-change-overlooked"),
        ("entity_f1", "sentences-thrown-together"),
    ],
    21: [("tag_lists", "flattened"), ("tag_lists", "unlabelled-places-kept")],
    22: [
        ("next_sentence_loss", "sigmoid-on-both-logits"),
        ("task_loss", "softmax-before-cross-entropy"),
        ("task_loss", "labels-not-floats"),
        ("task_loss", "cross-entropy-for-numbers"),
    ],
    23: [
        ("train_steps", "gradients-add-up"),
        ("train_steps", "gradient-not-clipped"),
        ("make_optimizer", "everything-decays"),
    ],
    24: [("make_optimizer", "rate-not-passed"), ("learning_rate", "no-warm-up")],
    25: [
        ("make_optimizer", "not-frozen"),
        ("make_optimizer", "frozen-but-in-the-optimizer"),
        ("make_optimizer", "left-out-but-not-frozen"),
    ],
    26: [("pad_batch", "padded-to-512"), ("pad_batch", "one-dimension-too-many")],
    27: [("predict_probabilities", "mask-not-passed"), ("pad_batch", "padding-attended-to")],
    28: [
        ("choose_checkpoint", "mean-of-batch-means"),
        ("choose_checkpoint", "chosen-on-the-test-set"),
        ("choose_checkpoint", "best-test-score-reported"),
    ],
    29: [("choose_checkpoint", "last-checkpoint"), ("fit", "last-weights-kept")],
    30: [("wordpiece", "lower-cased"), ("wordpiece", "accents-stripped")],
    31: [("windows", "cut-in-silence"), ("windows", "last-part-lost")],
}
NOT_ASKED = {
    16: "a claim made about an example that its author chose: no answer to check shows it",
}


def test_every_pitfall_is_recognised_or_says_why_not() -> None:
    assert sorted([*RECOGNISED, *NOT_ASKED]) == list(range(1, 32))


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        pytest.param(*pair, id=f"{number}-{pair[0]}-{pair[1]}")
        for number, pairs in RECOGNISED.items()
        for pair in pairs
    ],
)
def test_a_pitfall_planted_in_an_answer_is_named(name: str, mistake: str) -> None:
    spec = _SPECS[name]
    planted = [known for known in spec.mistakes if known.name == mistake]
    assert planted, f"{name} knows no mistake {mistake}"
    for known in planted:
        assert check_planted(spec, known.flags, seed=5).mistake == mistake
