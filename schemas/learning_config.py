"""The sections of a configuration that decide about a model's weights: text, model, training, devices.

Apart from `RunConfig`, so that a new setting of the data or of the evaluation makes no model train again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, model_validator

from agnews.schemas.errors import AgnewsError
from agnews.schemas.strict_numbers import StrictNumbers

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Seed = Annotated[int, Field(ge=0, le=2**53)]
"""Beyond 2**53 neighbours are one number to whoever reads JSON, and a compiled pipeline is JSON."""


class Section(StrictNumbers):
    """A frozen part of a configuration; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


LEARN = "learn"
"""The vocabulary that is learnt from the rows of train."""


class TextConfig(Section):
    """From a text to token ids; part of the exported model."""

    vocabulary: str | None = None
    """`minilm` (that of the embedded encoder), another encoder, the path of a BERT vocab.txt, or `learn`: word pieces
    learnt from the rows of train, for languages that no encoder knows; null follows model.encoder, and is `minilm` for
    a model without one."""
    vocabulary_size: Annotated[int, Field(ge=256, le=2**17)] = 16_000
    """Word pieces that `learn` learns, at most; of no meaning otherwise."""
    lowercase: bool | None = None
    """Lower-case and strip accents, as uncased BERT does; null follows the vocabulary."""
    max_length: Annotated[int, Field(ge=8, le=512)] = 128
    """Longest sequence in word pieces, [CLS] and [SEP] included."""
    max_unknown_share: Share = 0.01
    """The run stops when more than this share of all word pieces is [UNK]: the vocabulary does not fit the texts."""


class TransformerConfig(Section):
    """A small transformer, trained from scratch."""

    kind: Literal["transformer"] = "transformer"
    """Which model; its other keys follow from that."""
    hidden_dim: Annotated[int, Field(ge=1)] = 64
    """Width of embeddings and blocks."""
    num_heads: Annotated[int, Field(ge=1)] = 4
    """Attention heads of each block."""
    key_dim: Annotated[int, Field(ge=1)] | None = None
    """Width of each head; null means hidden_dim / num_heads."""
    num_layers: Annotated[int, Field(ge=1)] = 1
    """Transformer blocks."""
    intermediate_dim: Annotated[int, Field(ge=1)] = 128
    """Width inside the feed-forward network of a block."""
    dropout: Share = 0.1
    """After attention, after the feed-forward network, and around the head's dense layer."""
    word_dropout: Share = 0.5
    """Share of word pieces replaced by [UNK] while training."""
    head_dim: Annotated[int, Field(ge=1)] = 20
    """Width of the dense layer before the classes."""
    min_token_count: Annotated[int, Field(ge=0)] = 1
    """Word pieces that occur less often than this in the training rows are [UNK] to the model; 0 keeps them all."""
    bigram_buckets: Annotated[int, Field(ge=0)] = 262_144
    """Size of the hash table of a linear classifier on word pairs that stands beside the transformer, with a loss of
    its own; 0 leaves it out."""
    bigram_dropout: Share = 0.3
    """Share of the word pairs left out while training."""

    def require_room(self, num_classes: int, section: str = "model") -> None:
        """Makes sure that the table of word pairs, which has a weight a class, can be trained.

        Args:
            num_classes: Classes to tell apart.
            section: Where this stands in a configuration.

        Raises:
            AgnewsError: It is too large; the message says which size is not.
        """
        if self.bigram_buckets * num_classes > _MOST_PAIR_WEIGHTS:
            raise AgnewsError(
                "The table of word pairs has a weight for each class, and is too large to be trained.",
                found=f"{section}.bigram_buckets={self.bigram_buckets} for {num_classes:,} classes",
                fix=f"--set {section}.bigram_buckets={fitting_buckets(num_classes)}, or 0 to leave it out.",
            )


_MOST_PAIR_WEIGHTS, _WANTED_PAIR_WEIGHTS = 2**28, 2**26
"""1 GiB, of which training holds four times as much, and a quarter of that."""


def fitting_buckets(num_classes: int) -> int:
    """Returns how many buckets of word pairs go well with so many classes: a power of two, at most the default.

    Args:
        num_classes: Classes to tell apart.
    """
    most: int = TransformerConfig.model_fields["bigram_buckets"].default
    while most * num_classes > _WANTED_PAIR_WEIGHTS:
        most //= 2
    return most


