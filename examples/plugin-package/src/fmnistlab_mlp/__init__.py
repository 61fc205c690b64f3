"""The model `mlp` for fmnistlab."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class MLP(nn.Module):
    """A multilayer perceptron: linear layers with batch normalization, ReLU and dropout.

    Args:
        hidden: width of each hidden layer; a number stands for a single layer.
        dropout: part of the hidden values that is set to 0 at random while learning, 0 to below 1.
    """

    def __init__(self, hidden: int | Sequence[int] = (256, 128), dropout: float = 0.2) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = 28 * 28
        for width in [hidden] if isinstance(hidden, int) else hidden:
            # The bias would be undone at once by the normalization, which has one of its own.
            layers += [
                nn.Linear(inputs, width, bias=False),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(dropout),
            ]
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, 10))

    def forward(self, images: Tensor) -> Tensor:
        """Returns the class scores before softmax.

        Args:
            images: float32 (batch, 1, 28, 28), pixels in 0..1.

        Returns:
            float32 (batch, 10).
        """
        scores: Tensor = self.layers(images)
        return scores
