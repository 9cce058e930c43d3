"""Named entities: pieces against words, windows, decoding by hand and by brute force."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import BertTokenizer, PreTrainedTokenizerBase

import bertlab
from bertlab.data.errors import DataError
from bertlab.data.tags import invalid_places, spans
from bertlab.model.heads import IGNORED
from bertlab.tasks.named_entities import NamedEntities, best_valid
from bertlab.tasks.task import Features
from bertlab.tasks.words import most_context, read_words, word_windows
from bertlab.training import TrainingConfig, train

LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
SENTENCES = [
    (["Ada", "Lovelace", "lived", "in", "London", "."], ["B-PER", "I-PER", "O", "O", "B-LOC", "O"]),
    (["Mississippi", "floods", "Kuala", "Lumpur"], ["B-LOC", "O", "B-LOC", "I-LOC"]),
    (["Nobody", "came", "."], ["O", "O", "O"]),
]


def dataset(sentences: Sequence[tuple[list[str], list[str]]] = SENTENCES) -> Dataset:
    return Dataset.from_list([{"tokens": tokens, "tags": tags} for tokens, tags in sentences])


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return bertlab.load_tokenizer("bertlab-mini")


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerBase) -> nn.Module:
    """A random model whose mind changes from word to word, with probabilities far from equal."""
    torch.manual_seed(1)
    names = dict(enumerate(LABELS))
    config = bertlab.BertConfig.tiny(vocab_size=len(tokenizer), id2label=names, num_labels=5)
    model = bertlab.BertForTokenClassification(config).eval()
    nn.init.normal_(model.classifier.weight, std=0.3)
    return model


def task(tokenizer: PreTrainedTokenizerBase, **options: Any) -> NamedEntities:
    return NamedEntities(tokenizer, **{"labels": LABELS, **options})


def long_sentence(words: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Words of one to five pieces, a third of them in entities of up to three words."""
    draw = random.Random(seed)
    tokens, tags = [], []
    while len(tokens) < words:
        kind, length = draw.choice(["LOC", "PER"]), draw.randint(1, 3)
        tags += ["B-" + kind] + ["I-" + kind] * (length - 1) + ["O"] * draw.randint(0, 8)
        while len(tokens) < len(tags):
            tokens.append(draw.choice(["the", "London", "Mississippi", "U.S.", "antiquarian", ","]))
    return tokens[:words], tags[:words]


def oracle(task: NamedEntities, features: Features, tags: Sequence[list[str]]) -> list[np.ndarray]:
    """Logits that are right at each word's own place, and wildly wrong everywhere else."""
    logits = []
    for row, index, part in zip(features.rows, features.record, features.extras, strict=True):
        wrong = np.random.default_rng(0).normal(size=(len(row["input_ids"]), len(task.labels))) * 50
        for word, place in zip(part.words, part.places, strict=True):
            wrong[place] = 9.0 * (np.array(task.labels) == tags[index][word])
        logits.append(wrong)
    return logits


# --- labels


