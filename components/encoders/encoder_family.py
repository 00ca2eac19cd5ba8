"""A family of encoders: models that compute what BERT computes, under other names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class EncoderFamily:
    """How the checkpoints of a family differ from BERT's: in names of settings and weights, and in parts left out.

    Attributes:
        model_type: The value of that key in config.json.
        class_stem: What Hugging Face's classes of the family begin with: `Bert` of `BertModel`, `BertTokenizer`.
        setting_names: Names in config.json of settings that `BertConfig` calls otherwise, by BertConfig's name.
        defaults: What a config.json that leaves a setting out means, by BertConfig's name, where it is not BERT's.
        always: Settings that no config.json of the family can change, by BertConfig's name.
        renamed: Parts of names of weights, BERT's and the family's, replaced in this order.
    """

    model_type: str
    class_stem: str
    setting_names: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    always: Mapping[str, object] = field(default_factory=dict)
    renamed: tuple[tuple[str, str], ...] = ()

    @property
    def prefix(self) -> str:
        """What stands before the names of the encoder's weights in a model with a head."""
        return f"{self.model_type}."

    def read_settings(self, content: Mapping[str, object]) -> dict[str, object]:
        """Turns the content of a config.json into the settings of `BertConfig`.

        Args:
            content: Of the family's own names.

        Returns:
            The settings by BertConfig's names.
        """
        foreign = {theirs: ours for ours, theirs in self.setting_names.items()}
        named = {foreign.get(key, key): value for key, value in content.items() if key not in self.setting_names}
        return {**self.defaults, **named, **self.always}

    def write_settings(self, settings: Mapping[str, object]) -> dict[str, object]:
        """Turns settings of `BertConfig` into the content of a config.json.

        Args:
            settings: By BertConfig's names.

        Returns:
            The settings by the family's names, without those that it cannot change.
        """
        return {self.setting_names.get(key, key): value for key, value in settings.items() if key not in self.always}

    def stored_name(self, name: str) -> str:
        """Returns the family's name of a weight.

        Args:
            name: BERT's, `BertTensor.name`.
        """
        for ours, theirs in self.renamed:
            name = name.replace(ours, theirs)
        return name
