"""Opening a saved BERT tokenizer, and refusing what only looks like one.

``transformers.BertTokenizer`` opens a missing folder, or the folder of another model, without a
word, and hands back a vocabulary of five tokens or of the wrong kind. ``load_tokenizer`` looks
first.

Source: chapter 1.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bertlab.hub import find_file, find_folder
from bertlab.tokenization.checks import check_vocab, is_whole, require
from bertlab.tokenization.training import MAX_TOKENS
from bertlab.tokenization.wordpiece import SPECIAL_TOKENS

if TYPE_CHECKING:
    from transformers import BertTokenizer

_JSON = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_FILES = ("vocab.txt", *_JSON)
_BOM = b"\xef\xbb\xbf"  # some editors on Windows begin a UTF-8 file with it
# tokenizer_config.json's name of a setting, and that of tokenizer.json's normaliser.
_SETTINGS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


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
        ValueError: when the folder holds no BERT tokenizer, or a damaged one.
    """
    folder = _find(name_or_path)
    files = {name: _read_json(folder / name) for name in _JSON}
    vocab = _read_vocab(folder, files)
    missing = [token for token in SPECIAL_TOKENS if token not in vocab]
    if missing:
        raise ValueError(
            f"the vocabulary in {str(folder)!r} has {len(vocab)} pieces, but not "
            f"{', '.join(missing)}: this is not BERT's tokenizer"
        )
    settings = _read_settings(folder, files)
    if settings["do_lower_case"] is None:
        # Special tokens and [unused1] are in brackets, and say nothing about the case.
        cased = any(piece != piece.lower() for piece in vocab if not piece.startswith("["))
        settings["do_lower_case"] = not cased
    tokenizer = _open(folder, settings)
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


def _read_vocab(folder: Path, files: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Return the vocabulary of ``tokenizer.json``, or else that of ``vocab.txt``."""
    saved = files["tokenizer.json"]
    if saved:
        name = str(folder / "tokenizer.json")
        model = saved.get("model", {})
        require(isinstance(model, dict), f"'model' in {name!r}", model, "an object")
        kind = model.get("type") or (
            "WordPiece" if "max_input_chars_per_word" in model else "unknown"
        )
        if kind != "WordPiece":
            owner = files["tokenizer_config.json"].get("tokenizer_class", "unnamed")
            raise ValueError(
                f"the folder {str(folder)!r} holds a tokenizer of type {kind} ({owner}); "
                "BERT needs a WordPiece tokenizer"
            )
        return check_vocab(model.get("vocab"), f"'vocab' in {name!r}")
    file = folder / "vocab.txt"
    if not file.is_file():
        found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        raise ValueError(
            f"the folder {str(folder)!r} holds no BERT tokenizer: expected vocab.txt or "
            f"tokenizer.json, found {found}"
        )
    # Not splitlines: a piece may be a character that Unicode counts as the end of a line.
    lines = _read_text(file).removesuffix("\n").split("\n")
    return {line: place for place, line in enumerate(lines)}


def _read_settings(folder: Path, files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return BertTokenizer's options as the files have them; None where they don't say."""
    # The same order of trust as transformers: tokenizer_config.json, then tokenizer.json.
    config = files["tokenizer_config.json"]
    normaliser = files["tokenizer.json"].get("normalizer")
    where = f"'normalizer' in {str(folder / 'tokenizer.json')!r}"
    require(isinstance(normaliser, dict | None), where, normaliser, "an object or null")
    settings: dict[str, Any] = {}
    for name, theirs in _SETTINGS.items():
        settings[name] = (normaliser or {}).get(theirs)
        source = f"{theirs!r} of {where}"
        if name in config:
            settings[name] = config[name]
            source = f"{name!r} in {str(folder / 'tokenizer_config.json')!r}"
        require(isinstance(settings[name], bool | None), source, settings[name], "true or false")
    if settings["tokenize_chinese_chars"] is None:
        settings["tokenize_chinese_chars"] = True
    longest = config.get("model_max_length")
    if isinstance(longest, float) and longest.is_integer():  # 1e30 stands for "no limit"
        longest = int(longest)
    where = f"'model_max_length' in {str(folder / 'tokenizer_config.json')!r}"
    require(longest is None or is_whole(longest, 1), where, longest, "a whole number of at least 1")
    settings["model_max_length"] = MAX_TOKENS if longest is None else longest
    return settings


def _open(folder: Path, settings: dict[str, Any]) -> BertTokenizer:
    """Let transformers read the folder, or a copy of it without byte-order marks."""
    from transformers import BertTokenizer

    present = {name: folder / name for name in _FILES if (folder / name).is_file()}
    contents = {name: file.read_bytes() for name, file in present.items()}
    with ExitStack() as stack:
        source = folder
        if any(content.startswith(_BOM) for content in contents.values()):
            source = Path(stack.enter_context(TemporaryDirectory()))
            for name, content in contents.items():
                (source / name).write_bytes(content.removeprefix(_BOM))
        try:
            tokenizer = BertTokenizer.from_pretrained(source, **settings)
        except Exception as error:  # the library's own, of many kinds, seldom with a file's name
            raise ValueError(
                f"the files in {str(folder)!r} make no BERT tokenizer: {error}"
            ) from error
    tokenizer.name_or_path = str(folder)
    return tokenizer


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(file)!r} is not UTF-8 text: {error}") from error


def _read_json(file: Path) -> dict[str, Any]:
    """Return a file's content; nothing when there is no such file."""
    if not file.is_file():
        return {}
    text = _read_text(file)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(file)!r} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{str(file)!r} holds a JSON {type(content).__name__}; expected an object")
    return content
