"""What predictions are worth: entities, answers, labels and numbers against the true ones.

Every score is a fraction from 0 to 1, but those of ``squad_scores`` and ``best_null_threshold``,
which are in per cent as the official evaluators print them. What would divide by zero is 0.
Nothing here knows of models: predictions of any program can be scored.
"""

from bertlab.metrics.answers import best_null_threshold, normalise_answer, squad_scores
from bertlab.metrics.counting import confidence_interval
from bertlab.metrics.entities import entity_scores, entity_spans, token_accuracy
from bertlab.metrics.labels import classification_scores, multi_label_scores, regression_scores

__all__ = [
    "best_null_threshold",
    "classification_scores",
    "confidence_interval",
    "entity_scores",
    "entity_spans",
    "multi_label_scores",
    "normalise_answer",
    "regression_scores",
    "squad_scores",
    "token_accuracy",
]
