"""The config.json of a checkpoint of BERT or of a family that computes what BERT computes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from agnews.components.encoders.encoder_families import FAMILIES, family_of
from agnews.components.encoders.encoder_family import EncoderFamily
from agnews.schemas.errors import AgnewsError
from agnews.schemas.json_text import read_json

_Count = Annotated[int, Field(ge=1, le=10_000_000)]
_Layers = Annotated[int, Field(ge=1, le=1_000)]
_Width = Annotated[int, Field(ge=1, le=1_000_000)]
"""Ten times what anybody has trained: a file that asks for more was made to ask for more than there is."""
_Rate = Annotated[float, Field(ge=0.0, lt=1.0)]

_SAME_ACTIVATIONS = {
    "gelu_python": "gelu",
    "gelu_fast": "gelu_new",
    "gelu_accurate": "gelu_new",
    "gelu_python_tanh": "gelu_new",
}
"""Other names in Hugging Face's libraries for what gives the same values."""


def _plain_activation(name: object) -> object:
    return _SAME_ACTIVATIONS.get(name, name) if isinstance(name, str) else name


class BertConfig(BaseModel):
    """What decides about the outputs of an encoder, by the names that Hugging Face gives it for BERT.

    Other keys of a config.json are ignored; defaults are Hugging Face's.

    Attributes:
        type_vocab_size: Segments that have a vector; 0 where an encoder knows none.
        embedding_size: Width of the vectors of word pieces, where they are projected to `hidden_size`; None where they
            are as wide.
        attention_output_dropout_prob: What is dropped behind attention; None means `hidden_dropout_prob`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    model_type: str = "bert"
    vocab_size: _Count
    hidden_size: _Width
    num_hidden_layers: _Layers
    num_attention_heads: _Width
    intermediate_size: _Width
    max_position_embeddings: _Count
    type_vocab_size: Annotated[int, Field(ge=0, le=1_000_000)] = 2
    hidden_act: Annotated[
        Literal["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"], BeforeValidator(_plain_activation)
    ] = "gelu"
    hidden_dropout_prob: _Rate = 0.1
    attention_probs_dropout_prob: _Rate = 0.1
    layer_norm_eps: Annotated[float, Field(gt=0.0)] = 1e-12
    position_embedding_type: Literal["absolute"] = "absolute"
    is_decoder: Literal[False] = False
    add_cross_attention: Literal[False] = False
    embedding_size: _Width | None = None
    attention_output_dropout_prob: _Rate | None = None

    @model_validator(mode="after")
    def _knows_its_family(self) -> Self:
        if self.model_type not in FAMILIES:
            raise ValueError(f"model_type {self.model_type}, known are {', '.join(FAMILIES)}")
        return self

    @property
    def family(self) -> EncoderFamily:
        """The family whose names its checkpoints have."""
        return FAMILIES[self.model_type]

    @property
    def embedding_width(self) -> int:
        """Width of the vectors of word pieces."""
        return self.embedding_size or self.hidden_size

    @property
    def projects_embeddings(self) -> bool:
        """Whether vectors of word pieces are of another width than the layers."""
        return self.embedding_width != self.hidden_size

    def facts(self) -> dict[str, object]:
        """Returns all settings that are set, by the names of this class: what the outputs depend on."""
        return self.model_dump(exclude_none=True)

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
        content = read_json(path.read_bytes())
    except OSError as error:
        raise _not_bert(path, error.strerror or error) from error
    except ValueError as error:
        raise _not_bert(path, f"no JSON: {error}") from error
    if not isinstance(content, dict):
        raise _not_bert(path, "no settings")
    family = family_of(content)
    if family is None:
        raise _of_no_family(path, content)
    try:
        return BertConfig.model_validate({**family.read_settings(content), "model_type": family.model_type})
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(str(part) for part in each['loc']) or 'all'}: {each['msg']} (value {each['input']!r})"
            if each["loc"]
            else each["msg"]
            for each in error.errors()
        )
        raise _not_bert(path, found) from error


def _of_no_family(path: Path, content: Mapping[str, object]) -> AgnewsError:
    known = ", ".join(FAMILIES)
    if content.get("model_type") is not None:
        return _not_bert(path, f"model_type {content['model_type']}", fix=f"Use an encoder of another family: {known}.")
    return _not_bert(
        path,
        f"no model_type, and architectures {content.get('architectures')}",
        fix=f'Where its page says what it is, add a key that says so: `"model_type": "bert"`. Known are {known}.',
    )


def _not_bert(path: Path, found: object, fix: str = "") -> AgnewsError:
    return AgnewsError(
        f"{path} does not describe an encoder that can be used.",
        found=found,
        fix=fix
        or f"Use an encoder of the families {', '.join(FAMILIES)} with absolute positions, gelu, gelu_new or relu as "
        "its activation, and a width that its heads can share.",
    )
