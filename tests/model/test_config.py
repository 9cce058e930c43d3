"""The configuration: presets, files, and what it refuses."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
import transformers

import bertlab
from bertlab import BertConfig


@pytest.mark.parametrize(
    ("preset", "model", "parameters"),
    [
        ("base", "BertModel", 109_482_240),
        ("large", "BertModel", 335_141_888),
        ("mini", "BertForPreTraining", 5_529_090),
        ("tiny", "BertModel", 4_385_920),
    ],
)
def test_presets_have_the_published_number_of_parameters(
    preset: str, model: str, parameters: int
) -> None:
    config = getattr(BertConfig, preset)()
    with torch.device("meta"):
        ours = getattr(bertlab, model)(config)
        theirs = getattr(transformers, model)(transformers.BertConfig(**config.to_dict()))
    assert sum(parameter.numel() for parameter in ours.parameters()) == parameters
    assert sum(parameter.numel() for parameter in theirs.parameters()) == parameters


@pytest.mark.parametrize("preset", ["base", "large", "mini", "tiny"])
def test_presets_take_overrides(preset: str) -> None:
    config = getattr(BertConfig, preset)(vocab_size=100, num_labels=5)
    assert (config.vocab_size, config.num_labels) == (100, 5)
    assert config.head_size * config.num_attention_heads == config.hidden_size


def test_a_configuration_cannot_be_changed_by_accident() -> None:
    with pytest.raises(FrozenInstanceError):
        BertConfig().hidden_size = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"hidden_size": 10, "num_attention_heads": 3}, r"10 can't be divided among 3"),
        ({"vocab_size": 0}, r"vocab_size is 0: expected a whole number of at least 1"),
        ({"num_hidden_layers": 2.0}, r"num_hidden_layers is 2.0"),
        ({"hidden_size": True}, r"hidden_size is True"),
        ({"hidden_dropout_prob": 1.0}, r"hidden_dropout_prob is 1.0: expected a probability"),
        ({"hidden_act": "swoosh"}, r"hidden_act is 'swoosh': expected one of 'gelu'"),
        ({"implementation": "flash"}, r"implementation is 'flash': expected one of 'sdpa'"),
        ({"problem_type": "poetry"}, r"problem_type is 'poetry'"),
        ({"pad_token_id": 30522}, r"pad_token_id is 30522: expected an id from 0 to 30521"),
        ({"id2label": {0: "a", 2: "b"}}, r"id2label names the labels \[0, 2\]"),
        ({"id2label": {0: "a"}, "num_labels": 3}, r"expected a name for each of 0 … 2"),
        ({"id2label": ["a", "b"]}, r"id2label is \['a', 'b'\]: expected a mapping"),
        ({"id2label": {"x": "a"}}, r"expected a mapping from label numbers to names"),
        ({"hidden_dropout_prob": None}, r"hidden_dropout_prob is None: expected a probability"),
        ({"classifier_dropout": "0.1"}, r"classifier_dropout is '0.1'"),
        ({"layer_norm_eps": -1e-5}, r"layer_norm_eps is -1e-05: expected a number above 0"),
        ({"initializer_range": float("nan")}, r"initializer_range is nan"),
        ({"pad_token_id": 1.0}, r"pad_token_id is 1.0"),
    ],
)
def test_sizes_that_form_no_model_are_refused(sizes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BertConfig(**sizes)


def test_replace_keeps_label_counts_and_names_together() -> None:
    config = BertConfig(num_labels=3, id2label={0: "PER", 1: "LOC", 2: "ORG"})
    assert config.replace(num_labels=5).id2label is None
    assert config.replace(id2label={0: "x"}).num_labels == 1
    assert BertConfig(id2label={0: "a", 1: "b", 2: "c"}).num_labels == 3
    assert type(BertConfig(num_labels=np.int64(3)).num_labels) is int
    assert config.replace(hidden_dropout_prob=0.0).id2label == config.id2label
    with pytest.raises(ValueError, match=r"no field hidden_sise: it has .*hidden_size"):
        config.replace(hidden_sise=3)


def test_files_hold_what_transformers_reads() -> None:
    config = BertConfig.mini(id2label={0: "no", 1: "yes"}, hidden_act="gelu_new")
    values = config.to_dict()
    assert values["dtype"] == "float32"
    theirs = transformers.BertConfig(**values)
    assert theirs.id2label == {0: "no", 1: "yes"}
    assert theirs.num_labels == 2
    assert theirs.hidden_act == "gelu_new"
    assert BertConfig.from_dict(values) == config
    assert BertConfig.from_dict(theirs.to_dict()) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "roberta", "architectures": ["RobertaModel"]}, r"'roberta' \(RobertaModel"),
        ({"model_type": "distilbert"}, r"no BERT checkpoint: .*'distilbert'"),
        ({"architectures": ["ElectraModel"]}, r"no BERT checkpoint"),
        ({"model_type": "bert", "is_decoder": True}, r"is_decoder = True"),
        ({"position_embedding_type": "relative_key"}, r"position_embedding_type = 'relative_key'"),
        ({"pruned_heads": {"0": [1]}}, r"pruned_heads = \{'0': \[1\]\}"),
        ({"quantization_config": {"bits": 8}}, r"quantization_config = "),
        ({"tie_word_embeddings": False}, r"tie_word_embeddings = False"),
    ],
)
def test_other_models_are_refused_with_a_sentence(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BertConfig.from_dict(values)


def test_old_files_are_read() -> None:
    """Google's own config.json, and keys that transformers once wrote."""
    old = {"directionality": "bidi", "pooler_fc_size": 768, "_num_labels": 3, "is_decoder": None}
    assert BertConfig.from_dict(old) == BertConfig(num_labels=3)
    assert BertConfig.from_dict({"hidden_act": "swish"}).hidden_act == "swish"
