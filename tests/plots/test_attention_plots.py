"""The book's figures show what they are given, and refuse what doesn't fit together."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from board import drawing_board  # noqa: F401

from bertlab import plots
from bertlab.plots import attention


def test_the_style_sets_the_books_colours_in_their_order() -> None:
    plots.use_style()
    assert tuple(mpl.rcParams["axes.prop_cycle"].by_key()["color"]) == plots.COLOURS
    assert len(set(plots.COLOURS)) == len(plots.COLOURS)


def test_a_heat_map_has_queries_as_rows_and_keys_as_columns() -> None:
    """A transposed matrix would look right and say the opposite of what it should."""
    weights = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]], requires_grad=True)
    figure = plots.attention_heatmap(weights, ["she", "ran"], ["Anna", "Ben", "hill"], title="Who?")
    axis = figure.axes[0]
    (image,) = axis.images
    assert np.allclose(image.get_array(), weights.detach())
    assert image.get_clim() == (0, 1)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["she", "ran"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["Anna", "Ben", "hill"]
    written = [text.get_text() for text in axis.texts]
    assert written == ["0.90", "0.10", "0.00", "0.20", "0.30", "0.50"]
    assert figure.get_suptitle() == "Who?"


def test_several_heads_stand_side_by_side_on_one_scale() -> None:
    weights = np.full((3, 9, 9), 1 / 9)
    figure = plots.attention_heatmap(weights, list("abcdefghi"))
    heads = figure.axes[:3]
    assert [axis.get_title() for axis in heads] == ["head 0", "head 1", "head 2"]
    assert {axis.images[0].get_clim() for axis in heads} == {(0, 1)}
    assert not heads[0].texts, "nine keys: too many to write each weight into its field"
    assert plots.attention_heatmap(weights, list("abcdefghi"), annotate=True).axes[0].texts


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.bool])
def test_weights_of_every_width_are_drawn(dtype: torch.dtype) -> None:
    """Attention under autocast is bfloat16, which numpy lacks."""
    weights = torch.eye(2, dtype=dtype)
    axis = plots.attention_heatmap(weights, ["a", "b"]).axes[0]
    assert np.array_equal(axis.images[0].get_array(), [[1, 0], [0, 1]])
    assert [text.get_text() for text in axis.texts] == ["1.00", "0.00", "0.00", "1.00"]


def test_tokens_may_come_from_a_generator() -> None:
    axis = plots.attention_heatmap(np.eye(2), (token for token in "ab")).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["a", "b"]


@pytest.mark.parametrize(("shape", "tokens"), [((0, 2, 2), ["a", "b"]), ((0, 0), [])])
def test_nothing_to_draw_is_said(shape: tuple[int, ...], tokens: list[str]) -> None:
    with pytest.raises(ValueError, match=r"which holds no weight: expected at least one head"):
        plots.attention_heatmap(np.zeros(shape), tokens)


@pytest.mark.parametrize("shape", [(3, 2), (2, 2, 3, 3), (3,)])
def test_weights_that_do_not_fit_the_tokens_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"2 query tokens and 3 key tokens: expected \(2, 3\)"):
        plots.attention_heatmap(np.zeros(shape), ["a", "b"], ["c", "d", "e"])


# ---------------------------------------------------------------------------------------------
# bertviz


@pytest.fixture
def attentions(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Two layers of four heads on three tokens."""
    pytest.importorskip("bertviz")
    monkeypatch.setattr(attention, "_views", type(attention._views)())
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 4, 3, 3, generator=generator).softmax(-1) for _ in range(2)]


TOKENS = ["[CLS]", "whale", "[SEP]"]


def parameters(html: str) -> dict[str, Any]:
    """Read what bertviz's script was given."""
    assert html.count('"attention":') == 1, "bertviz writes the weights a second time in a comment"
    (line,) = re.findall(r"const params = (\{.*\});", html)
    return json.loads(line)


