"""``bertlab pretrain``: from text to a checkpoint, in one call.

Source: Devlin et al. 2019, appendix A.2; chapter 7.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase

import bertlab
from bertlab.model import BertConfig, BertForPreTraining
from bertlab.model.checkpoint import leftovers, write_whole
from bertlab.pretraining.batches import PretrainingBatches
from bertlab.pretraining.config import PRESETS, PretrainingConfig
from bertlab.pretraining.corpus import Corpus
from bertlab.pretraining.objective import PretrainingObjective, evaluate
from bertlab.pretraining.stages import Stage, StagedBatches, check_shares
from bertlab.pretraining.tokens import TokenisedCorpus, tokenise
from bertlab.tokenization import load_tokenizer, train_tokenizer
from bertlab.training import History, TrainingConfig, train
from bertlab.training.state import HISTORY, STATE

RUN, METRICS = "run.json", "metrics.json"
_FILES = (RUN, METRICS, HISTORY, STATE, "model.safetensors", "config.json")
# A resumed run may be given another length, and other habits of writing things down.
_MAY_CHANGE = {
    "steps",
    "tokens",
    "minutes",
    "log_every",
    "evaluate_every",
    "save_every",
    "cache",
    "output",
    "resume",
    "overwrite",
}
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
    command = command_line(config)
    config = config.filled()
    stages = _stages(config)
    training = _training_config(config)
    corpus = Corpus(config.corpus)
    shown = progress_bar and state.is_main_process
    say = print if shown else _quiet
    resume = config.resume and (config.output / STATE).is_file()
    with state.main_process_first():
        if state.is_main_process:
            _open_output(config, command)
            if config.resume and not resume:
                say(f"{config.output} holds no checkpoint yet: beginning at the beginning")
        known = resume or not state.is_main_process
        try:
            tokens, held_out, tokenizer = _read(corpus, config, known, shown)
        except (ValueError, OSError):
            if state.is_main_process:
                _forget(config.output)
            raise
        if state.is_main_process:
            run = json.loads((config.output / RUN).read_text(encoding="utf-8"))
            counts = {"documents": len(tokens), "tokens": tokens.tokens}
            if held_out is not None:
                counts["held_out_documents"] = len(held_out)
                counts["held_out_tokens"] = held_out.tokens
            _write_json(config.output / RUN, run | {"corpus": counts})
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
        _write_json(config.output / METRICS, metrics)
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


def command_line(config: PretrainingConfig) -> str:
    """Return the command that is this configuration."""
    words = ["bertlab", "pretrain"]
    for field in fields(config):
        value = getattr(config, field.name)
        if value == field.default or field.name in ("resume", "overwrite"):
            continue
        words.append("--" + field.name.replace("_", "-"))
        if isinstance(value, tuple):
            words += [str(one) for one in value]
        elif value is not True:
            words.append(str(value))
    return shlex.join(words)


def _quiet(_text: str) -> None:
    """Print nothing."""


def _training_config(config: PretrainingConfig) -> TrainingConfig:
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


def _open_output(config: PretrainingConfig, command: str) -> None:
    """Make the folder ready and write ``run.json``, or check that the run may go on in it."""
    folder = config.output
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: expected a folder to write to")
    if config.resume and not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: nothing to resume")
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = leftovers(folder, _FILES)
    if set(folder.iterdir()) - set(unfinished):
        if not (config.resume or config.overwrite):
            raise FileExistsError(
                f"{folder} isn't empty: give --resume to go on with the run in it, --overwrite to "
                "delete what is there, or another folder"
            )
        before = _read_run(folder)
        if config.resume:
            _check_unchanged(folder, before, config)
        else:
            _empty(folder, config)
    for path in unfinished:
        path.unlink(missing_ok=True)
    record = {
        "command": command,
        "config": _as_json(config),
        "versions": {
            "bertlab": bertlab.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
    }
    _write_json(folder / RUN, record)


def _read_run(folder: Path) -> dict[str, Any]:
    """Return the configuration of the run in a folder."""
    try:
        return dict(json.loads((folder / RUN).read_text(encoding="utf-8"))["config"])
    except FileNotFoundError:
        found = f"holds no {RUN}"
    except (ValueError, TypeError, KeyError):
        found = f"its {RUN} is another program's, or damaged"
    raise FileExistsError(
        f"{folder} isn't empty and {found}, so it is no run of `bertlab pretrain`: nothing to "
        "resume, and nothing is deleted. Give another folder"
    )


def _empty(folder: Path, config: PretrainingConfig) -> None:
    """Delete what is in the folder of a run, but not what the new run is to read."""
    for source in (*config.corpus, *([config.tokenizer] if config.tokenizer else [])):
        if Path(source).expanduser().resolve().is_relative_to(folder.resolve()):
            raise ValueError(
                f"{source} is in {folder}, which would be deleted: give another folder to write to"
            )
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RUN):  # that one last
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _forget(folder: Path) -> None:
    """Undo ``_open_output`` for a run that couldn't begin, so that it can be tried again."""
    if [path.name for path in folder.iterdir()] == [RUN]:
        shutil.rmtree(folder)


def _check_unchanged(folder: Path, before: dict[str, Any], config: PretrainingConfig) -> None:
    now = _as_json(config)
    changed = [
        f"{name} was {before.get(name)!r}, now {now[name]!r}"
        for name in now
        if name not in _MAY_CHANGE and before.get(name) != now[name]
    ]
    if changed:
        raise ValueError(
            f"the run in {folder} was begun with other settings: {'; '.join(changed)}. Expected "
            "the same ones (its length may change)"
        )


def _as_json(config: PretrainingConfig) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(config), default=str))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, lambda to: to.write_text(text, encoding="utf-8"))


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
