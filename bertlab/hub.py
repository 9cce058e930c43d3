"""From the name of a checkpoint to its files: the bundled one, a folder, or a hub id.

Models and tokenizers both look here, so that a name means the same to both.
"""

from __future__ import annotations

import os
import socket
from os import PathLike
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

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
        cached_only: don't ask the hub, look into its cache.

    Raises:
        FileNotFoundError: when there is no such checkpoint, or the hub can't be reached and the
            file isn't in its cache; the message says what helps.
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
    reachable = not cached_only and is_reachable()
    try:
        return Path(hf_hub_download(name, filename, local_files_only=not reachable))
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
        why = out_of_reach() if not reachable else f"the download failed ({type(error).__name__})"
        raise FileNotFoundError(
            f"{name!r} is no folder here, and {filename} could not be had from the hub: {why}. "
            "What helps: check the spelling and the connection, and run this again; or fetch it "
            f"on a machine with a connection, `hf download {name} --local-dir FOLDER`, and give "
            'that folder in place of the name; in a chapter, PROFILE = "mini" needs no hub'
        ) from error


def is_reachable() -> bool:
    """Tell within seconds whether the hub may be asked and can be reached.

    Its own library tries again and again for half a minute, for each file.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    hub = urlsplit(constants.ENDPOINT)
    proxies = getproxies()
    if proxies.get(hub.scheme) or proxies.get("all"):
        return True  # the proxy's matter
    port = hub.port or (443 if hub.scheme == "https" else 80)
    try:
        socket.create_connection((hub.hostname or "", port), timeout=5).close()
    except OSError:
        return False
    return True


def out_of_reach() -> str:
    """Say why the hub isn't asked."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "it isn't in the hub's cache here, and HF_HUB_OFFLINE forbids to ask the hub"
    return f"it isn't in the hub's cache here, and {constants.ENDPOINT} can't be reached"
