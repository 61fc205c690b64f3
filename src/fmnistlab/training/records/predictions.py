"""What a model says about each image of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import Tensor

from fmnistlab.data.schema import CLASS_NAMES, NUM_CLASSES
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation import html
from fmnistlab.shapes import Float, Int64

_SHOWN: Final = 5


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predicted class of each image and the probabilities behind it, in data set order.

    Two predictions are equal only if they are the same object; compare their tensors instead.

    Attributes:
        labels: the most probable class of each image, int64, shape (rows,), 0 to 9.
        probabilities: softmax of the scores, float32, shape (rows, classes), 0 to 1; each sums
            to 1 but for rounding.

    Raises:
        ConfigurationError: the two tensors have different numbers of rows.
    """

    labels: Int64[Tensor, "rows"]
    probabilities: Float[Tensor, "rows classes"]

    def __post_init__(self) -> None:
        if self.labels.shape != self.probabilities.shape[:1]:
            raise ConfigurationError(
                "labels and probabilities must have one row for each image; their shapes are "
                f"{tuple(self.labels.shape)} and {tuple(self.probabilities.shape)}."
            )

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.labels)

    @property
    def confidence(self) -> Float[Tensor, "rows"]:
        """The probability of the predicted class of each image, float32, shape (rows,)."""
        return self.probabilities.gather(1, self.labels.unsqueeze(1)).squeeze(1)

    def _repr_html_(self) -> str:
        classes = self.probabilities.shape[1]
        names = CLASS_NAMES if classes == NUM_CLASSES else tuple(map(str, range(classes)))
        labels, confidence = self.labels.detach().cpu(), self.confidence.detach().cpu()
        first = zip(labels[:_SHOWN].tolist(), confidence[:_SHOWN].tolist(), strict=True)
        counts = labels.bincount(minlength=classes).tolist()
        images = "1 image" if len(self) == 1 else f"{len(self):,} images"
        return html.together(
            [
                html.table(
                    ["class", *names],
                    [["predicted", *counts]],
                    caption=f"Predictions for {images}",
                ),
                html.table(
                    ["image", "class", "probability"],
                    [(row, names[label], chance) for row, (label, chance) in enumerate(first)],
                    caption="The first of them",
                ),
            ]
        )
