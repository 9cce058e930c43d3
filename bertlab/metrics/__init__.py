"""What predictions are worth: entities, answers, labels and numbers against the true ones.

Every score is a fraction from 0 to 1, but those of ``squad_scores`` and ``best_null_threshold``,
which are in per cent as the official evaluators print them. What would divide by zero is 0.
Nothing here knows of models: predictions of any program can be scored.
"""

from bertlab.metrics.answers import best_null_threshold as best_null_threshold
from bertlab.metrics.answers import normalise_answer as normalise_answer
from bertlab.metrics.answers import squad_scores as squad_scores
from bertlab.metrics.counting import confidence_interval as confidence_interval
from bertlab.metrics.entities import entity_scores as entity_scores
from bertlab.metrics.entities import entity_spans as entity_spans
from bertlab.metrics.entities import token_accuracy as token_accuracy
from bertlab.metrics.labels import classification_scores as classification_scores
from bertlab.metrics.labels import multi_label_scores as multi_label_scores
from bertlab.metrics.labels import regression_scores as regression_scores
