"""The book's figures show what they are given, and refuse what doesn't fit together."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from bertlab import plots


@pytest.fixture(autouse=True)
def drawing_board() -> Iterator[None]:
    """Draw without a screen in matplotlib's own style, whatever ran before; then put it back."""
    with mpl.rc_context():
        mpl.rcdefaults()
        plt.switch_backend("Agg")
        yield
    plt.close("all")


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