def test_the_head_view_holds_the_weights_to_three_digits(attentions: list[torch.Tensor]) -> None:
    given = parameters(plots.attention_heads(attentions, iter(TOKENS)).data)
    (shown,) = given["attention"]
    wanted = torch.stack(attentions).squeeze(1)
    assert torch.allclose(torch.tensor(shown["attn"]), wanted, atol=5e-4)
    assert shown["left_text"] == shown["right_text"] == TOKENS
    assert given["include_layers"] == [0, 1]
    numbers = re.findall(r"0\.\d+", json.dumps(shown["attn"]))
    assert max(map(len, numbers)) == 5


def test_the_model_view_shows_three_heads_unless_told(attentions: list[torch.Tensor]) -> None:
    """More overflow the column of a page."""
    given = parameters(plots.attention_heads(attentions, TOKENS, "model").data)
    assert given["include_heads"] == [0, 1, 2]
    given = parameters(
        plots.attention_heads(attentions, TOKENS, "model", layers=[1], heads=[3, 0]).data
    )
    assert given["include_heads"] == [3, 0]
    shown = torch.tensor(given["attention"][0]["attn"])
    assert torch.allclose(shown[0, 0], attentions[1][0, 3], atol=5e-4)


@pytest.mark.parametrize("view", ["head", "model"])
def test_the_html_is_the_same_at_each_run_and_ids_stay_apart(
    attentions: list[torch.Tensor], view: str
) -> None:
    """bertviz draws random ids; committed outputs would differ at each execution."""
    first = plots.attention_heads(attentions, TOKENS, view).data
    again = plots.attention_heads(attentions, TOKENS, view).data
    attention._views.clear()
    assert plots.attention_heads(attentions, TOKENS, view).data == first
    ids = [set(re.findall(r"bertviz-[0-9a-f-]+", html)) for html in (first, again)]
    assert len(ids[0]) == len(ids[1]) == 1
    assert ids[0] != ids[1]
    assert not re.search(r"[0-9a-f]{32}", first)
    assert "It appears when JavaScript runs" in first


def test_a_pair_gets_a_menu(attentions: list[torch.Tensor]) -> None:
    given = parameters(plots.attention_heads(attentions, TOKENS, sentence_b_start=2).data)
    assert [part["name"] for part in given["attention"]][1:3] == [
        "Sentence A -> Sentence A",
        "Sentence B -> Sentence B",
    ]


def test_layers_without_a_batch_will_do(attentions: list[torch.Tensor]) -> None:
    whole = plots.attention_heads(attentions, TOKENS, layers=[1], heads=[2]).data
    attention._views.clear()
    assert plots.attention_heads([a[0] for a in attentions], TOKENS, "head", [1], [2]).data == whole
    given = parameters(whole)
    assert (given["include_layers"], given["heads"]) == ([1], [2])


def test_a_token_cannot_end_the_script(attentions: list[torch.Tensor]) -> None:
    html = plots.attention_heads(attentions, ["</script>", "b", "c"]).data
    assert html.count("</script>") == 2, "one that loads require.js, one of bertviz"
    assert parameters(html)["attention"][0]["left_text"][0] == "</script>"


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ((), r"no attention weights: .*output_attentions=True.*eager"),
        ([None], r"no attention weights"),
        ([torch.ones(2, 4, 3, 3)], r"shape \(2, 4, 3, 3\): expected one text"),
        ([torch.ones(1, 4, 5, 5)], r"there are 3 tokens: expected \(1, H, 3, 3\). Is padding"),
    ],
)
def test_weights_that_bertviz_would_choke_on_are_explained(weights: Any, words: str) -> None:
    """With sdpa attention transformers returns (), and bertviz says nothing that helps."""
    with pytest.raises(ValueError, match=words):
        plots.attention_heads(weights, TOKENS)
    with pytest.raises(ValueError, match="expected 'head' or 'model'"):
        plots.attention_heads(weights, TOKENS, view="neuron")


def test_without_bertviz_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bertviz", None)
    with pytest.raises(ImportError, match=r'pip install "bertviz>=1\.4\.1"'):
        plots.attention_heads([torch.ones(1, 1, 3, 3)], TOKENS)