class LinearConfig(Section):
    """A linear classifier of word and character n-grams, solved for and not trained by steps."""

    kind: Literal["linear"] = "linear"
    """Which model; its other keys follow from that."""
    word_ngrams: Annotated[int, Field(ge=0, le=3)] = 2
    """Longest run of words that is one n-gram; 0 leaves words out."""
    char_ngrams: Annotated[str, Field(pattern=r"^[1-8]-[1-8]$")] | None = "3-5"
    """Shortest and longest run of characters; null leaves characters out."""
    min_count: Annotated[int, Field(ge=1)] = 2
    """N-grams that occur in fewer training rows than this are left out."""
    buckets: Annotated[int, Field(ge=256, le=2**26)] = 2**22
    """What n-grams are hashed into; those that share a bucket share their weights."""
    rarity_power: Annotated[float, Field(ge=0.0, le=4.0)] = 1.0
    """What the rarity of an n-gram, its inverse document frequency, is raised to: the more, the sooner rare n-grams are
    learnt from. 2 suits news, 1 short questions of many classes."""
    cost: Annotated[float, Field(gt=0.0)] = 0.3
    """What mistakes weigh against large weights: C of a support vector machine."""

    @model_validator(mode="after")
    def _has_ngrams(self) -> Self:
        if not self.word_ngrams and self.char_ngrams is None:
            raise ValueError("a linear model needs n-grams of words or of characters: word_ngrams or char_ngrams")
        if self.char_ngrams is not None and self.char_ngrams[0] > self.char_ngrams[2]:
            raise ValueError(f"char_ngrams {self.char_ngrams} begins with the longer one: write the shorter one first")
        return self

    @property
    def char_range(self) -> tuple[int, int] | None:
        """Shortest and longest run of characters, or None."""
        return None if self.char_ngrams is None else (int(self.char_ngrams[0]), int(self.char_ngrams[2]))


class _EncoderConfig(Section):
    """A pre-trained BERT encoder with a dense layer on top."""

    encoder: str = "minilm"
    """`minilm` (comes along), a folder with a Hugging Face checkpoint or a SavedModel, or what `agnews encoder fetch`
    was called with."""
    num_layers: Annotated[int, Field(ge=1)] | None = None
    """Keep the first that many layers of a checkpoint; null keeps all."""
    pooling: Literal["mean", "layers", "pooled"] = "mean"
    """What stands for a text: the mean over its tokens, such means of the last three layers side by side, or the
    encoder's `pooled_output`."""
    dropout: Share = 0.1
    """Before the dense layer; inside, an encoder has its own."""


class BertFrozenConfig(_EncoderConfig):
    """A pre-trained encoder that is left as it is; only the layers on top are trained."""

    kind: Literal["bert_frozen"] = "bert_frozen"
    """Which model; its other keys follow from that."""
    head_dim: Annotated[int, Field(ge=0)] = 0
    """Width of a dense layer between encoder and classes; 0 leaves it out."""


class BertFinetuneConfig(_EncoderConfig):
    """A pre-trained encoder that is trained along with the layer on top."""

    kind: Literal["bert_finetune"] = "bert_finetune"
    """Which model; its other keys follow from that."""
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    """Embeddings and the first that many layers stay as they are; 0 trains everything."""


EncoderConfig = BertFrozenConfig | BertFinetuneConfig
"""Models with a pre-trained encoder in them."""


def _kind_of(model: Any) -> str:
    kind = model.get("kind", "transformer") if isinstance(model, dict) else getattr(model, "kind", None)
    return str(kind)


class EnsembleConfig(Section):
    """A network and a linear classifier, trained apart, whose logits are added."""

    kind: Literal["ensemble"] = "ensemble"
    """Which model; its other keys follow from that."""
    network: Annotated[
        Annotated[TransformerConfig, Tag("transformer")]
        | Annotated[BertFrozenConfig, Tag("bert_frozen")]
        | Annotated[BertFinetuneConfig, Tag("bert_finetune")],
        Discriminator(_kind_of),
    ] = TransformerConfig()
    """The network, as a section `model` of its kind; `training` and `devices` are about it."""
    linear: LinearConfig = LinearConfig()
    """The linear classifier, as a section `model` of its kind."""


