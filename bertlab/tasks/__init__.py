"""What BERT is fine-tuned for: each task is whole in one file.

``classification`` · ``named_entities`` · ``question_answering`` · ``task`` what they share ·
``run`` the command finetune · ``answering`` evaluate and predict
"""

from typing import TYPE_CHECKING, Any

from bertlab import _lazily

if TYPE_CHECKING:
    from bertlab.tasks.answering import load_task as load_task
    from bertlab.tasks.classification import Classification as Classification
    from bertlab.tasks.named_entities import NamedEntities as NamedEntities
    from bertlab.tasks.question_answering import QuestionAnswering as QuestionAnswering
    from bertlab.tasks.task import Features as Features
    from bertlab.tasks.task import Task as Task

_HOME = {
    "Classification": "classification",
    "Features": "task",
    "NamedEntities": "named_entities",
    "QuestionAnswering": "question_answering",
    "Task": "task",
    "load_task": "answering",
}
__all__ = list(_HOME)


if not TYPE_CHECKING:  # type checkers would believe every name

    def __getattr__(name: str) -> Any:
        return _lazily(__name__, _HOME, name)
