"""Memory of training on a CPU."""

from __future__ import annotations

import ctypes
import sys

# Of mallopt: see malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST = 1 << 28  # bytes; such as the gradient of a table of word embeddings


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for the next update, and tell whether that worked.

    Every update allocates the same large blocks. glibc gives them back to the system and asks for
    them again, and the system fills each page with zeros first: about a quarter of the time of
    fine-tuning a small model. What is kept is used again; the peak stays about what it was. Other
    C libraries than glibc are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # such as musl's
        return False
    kept = (mallopt(_M_MMAP_THRESHOLD, _LARGEST), mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
    return all(kept)
