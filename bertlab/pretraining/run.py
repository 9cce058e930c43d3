"""``bertlab pretrain``: from text to a checkpoint, in one call.

Source: Devlin et al. 2019, appendix A.2; chapter 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase

from bertlab.model import BertConfig, BertForPreTraining
from bertlab.pretraining.batches import PretrainingBatches
from bertlab.pretraining.config import PRESETS, PretrainingConfig
from bertlab.pretraining.corpus import Corpus
from bertlab.pretraining.objective import PretrainingObjective, evaluate
from bertlab.pretraining.stages import Stage, StagedBatches, check_shares
from bertlab.pretraining.tokens import TokenisedCorpus, tokenise
from bertlab.tokenization import load_tokenizer, train_tokenizer
from bertlab.training import History, TrainingConfig, train
from bertlab.training.folder import (
    METRICS,
    add_to_run,
    command_line,
    forget,
    open_output,
    write_json,
)
from bertlab.training.state import STATE

_PROGRAM = "bertlab pretrain"
_LENGTHS = ("steps", "tokens", "minutes")  # epochs differ from stage to stage
# A resumed run may be given another length, and other habits of writing things down.
_MAY_CHANGE = (*_LENGTHS, "log_every", "evaluate_every", "save_every", "cache")
_EVALUATION_LENGTH, _EVALUATION_ROWS, _EVALUATION_MASKED = 128, 64, 0.15


def pretrain(config: PretrainingConfig, progress_bar: bool = True) -> History:
    """Pretrain a BERT and write it to ``config.output``.

    The folder receives the model and its tokenizer, ``history.jsonl``, ``metrics.json`` (measured
    in float32 on documents held out from the vocabulary and the training), ``run.json``
    (configuration and command), and ``training_state.pt``, which only ``resume`` needs. Positions
    beyond the longest stage are copies of trained ones.

    Args:
        config: what and how.
        progress_bar: show bars for what takes long, and lines that say what was found.

    Returns:
        What happened, step by step.

    Raises:
        DataError: when the text is malformed or too little.
        FileExistsError: when the folder isn't empty, without resume or overwrite, or isn't a run's.
        FloatingPointError: when the loss is no finite number any more.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; a usable checkpoint is left.
        ValueError: when a setting is out of range, or a resumed run is given other settings.
    """
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    # `accelerate launch --cpu` says so here, and PartialState alone doesn't look.
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    command = command_line(_PROGRAM, config)
    config = config.filled()
    stages = _stages(config)
    training = _training_config(config)
    corpus = Corpus(config.corpus)
    shown = progress_bar and state.is_main_process
    say = print if shown else _quiet
    resume = config.resume and (config.output / STATE).is_file()
    with state.main_process_first():
        if state.is_main_process:
            open_output(
                config.output,
                program=_PROGRAM,
                command=command,
                config=asdict(config),
                may_change=_MAY_CHANGE,
                inputs=[*config.corpus, *([config.tokenizer] if config.tokenizer else [])],
                resume=config.resume,
                overwrite=config.overwrite,
            )
            if config.resume and not resume:
                say(f"{config.output} holds no checkpoint yet: beginning at the beginning")
        known = resume or not state.is_main_process
        try:
            tokens, held_out, tokenizer = _read(corpus, config, known, shown)
        except (ValueError, OSError):
            if state.is_main_process:
                forget(config.output)
            raise
        if state.is_main_process:
            counts = {"documents": len(tokens), "tokens": tokens.tokens}
            if held_out is not None:
                counts["held_out_documents"] = len(held_out)
                counts["held_out_tokens"] = held_out.tokens
            add_to_run(config.output, corpus=counts)
    evaluation = None if held_out is None else evaluation_batches(held_out, tokenizer)
    say(f"training on {tokens.tokens:,} tokens in {len(tokens):,} documents")

    batches = StagedBatches(tokens, tokenizer, stages, config.whole_words, config.seed)
    model = _new_model(config, tokenizer, state.device)

    def measure(model: torch.nn.Module) -> dict[str, Any]:
        assert evaluation is not None
        return evaluate(model, evaluation.epoch(0))

    history = train(
        model,
        batches,
        training,
        objective=PretrainingObjective(model, config.next_sentence_weight or 0.0),
        evaluate=None if evaluation is None else measure,
        output=config.output,
        save_model=lambda _: model.save_pretrained(config.output),
        resume=resume,
        progress_bar=progress_bar,
    )
    if state.is_main_process:
        _copy_positions(model, max(stage.length for stage in stages))
        model.save_pretrained(config.output)
        last = history.steps[-1]
        metrics: dict[str, Any] = {
            "train": {
                "steps": last["step"],
                "tokens": last["tokens"],
                "seconds": last["seconds"],
                "tokens_per_second": round(last["tokens"] / max(last["seconds"], 0.01)),
            }
        }
        if evaluation is not None:
            metrics["held_out"] = measure(model)
            say(_summary(metrics["held_out"]))
        write_json(config.output / METRICS, metrics)
        say(f"the checkpoint is in {config.output}")
    state.wait_for_everyone()
    return history


def evaluation_batches(
    held_out: TokenisedCorpus, tokenizer: PreTrainedTokenizerBase, length: int = _EVALUATION_LENGTH
) -> PretrainingBatches:
    """Return the batches that models are measured on: the same pairs and masks each time.

    15 % of the places are masked, however many were in training.
    """
    return PretrainingBatches(
        held_out,
        tokenizer,
        batch_size=max(1, _EVALUATION_ROWS * _EVALUATION_LENGTH // length),
        max_length=length,
        probability=_EVALUATION_MASKED,
    )


def _quiet(_text: str) -> None:
    """Print nothing."""


def _training_config(config: PretrainingConfig) -> TrainingConfig:
    given = [name for name in _LENGTHS if getattr(config, name) is not None]
    if len(given) != 1:
        raise ValueError(
            f"the run's length is given by {' and '.join(given) or 'nothing'}: expected one of "
            f"{', '.join(_LENGTHS)}"
        )
    shared = {field.name for field in fields(TrainingConfig)}
    values = {name: value for name, value in asdict(config).items() if name in shared}
    return TrainingConfig(**values, betas=PRESETS[config.preset].betas)


def _stages(config: PretrainingConfig) -> list[Stage]:
    """Read the stages, and check them before anything is written."""
    stages = [Stage.parse(text) for text in config.stages]
    check_shares(stages)
    most = getattr(BertConfig, config.preset)().max_position_embeddings
    for stage in stages:
        if stage.length > most:
            raise ValueError(
                f"stage {stage} has rows of {stage.length} tokens: expected at most {most}"
            )
    return stages


class _Texts:
    """The documents as texts, read anew at each pass, so that they needn't fit into memory."""

    def __init__(self, corpus: Corpus, shown: bool) -> None:
        self.corpus, self.shown = corpus, shown

    def __iter__(self) -> Iterator[str]:
        bar = tqdm(
            self.corpus, "learning the vocabulary", unit=" documents", disable=not self.shown
        )
        return (" ".join(document) for document in bar)


