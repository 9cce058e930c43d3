"""The figures of the book: one style, and the plots that chapters share.

Every function returns the matplotlib figure, so that a reader can change it or save it;
``attention_heads`` returns bertviz's HTML.
"""

from bertlab.plots.attention import attention_heads as attention_heads
from bertlab.plots.attention import attention_heatmap as attention_heatmap
from bertlab.plots.curves import learning_curves as learning_curves
from bertlab.plots.predictions import confusion as confusion
from bertlab.plots.predictions import span_probabilities as span_probabilities
from bertlab.plots.style import COLOURS as COLOURS
from bertlab.plots.style import INK as INK
from bertlab.plots.style import QUIET as QUIET
from bertlab.plots.style import use_style as use_style
