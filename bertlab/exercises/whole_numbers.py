"""Read what a function returned as a tensor of whole numbers, such as ids, labels or masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bertlab.exercises.values import Unusable, kind_of

if TYPE_CHECKING:
    from torch import Tensor


def whole_numbers(value: Any, name: str, *, mask: bool = False) -> Tensor:
    """Return ids, labels or a mask as float64, in which the engine compares tensors.

    Args:
        value: what the learner's function returned.
        name: what the exercise calls it.
        mask: also take Booleans, and 0 and 1 of any dtype.

    Raises:
        Unusable: when it is no tensor, or one of another dtype.
    """
    import numpy as np
    import torch

    if value is None:
        raise Unusable(
            "returned-none", f"your function returned None: is a `return {name}` missing?"
        )
    kind = "True and False" if mask else "whole numbers"
    if not isinstance(value, (torch.Tensor, np.ndarray)):
        raise Unusable("wrong-type", f"`{name}` is {kind_of(value)}: expected a tensor of {kind}")
    tensor = torch.as_tensor(value)
    if not mask and (tensor.is_floating_point() or tensor.dtype == torch.bool):
        raise Unusable(
            "wrong-dtype", f"`{name}` has dtype {tensor.dtype}: expected whole numbers, torch.int64"
        )
    return tensor.double()
