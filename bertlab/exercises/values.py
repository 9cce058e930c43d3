"""Bring what a function returned into one form, compare it, and write it down for a reader."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

from bertlab.exercises.spec import ANYTHING

RELATIVE, ABSOLUTE = 1e-4, 1e-5  # float32 answers are compared with float64 ones
LARGEST = 10_000_000  # numbers in an output; a view of one number can claim any size
_EXPECTED = {
    "tensor": "a tensor",
    "number": "a number",
    "ids": "a list of integers",
    "pieces": "a list of strings",
    "integer": "an integer",
}


class Unusable(Exception):
    """What was returned is of the wrong kind; ``name`` is the mistake's id."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(words)
        self.name = name
        self.words = words


def kind_of(value: Any) -> str:
    """Say what a value is: "None", "a tensor of shape (2, 3)", "a tuple of 3"."""
    if value is None:
        return "None"
    name = type(value).__name__
    if isinstance(value, (list, tuple)):
        return f"a {name} of {len(value)}"
    if _is_array(value):
        return f"a {'tensor' if name == 'Tensor' else name} of shape {tuple(value.shape)}"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _is_array(value: Any) -> bool:
    import numpy as np
    import torch

    return isinstance(value, (torch.Tensor, np.ndarray))


def canonical_outputs(
    value: Any, outputs: Mapping[str, str], found: str = "your function returned"
) -> tuple[Any, ...]:
    """Split a value into its outputs, each in canonical form; ``found`` says where it is from.

    Raises:
        Unusable: when the number or the kind of the outputs is wrong.
    """
    wanted = " and ".join(f"`{name}` ({_EXPECTED[kind]})" for name, kind in outputs.items())
    if value is None:
        raise Unusable(
            "returned-none", f"your function returned None: is a `return` missing? Return {wanted}"
        )
    if _is_array(value) and value.ndim == 1 and set(outputs.values()) <= {"integer", "number"}:
        value = value.tolist()
    if len(outputs) == 1:
        values: tuple[Any, ...] = (value,)
    elif isinstance(value, (list, tuple)) and len(value) == len(outputs):
        values = tuple(value)
    else:
        raise Unusable(
            "wrong-number-of-outputs",
            f"{found} {kind_of(value)}: expected {len(outputs)} values, {wanted}",
        )
    return tuple(
        _canonical(item, kind, name)
        for item, (name, kind) in zip(values, outputs.items(), strict=True)
    )


def _canonical(value: Any, kind: str, name: str) -> Any:
    wrong = Unusable("wrong-type", f"`{name}` is {kind_of(value)}: expected {_EXPECTED[kind]}")
    if kind == "number" and isinstance(value, numbers.Real) and not isinstance(value, bool):
        import torch

        return torch.full((), float(value), dtype=torch.float64)
    if kind in ("tensor", "number"):
        return _canonical_tensor(value, name, wrong, whole_too=kind == "number")
    if _is_array(value):
        value = value.tolist()  # a list, or a number where it has no dimension
    if kind == "integer":
        if isinstance(value, numbers.Integral):  # True and False are 1 and 0, as in labels
            return int(value)
        raise wrong
    if not isinstance(value, (list, tuple)):
        raise wrong
    sort = str if kind == "pieces" else numbers.Integral
    value = [item.item() if _is_array(item) and item.ndim == 0 else item for item in value]
    for place, item in enumerate(value):
        if not isinstance(item, sort):
            raise Unusable(
                "wrong-type",
                f"`{name}[{place}]` is {kind_of(item)}: expected {_EXPECTED[kind]}",
            )
    return [str.__str__(item) if kind == "pieces" else int(item) for item in value]


