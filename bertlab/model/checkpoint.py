"""Reading and writing checkpoints in transformers' format, from folders and the hub.

A checkpoint is ``config.json`` and the weights: ``model.safetensors``, or several such files with
an index, or the older ``pytorch_model.bin`` likewise. Nothing here runs code from a file.

Source: chapter 3; https://huggingface.co/docs/safetensors for the file format.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from bertlab.files import write_text, write_whole
from bertlab.hub import find_file
from bertlab.model.config import BertConfig

if TYPE_CHECKING:
    from bertlab.model.bert import BertPreTrainedModel

    Model = TypeVar("Model", bound=BertPreTrainedModel)

_log = logging.getLogger("bertlab")
_WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# Heads depend on the task: they may be absent from a checkpoint, or of another size in it.
_TASK_HEADS = ("classifier.", "qa_outputs.")
_HEADS = (*_TASK_HEADS, "cls.", "pooler.")


@dataclass
class LoadReport:
    """What ``from_pretrained`` found, by parameter name."""

    loaded: list[str] = field(default_factory=list)
    newly_initialised: list[str] = field(default_factory=list)  # heads; train them
    resized: list[str] = field(default_factory=list)  # those of them that had other labels
    missing: list[str] = field(default_factory=list)  # encoder weights; random now, a bad sign
    unexpected: list[str] = field(default_factory=list)  # in the checkpoint, not in this model

    def __str__(self) -> str:
        parts = [
            f"{title}: {', '.join(_shorten(names))}"
            for title, names in (
                ("MISSING from the checkpoint, random now (expected them all)", self.missing),
                ("newly initialised (train before use)", self.newly_initialised),
                ("in the checkpoint for another number of labels, left out", self.resized),
                ("in the checkpoint but not in this model, left out", self.unexpected),
            )
            if names
        ]
        return "; ".join(parts) or f"all {len(self.loaded)} weights loaded"


def _shorten(names: list[str], most: int = 6) -> list[str]:
    rest = len(names) - most
    return names if rest <= 0 else [*names[:most], f"and {rest} more"]


def initialise(model: BertPreTrainedModel, names: Iterable[str]) -> None:
    """Draw first weights in place: normal with ``initializer_range``, LayerNorm 1, biases 0.

    The vector of padding starts at 0, as in transformers. (Google's code cuts the normal
    distribution off at two standard deviations; transformers' doesn't, and neither do we.)

    Source: Devlin et al.'s released code, ``initializer_range``.
    """
    config = model.config
    for name in names:
        weight = model.get_parameter(name)
        if name.endswith("bias"):
            nn.init.zeros_(weight)
        elif name.endswith("LayerNorm.weight"):
            nn.init.ones_(weight)
        else:
            nn.init.normal_(weight, std=config.initializer_range)
            if name.endswith("word_embeddings.weight") and config.pad_token_id is not None:
                with torch.no_grad():
                    weight[config.pad_token_id].zero_()


def read_config(name_or_path: str | PathLike[str]) -> BertConfig:
    """Read a checkpoint's ``config.json``.

    Raises:
        FileNotFoundError: when it can't be found.
        ValueError: when it isn't JSON, or describes another model than BERT.
    """
    path = find_file(name_or_path, "config.json")
    if path is None:
        raise FileNotFoundError(f"{os.fspath(name_or_path)!r} holds no config.json")
    try:
        return BertConfig.from_dict(_read_json_object(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_json_object(path: Path) -> dict[str, Any]:
    values = json.loads(path.read_text(encoding="utf-8-sig"))  # its errors are ValueErrors
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, found {type(values).__name__}")
    return values


def _read_weight_file(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path} is no whole safetensors file: {error}") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(
            f"{path} can't be read as plain weights: it is damaged, or it holds code, which "
            "bertlab never runs. Fetch it again, or ask for the checkpoint as safetensors"
        ) from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds {type(content).__name__}: expected names and tensors")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError(
                f"{path} holds {type(tensor).__name__} under {name!r}: expected a name and a tensor"
            )
    return dict(content)


def _read_part_names(path: Path) -> list[str]:
    """Return the names of the files that hold a checkpoint's parts, from its index."""
    try:
        weight_map = _read_json_object(path).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise ValueError("expected 'weight_map', from each weight's name to a file's name")
        for part in weight_map.values():
            if not isinstance(part, str) or Path(part).name != part:
                raise ValueError(f"weight_map holds {part!r}: expected a file's name")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return sorted(set(weight_map.values()))