def _read(
    corpus: Corpus, config: PretrainingConfig, known: bool, shown: bool
) -> tuple[TokenisedCorpus, TokenisedCorpus | None, PreTrainedTokenizerBase]:
    """Return the ids to train on, those held out, if any, and the tokenizer.

    Args:
        corpus: all of the text.
        config: the whole configuration.
        known: the tokenizer is in the output folder.
        shown: show bars, and say what was found.
    """
    rest, held_out = corpus, None
    if config.hold_out:
        rest, held_out = corpus.hold_out(config.hold_out, config.seed, progress_bar=shown)
    tokenizer = load_tokenizer(config.output) if known else _learn(rest, config, shown)
    cache = config.cache or Path("~/.cache/bertlab/corpora").expanduser()
    tokens = tokenise(rest, tokenizer, cache, progress_bar=shown)
    if shown:
        print(tokens.report if held_out is None else corpus.report)
    return tokens, None if held_out is None else tokenise(held_out, tokenizer, cache), tokenizer


def _learn(corpus: Corpus, config: PretrainingConfig, shown: bool) -> PreTrainedTokenizerBase:
    """Learn the vocabulary, or take the tokenizer that is given; save it beside the model."""
    if config.tokenizer is not None:
        tokenizer = load_tokenizer(config.tokenizer)
    else:
        assert config.vocab_size is not None
        tokenizer = train_tokenizer(_Texts(corpus, shown), config.vocab_size, config.lowercase)
    tokenizer.save_pretrained(config.output)
    return tokenizer


def _new_model(
    config: PretrainingConfig, tokenizer: PreTrainedTokenizerBase, device: torch.device
) -> BertForPreTraining:
    shape: BertConfig = getattr(BertConfig, config.preset)(
        vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id
    )
    torch.manual_seed(config.seed)
    model = BertForPreTraining(
        shape.replace(
            hidden_dropout_prob=config.dropout,
            attention_probs_dropout_prob=config.dropout,
            # On the CPU, the gradient of PyTorch's fused attention is slower than the formula's.
            implementation="explicit" if device.type == "cpu" else "sdpa",
        )
    )
    model.config = shape  # what is saved: fine-tuning starts from the paper's dropout
    return model


@torch.no_grad()
def _copy_positions(model: BertForPreTraining, trained: int) -> None:
    """Give positions that no row reached copies of the trained ones, a better start than noise.

    Place 0 isn't copied: it belongs to [CLS]. Source: Beltagy et al. 2020 (Longformer), section 5.
    """
    table = model.bert.embeddings.position_embeddings.weight  # (512, D)
    later = torch.arange(trained, len(table), device=table.device)
    table[later] = table[1 + (later - 1) % (trained - 1)]


def _summary(figures: dict[str, Any]) -> str:
    return (
        f"held out: masked-LM loss {figures['masked_lm_loss']:.3f} nats, accuracy "
        f"{figures['masked_lm_accuracy']:.1%} of {figures['masked_places']:,} masked places; next "
        f"sentence {figures['next_sentence_accuracy']:.1%} of {figures['pairs']:,} pairs"
    )
