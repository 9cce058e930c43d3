"""Reading data files, and saying precisely what is wrong with one.

Readers return ``datasets.Dataset`` with the columns of a task:

==================  ==============================================================================
classification      ``text``, ``text_pair`` (of pairs), ``label``: a name, a list of names, a float
named entities      ``tokens``, ``tags`` (always IOB2)
question answering  ``id``, ``title``, ``context``, ``question``, ``answers``: ``text`` and
                    ``answer_start``, lists, empty where there is no answer
==================  ==============================================================================

Each tells in one line what it read, repaired and left out.
"""

from typing import TYPE_CHECKING, Any

from bertlab import _lazily
from bertlab.data.errors import DataError

if TYPE_CHECKING:
    from bertlab.data.conll import read_conll as read_conll
    from bertlab.data.csv_files import read_csv as read_csv
    from bertlab.data.jsonl import read_jsonl as read_jsonl
    from bertlab.data.loading import load as load
    from bertlab.data.loading import read as read
    from bertlab.data.squad import read_squad as read_squad
    from bertlab.data.tags import spans as spans
    from bertlab.data.tags import to_iob2 as to_iob2

_HOME = {
    "load": "loading",
    "read": "loading",
    "read_conll": "conll",
    "read_csv": "csv_files",
    "read_jsonl": "jsonl",
    "read_squad": "squad",
    "spans": "tags",
    "to_iob2": "tags",
}

__all__ = ["DataError", *_HOME]


if not TYPE_CHECKING:  # type checkers would believe every name

    def __getattr__(name: str) -> Any:
        return _lazily(__name__, _HOME, name)


def __dir__() -> list[str]:
    return sorted(__all__)