def read_weights(name_or_path: str | PathLike[str]) -> dict[str, Tensor]:
    """Read all weights of a checkpoint, by the names that the files give them.

    Raises:
        FileNotFoundError: when there are none, or a part that the index names is missing.
        ValueError: when a file is damaged or isn't plain weights.
    """
    offline: FileNotFoundError | None = None
    for filename in _WEIGHT_FILES:
        try:
            path = find_file(name_or_path, filename, cached_only=offline is not None)
        except FileNotFoundError as error:  # out of reach; another form may be cached
            offline = error
            continue
        if path is None:
            continue
        if not filename.endswith(".index.json"):
            return _read_weight_file(path)
        weights: dict[str, Tensor] = {}
        for part in _read_part_names(path):
            part_path = find_file(name_or_path, part)
            if part_path is None:
                raise FileNotFoundError(f"{path} names the part {part}, which isn't there")
            weights |= _read_weight_file(part_path)
        return weights
    raise offline or FileNotFoundError(
        f"{os.fspath(name_or_path)!r} holds no weights: expected one of {', '.join(_WEIGHT_FILES)}"
    )


def canonical_name(name: str) -> str:
    """Name a weight independently of the model it was saved from.

    Encoder weights carry the prefix ``bert.`` in models with a head and none in ``BertModel``;
    checkpoints from TensorFlow call LayerNorm's weights ``gamma`` and ``beta``.
    """
    for wrapper in ("_orig_mod.", "module.", "bert."):  # compiled, in parallel, with a head
        name = name.removeprefix(wrapper)
    if name.endswith(".gamma"):
        return name.removesuffix("gamma") + "weight"
    if name.endswith(".beta"):
        return name.removesuffix("beta") + "bias"
    return name


def _check_tied(source: dict[str, Tensor], model: BertPreTrainedModel) -> None:
    """Take out the second names of tied weights; what isn't tied can't be computed here.

    ``decoder.weight`` is the word embeddings and ``decoder.bias`` is the head's bias.

    Raises:
        ValueError: when they differ, and the model has a masked-LM head that would need both.
    """
    for second, first in (
        ("cls.predictions.decoder.weight", "embeddings.word_embeddings.weight"),
        ("cls.predictions.decoder.bias", "cls.predictions.bias"),
    ):
        tensor = source.pop(second, None)
        if tensor is None:
            continue
        tied = source.setdefault(first, tensor)
        if hasattr(model, "cls") and not torch.equal(tied, tensor):
            raise ValueError(
                f"{second} differs from {first}: bertlab computes BERT as the paper describes "
                "it, with one table for both. Use transformers for this checkpoint"
            )


