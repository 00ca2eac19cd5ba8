"""Floating-point operations of a transformer's matrix products, which are nearly all that it computes."""

from __future__ import annotations

from dataclasses import dataclass

BACKWARD = 2
"""A product has two gradients, each a product of the same size."""


@dataclass(frozen=True)
class Network:
    """Sizes of an encoder.

    Attributes:
        layers: Blocks.
        width: Of a token between blocks.
        attention: Width of all heads together.
        intermediate: Width inside the feed-forward network.
    """

    layers: int
    width: int
    attention: int
    intermediate: int

    def forward(self, length: float) -> float:
        """Counts what a text costs, a multiplication and an addition as two.

        Args:
            length: Of the text in word pieces, [CLS] and [SEP] included. Padding is no work that anybody wants, so it
                does not count: a share of a limit says what the device does for texts.

        Returns:
            Operations of the four projections, of scores and contexts, and of the feed-forward network.
        """
        of_weights = 2 * (4 * self.width * self.attention + 2 * self.width * self.intermediate)
        of_positions = 2 * 2 * length * self.attention
        return self.layers * length * (of_weights + of_positions)

    def training(self, length: float) -> float:
        """Counts the same for a step of training in which all weights learn."""
        return (1 + BACKWARD) * self.forward(length)


MINILM = Network(layers=6, width=384, attention=384, intermediate=1536)
"""all-MiniLM-L6-v2, the embedded encoder."""
SMALL = Network(layers=1, width=64, attention=64, intermediate=128)
"""`--model transformer` as it is packaged."""
