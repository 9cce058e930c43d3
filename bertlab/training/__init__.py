"""The loop that pretraining and every task share.

``config`` how a run trains · ``batching`` rows of like length · ``loop`` the loop itself ·
``state`` what a run needs to go on · ``folder`` where a command writes.
"""

from typing import TYPE_CHECKING, Any

from bertlab import _lazily

if TYPE_CHECKING:
    from bertlab.training.batching import EpochBatches as EpochBatches
    from bertlab.training.config import TrainingConfig as TrainingConfig
    from bertlab.training.loop import Batches as Batches
    from bertlab.training.loop import Objective as Objective
    from bertlab.training.loop import train as train
    from bertlab.training.state import History as History

_HOME = {
    "Batches": "loop",
    "EpochBatches": "batching",
    "History": "state",
    "Objective": "loop",
    "TrainingConfig": "config",
    "train": "loop",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    return _lazily(__name__, _HOME, name)