def test_labels_are_outside_and_both_tags_of_each_type_that_occurs(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """An I- that training happens to lack may be needed later, and its B- always."""
    named = NamedEntities(tokenizer, dataset([(["a", "b"], ["B-b", "B-a"]), (["c"], ["I-C-d"])]))
    assert named.labels == ["O", "B-C-d", "I-C-d", "B-a", "I-a", "B-b", "I-b"]
    config = bertlab.BertConfig.tiny(num_labels=7, **named.overrides)
    assert NamedEntities(tokenizer, **NamedEntities.arguments(config)).labels == named.labels


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (["O", "O"], "found the tag 'O' only; expected entities in the training data"),
        (["O", "E-PER"], "found the tag 'E-PER' in the training data; expected a tag of IOB2"),
        (["O", "PER"], "found the tag 'PER' in the training data"),
    ],
)
def test_training_tags_that_teach_no_entities_are_refused(
    tokenizer: PreTrainedTokenizerBase, tags: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        NamedEntities(tokenizer, dataset([(["a", "b"], tags)]))


def test_without_training_records_labels_are_asked_for(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(DataError, match=r"found no tags; expected .* labels="):
        NamedEntities(tokenizer)


@pytest.mark.parametrize("names", [{0: "LABEL_0", 1: "LABEL_1"}, None, {0: "B-PER", 1: "I-PER"}])
def test_a_model_that_has_no_tags_is_refused(
    tokenizer: PreTrainedTokenizerBase, names: dict[int, str] | None
) -> None:
    """Read as tags, LABEL_1 would be an entity of type BEL_1."""
    config = SimpleNamespace(id2label=names, num_labels=2)
    with pytest.raises(ValueError, match=r"expected tags of IOB2.*fine-tuned for named entities\?"):
        NamedEntities(tokenizer, **NamedEntities.arguments(config))


def test_windows_that_do_not_fit_are_refused_at_once(tokenizer: PreTrainedTokenizerBase) -> None:
    assert task(tokenizer).stride == 64
    assert task(tokenizer, max_length=42).stride == 20
    with pytest.raises(ValueError, match="stride is 40: expected a number from 0 to 39"):
        task(tokenizer, max_length=42, stride=40)


# --- alignment


def test_labels_stand_at_first_pieces_only(tokenizer: PreTrainedTokenizerBase) -> None:
    """Not one label a word against one logit a piece; none at [CLS], [SEP] or ##pieces."""
    features = task(tokenizer).features(dataset(), labelled=True)
    (london, kuala, _) = features.rows
    expected = [IGNORED]
    for word, tag in zip(*SENTENCES[1], strict=True):
        pieces = len(tokenizer.tokenize(word))
        expected += [LABELS.index(tag)] + [IGNORED] * (pieces - 1)
    expected.append(IGNORED)
    assert kuala["labels"].tolist() == expected
    assert len(expected) > 2 + 4  # some word has several pieces
    assert kuala["input_ids"].tolist() == tokenizer("Mississippi floods Kuala Lumpur")["input_ids"]
    assert (kuala["token_type_ids"] == 0).all()
    assert (london["labels"] != IGNORED).sum() == 6
    assert features.record == [0, 1, 2]
    assert features.counts == {}


def test_words_without_pieces_shift_nothing(tokenizer: PreTrainedTokenizerBase) -> None:
    """Control characters vanish in the tokenizer; a label a word would then slip to the next."""
    tokens = ["\u200b", "New", "\x00", "York", "", "is", "\u200d\x01", "big", "\u200b"]
    tags = ["O", "B-LOC", "I-LOC", "I-LOC", "O", "O", "O", "O", "B-PER"]
    named = task(tokenizer)
    features = named.features([{"tokens": tokens, "tags": tags}], labelled=True)
    (part,), (row,) = features.extras, features.rows
    assert part.words.tolist() == [1, 3, 5, 7]
    pieces = tokenizer.convert_ids_to_tokens(row["input_ids"][part.places].tolist())
    assert pieces == ["New", "York", "is", "big"]
    assert row["labels"][part.places].tolist() == [1, 2, 0, 0]
    assert features.counts == {"words without a piece, taken as O": 5}

    always_loc = [np.tile([0.0, 0.0, 9.0, 0.0, 0.0], (len(row["input_ids"]), 1))]
    (answer,) = named.decode([{"tokens": tokens}], features, always_loc)
    assert answer["tags"] == ["O", "I-LOC", "O", "I-LOC", "O", "I-LOC", "O", "I-LOC", "O"]
    named.valid_only = True
    (answer,) = named.decode([{"tokens": tokens}], features, always_loc)
    assert [tag[0] for tag in answer["tags"]] == list("OOOOOOOOO")


WORDS = st.text(
    st.characters(exclude_categories=("Cs",)), min_size=0, max_size=6
) | st.sampled_from(
    [
        "Mississippi",
        "U.S.",
        "\u200b",
        "東京",
        "e\u0301",
        "x" * 101,
        "[SEP]",
        "don't",
        "-" * 40,
        "\x00",
    ]
)


@given(st.lists(WORDS, max_size=40), st.integers(8, 20), st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_each_word_is_labelled_once_at_its_first_piece(
    tokenizer: PreTrainedTokenizerBase, tokens: list[str], max_length: int, stride: int
) -> None:
    """Over all windows, for any words of any script: also the loss counts no word twice."""
    labels = ["O"] + [f"B-{number}" for number in range(len(tokens))]
    tags = labels[1:]
    named = NamedEntities(tokenizer, labels=labels, max_length=max_length, stride=stride)
    features = named.features([{"tokens": tokens, "tags": tags}], labelled=True)
    alone = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in tokens]
    seen: list[str] = []
    for row, part in zip(features.rows, features.extras, strict=True):
        ids, places = row["input_ids"], np.flatnonzero(row["labels"] != IGNORED)
        assert len(ids) <= max_length
        assert ids[0] == tokenizer.cls_token_id
        assert ids[-1] == tokenizer.sep_token_id
        assert places.tolist() == part.places.tolist()
        for place in places:
            word = tokens[int(labels[row["labels"][place]][2:])]
            seen.append(labels[row["labels"][place]])
            pieces = alone[tokens.index(word)][: max_length - 2]
            assert ids[place : place + len(pieces)].tolist() == pieces  # whole, not cut by a window
    assert sorted(seen) == sorted(tag for tag, ids in zip(tags, alone, strict=True) if ids)
    assert features.counts["words without a piece, taken as O"] == sum(not ids for ids in alone)
    assert features.counts["words cut"] == sum(len(ids) > max_length - 2 for ids in alone)

    (answer,) = named.decode([{"tokens": tokens}], features, oracle(named, features, [tags]))
    assert answer["tags"] == [tag if ids else "O" for tag, ids in zip(tags, alone, strict=True)]


def test_tags_and_tokens_must_be_equally_many(tokenizer: PreTrainedTokenizerBase) -> None:
    records = [{"tokens": ["a"], "tags": ["O"]}, {"tokens": ["a", "b"], "tags": ["O"]}]
    with pytest.raises(DataError, match="found 2 tokens and 1 tags in record 1; expected a tag"):
        task(tokenizer).features(records, labelled=True)


def test_a_thousand_sentences_are_tokenised_in_one_call(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    call = type(tokenizer).__call__

    def counted(self: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(len(arguments[0]))
        return call(self, *arguments, **options)

    monkeypatch.setattr(type(tokenizer), "__call__", counted)
    task(tokenizer).features([{"tokens": ["a", "b"]}] * 1000, labelled=False)
    assert calls == [1000]


# --- windows


SIZES = st.lists(st.integers(1, 10), max_size=60)


@given(SIZES, st.integers(10, 30), st.integers(0, 9))
@settings(max_examples=200, deadline=None)
def test_windows_cover_all_words_and_each_has_its_best_window(
    sizes: list[int], room: int, stride: int
) -> None:
    bounds = np.cumsum([0, *sizes])
    parts = word_windows(bounds, room, stride)
    assert parts[0][0] == 0
    assert parts[-1][1] == len(sizes)
    for (first, end), (following, its_end) in itertools.pairwise(parts):
        assert first < following <= end < its_end  # no gap, and each goes on
        assert bounds[end] - bounds[following] <= stride
        assert bounds[end + 1] - bounds[first] > room  # none ends before it must
    assert all(bounds[end] - bounds[first] <= room for first, end in parts)

    def context(word: int, first: int, end: int) -> int:
        inside = first <= word < end
        return min(bounds[word] - bounds[first], bounds[end] - bounds[word + 1]) if inside else -1

    own = most_context(bounds, parts)
    assert sorted(itertools.chain(*own)) == list(range(len(sizes)))
    for part, words in zip(parts, own, strict=True):
        for word in words:
            assert context(word, *part) == max(context(word, *other) for other in parts)


def test_windows_by_hand() -> None:
    """Ten words of one piece and a last one of three, six pieces a window, two of them shared."""
    bounds = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13])
    parts = word_windows(bounds, room=6, stride=2)
    assert parts == [(0, 6), (4, 10), (8, 11)]
    assert [own.tolist() for own in most_context(bounds, parts)] == [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8],
        [9, 10],
    ]


def test_a_word_longer_than_a_row_is_cut_and_counted(tokenizer: PreTrainedTokenizerBase) -> None:
    tokens, tags = ["see", "-" * 50, "!", "in"], ["O", "B-LOC", "O", "B-PER"]
    features = task(tokenizer, max_length=12).features([{"tokens": tokens, "tags": tags}], True)
    assert features.counts == {"words cut": 1, "sentences read in windows": 1}
    assert [len(row["input_ids"]) for row in features.rows] == [3, 12, 4]


@pytest.mark.parametrize("valid_only", [False, True])
@pytest.mark.parametrize(("max_length", "stride"), [(512, 64), (512, 0), (30, 10), (16, 13)])
def test_the_true_logits_decode_to_exactly_the_true_entities(
    tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int, valid_only: bool
) -> None:
    """Also in windows, where the same words' logits in other windows are noise."""
    sentences = [*SENTENCES, long_sentence(900), ([], []), long_sentence(40, seed=1)]
    named = task(tokenizer, max_length=max_length, stride=stride, valid_only=valid_only)
    features = named.features(dataset(sentences), labelled=True)
    assert features.counts["sentences read in windows"] == 1 + (max_length < 40)
    true = [tags for _, tags in sentences]
    answers = named.decode(dataset(sentences), features, oracle(named, features, true))
    for answer, (tokens, tags) in zip(answers, sentences, strict=True):
        found = [(e["type"], e["start"], e["end"]) for e in answer["entities"]]
        assert found == spans(tags)
        assert answer["tags"] == tags
        assert [e["text"] for e in answer["entities"]] == [
            " ".join(tokens[start:end]) for _, start, end in found
        ]
    figures = named.score(dataset(sentences), answers)
    assert figures["f1"] == figures["token_accuracy"] == 1
    assert set(figures["per_type"]) == {"LOC", "PER"}


# --- decoding


def test_an_entity_scores_the_mean_probability_of_its_tags(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    records = [{"tokens": ["New", "York"]}]
    named = task(tokenizer)
    features = named.features(records, labelled=False)
    logits = np.zeros((4, 5))
    logits[1] = np.log([0.1, 0.6, 0.1, 0.1, 0.1])
    logits[2] = np.log([0.025, 0.025, 0.9, 0.025, 0.025])
    (answer,) = named.decode(records, features, [logits])
    (entity,) = answer["entities"]
    assert entity.pop("score") == pytest.approx(0.75)
    assert entity == {"text": "New York", "type": "LOC", "start": 0, "end": 2}


def test_a_stray_inside_tag_begins_an_entity_and_is_counted(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """As conlleval reads it; the strict score doesn't count such an entity as found."""
    tokens, true = ["a", "b", "c", "d"], ["B-LOC", "B-PER", "O", "B-LOC"]
    strange = ["B-LOC", "I-PER", "O", "I-LOC"]
    named, records = task(tokenizer), [{"tokens": tokens, "tags": true}]
    features = named.features(records, labelled=False)
    answers = named.decode(records, features, oracle(named, features, [strange]))
    (answer,) = answers
    assert [(e["type"], e["start"], e["end"]) for e in answer["entities"]] == spans(true)
    assert answer["tags"] == strange
    figures = named.score(records, answers)
    assert figures["invalid_tags"] == 2
    assert (figures["precision"], figures["recall"]) == (1, 1 / 3)


def valid(labels: Sequence[str]) -> bool:
    return not invalid_places(labels, "IOB2")


@pytest.mark.parametrize("labels", [LABELS, ["I-a", "I-b", "B-b", "O", "B-a"], ["B-x", "O"]])
@pytest.mark.parametrize("words", [1, 2, 5])
def test_valid_decoding_is_the_best_of_all_valid_sequences(labels: list[str], words: int) -> None:
    """Viterbi against brute force: every sequence is written out, and the invalid ones dropped."""
    table = np.array(list(itertools.product(range(len(labels)), repeat=words)))
    possible = table[[valid([labels[index] for index in line]) for line in table]]
    draw = np.random.default_rng(words)
    for _ in range(20):
        logs = np.log(draw.dirichlet(np.full(len(labels), 0.5), size=words) + 1e-9)  # (W, C)
        totals = logs[np.arange(words), possible].sum(-1)
        found = best_valid(logs, labels)
        assert found.tolist() == possible[totals.argmax()].tolist()


def test_only_invalid_sequences_are_decoded_anew(
    tokenizer: PreTrainedTokenizerBase, model: nn.Module
) -> None:
    """What the most probable tags spell, if valid, is the most probable valid sequence."""
    records = [{"tokens": long_sentence(length, length)[0]} for length in range(1, 40)]
    free = list(task(tokenizer).predict(model, records))
    bound = list(task(tokenizer, valid_only=True).predict(model, records))
    assert all(valid(answer["tags"]) for answer in bound)
    changed = [a["tags"] != b["tags"] for a, b in zip(free, bound, strict=True)]
    assert changed == [not valid(answer["tags"]) for answer in free]
    assert 0 < sum(changed) < len(changed)


# --- texts


def test_entities_of_a_text_are_cut_from_it(tokenizer: PreTrainedTokenizerBase) -> None:
    """Character offsets, whatever the spaces, the punctuation and the accents around them."""
    text = " \n“Ada  Lovelace”, of New\u200bYork\u200b; U.S.\t東京 "
    words = ["“", "Ada", "Lovelace", "”", ",", "of", "New\u200bYork", ";", "U.S.", "東", "京"]
    tags = ["O", "B-PER", "I-PER", "O", "O", "O", "B-LOC", "O"]
    tags += ["B-LOC", "B-LOC", "I-LOC"]
    named = task(tokenizer)
    features = named.features([{"text": text}], labelled=False)
    (answer,) = named.decode([{"text": text}], features, oracle(named, features, [tags]))
    (part,) = features.extras
    assert [text[start:end] for start, end in part.record.offsets] == words
    found = [(e["text"], e["type"]) for e in answer["entities"]]
    assert found == [
        ("Ada  Lovelace", "PER"),
        ("New\u200bYork", "LOC"),
        ("U.S.", "LOC"),
        ("東京", "LOC"),
    ]
    assert all(text[e["start"] : e["end"]] == e["text"] for e in answer["entities"])
    assert answer.keys() == {"entities"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the U.S.A. and D.C", ["the", "U.S.A.", "and", "D.C"]),
        ("I live in D.C.", ["I", "live", "in", "D.C."]),
        ("I live in London.He too", ["I", "live", "in", "London", ".", "He", "too"]),
        ("AT&T's F-16 (v3.11)", ["AT&T", "'", "s", "F-16", "(", "v3.11", ")"]),
        ("O’Neill’s and JAMES'S", ["O’Neill", "’", "s", "and", "JAMES", "'", "S"]),
        ("see example.org/a_b - now--", ["see", "example.org", "/", *"a_b", *"-", "now", *"--"]),
        ("Jean-Claude Müller-Lüdenscheidt", ["Jean-Claude", "Müller-Lüdenscheidt"]),
        ("東京-大阪 서울-부산", ["東", "京", "-", "大", "阪", "서울", "-", "부산"]),
        ("a.\u0301b", ["a", ".", "\u0301b"]),  # an accent that is seen is no part of the stop
    ],
)
def test_words_of_a_text_are_as_annotators_part_them(
    tokenizer: PreTrainedTokenizerBase, text: str, words: list[str]
) -> None:
    """Labels are learned at first pieces: the 16 of F-16 must not be asked for one of its own."""
    (read,) = read_words(tokenizer, [{"text": text}])
    assert [text[start:end] for start, end in read.offsets] == words
    assert sorted(set(read.word_ids.tolist())) == list(range(len(words)))


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
@settings(max_examples=100, deadline=None)
def test_words_of_any_text_are_slices_in_order(
    tokenizer: PreTrainedTokenizerBase, text: str
) -> None:
    """As pieces, they are the text's own: what transformers' pipeline reads."""
    (read,) = read_words(tokenizer, [{"text": text}])
    ends = itertools.chain((0,), itertools.chain(*read.offsets), (len(text),))
    assert all(a <= b for a, b in itertools.pairwise(ends))
    assert read.pieces.tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert sorted(set(read.word_ids.tolist())) == list(range(len(read.offsets)))
    assert (np.diff(read.word_ids) >= 0).all()


def test_an_uncased_model_keeps_the_accents_of_the_text() -> None:
    """The tokenizer strips them, and its offsets end before the last one."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cafe", "ole", ".", "a"]
    uncased = BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)})
    text = "Cafe\u0301\u0323. Ole\u0301"
    named = task(uncased, max_length=8)
    features = named.features([{"text": text}], labelled=False)
    assert features.rows[0]["input_ids"].tolist() == [2, 5, 7, 6, 3]
    logits = oracle(named, features, [["B-LOC", "O", "B-PER"]])
    (answer,) = named.decode([{"text": text}], features, logits)
    assert [e["text"] for e in answer["entities"]] == ["Cafe\u0301\u0323", "Ole\u0301"]


@pytest.mark.parametrize("record", [{"text": ""}, {"text": " \u200b"}, {"tokens": []}])
def test_nothing_holds_no_entities(
    tokenizer: PreTrainedTokenizerBase, model: nn.Module, record: dict[str, Any]
) -> None:
    (answer,) = task(tokenizer).predict(model, [record])
    assert answer.pop("tags", []) == []
    assert answer == {"entities": []}


# --- with a model


def test_answers_depend_on_their_record_alone(
    tokenizer: PreTrainedTokenizerBase, model: nn.Module
) -> None:
    """Not on the batch, its padding, how many are read at once, or what else is asked."""
    sentences = [long_sentence(words, words)[0] for words in (3, 70, 1, 12, 0, 30, 5, 2)]
    records = [{"tokens": tokens} for tokens in sentences]
    records += [{"text": " ".join(tokens)} for tokens in sentences]
    random.Random(0).shuffle(records)
    named = task(tokenizer, max_length=24)
    alone = [next(named.predict(model, [record])) for record in records]
    assert sum(len(answer["entities"]) for answer in alone) > 20
    for batch_size, at_a_time in ((1, 100), (4, 3), (32, 1024)):
        together = list(named.predict(model, iter(records), batch_size, at_a_time))
        for one, other in zip(alone, together, strict=True):
            assert one.get("tags") == other.get("tags")
            for a, b in zip(one["entities"], other["entities"], strict=True):
                assert a | {"score": 0} == b | {"score": 0}
                assert a["score"] == pytest.approx(b["score"], abs=1e-5)


def test_the_loss_is_a_mean_over_words(
    tokenizer: PreTrainedTokenizerBase, model: nn.Module
) -> None:
    """Each word counts once, though windows share words and batches differ in size."""
    sentences = [*SENTENCES, long_sentence(60), long_sentence(25, 1)]
    named = task(tokenizer, max_length=32)
    features = named.features(dataset(sentences), labelled=True)
    losses = []
    for row in features.rows:
        ids = torch.tensor(row["input_ids"], dtype=torch.long)[None]
        with torch.inference_mode():
            logs = model(ids).logits[0].log_softmax(-1)
        losses += [-float(logs[p, c]) for p, c in enumerate(row["labels"]) if c != IGNORED]
    assert len(losses) == sum(len(tokens) for tokens, _ in sentences)
    figures = named.evaluate(model, dataset(sentences), batch_size=2)
    assert figures["loss"] == pytest.approx(np.mean(losses), rel=1e-4)


def test_tags_unknown_to_training_are_not_learned_and_count_as_errors(
    tokenizer: PreTrainedTokenizerBase, model: nn.Module
) -> None:
    records = dataset([(["Ada", "lives"], ["B-PER", "O"]), (["Linux", "too"], ["B-MISC", "O"])])
    named = task(tokenizer)
    features = named.features(records, labelled=True)
    assert features.counts == {"tags unknown to training": 1}
    assert [(row["labels"] != IGNORED).sum() for row in features.rows] == [2, 1]
    answers = named.decode(records, features, oracle(named, features, [["B-PER", "O"], ["O", "O"]]))
    figures = named.score(records, answers)
    assert (figures["precision"], figures["recall"]) == (1, 0.5)
    assert named.evaluate(model, records)["per_type"]["MISC"]["recall"] == 0


def test_one_batch_can_be_learned_by_heart(tokenizer: PreTrainedTokenizerBase) -> None:
    """From rows in windows to strict entities: whatever is misaligned can't be learned."""
    torch.manual_seed(0)
    sentences = [
        *SENTENCES,
        (["Paris", "met", "Paris", "Hilton"] * 4, ["B-LOC", "O", *LABELS[3:]] * 4),
    ]
    records = dataset(sentences)
    named = NamedEntities(tokenizer, records, records, max_length=16, stride=6)
    assert named.labels == LABELS
    config = bertlab.BertConfig.tiny(
        vocab_size=len(tokenizer),
        num_labels=5,
        num_hidden_layers=1,
        hidden_size=64,
        num_attention_heads=1,
        hidden_dropout_prob=0.0,
        **named.overrides,
    )
    model = bertlab.BertForTokenClassification(config)
    training = TrainingConfig(epochs=40, learning_rate=5e-3, evaluate_every=1.0, precision="fp32")
    train(model, named, training, progress_bar=False)
    assert named.counts["sentences read in windows"] >= 1
    figures = named.evaluate(model, records)
    assert figures["f1"] == 1
    assert figures["loss"] < 0.1


def test_a_checkpoint_gives_the_same_labels_in_transformers(
    tokenizer: PreTrainedTokenizerBase, model: nn.Module, tmp_path: Path
) -> None:
    """Its own class answers as ours does, and its pipeline has our labels at first pieces."""
    import transformers

    named = task(tokenizer)
    model.save_pretrained(tmp_path)
    named.save(tmp_path)
    texts = [
        "Ada Lovelace lived in London.",
        "The Mississippi floods Kuala Lumpur",
        "«É» don't U.S.",
    ]
    records = [{"text": text} for text in texts]
    theirs = transformers.BertForTokenClassification.from_pretrained(tmp_path)
    assert theirs.config.id2label == dict(enumerate(LABELS))
    for ours, other in zip(
        named.predict(model, records), named.predict(theirs, records), strict=True
    ):
        for a, b in zip(ours["entities"], other["entities"], strict=True):
            assert a | {"score": 0} == b | {"score": 0}
            assert a["score"] == pytest.approx(b["score"], abs=1e-5)

    pipeline = transformers.pipeline("token-classification", str(tmp_path), ignore_labels=[])
    for text, answer in zip(texts, pipeline(texts), strict=True):
        words = named.features([{"text": text}], labelled=False).extras[0].record.offsets
        tokens = [text[start:end] for start, end in words]
        (prediction,) = named.predict(model, [{"tokens": tokens}])
        starts = {start: number for number, (start, _) in enumerate(words)}
        first = {starts[p["start"]]: p["entity"] for p in answer if p["start"] in starts}
        assert [first[number] for number in range(len(words))] == prediction["tags"]