def load_weights(
    model: BertPreTrainedModel, weights: Mapping[str, Tensor], other_labels: bool = False
) -> LoadReport:
    """Put a checkpoint's weights into a model, in float32, and say what didn't fit.

    The model is on the meta device: what is loaded becomes its parameters, and only what the
    checkpoint lacks is allocated and drawn at random.

    Args:
        model: a model on the meta device.
        weights: by the names that the files give them.
        other_labels: the user asked for other labels than the checkpoint's, so a head of another
            size starts anew. Otherwise it is an error, as for any weight.

    Raises:
        ValueError: when no weight has a name of BERT's, or one has another shape or kind of
            number than the configuration says.
    """
    source = {canonical_name(name): tensor for name, tensor in weights.items()}
    for constant in ("embeddings.position_ids", "embeddings.token_type_ids"):
        source.pop(constant, None)  # old checkpoints hold them
    _check_tied(source, model)

    report, state = LoadReport(), {}
    wrong: list[str] = []  # shapes that the configuration doesn't allow
    for name, parameter in model.named_parameters():
        canonical = canonical_name(name)
        tensor = source.pop(canonical, None)
        if tensor is not None and tensor.shape != parameter.shape:
            change = f"{name} {tuple(tensor.shape)} instead of {tuple(parameter.shape)}"
            allowed = other_labels and canonical.startswith(_TASK_HEADS)
            (report.resized if allowed else wrong).append(change)
            tensor = None
        if tensor is not None:
            if not tensor.is_floating_point():
                raise ValueError(
                    f"{name} holds {tensor.dtype}: expected floating-point weights. bertlab "
                    "doesn't read quantised checkpoints"
                )
            state[name] = tensor.to(torch.float32).contiguous()
            report.loaded.append(name)
        elif canonical.startswith(_HEADS):
            report.newly_initialised.append(name)
        else:
            report.missing.append(name)
    report.unexpected = sorted(source)
    if wrong:
        raise ValueError(
            "these weights don't have the shape that the configuration gives them: "
            + "; ".join(_shorten(wrong))
        )
    if not any(name.startswith(("embeddings.", "encoder.")) for name in map(canonical_name, state)):
        raise ValueError(
            "no weight has the name of one of BERT's: the checkpoint holds "
            + ", ".join(_shorten(sorted(weights)) or ["nothing"])
        )
    model.load_state_dict(state, strict=False, assign=True)
    fresh = [*report.missing, *report.newly_initialised]
    for name in fresh:
        owner, _, leaf = name.rpartition(".")
        empty = torch.empty(model.get_parameter(name).shape, device="cpu")
        setattr(model.get_submodule(owner), leaf, nn.Parameter(empty))
    model.tie_weights()
    initialise(model, fresh)
    return report


def load(
    cls: type[Model], name_or_path: str | PathLike[str], config_overrides: Mapping[str, Any]
) -> Model:
    """Do what ``from_pretrained`` promises; see there."""
    config = read_config(name_or_path).replace(**config_overrides)
    weights = read_weights(name_or_path)
    other_labels = not {"num_labels", "id2label"}.isdisjoint(config_overrides)
    with torch.device("meta"):  # sizes without memory or random numbers
        model = cls(config)
    try:
        report = load_weights(model, weights, other_labels)
    except ValueError as error:
        raise ValueError(f"{os.fspath(name_or_path)}: {error}") from error
    model.load_report = report
    if report.missing or report.newly_initialised or report.unexpected:
        _log.warning("%s from %s: %s", cls.__name__, os.fspath(name_or_path), report)
    return model.eval()


def save(
    model: BertPreTrainedModel, folder: str | PathLike[str], dtype: torch.dtype = torch.float32
) -> None:
    """Do what ``save_pretrained`` promises; see there."""
    from safetensors.torch import save_file

    target = Path(folder).expanduser()
    if target.exists() and not target.is_dir():
        raise ValueError(f"{target} is a file: expected a folder to write the checkpoint into")
    target.mkdir(parents=True, exist_ok=True)
    model.tie_weights()  # load_state_dict(…, assign=True) unties
    # named_parameters gives tied weights once, under the name that checkpoints use.
    weights = {
        name: weight.detach().to("cpu", dtype).contiguous()
        for name, weight in model.named_parameters()
    }
    config = {"architectures": [type(model).__name__], **model.config.to_dict()}
    text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_whole(
        target / "model.safetensors",
        lambda path: save_file(weights, path, metadata={"format": "pt"}),
    )
    write_text(target / "config.json", text)
