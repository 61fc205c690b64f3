"""A speed counts only if the model learned: its loss must lie in a band."""

from __future__ import annotations

import math

from benchmarks.processes import Measurement, MeasurementError

GUESSING = math.log(10)
"""Cross-entropy of a model that gives each of the ten classes the same probability."""

AFTER_ONE_EPOCH = {"linearnet": (0.33, 0.52), "cnn": (0.40, 0.70)}
"""Lowest and highest mean cross-entropy on 2,000 validation images after one epoch.

Trial runs of all contenders, some with up to five seeds, gave 0.376 to 0.430 for LinearNet and
0.447 to 0.558 for the CNN; an eighth of an epoch gave at least 0.54 and 0.80.
"""

AFTER_SOME_EPOCHS = (0.25, 0.45)
"""The same for both models after three to ten epochs."""

AFTER_WHOLE_EPOCH = (0.30, 1.00)
"""The same for an epoch of all images at any batch size from 8 to 512, for both models."""

AFTER_FEW_STEPS = (0.0, GUESSING - 0.01)
"""For epochs of a part of the images, where only this much can be asked: better than guessing."""


CLASSIC_ACCURACY = {"linearnet": 0.8917, "cnn": 0.9039}
"""Mean accuracy on the 12,000 validation images after the classic recipe, over the 26 seeds of
docs/accuracy.md; the deviations are 0.0036 and 0.0052. It was read from their run folders."""


def check_learned(measurement: Measurement, band: tuple[float, float]) -> Measurement:
    """Returns the measurement if its loss lies in the band.

    Raises:
        MeasurementError: it does not, or is not a number.
    """
    low, high = band
    loss = measurement["loss"]
    if not low <= loss <= high:
        raise MeasurementError(f"did not learn: loss {loss:.3f} is outside {low:.2f} to {high:.2f}")
    return measurement
