"""Known mistakes to plant into the assignments' right answers, for the fake class.

Each replaces a few characters of the master's answer by what a student might write, and is
diagnosed under the id that stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wrong:
    """A mistake: in the answer to ``question``, ``right`` becomes ``wrong``."""

    question: str
    right: str
    wrong: str
    mistake: str  # the id that the check gives it; "" where a plain assert finds it

    def planted_in(self, answer: str) -> str:
        """Return the answer with the mistake in it.

        Raises:
            ValueError: when the answer has no such place, or several.
        """
        if answer.count(self.right) != 1:
            raise ValueError(
                f"{self.right!r} occurs {answer.count(self.right)} times in the answer to "
                f"{self.question}, expected once: the master has changed, so wrong_answers.py must"
            )
        return answer.replace(self.right, self.wrong)


WRONG: dict[str, tuple[Wrong, ...]] = {
    "attention": (
        Wrong("attention", " / math.sqrt(query.size(-1))", "", "not-scaled"),
        Wrong("make_mask", ".tril()", ".triu()", "future-instead-of-past"),
        Wrong(
            "masked_softmax", "weights.masked_fill(~mask, 0.0)", "weights", "even-where-all-masked"
        ),
        Wrong("divisor", "math.sqrt(variance)", "variance", ""),
        Wrong(
            "merge_heads",
            "transpose(1, 2).flatten(2)",
            "reshape(heads.size(0), heads.size(2), -1)",
            "reshape-without-transpose",
        ),
        Wrong("attention", "math.sqrt(query.size(-1))", "query.size(-1)", "divided-by-d"),
        Wrong(
            "added_lengths",
            "lengths[:, :, None, :]",
            "lengths[:, :, :, None]",
            "length-of-the-query",
        ),
        Wrong("strongest_head", ".mean(dim=-1)", ".amax(dim=-1)", ""),
        Wrong(
            "multi_head_attention",
            ".transpose(1, 2).reshape(",
            ".reshape(",
            "merged-without-transpose",
        ),
        Wrong("masked_softmax", "dim=-1", "dim=-2", "softmax-over-queries"),
        Wrong("make_mask", "allowed & torch", "allowed | torch", "or-instead-of-and"),
    ),
    "encoder": (
        Wrong("add_and_norm", "correction=0", "correction=1", "variance-over-n-minus-1"),
        Wrong("pair_by_hand", "9 * [1] + 2 * [0]", "11 * [1]", ""),
        Wrong(
            "feed_forward",
            "inner / 2 * (1 + torch.erf(inner / math.sqrt(2)))",
            "functional.gelu(inner, approximate='tanh')",
            "tanh-gelu",
        ),
        Wrong("encoder_layer", "x + mixed", "mixed", "first-residual-missing"),
        Wrong("count_parameters", "2 * 2 * D", "2 * D", "one-layernorm-a-layer"),
        Wrong(
            "deepest_bert",
            "max(0, (budget - without_layers) // each_layer)",
            "(budget - without_layers) // each_layer",
            "negative-layers",
        ),
        Wrong("embed", " + token_type[token_type_ids]", "", "token-types-missing"),
        Wrong("training_bytes", "4 * trained", "3 * trained", "gradient-or-average-forgotten"),
        Wrong("encoder_layer", "attended + apply(", "apply(", "second-residual-missing"),
        Wrong("first_difference", "gaps <= tolerance", "gaps.mean() <= tolerance", ""),
        Wrong(
            "add_and_norm", "torch.sqrt(variance + eps)", "(variance + eps)", "divided-by-variance"
        ),
        Wrong("run_encoder", "[:, 0]", ".mean(dim=1)", ""),
    ),
    "masking": (
        Wrong("replace_chosen", "(draws >= 0.8) & (draws < 0.9)", "(draws >= 0.8)", "never-kept"),
        Wrong(
            "mlm_labels",
            "torch.where(chosen, input_ids, -100)",
            "torch.where(chosen, input_ids, 0)",
            "ignored-label-zero",
        ),
        Wrong("choose_places", "round(probability * n)", "int(probability * n)", "rounded-down"),
        Wrong(
            "masked_lm_loss",
            "gather(1, truth[:, None]).mean()",
            "gather(1, truth[:, None]).sum()",
            "summed-not-averaged",
        ),
        Wrong("train_steps", "        optimizer.zero_grad()\n", "", "gradients-add-up"),
        Wrong(
            "loss_of_parts",
            "counts / counts.sum()",
            "torch.ones_like(means) / len(means)",
            "mean-of-means",
        ),
        Wrong(
            "whole_word_places",
            "inside, hit = True, draw < probability",
            "inside, hit = True, draw > probability",
            "inverted",
        ),
        Wrong(
            "learning_rate", "torch.minimum(up, down)", "torch.maximum(up, down)", "wrong-values"
        ),
        Wrong(
            "faulty_pairs",
            "b_document != a_document",
            "(b_document, b_first) != (a_document, a_last + 1)",
            "negative-from-the-same-document",
        ),
        Wrong("mlm_labels", "input_ids, -100", "masked_ids, -100", "labels-taken-after-masking"),
        Wrong("train_steps", "    model.train()\n", "", "train-forgotten"),
        Wrong(
            "pseudo_perplexity", "(len(input_ids) - 2)", "len(input_ids)", "divided-by-all-places"
        ),
    ),
    "finetuning": (
        Wrong(
            "align_labels",
            "labels.append(word_labels[word] if is_first else -100)",
            "labels.append(-100 if word is None else word_labels[word])",
            "all-pieces-labelled",
        ),
        Wrong("collate", "y + [-100] * n", "y + [0] * n", "labels-padded-with-zero"),
        Wrong("tags_to_spans", '[*tags, "O"]', "tags", "last-name-lost"),
        Wrong(
            "ner_scores",
            "(i, *span) for i, spans in enumerate(predicted_spans)",
            "(0, *span) for i, spans in enumerate(predicted_spans)",
            "sentences-thrown-together",
        ),
        Wrong("fit", "            optimizer.zero_grad()\n", "", "gradients-add-up"),
        Wrong(
            "best_span", "range(i, min(i + longest, stop))", "range(i, stop)", "length-unlimited"
        ),
        Wrong(
            "task_loss",
            "functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))",
            "functional.cross_entropy(logits, labels.to(logits.dtype))",
            "softmax-over-labels",
        ),
        Wrong("window_labels", "room - overlap", "overlap", "overlap-as-step"),
        Wrong(
            "match_scores",
            "(Counter(prediction) & Counter(reference)).total()",
            "len(set(prediction) & set(reference))",
            "sets-instead-of-bags",
        ),
        Wrong("word_predictions", "            seen.add(word)\n", "", "an-answer-for-each-piece"),
        Wrong("collate", "[1] * (T - n) + [0] * n", "[1] * T", "padding-attended-to"),
        Wrong(
            "fit", "copy.deepcopy(model.state_dict())", "model.state_dict()", "last-weights-kept"
        ),
    ),
}