MODEL_CONFIGS: dict[str, type[BaseModel]] = {
    "transformer": TransformerConfig,
    "linear": LinearConfig,
    "bert_frozen": BertFrozenConfig,
    "bert_finetune": BertFinetuneConfig,
    "ensemble": EnsembleConfig,
}
"""The sections by their `kind`."""


ModelConfig = Annotated[
    Annotated[TransformerConfig, Tag("transformer")]
    | Annotated[LinearConfig, Tag("linear")]
    | Annotated[BertFrozenConfig, Tag("bert_frozen")]
    | Annotated[BertFinetuneConfig, Tag("bert_finetune")]
    | Annotated[EnsembleConfig, Tag("ensemble")],
    Discriminator(_kind_of),
]
"""One of the models, told apart by `kind`."""


def encoder_config(model: ModelConfig) -> EncoderConfig | None:
    """Returns the part of a section `model` that names an encoder, or None where none does."""
    network = model.network if isinstance(model, EnsembleConfig) else model
    return network if isinstance(network, EncoderConfig) else None


class TrainingConfig(Section):
    """How the weights are found."""

    epochs: Annotated[int, Field(ge=1)] = 4
    """Passes over the training rows, at most."""
    batch_size: Annotated[int, Field(ge=1)] = 128
    """Rows in a batch; batches hold rows of similar length and are padded to their longest."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    """Peak of the schedule: linear warm-up, then linear decay to zero."""
    warmup_share: Share = 0.1
    """Share of all steps in which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    """Decoupled, as in AdamW; not on biases, norms and embeddings of positions."""
    label_smoothing: Share = 0.1
    """Share of each label that is spread evenly over all classes."""
    clip_norm: Annotated[float, Field(gt=0.0)] | None = None
    """Largest global norm of the gradients; null does not clip."""
    patience: Annotated[int, Field(ge=1)] = 4
    """Epochs without a lower eval loss before training stops; the best weights are kept."""
    average_decay: Share = 0.995
    """The model is judged and exported with a moving average of its weights, of which each step keeps this share;
    0 takes the weights as they are."""
    warm_start: bool = False
    """Start from the weights of the model in production, where there is one of the same shape."""
    class_weights: Literal["none", "sqrt", "balanced"] = "none"
    """What rows count by their class: `balanced` makes all classes count alike, whatever their rows, `sqrt` goes half
    of the way. Rare classes are found more often, and the accuracy over all rows may fall."""
    calibrate: bool = True
    """Divide the exported model's logits by a temperature fitted on the eval split, so that it is as sure as it is
    right; answers stay as they are."""
    seed: Seed = 7
    """Of initial weights, the order of rows and dropout."""


class DevicesConfig(Section):
    """On what the Trainer computes, and how."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """`auto` takes GPUs where there are some; `gpu` fails where there are none."""
    strategy: Literal["auto", "none", "mirrored", "multiworker"] = "auto"
    """One device, all devices of a machine, or several machines (TF_CONFIG). `auto` takes what it finds. Each device
    gets batches of training.batch_size, so a step sees that many rows times the number of devices."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes on this machine that share each batch: how a training runs, not what it learns, so nothing is trained
    anew for another number. On a cluster the deployment table has `trainer.workers`."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """What layers compute in; weights and probabilities are float32. `auto`: float16 or bfloat16 on a GPU that is
    faster with it, float32 on a CPU."""
    xla: Literal["auto", "on", "off"] = "auto"
    """Compile the training step with XLA; `auto` where it pays."""
    backup_minutes: Annotated[float, Field(ge=0.0)] = 3.0
    """Time between two backups of a training within an epoch; one that was killed goes on at the last one. 0 writes
    one as often as it can."""


def parse_model_config(section: Mapping[str, object]) -> ModelConfig:
    """Validates the section `model`.

    Args:
        section: Its keys; without `kind` it is a transformer's.

    Raises:
        pydantic.ValidationError: It is not one of a model; the command line has checked it before.
    """
    parsed: ModelConfig = TypeAdapter(ModelConfig).validate_python(dict(section))
    return parsed
