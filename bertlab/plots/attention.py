"""Attention as figures: heat maps with matplotlib, and bertviz's views.

Dimensions: ``Tq`` query places, ``Tk`` key places, ``H`` heads; ``L`` layers, ``T`` tokens.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from bertlab.plots.style import INK, set_title

if TYPE_CHECKING:
    import torch

_views: Counter[str] = Counter()  # how often attention_heads has drawn the same thing


def attention_heatmap(
    weights: torch.Tensor | np.ndarray[Any, Any],
    query_tokens: Iterable[str],
    key_tokens: Iterable[str] | None = None,
    title: str = "",
    annotate: bool | None = None,
) -> Figure:
    """Draw attention weights: a row for each query place, a column for each key place.

    Args:
        weights: ``(Tq, Tk)`` for one head, or ``(H, Tq, Tk)`` for several side by side.
        query_tokens: the ``Tq`` tokens that attend (rows).
        key_tokens: the ``Tk`` tokens attended to (columns); the query tokens if not given.
        title: the title above the figure.
        annotate: write each weight into its field; by default up to 8 key tokens.

    Returns:
        The figure; all heads share one colour scale from 0 to 1.

    Raises:
        ValueError: when the number of tokens and the shape of the weights disagree, or there is
            nothing to draw.
    """
    if hasattr(weights, "detach"):
        weights = weights.detach().cpu()
        if weights.element_size() < 4:  # numpy has no bfloat16, which autocast computes in
            weights = weights.float()
    array = np.asarray(weights)
    heads = array[None] if array.ndim == 2 else array  # (H, Tq, Tk)
    queries = list(query_tokens)
    keys = queries if key_tokens is None else list(key_tokens)
    expected = (len(queries), len(keys))
    if heads.ndim != 3 or heads.shape[1:] != expected:
        raise ValueError(
            f"weights have shape {array.shape}, but there are {expected[0]} query tokens and "
            f"{expected[1]} key tokens: expected {expected} or (heads, *{expected})"
        )
    if not heads.size:
        raise ValueError(
            f"weights have shape {array.shape}, which holds no weight: expected at least one head "
            "and one token"
        )
    if annotate is None:
        annotate = len(keys) <= 8

    size = 1.4 + 0.48 * len(keys)
    figure, axes = plt.subplots(
        1,
        len(heads),
        figsize=(max(3.2, size) * len(heads), max(2.8, 1.0 + 0.42 * len(queries))),
        squeeze=False,
        layout="constrained",
    )
    for h, axis in enumerate(axes[0]):
        image = axis.imshow(heads[h], vmin=0, vmax=1, cmap="Blues", aspect="auto")
        axis.set_xticks(range(len(keys)), keys, rotation=45, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(queries)), queries if h == 0 else [])
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        if len(heads) > 1:
            axis.set_title(f"head {h}")
        if annotate:
            for (q, k), weight in np.ndenumerate(heads[h]):
                ink = "white" if weight > 0.6 else INK
                axis.text(k, q, f"{weight:.2f}", ha="center", va="center", color=ink, fontsize=8)
    axes[0, 0].set_ylabel("attends (query)")
    axes[0, 0].set_xlabel("attended to (key)")
    figure.colorbar(image, ax=axes[0].tolist(), shrink=0.8, label="weight")
    set_title(figure, title)
    return figure


def attention_heads(
    attentions: Sequence[torch.Tensor],
    tokens: Iterable[str],
    view: str = "head",
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    sentence_b_start: int | None = None,
) -> Any:
    """Show the attention of one text with bertviz, to be explored with the mouse.

    The weights are rounded to three digits, which keeps a page small. The same weights give the
    same HTML at each run. Seen with JavaScript and a network: bertviz loads d3 and jQuery.

    Args:
        attentions: ``outputs.attentions`` of one text: ``L`` tensors, each ``(1, H, T, T)`` or
            ``(H, T, T)``.
        tokens: the ``T`` tokens. Leave padding out of both.
        view: ``"head"``, one layer, its heads in colours; or ``"model"``, all heads of all layers
            as small pictures.
        layers: which layers to include; all by default. The head view opens on the first.
        heads: in the head view, which heads are switched on at first; in the model view, which are
            included. By default all, but in the model view only the first three: more don't fit
            into the column of a page.
        sentence_b_start: for a pair, the place where the second text begins; adds a menu that
            shows attention within and between the texts.

    Returns:
        An ``IPython.display.HTML`` object: a notebook shows it when it is a cell's last value.

    Raises:
        ImportError: when bertviz is not installed.
        ValueError: when there are no weights, or they don't fit the tokens.

    Source: Vig 2019, "A Multiscale Visualization of Attention in the Transformer Model"; chapter 4.
    """
    if view not in ("head", "model"):
        raise ValueError(f"view is {view!r}: expected 'head' or 'model'")
    names = list(tokens)
    weights = _one_text(attentions, len(names))
    try:
        import bertviz
    except ImportError as error:
        raise ImportError(
            "attention_heads draws with bertviz, which isn't installed: "
            'pip install "bertviz>=1.4.1"'
        ) from error

    # Tokens land in a script: a "<" in them could end it, so it travels as another character.
    options: dict[str, Any] = {
        "tokens": [name.replace("<", "\ue000") for name in names],
        "include_layers": list(range(len(weights)) if layers is None else layers),
        "sentence_b_start": sentence_b_start,
        "html_action": "return",
    }
    if view == "head":
        page = bertviz.head_view(weights, heads=None if heads is None else list(heads), **options)
    else:
        shown = range(min(3, weights[0].size(1))) if heads is None else heads
        page = bertviz.model_view(
            weights, include_heads=list(shown), display_mode="light", **options
        )
    page.data = _as_drawn_before(page.data.replace("\\ue000", "\\u003c"))
    return page


def _one_text(attentions: Sequence[torch.Tensor], length: int) -> list[torch.Tensor]:
    """Return the weights as bertviz takes them, ``(1, H, T, T)`` each, rounded."""
    if len(attentions) == 0 or any(weights is None for weights in attentions):
        raise ValueError(
            "there are no attention weights: call the model with output_attentions=True; a model "
            'of transformers also needs attn_implementation="eager" in from_pretrained'
        )
    result = []
    for weights in attentions:
        if weights.ndim == 3:
            weights = weights[None]
        if weights.ndim != 4 or len(weights) != 1:
            raise ValueError(
                f"weights have shape {tuple(weights.shape)}: expected one text, (1, H, T, T) a "
                "layer. Pick a text with [layer[i : i + 1] for layer in attentions]"
            )
        if weights.shape[-2:] != (length, length):
            raise ValueError(
                f"weights have shape {tuple(weights.shape)}, but there are {length} tokens: "
                f"expected (1, H, {length}, {length}). Is padding in one and not in the other?"
            )
        result.append(weights.detach().cpu().double().round(decimals=3))
    return result


def _as_drawn_before(html: str) -> str:
    """Give bertviz's random id the content's hash instead, and frame the view for every page."""
    html = re.sub(r"; // HACK: .*", ";", html)  # a comment that holds all weights once more
    random = re.findall(r"bertviz-[0-9a-f]{32}", html)[0]
    content = hashlib.blake2b(html.replace(random, "").encode(), digest_size=8).hexdigest()
    _views[content] += 1
    copy = "" if _views[content] == 1 else f"-{_views[content]}"
    html = html.replace(random, f"bertviz-{content}{copy}")
    waiting = (
        "This view is interactive. It appears when JavaScript runs and d3 and jQuery can be "
        "loaded from cdnjs.cloudflare.com."
    )
    html = html.replace("<div id='vis'></div>", f"<div id='vis'>{waiting}</div>")
    style = "overflow-x: auto; background: white; color: black;"
    return f'<div style="{style}">{html}</div>'
