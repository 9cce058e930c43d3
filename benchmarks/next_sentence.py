"""What does a checkpoint take for the next sentence? Pairs from held-out text, B exchanged.

    python benchmarks/next_sentence.py bertlab-mini CORPUS...      # about 3 minutes on two cores

CORPUS are the sources of the checkpoint's pretraining, in the same order: the documents that the
run held out are found again by the same draw, with the share and the seed of its ``run.json``.
Pairs and conditions are those of chapter 6. The figures go to ``next_sentence.json`` in the
checkpoint's folder, from which the chapter reads them.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

import bertlab
from bertlab.hub import find_folder
from bertlab.pretraining import Corpus, TokenisedCorpus, tokenise

LIMIT = 62  # tokens of a segment: two of them and three special tokens are 127 at most
APART = 3  # pairs between A and a B from elsewhere in its document, at least
COUNT, SEED, ROWS = 1_000, 0, 32

Pair = tuple[list[int], list[int]]


def make_clean(corpus: TokenisedCorpus) -> list[tuple[int, list[int], list[int]]]:
    """Cut documents into pairs of whole sentences: (document, A's ids, B's ids)."""

    def fill(start: int, end: int) -> int:
        stop = start
        while stop < end and corpus.sentences[stop + 1] - corpus.sentences[start] <= LIMIT:
            stop += 1
        return stop

    clean = []
    for document, (start, end) in enumerate(corpus.documents.tolist()):
        while start < end:
            middle = fill(start, end)
            stop = fill(middle, end)
            if start < middle < stop:
                a, b, c = corpus.sentences[[start, middle, stop]]
                clean.append((document, corpus.ids[a:b].tolist(), corpus.ids[b:c].tolist()))
            start = max(stop, start + 1)
    return clean


def make_conditions(corpus: TokenisedCorpus, tokenizer: Any) -> dict[str, list[Pair]]:
    """Return the same A's with B's of six kinds."""
    clean, rng = make_clean(corpus), random.Random(SEED)
    home, places = np.array([document for document, _, _ in clean]), np.arange(len(clean))
    apart = [np.flatnonzero((home == home[i]) & (abs(places - i) >= APART)) for i in places]
    usable = [int(i) for i in places if len(apart[i])]
    chosen = sorted(rng.sample(usable, min(COUNT, len(usable))))

    def shuffled(ids: list[int]) -> list[int]:
        words: list[list[int]] = []
        for i, piece in zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True):
            if piece.startswith("##") and words:
                words[-1].append(i)
            else:
                words.append([i])
        rng.shuffle(words)
        return [i for word in words for i in word]

    pairs = [(clean[i][1], clean[i][2]) for i in chosen]
    near = [clean[rng.choice(apart[i])][2] for i in chosen]
    away = [clean[rng.choice(np.flatnonzero(home != home[i]))][2] for i in chosen]
    return {
        "what follows": pairs,
        "same document": [(a, b) for (a, _), b in zip(pairs, near, strict=True)],
        "another document": [(a, b) for (a, _), b in zip(pairs, away, strict=True)],
        "A and B swapped": [(b, a) for a, b in pairs],
        "words of B shuffled": [(a, shuffled(b)) for a, b in pairs],
        "A once more": [(a, a) for a, _ in pairs],
    }


@torch.no_grad()
def score(model: torch.nn.Module, tokenizer: Any, pairs: list[Pair]) -> np.ndarray:
    """Return the difference of the two logits of each pair; above 0 the model says next."""
    cls, sep, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    scores = np.zeros(len(pairs))
    order = np.argsort([len(a) + len(b) for a, b in pairs], kind="stable")
    for part in np.split(order, range(ROWS, len(order), ROWS)):
        lengths = torch.tensor([len(pairs[i][0]) + len(pairs[i][1]) + 3 for i in part])
        ids = torch.full((len(part), int(lengths.max())), pad)
        types = torch.zeros_like(ids)
        for row, i in enumerate(part):
            a, b = pairs[i]
            ids[row, : lengths[row]] = torch.tensor([cls, *a, sep, *b, sep])
            types[row, len(a) + 2 : lengths[row]] = 1
        mask = (torch.arange(ids.size(1)) < lengths[:, None]).long()
        logits = model(ids, mask, types).seq_relationship_logits
        scores[part] = (logits[:, 0] - logits[:, 1]).numpy()
    return scores


def measure(model: torch.nn.Module, tokenizer: Any, corpus: TokenisedCorpus) -> dict[str, Any]:
    """Return, for each condition, the share called next and the AUC against what follows."""
    conditions = make_conditions(corpus, tokenizer)
    scores = {name: score(model, tokenizer, pairs) for name, pairs in conditions.items()}
    right = scores["what follows"]
    return {
        "what": "pairs of held-out text with B exchanged: how many are called next, and the chance "
        "that what follows scores higher",
        "pairs": len(right),
        "documents": len(corpus),
        "conditions": {
            name: {"called_next": int((s > 0).sum()), "auc": round(_auc(right, s), 4)}
            for name, s in scores.items()
        },
    }


def _auc(ones: np.ndarray, others: np.ndarray) -> float:
    ones, others = ones[:, None], others[None]
    return float((ones > others).mean() + 0.5 * (ones == others).mean())


def main() -> None:
    """Measure a checkpoint and write the figures beside it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="bertlab-mini, or a folder with the run.json of its run")
    parser.add_argument("corpus", nargs="+", help="as in the run")
    arguments = parser.parse_args()
    folder = find_folder(arguments.model)
    if folder is None:
        parser.error(f"{arguments.model} is no folder")
    config = json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"]
    _, held_out = Corpus(arguments.corpus).hold_out(config["hold_out"], config["seed"], True)
    tokenizer = bertlab.load_tokenizer(folder)
    model = bertlab.BertForPreTraining.from_pretrained(folder)
    save(folder, measure(model, tokenizer, tokenise(held_out, tokenizer)))


def save(folder: Path, figures: dict[str, Any]) -> None:
    """Write and print them."""
    words = json.dumps(figures, indent=1)
    (folder / "next_sentence.json").write_text(words + "\n", encoding="utf-8")
    print(words)


if __name__ == "__main__":
    main()
