"""From the name of a checkpoint to its files: the bundled one, a folder, or a hub id.

Models and tokenizers both look here, so that a name means the same to both.
"""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
BUNDLED = ("bertlab-mini",)


def find_folder(name_or_path: str | PathLike[str]) -> Path | None:
    """Return the folder that a name stands for, or None if it must be a hub id.

    Raises:
        FileNotFoundError: when the name can only be a folder's, and there is none.
        ValueError: when it is a file.
    """
    if not isinstance(name_or_path, (str, PathLike)) or not os.fspath(name_or_path):
        raise ValueError(f"{name_or_path!r} names no checkpoint: expected a folder or a hub id")
    name = os.fspath(name_or_path)
    try:
        folder = WEIGHTS / name if name in BUNDLED else Path(name).expanduser()
        if folder.is_dir():
            return folder
    except (OSError, RuntimeError) as error:  # a name too long, or ~somebody unknown
        raise FileNotFoundError(f"{name!r} can't be looked up: {error}") from error
    if name in BUNDLED:
        raise FileNotFoundError(
            f"{name!r} is the model that comes with bertlab, but this installation has no "
            "weights for it: install a release that carries them, or give a folder or a hub id"
        )
    if folder.is_file():
        raise ValueError(f"{name!r} is a file: give the folder that holds it")
    only_a_path = not isinstance(name_or_path, str) or name.startswith((".", "/", "~"))
    if only_a_path or folder.is_absolute() or name.count("/") > 1:
        raise FileNotFoundError(
            f"there is no folder {name!r}: expected a folder that holds a checkpoint, or a hub "
            'id such as "google-bert/bert-base-cased"'
        )
    return None


def find_file(
    name_or_path: str | PathLike[str], filename: str, cached_only: bool = False
) -> Path | None:
    """Return one file of a checkpoint, fetched if need be; None if the checkpoint lacks it.

    Args:
        name_or_path: the bundled checkpoint's name, a folder, or a hub id.
        filename: a file's name in it, such as ``config.json``.
        cached_only: don't ask the hub. An unreachable hub costs half a minute a file, so ask once.

    Raises:
        FileNotFoundError: when there is no such checkpoint, or the hub can't be reached and the
            file isn't in its cache; the message says what was tried.
        ValueError: when the name is a file's.
    """
    folder = find_folder(name_or_path)
    if folder is not None:
        return folder / filename if (folder / filename).is_file() else None

    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        HFValidationError,
        LocalEntryNotFoundError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
    )

    name = os.fspath(name_or_path)
    try:
        return Path(hf_hub_download(name, filename, local_files_only=cached_only))
    except RemoteEntryNotFoundError:
        return None  # the hub answered: the model has no such file
    except RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"{name!r} is neither a folder here nor a model on the hub (or it is private: log in "
            "with `hf auth login`)"
        ) from error
    except HFValidationError as error:
        raise FileNotFoundError(f"{name!r} is neither a folder here nor a hub id") from error
    except (LocalEntryNotFoundError, OSError) as error:  # offline, or the connection failed
        raise FileNotFoundError(
            f"{name!r} is no folder here, and {filename} could not be had from the hub "
            f"({type(error).__name__}). Check the spelling and the connection; without one, give "
            "a folder that holds the checkpoint"
        ) from error
