"""The columns that each task reads, as ``datasets.Dataset`` with its types said in full.

Types are never guessed from the rows: a column of empty lists would lose its type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bertlab.data.labels import Label, LabelKind

if TYPE_CHECKING:
    from datasets import Dataset


def classification_rows(
    texts: list[str],
    pairs: list[str] | None,
    labels: list[Label] | None,
    kind: LabelKind | None,
) -> Dataset:
    """Return ``text``, ``text_pair`` if there are pairs, ``label`` unless the kind is None."""
    from datasets import List, Value

    columns: dict[str, Any] = {"text": texts}
    types: dict[str, Any] = {"text": Value("string")}
    if pairs is not None:
        columns["text_pair"] = pairs
        types["text_pair"] = Value("string")
    if kind is not None:
        columns["label"] = labels
        types["label"] = {
            "single": Value("string"),
            "multi": List(Value("string")),
            "regression": Value("float64"),
        }[kind]
    return _rows(columns, types)


def token_rows(tokens: list[list[str]], tags: list[list[str]] | None) -> Dataset:
    """Return ``tokens``, and ``tags`` unless they are None."""
    from datasets import List, Value

    columns = {"tokens": tokens} | ({} if tags is None else {"tags": tags})
    return _rows(columns, {name: List(Value("string")) for name in columns})


def question_rows(records: list[dict[str, Any]], with_answers: bool) -> Dataset:
    """Return ``id``, ``title``, ``context``, ``question``, and ``answers`` if they are wanted."""
    from datasets import List, Value

    types: dict[str, Any] = dict.fromkeys(("id", "title", "context", "question"), Value("string"))
    if with_answers:
        types["answers"] = {"text": List(Value("string")), "answer_start": List(Value("int64"))}
    return _rows({name: [record[name] for record in records] for name in types}, types)


def _rows(columns: dict[str, Any], types: dict[str, Any]) -> Dataset:
    import pyarrow
    from datasets import Dataset, Features

    features = Features(types)
    return Dataset(pyarrow.table(columns, schema=features.arrow_schema))
