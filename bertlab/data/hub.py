"""Data sets of the hub, brought to our columns and our three splits.

- Labels and tags that are numbers with names (``ClassLabel``) become the names.
- Where a set has no test split, or one whose labels are hidden, its dev split is our test split:
  it is what published scores are on.
- Where that leaves no dev split, a tenth of train becomes it, drawn by a seed. Questions are drawn
  by articles, so that no context is on both sides. (SST-2's training rows are phrases of its
  sentences: parts of one sentence may be on both sides, and dev scores are high.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from bertlab.data.columns import classification_rows, token_rows
from bertlab.data.conll import convert_tags
from bertlab.data.errors import DataError
from bertlab.data.hub_table import DEV_NAMES, HUB_SETS, HubSet
from bertlab.data.report import Notes, Report
from bertlab.data.squad import QuestionReader
from bertlab.hub import is_reachable, out_of_reach

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

SHARE = 0.1  # of train that becomes dev, or test, where there is none


def load_hub(name: str, seed: int = 0, report: Report = print) -> DatasetDict:
    """Fetch a data set of the hub once, and return it from the disk.

    Args:
        name: its id, with a colon before the configuration where it has several:
            ``"nyu-mll/glue:rte"``. Those in ``hub_table`` are known; of others, the columns must
            be named as ours are, or ``ner_tags``.
        seed: for what is cut from train.
        report: takes a line for each split.

    Raises:
        FileNotFoundError: when there is none of that name, or the hub can't be reached.
        DataError: when its columns aren't those of a task.
    """
    from datasets import DatasetDict

    known = HUB_SETS.get(name)
    splits = _fetch(name, known)
    known = known or _guess(name, splits)
    chosen = _choose_splits(name, known, splits)
    result = {}
    for ours, theirs in chosen.items():
        notes = Notes(f"{name} ({theirs})")
        result[ours] = _convert(splits[theirs], known, name, notes, report)
    for ours in ("dev", "test"):
        if ours not in result:
            result["train"], result[ours] = cut(result["train"], seed)
            report(
                f"{name}: no {ours} split; {len(result[ours]):,} rows of train became it "
                f"(seed {seed}), {len(result['train']):,} are left"
            )
    return DatasetDict({split: result[split] for split in ("train", "dev", "test")})


def _fetch(name: str, known: HubSet | None) -> dict[str, Any]:
    import datasets

    identifier, _, configuration = name.partition(":")
    options: dict[str, Any] = {}
    if known is not None:
        configuration = known.configuration or ""
        options = {"revision": known.revision} if known.revision else {}
    reachable = is_reachable()
    try:
        with nullcontext() if reachable else _cache_only():
            return dict(datasets.load_dataset(identifier, configuration or None, **options))
    except (OSError, ValueError, RuntimeError) as error:
        # What the cache lacks is an OSError for a whole set, a ValueError for a configuration.
        if isinstance(error, OSError) or (isinstance(error, ValueError) and not reachable):
            why = out_of_reach() if not reachable else f"the hub said {type(error).__name__}"
            raise FileNotFoundError(
                f"{name!r} is no bundled set and no folder here, and no data set of that name "
                f"could be had from the hub: {why}. What helps: check the spelling and the "
                "connection, and run this again; or give files of your own; in a chapter, "
                'PROFILE = "mini" needs no hub'
            ) from error
        raise DataError(
            path=name,
            found=f"a data set that does not open ({str(error).strip()})",
            expected='an id, or "id:configuration", of a set in parquet',
        ) from error


@contextmanager
def _cache_only() -> Iterator[None]:
    """Keep ``datasets`` from trying for half a minute what can't be reached."""
    import datasets
    from huggingface_hub import constants

    former = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = former


def _guess(name: str, splits: dict[str, Any]) -> HubSet:
    """Tell the task of a set that isn't in the table by its columns."""
    columns = set(next(iter(splits.values())).column_names)
    if {"tokens", "tags"} <= columns:
        return HubSet("ner")
    if {"tokens", "ner_tags"} <= columns:
        return HubSet("ner", {"tags": "ner_tags"})
    if {"context", "question", "answers"} <= columns:
        return HubSet("qa")
    if {"text", "label"} <= columns:
        return HubSet("classification")
    raise DataError(
        path=name,
        found=f"the columns {', '.join(sorted(columns))}",
        expected="text and label; or tokens and tags; or id, context, question and answers. "
        "Write others to a file first, and give that",
    )


