"""DistilBERT: BERT without segments and without a pooler."""

from __future__ import annotations

from agnews.components.encoders.encoder_family import EncoderFamily

DISTILBERT = EncoderFamily(
    model_type="distilbert",
    class_stem="DistilBert",
    setting_names={
        "hidden_size": "dim",
        "intermediate_size": "hidden_dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "hidden_act": "activation",
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    # Nothing is dropped between attention and the sum that follows it, where BERT drops as much as elsewhere.
    always={"type_vocab_size": 0, "layer_norm_eps": 1e-12, "attention_output_dropout_prob": 0.0},
    renamed=(
        ("encoder.layer.", "transformer.layer."),
        ("attention.self.query", "attention.q_lin"),
        ("attention.self.key", "attention.k_lin"),
        ("attention.self.value", "attention.v_lin"),
        ("attention.output.dense", "attention.out_lin"),
        ("attention.output.LayerNorm", "sa_layer_norm"),
        ("intermediate.dense", "ffn.lin1"),
        ("output.LayerNorm", "output_layer_norm"),
        ("output.dense", "ffn.lin2"),
    ),
)
"""Sanh, Debut, Chaumond, Wolf (2019), "DistilBERT, a distilled version of BERT", https://arxiv.org/abs/1910.01108."""
