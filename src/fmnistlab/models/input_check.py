"""The shape that the built-in models insist on."""

from __future__ import annotations

from torch import Tensor

from fmnistlab.errors import ConfigurationError


def check_images(images: Tensor) -> None:
    """Refuses images of a shape that the layers would take and silently misread.

    Without it an image of 32 by 32 pixels passes the CNN, and one without a channel LinearNet.

    Args:
        images: what the model was called with.

    Raises:
        ConfigurationError: the shape is not (batch, 1, 28, 28).
    """
    if images.shape[1:] != (1, 28, 28):
        raise ConfigurationError(
            f"The model takes images of shape (batch, 1, 28, 28), not {tuple(images.shape)}. "
            "Put a single image in a batch with image.unsqueeze(0); a missing channel is added "
            "with images.unsqueeze(1)."
        )
