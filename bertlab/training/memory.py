"""Memory: what training on a CPU keeps of it, and what helps where it is full."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Of mallopt: see malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST = 1 << 28  # bytes; such as the gradient of a table of word embeddings
# How PyTorch's allocators say it, those of CPU, CUDA, cuBLAS and MPS.
_FULL = ("can't allocate memory", "not enough memory", "out of memory", "alloc_failed")

TRAINING = (
    "accumulation=2, or more (--accumulation 2), computes each batch in parts, with the same "
    "result; a lower max_length (--max-length) and precision='bf16' (--precision bf16) take less "
    "memory, too, and so does a smaller batch_size (--batch-size), which is another training"
)
PREDICTION = (
    "a smaller batch_size (--batch-size of predict and evaluate) gives the same answers in less "
    "memory; where a training measures itself on dev, a lower max_length (--max-length) helps"
)


class OutOfMemory(MemoryError):
    """The memory is full; the message says what helps."""


@contextmanager
def explained(advice: str) -> Iterator[None]:
    """Where the memory runs out inside, say so in a few sentences that help.

    Args:
        advice: which settings take less memory.

    Raises:
        OutOfMemory: in place of what PyTorch, NumPy and Python raise.
    """
    try:
        yield
    except OutOfMemory:
        raise  # explained already, with better advice
    except (MemoryError, RuntimeError) as error:
        if not is_full(error):
            raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        on_gpu = any(word in str(error) for word in ("CUDA", "CUBLAS", "MPS"))
        raise OutOfMemory(
            f"the {'GPU' if on_gpu else 'computer'}'s memory is full. What helps: {advice}. In a "
            "notebook, restart the kernel first: it still holds what was there. The first line "
            f"of the error was: {first[:300]}"
        ) from None


def is_full(error: Exception) -> bool:
    """Tell whether an error means that there is no memory left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error).lower() for words in _FULL)


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
