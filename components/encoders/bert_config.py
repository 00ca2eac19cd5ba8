"""The config.json of a BERT checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agnews.schemas.errors import AgnewsError

_Count = Annotated[int, Field(ge=1)]
_Rate = Annotated[float, Field(ge=0.0, lt=1.0)]


class BertConfig(BaseModel):
    """What decides about the outputs of a BERT encoder, by the names that Hugging Face gives it.

    Other keys of a config.json are ignored; defaults are Hugging Face's.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    model_type: Literal["bert"] = "bert"
    vocab_size: _Count
    hidden_size: _Count
    num_hidden_layers: _Count
    num_attention_heads: _Count
    intermediate_size: _Count
    max_position_embeddings: _Count
    type_vocab_size: _Count = 2
    hidden_act: Literal["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"] = "gelu"
    hidden_dropout_prob: _Rate = 0.1
    attention_probs_dropout_prob: _Rate = 0.1
    layer_norm_eps: Annotated[float, Field(gt=0.0)] = 1e-12
    position_embedding_type: Literal["absolute"] = "absolute"
    is_decoder: Literal[False] = False
    add_cross_attention: Literal[False] = False

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        return self


def read_bert_config(path: Path) -> BertConfig:
    """Reads and checks a config.json.

    Args:
        path: The file.

    Returns:
        The configuration.

    Raises:
        AgnewsError: The file cannot be read, is no JSON, or describes something else than a BERT encoder.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise _not_bert(path, error.strerror or error) from error
    except ValueError as error:
        raise _not_bert(path, f"no JSON: {error}") from error
    if not isinstance(content, dict) or content.get("model_type") != "bert":
        kind = content.get("model_type") if isinstance(content, dict) else None
        raise _not_bert(path, f"model_type {kind}" if kind else "no model_type")
    try:
        return BertConfig.model_validate(content)
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(str(part) for part in each['loc']) or 'all'}: {each['msg']} (value {each['input']!r})"
            if each["loc"]
            else each["msg"]
            for each in error.errors()
        )
        raise _not_bert(path, found) from error


def _not_bert(path: Path, found: object) -> AgnewsError:
    return AgnewsError(
        f"{path} does not describe a BERT encoder that can be used.",
        found=found,
        fix='Use a checkpoint whose config.json says `"model_type": "bert"`, with absolute positions, unchanged.',
    )
