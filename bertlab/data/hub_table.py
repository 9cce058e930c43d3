"""Where well-known sets of the hub keep what a task reads.

Only copies in parquet are listed: sets that need a loading script no longer open. The table was
made from the sets' published cards, and from public code that opens them so; no test here opens
the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bertlab.data.jsonl import Task

DEV_NAMES = ("dev", "validation", "valid", "val")
PARQUET = "refs/convert/parquet"  # the branch on which the hub keeps its own conversion


@dataclass(frozen=True)
class HubSet:
    """A set's place and columns.

    Attributes:
        task: what it is for.
        columns: our column → theirs, where the names differ.
        configuration: which of its parts.
        revision: the branch; None for the main one.
        splits: our split → theirs, where that isn't plain from the names.
        hidden_test: whether its test split has no labels. Then its dev split is our test split.
    """

    task: Task
    columns: Mapping[str, str] = field(default_factory=dict)
    configuration: str | None = None
    revision: str | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    hidden_test: bool = False


def _glue(configuration: str, *texts: str, dev: str = "validation") -> HubSet:
    columns = dict(zip(("text", "text_pair"), texts, strict=False))
    return HubSet(
        "classification",
        columns,
        configuration,
        splits={"train": "train", "test": dev},
        hidden_test=True,
    )


_SENTENCES = ("sentence1", "sentence2")
_CONLL = {"tags": "ner_tags"}

HUB_SETS: dict[str, HubSet] = {
    # one text
    "stanfordnlp/sst2": HubSet("classification", {"text": "sentence"}, hidden_test=True),
    "stanfordnlp/imdb": HubSet("classification"),
    "fancyzhx/ag_news": HubSet("classification"),
    "legacy-datasets/banking77": HubSet("classification"),
    "PolyAI/banking77": HubSet("classification", revision=PARQUET),
    "CogComp/trec": HubSet("classification", {"label": "coarse_label"}, revision=PARQUET),
    "nyu-mll/glue:cola": _glue("cola", "sentence"),
    "nyu-mll/glue:sst2": _glue("sst2", "sentence"),
    # pairs
    "nyu-mll/glue:mrpc": HubSet(
        "classification", {"text": "sentence1", "text_pair": "sentence2"}, "mrpc"
    ),
    "nyu-mll/glue:qqp": _glue("qqp", "question1", "question2"),
    "nyu-mll/glue:stsb": _glue("stsb", *_SENTENCES),  # a regression
    "nyu-mll/glue:mnli": _glue("mnli", "premise", "hypothesis", dev="validation_matched"),
    "nyu-mll/glue:qnli": _glue("qnli", "question", "sentence"),
    "nyu-mll/glue:rte": _glue("rte", *_SENTENCES),
    "nyu-mll/glue:wnli": _glue("wnli", *_SENTENCES),
    # named entities
    "lhoestq/conll2003": HubSet("ner", _CONLL),
    "eriktks/conll2003": HubSet("ner", _CONLL, revision=PARQUET),
    "leondz/wnut_17": HubSet("ner", _CONLL, revision=PARQUET),
    # questions
    "rajpurkar/squad": HubSet("qa"),
    "rajpurkar/squad_v2": HubSet("qa"),
}
