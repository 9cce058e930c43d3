"""The figures of the book: one style, and the plots that chapters share.

Every function returns the matplotlib figure, so that a reader can change it or save it;
``attention_heads`` returns bertviz's HTML.
"""

from bertlab.plots.attention import attention_heads, attention_heatmap
from bertlab.plots.curves import learning_curves
from bertlab.plots.predictions import confusion, span_probabilities
from bertlab.plots.style import COLOURS, INK, QUIET, use_style

__all__ = [
    "COLOURS",
    "INK",
    "QUIET",
    "attention_heads",
    "attention_heatmap",
    "confusion",
    "learning_curves",
    "span_probabilities",
    "use_style",
]
