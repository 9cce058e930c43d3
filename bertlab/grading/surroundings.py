"""The environment of what runs in a sandbox: nobody's home, no tokens, a thread, no hub."""

from __future__ import annotations

import os
import sys
from pathlib import Path

MARK = "BERTLAB_SANDBOX"  # in the environment of everything that runs in a sandbox

# What programs keep for a user is kept where these say.
_PLACES = (
    *("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"),
    *("MPLCONFIGDIR", "HF_HOME", "TORCH_HOME"),
)


def environment(folder: Path, mark: str) -> dict[str, str]:
    """Return an environment without anybody's home or tokens.

    Args:
        folder: where everything is kept; ``home`` and ``tmp`` are made in it.
        mark: by which the processes that run in it are known.
    """
    for name in ("home", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    kept = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT", "TZ")
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **dict.fromkeys(_PLACES, str(folder / "home")),
        **dict.fromkeys(threads, "1"),
        "TMPDIR": str(folder / "tmp"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "BERTLAB_PROGRESS": "off",
        "TQDM_DISABLE": "1",
        "MPLBACKEND": "agg",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        MARK: mark,
    }