def _choose_splits(name: str, known: HubSet, splits: dict[str, Any]) -> dict[str, str]:
    """Return our split → theirs, for those that there are."""
    chosen = dict(known.splits)
    if not chosen:
        dev = next((other for other in DEV_NAMES if other in splits), None)
        has_test = "test" in splits and not known.hidden_test
        chosen = {"train": "train"}
        if has_test:
            chosen |= {"test": "test"} | ({"dev": dev} if dev else {})
        elif dev:
            chosen["test"] = dev
    missing = [theirs for theirs in chosen.values() if theirs not in splits]
    if missing:
        raise DataError(
            path=name,
            found=f"the splits {', '.join(splits)}",
            expected=f"a split {missing[0]!r}",
        )
    return chosen


def _convert(rows: Any, known: HubSet, name: str, notes: Notes, report: Report) -> Dataset:
    wanted = {
        "classification": ("text", "label"),
        "ner": ("tokens", "tags"),
        "qa": ("context", "question", "answers"),
    }[known.task]
    theirs = {ours: known.columns.get(ours, ours) for ours in (*wanted, *known.columns)}
    missing = [column for column in theirs.values() if column not in rows.column_names]
    if missing:
        raise DataError(
            path=name,
            found=f"no column {missing[0]!r} (columns: {', '.join(rows.column_names)})",
            expected=f"the columns {', '.join(theirs.values())}",
        )
    if known.task == "qa":
        return _convert_questions(rows, name, notes, report)
    if known.task == "ner":
        return _convert_tokens(rows, theirs, name, notes, report)
    return _convert_texts(rows, theirs, name, notes, report)


def _convert_texts(
    rows: Any, theirs: dict[str, str], name: str, notes: Notes, report: Report
) -> Dataset:
    from datasets import ClassLabel

    texts = rows[theirs["text"]][:]
    pair = theirs.get("text_pair", "text_pair")
    pairs = rows[pair][:] if pair in rows.column_names else None
    labels: list[Any] = rows[theirs["label"]][:]
    feature = rows.features[theirs["label"]]
    if None in labels or (isinstance(feature, ClassLabel) and -1 in labels):
        raise DataError(
            path=name,
            found=f"rows without labels in {notes.name}",
            expected="labels; where a test split hides them, use the dev split",
        )
    report(notes.line(len(texts), "example{s}"))
    if isinstance(feature, ClassLabel):
        names = feature.names
        return classification_rows(texts, pairs, [names[label] for label in labels], "single")
    if labels and isinstance(labels[0], float):
        return classification_rows(texts, pairs, labels, "regression")
    if labels and isinstance(labels[0], list):
        part = getattr(getattr(feature, "feature", None), "names", None)
        several = [[part[p] if part else str(p) for p in label] for label in labels]
        return classification_rows(texts, pairs, list(several), "multi")
    return classification_rows(texts, pairs, [str(label) for label in labels], "single")


def _convert_tokens(
    rows: Any, theirs: dict[str, str], name: str, notes: Notes, report: Report
) -> Dataset:
    tokens, tags = rows[theirs["tokens"]][:], list(rows[theirs["tags"]])
    names = getattr(getattr(rows.features[theirs["tags"]], "feature", None), "names", None)
    if names:
        tags = [[names[tag] for tag in sequence] for sequence in tags]
    # Some copies keep sentences of no tokens, which nothing can be learnt from.
    kept = [place for place, sequence in enumerate(tokens) if sequence]
    notes.add("empty sentence{s} left out", count=len(tokens) - len(kept))
    tokens, tags = [tokens[place] for place in kept], [tags[place] for place in kept]
    numbers = [[place + 1] * len(tags[row]) for row, place in enumerate(kept)]
    converted = convert_tags(tags, numbers, None, name, notes)
    report(notes.line(len(tokens), "sentence{s}"))
    return token_rows(tokens, converted)


def _convert_questions(rows: Any, name: str, notes: Notes, report: Report) -> Dataset:
    questions = QuestionReader(name, answers=True, notes=notes)
    for number, row in enumerate(rows, start=1):
        questions.add(row, f"row {number}")
    return questions.finish(report)


def cut(rows: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """Part rows in two, a tenth of them in the second, in the order they have.

    Questions go by their articles, or by their contexts where there are no titles.
    """
    groups = np.arange(len(rows))
    if "context" in rows.column_names:
        titles = rows["title"][:]
        owners = titles if all(titles) else rows["context"][:]
        groups = np.unique(np.array(owners, dtype=object).astype(str), return_inverse=True)[1]
    count = int(groups.max()) + 1
    drawn = np.random.default_rng(seed).permutation(count)[: max(1, round(count * SHARE))]
    is_drawn = np.isin(groups, drawn)
    return rows.select(np.flatnonzero(~is_drawn)), rows.select(np.flatnonzero(is_drawn))
