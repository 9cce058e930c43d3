"""Models stay on the device that they are on, shown without a GPU.

PyTorch's device "meta" holds shapes and no numbers. As on a real GPU, most operations refuse a
tensor of the CPU beside one of it: so a mask or a table of positions that forward makes on the CPU
is found. Indexing, embeddings and matrix products are not among them.
"""

from __future__ import annotations

import pytest
import torch

import bertlab

B, T = 2, 7
CONFIG = bertlab.BertConfig.tiny(vocab_size=50)
LABELS: dict[str, dict[str, tuple[int, ...]]] = {
    "BertModel": {},
    "BertForPreTraining": {"labels": (B, T), "next_sentence_label": (B,)},
    "BertForMaskedLM": {"labels": (B, T)},
    "BertForSequenceClassification": {"labels": (B,)},
    "BertForTokenClassification": {"labels": (B, T)},
    "BertForQuestionAnswering": {"start_positions": (B,), "end_positions": (B,)},
}


def test_the_stand_in_for_a_gpu_refuses_the_cpus_tensors() -> None:
    with pytest.raises(RuntimeError, match="expected device meta"):
        torch.ones(3, device="meta") + torch.ones(3)


@pytest.mark.parametrize("implementation", ["explicit", "sdpa"])
@pytest.mark.parametrize("name", LABELS)
def test_a_step_of_training_stays_on_its_device(name: str, implementation: str) -> None:
    with torch.device("meta"):  # only here: what forward makes must name its device
        model = getattr(bertlab, name)(CONFIG.replace(implementation=implementation))
    ids = torch.ones(B, T, dtype=torch.long, device="meta")
    labels = {
        label: torch.ones(shape, dtype=torch.long, device="meta")
        for label, shape in LABELS[name].items()
    }
    output = model(ids, attention_mask=ids, token_type_ids=ids, **labels)
    result = output.loss if labels else output.pooler_output.sum()
    result.backward()
    assert result.device.type == "meta"
    assert {p.grad.device.type for p in model.parameters() if p.grad is not None} == {"meta"}
    with torch.no_grad():
        shown = model(ids, output_attentions=True, output_hidden_states=True)
    assert {t.device.type for t in (*shown.attentions, *shown.hidden_states)} == {"meta"}
