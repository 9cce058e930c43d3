"""What ``bertlab pretrain`` is told, and the presets. Imports nothing heavy: the CLI reads it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

Preset = Literal["tiny", "mini", "base", "large"]


@dataclass(frozen=True)
class _Preset:
    """What a preset stands for, beside the model's shape."""

    vocab_size: int
    stages: tuple[str, ...]
    learning_rate: float
    warmup: float
    dropout: float
    betas: tuple[float, float]
    next_sentence_weight: float


# base and large: Devlin et al. 2019, appendix A.2 (batches of 256, 1 % warm-up, 90 % of the steps
# on rows of 128). mini and tiny see each text a few times only, so dropout would cost more than it
# brings (ALBERT dropped it for the same reason); small batches first leave the plateau soonest,
# and more masks give more to learn from each batch (Wettig et al. 2023; chapter 7). With weight 1
# the next sentences' gradient was several times as long as the masked words' in the long run, so
# here it counts for less; the short runs of chapter 7 show no gain from that. Rows have 128 tokens:
# a last stage of long rows at a low learning rate did not come far in a run of this length.
_SMALL: dict[str, Any] = {
    "stages": ("16x128@0.3:0.3", "32x128@0.2:0.58", "32x128@0.15:0.12"),
    "learning_rate": 1e-3,
    "warmup": 0.03,
    "dropout": 0.0,
    "betas": (0.9, 0.98),
    "next_sentence_weight": 0.1,
}
_PAPER: dict[str, Any] = {
    "stages": ("256x128@0.15:0.9", "256x512@0.15:0.1"),
    "learning_rate": 1e-4,
    "warmup": 0.01,
    "dropout": 0.1,
    "betas": (0.9, 0.999),
    "next_sentence_weight": 1.0,
}
PRESETS: dict[str, _Preset] = {
    "tiny": _Preset(vocab_size=8192, **_SMALL),
    "mini": _Preset(vocab_size=8192, **_SMALL),
    "base": _Preset(vocab_size=30522, **_PAPER),
    "large": _Preset(vocab_size=30522, **_PAPER),
}


@dataclass(frozen=True)
class PretrainingConfig:
    """Turn text into a BERT: vocabulary, pairs, masks, training, checkpoint.

    Exactly one of steps, tokens and minutes says how long. What isn't given comes from the preset.

    Attributes:
        corpus: text files or folders (a paragraph a line, a blank line between documents), JSONL,
            parquet, a hub id, or python-manual, which every Python carries.
        output: the folder to write to; new or empty, unless resume or overwrite is given.
        preset: the model's shape and the settings that suit it: tiny 2 layers of width 128,
            mini 4 x 256, base 12 x 768, large 24 x 1024.
        vocab_size: word pieces to learn.
        lowercase: learn a vocabulary without capitals and accents.
        tokenizer: take this tokenizer (a folder or a hub id) instead of learning one.
        steps: updates of the weights.
        tokens: tokens read, padding not counted.
        minutes: of training; learning rate and stages follow the clock.
        stages: BATCHxLENGTH@MASKED:SHARE each: 32x128@0.15:0.9 means batches of 32 rows of 128
            tokens with 15 % of them masked, for nine tenths of the run.
        learning_rate: the highest, at the end of the warm-up.
        warmup: share of the run in which the learning rate rises.
        weight_decay: of AdamW; biases and LayerNorms don't decay.
        next_sentence_weight: of the next-sentence loss in the sum of both; 1 in the paper.
        dropout: while pretraining; the saved config has 0.1, for fine-tuning.
        clip: the largest norm of the gradient.
        accumulation: compute each batch in this many parts, if it doesn't fit into memory.
        whole_words: mask whole words instead of pieces.
        hold_out: share of the text, in whole documents, kept for evaluation; 0 for none.
        precision: fp32, bf16, or auto: bf16 where this machine is good at it.
        compile: use torch.compile; on CPUs it has not paid.
        seed: of first weights, pairs, masks and order.
        log_every: steps between two lines of history.jsonl.
        evaluate_every: share of the run between two evaluations.
        save_every: seconds between two checkpoints.
        cache: where tokenised text is kept; by default ~/.cache/bertlab.
        resume: go on where the run in output stopped; the result is the same to the byte.
        overwrite: delete what is in output.
    """

    corpus: tuple[str, ...]
    output: Path
    preset: Preset = "mini"
    vocab_size: int | None = None
    lowercase: bool = False
    tokenizer: str | None = None
    steps: int | None = None
    tokens: int | None = None
    minutes: float | None = None
    stages: tuple[str, ...] = ()
    learning_rate: float | None = None
    warmup: float | None = None
    weight_decay: float = 0.01
    next_sentence_weight: float | None = None
    dropout: float | None = None
    clip: float = 1.0
    accumulation: int = 1
    whole_words: bool = False
    hold_out: float = 0.01
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    seed: int = 0
    log_every: int = 50
    evaluate_every: float = 0.05
    save_every: float = 300.0
    cache: Path | None = None
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", Path(self.output).expanduser())
        if isinstance(self.corpus, str):
            object.__setattr__(self, "corpus", (self.corpus,))
        if self.preset not in PRESETS:
            raise ValueError(f"preset is {self.preset!r}: expected one of {', '.join(PRESETS)}")
        if self.resume and self.overwrite:
            raise ValueError("resume and overwrite are both given: expected one of them")
        if not 0 <= self.hold_out < 1:
            raise ValueError(f"hold_out is {self.hold_out}: expected a share from 0 to below 1")
        if self.next_sentence_weight is not None and not self.next_sentence_weight >= 0:
            raise ValueError(
                f"next_sentence_weight is {self.next_sentence_weight}: expected a number from 0 on"
            )
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}: expected a number from 0 to below 1")
        if not self.corpus:
            raise ValueError("corpus is empty: expected at least one file, folder or hub id")

    def filled(self) -> PretrainingConfig:
        """Return the configuration with the preset's values where none were given."""
        preset = vars(PRESETS[self.preset])
        missing = [name for name in preset if getattr(self, name, "no setting") in (None, ())]
        return replace(self, **{name: preset[name] for name in missing})
