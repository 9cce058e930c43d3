"""Opening a saved BERT tokenizer, and refusing what only looks like one.

``transformers.BertTokenizer`` opens a missing folder, or the folder of another model, without a
word, and hands back a vocabulary of five tokens or of the wrong kind. ``load_tokenizer`` looks
first.

Source: chapter 1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertlab.hub import find_file, find_folder
from bertlab.tokenization.training import MAX_TOKENS
from bertlab.tokenization.wordpiece import SPECIAL_TOKENS

if TYPE_CHECKING:
    from transformers import BertTokenizer

_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def load_tokenizer(name_or_path: str | Path) -> BertTokenizer:
    """Open a BERT tokenizer.

    Args:
        name_or_path: a folder with ``vocab.txt`` or ``tokenizer.json``, a model's name on the
            Hugging Face hub, or ``"bertlab-mini"``.

    Returns:
        The tokenizer, cased or uncased as it was saved. Where nothing says which, it is cased when
        its vocabulary has capital letters.

    Raises:
        FileNotFoundError: when there is no such folder and no such model on the hub.
        ValueError: when the folder holds no BERT tokenizer.
    """
    from transformers import BertTokenizer

    folder = _find(name_or_path)
    vocab, normaliser = _read_vocab(folder)
    missing = [token for token in SPECIAL_TOKENS if token not in vocab]
    if missing:
        raise ValueError(
            f"the vocabulary in {str(folder)!r} has {len(vocab)} pieces, but not "
            f"{', '.join(missing)}: this is not BERT's tokenizer"
        )
    # The same order of trust as transformers: tokenizer_config.json, then tokenizer.json.
    config = _read_json(folder / "tokenizer_config.json")
    lowercase = config.get("do_lower_case", normaliser.get("lowercase"))
    if lowercase is None:
        # Special tokens and [unused1] are in brackets, and say nothing about the case.
        lowercase = all(piece == piece.lower() for piece in vocab if not piece.startswith("["))
    tokenizer = BertTokenizer.from_pretrained(
        folder,
        do_lower_case=lowercase,
        model_max_length=config.get("model_max_length", MAX_TOKENS),
    )
    # A saved tokenizer may carry a fixed length from its training; the caller decides that.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def _find(name_or_path: str | Path) -> Path:
    """Return a folder with the tokenizer's files, fetched from the hub if need be."""
    folder = find_folder(name_or_path)
    if folder is not None:
        return folder
    found: list[Path | None] = []
    offline: FileNotFoundError | None = None
    for filename in _FILES:
        try:
            found.append(find_file(name_or_path, filename, cached_only=offline is not None))
        except FileNotFoundError as error:  # out of reach; another of the files may be cached
            offline = error
    folders = {file.parent for file in found if file is not None}
    if not folders:
        raise offline or ValueError(f"the model {str(name_or_path)!r} has no BERT tokenizer")
    return folders.pop()


def _read_vocab(folder: Path) -> tuple[dict[str, int], dict[str, Any]]:
    """Return a folder's vocabulary, and the normaliser's settings where tokenizer.json has them."""
    saved = _read_json(folder / "tokenizer.json")
    if saved:
        model = saved.get("model", {})
        kind = model.get("type") or (
            "WordPiece" if "max_input_chars_per_word" in model else "unknown"
        )
        if kind != "WordPiece":
            owner = _read_json(folder / "tokenizer_config.json").get("tokenizer_class", "unnamed")
            raise ValueError(
                f"the folder {str(folder)!r} holds a tokenizer of type {kind} ({owner}); "
                "BERT needs a WordPiece tokenizer"
            )
        return model["vocab"], saved.get("normalizer") or {}
    file = folder / "vocab.txt"
    if not file.is_file():
        found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        raise ValueError(
            f"the folder {str(folder)!r} holds no BERT tokenizer: expected vocab.txt or "
            f"tokenizer.json, found {found}"
        )
    # Not splitlines: a piece may be a character that Unicode counts as the end of a line.
    lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return {line: place for place, line in enumerate(lines)}, {}


def _read_json(file: Path) -> dict[str, Any]:
    """Return a file's content; nothing when there is no such file."""
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(file)!r} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{str(file)!r} holds a JSON {type(content).__name__}; expected an object")
    return content