def _canonical_tensor(value: Any, name: str, wrong: Unusable, whole_too: bool) -> Any:
    import numpy as np
    import torch

    if not _is_array(value) and not isinstance(value, np.floating):
        raise wrong
    with torch._C.DisableTorchFunctionSubclass():  # a subclass can't answer for itself
        tensor = torch.as_tensor(value).detach()
        if tensor.numel() > LARGEST:
            raise Unusable("wrong-shape", f"`{name}` has {tensor.numel():,} numbers: far too many")
        real = tensor.is_floating_point()
        if not real and not (whole_too and tensor.dtype in (torch.int64, torch.int32)):
            raise Unusable(
                "wrong-dtype",
                f"`{name}` has dtype {tensor.dtype}: expected floating-point numbers",
            )
        if tensor.dtype in (torch.float16, torch.bfloat16):
            raise Unusable(
                "wrong-dtype",
                f"`{name}` has dtype {tensor.dtype}, too coarse to compare: expected torch.float32",
            )
        # A plain tensor with storage of its own: what happens to the answer later has no effect.
        return torch.empty(tensor.shape, dtype=torch.float64).copy_(tensor)


def same(found: Any, wanted: Any) -> bool:
    """Tell whether two canonical values agree, within rounding; NaN agrees with NaN."""
    if not _is_array(wanted):
        return bool(found == wanted)
    if found.shape != wanted.shape:
        return False
    return not bool(_differs(found, wanted).any())


def _differs(found: Any, wanted: Any) -> Any:
    free = wanted == ANYTHING
    close = found.isclose(wanted, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    return ~close.where(~free, found.isfinite())


def difference(name: str, found: Any, wanted: Any) -> tuple[str, str]:
    """Describe how two canonical values disagree: the mistake's id, and a sentence."""
    if not _is_array(wanted):
        if isinstance(wanted, list) and len(found) != len(wanted):
            return (
                "wrong-values",
                f"`{name}` has {len(found)} items: expected {len(wanted)}.",
            )
        return "wrong-values", f"`{name}` is wrong."
    if found.shape != wanted.shape:
        return (
            "wrong-shape",
            f"`{name}` has shape {tuple(found.shape)}: expected {tuple(wanted.shape)}.",
        )
    wrong = _differs(found, wanted)
    if bool(found.isnan().any()):
        return "not-finite", f"`{name}` contains NaN."
    place = tuple(wrong.nonzero()[0].tolist())
    index = f"[{', '.join(map(str, place))}]" if place else ""
    value = number(found[place].item())
    target = "a finite number" if wanted[place] == ANYTHING else number(wanted[place].item())
    if value == target:  # they differ in what isn't written
        value, target = f"{found[place].item():.9g}", f"{wanted[place].item():.9g}"
    return (
        "wrong-values",
        f"the shape of `{name}` is right, but {int(wrong.sum())} of {wrong.numel()} values are "
        f"not. The first: `{name}{index}` is {value}, expected {target}.",
    )


def number(value: float) -> str:
    """Write a number with four digits after the point at most."""
    if value == ANYTHING:
        return "any"
    if value != value:
        return "NaN"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{value:.3g}"


def show_value(value: Any, room: int = 24) -> str:
    """Write a value for an example: tensors of up to ``room`` numbers in full, else the shape."""
    if _is_array(value):
        if value.numel() > room:
            return f"a tensor of shape {tuple(value.shape)}"
        return _nested(value.tolist())
    if isinstance(value, dict) and value and all(map(_is_array, value.values())):
        return f"a dictionary of {len(value)} tensors"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(repr(item) for item in sorted(value)) + "}"
    if isinstance(value, (list, tuple, str)):
        value = value[:301]  # what comes later is never shown
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return f"{value:,}" if abs(value) >= 10_000 else str(value)
        text = repr(value)
    except ValueError:  # Python refuses to write out integers of more than 4,300 digits
        return kind_of(value)
    return text if len(text) <= 300 else text[:300] + " …"


def _nested(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_nested(item) for item in value) + "]"
    return number(value) if isinstance(value, float) else str(value)
