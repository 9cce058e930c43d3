"""The loop that pretraining and every task share.

``config`` how a run trains · ``batching`` rows of like length · ``loop`` the loop itself ·
``objective`` what it asks of data and models · ``run`` the update, and how far a run has come ·
``memory`` what helps where it is full · ``state`` what a run needs to go on ·
``folder`` where a command writes.
"""

from typing import TYPE_CHECKING, Any

from bertlab import _lazily

if TYPE_CHECKING:
    from bertlab.training.batching import EpochBatches as EpochBatches
    from bertlab.training.config import TrainingConfig as TrainingConfig
    from bertlab.training.loop import train as train
    from bertlab.training.memory import OutOfMemory as OutOfMemory
    from bertlab.training.objective import Batches as Batches
    from bertlab.training.objective import Objective as Objective
    from bertlab.training.objective import Trainable as Trainable
    from bertlab.training.state import History as History

_HOME = {
    "Batches": "objective",
    "EpochBatches": "batching",
    "History": "state",
    "Objective": "objective",
    "OutOfMemory": "memory",
    "Trainable": "objective",
    "TrainingConfig": "config",
    "train": "loop",
}
__all__ = list(_HOME)


if not TYPE_CHECKING:  # type checkers would believe every name

    def __getattr__(name: str) -> Any:
        return _lazily(__name__, _HOME, name)
