"""How sure one can be of the difference of two models that were trained with several seeds.

Whether a run is right on an image depends on the model, on the run's seed, on the image, and on
what is left: X = mean + seed + image + rest. Seeds and images are both drawn, and every run sees
every image, so both vary at once (crossed random effects). Two questions have two answers:

- *These images*: what would other seeds give on the same test set? More seeds always help.
- *All images*: what would other seeds give on other images of this kind? The images that happen to
  be in the test set put a floor under that, which no number of seeds can lower.

Runs of two models share the images and nothing else, so images pair and seeds do not. The sums are
those of a two-way layout; a variance by images and one by seeds both contain the rest, which is
therefore taken off once (two-way clustering: Cameron, Gelbach and Miller 2011). Degrees of freedom
are Satterthwaite's (1946).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import stats

from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Float, UInt8


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A difference or a mean with its uncertainty; fractions, not per cent.

    Attributes:
        value: what was estimated.
        variance: of the estimate, from 0.
        degrees_of_freedom: of that variance; infinite where it is 0.
        least: smallest value that there can be: 0 of a mean, -1 of a difference. The largest is 1.
    """

    value: float
    variance: float
    degrees_of_freedom: float
    least: float = -1.0

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Returns the ends of Student's interval around the value, as far as values can lie.

        Args:
            confidence: above 0, below 1.
        """
        if self.variance == 0:
            return self.value, self.value
        quantile = float(stats.t.ppf((1 + confidence) / 2, self.degrees_of_freedom))
        half = quantile * math.sqrt(self.variance)
        if not math.isfinite(half):
            return -math.inf, math.inf
        return max(self.least, self.value - half), min(1.0, self.value + half)

    @property
    def p_value(self) -> float:
        """Two-sided probability of a value at least as far from 0 if the truth were 0."""
        if self.variance == 0:
            return 1.0 if self.value == 0 else 0.0
        ratio = abs(self.value) / math.sqrt(self.variance)
        return float(2 * stats.t.sf(ratio, self.degrees_of_freedom))


@dataclasses.dataclass(frozen=True)
class Spread:
    """How the runs of one model vary, by seed and by image.

    Attributes:
        seeds: number of runs n, from 2.
        images: number of images m, from 2.
        accuracy: mean accuracy of the runs, 0 to 1.
        seed_variance: sample variance of the runs' accuracies.
        rest_variance: mean square of what neither seed nor image explains.
        by_image: share of the runs that are right on each image, float64 (m,).
    """

    seeds: int
    images: int
    accuracy: float
    seed_variance: float
    rest_variance: float
    by_image: Float[np.ndarray, "images"]

    @property
    def seed_excess(self) -> float:
        """Variance of the mean that true differences between seeds add, from 0."""
        rest = self.rest_variance / (self.seeds * self.images)
        return max(0.0, self.seed_variance / self.seeds - rest)


def spread(correct: UInt8[np.ndarray, "seeds images"]) -> Spread:
    """Returns how the runs of a model vary.

    Args:
        correct: 1 where a run is right on an image, else 0; at least two runs and two images.

    Raises:
        ConfigurationError: there are fewer, or other values.
    """
    if correct.ndim != 2 or min(correct.shape) < 2 or not np.isin(correct, (0, 1)).all():
        raise ConfigurationError(
            f"correct has shape {correct.shape}; give at least two runs (rows) and two images "
            "(columns) of 0 and 1."
        )
    n, m = correct.shape
    # Whole numbers up to here, so that nothing depends on the order of runs or images.
    by_run, by_image = correct.sum(axis=1, dtype=np.int64), correct.sum(axis=0, dtype=np.int64)
    total = int(by_run.sum())
    squares_by_run, squares_by_image = int((by_run**2).sum()), int((by_image**2).sum())
    rest = (total * n * m - squares_by_run * n - squares_by_image * m + total**2) / (n * m)
    return Spread(
        seeds=n,
        images=m,
        accuracy=total / (n * m),
        seed_variance=(squares_by_run - total**2 / n) / (n - 1) / m**2,
        rest_variance=rest / ((n - 1) * (m - 1)),
        by_image=by_image / n,
    )


@dataclasses.dataclass(frozen=True)
class Difference:
    """By how much runs of one model are right more often than those of another.

    Attributes:
        these_images: with what it says about the same test set and other seeds.
        all_images: with what it says about other images of this kind and other seeds.
        image_variance: variance of the difference from image to image that is left when the
            chance of single runs is taken off, from 0; it sets the limit of `all_images`.
    """

    these_images: Estimate
    all_images: Estimate
    image_variance: float


def difference(one: Spread, other: Spread) -> Difference:
    """Returns by how much `one` is better than `other`, in accuracy.

    Args:
        one: of runs on some images.
        other: of runs of another model on the same images, in the same order.

    Raises:
        ConfigurationError: the images are not as many.
    """
    if one.images != other.images:
        raise ConfigurationError(
            f"The runs were tested on {one.images} and on {other.images} images; compare runs of "
            "the same test set."
        )
    m, both = one.images, (one, other)
    by_image = one.by_image - other.by_image
    value = one.accuracy - other.accuracy
    by_seed = [(part.seed_variance / part.seeds, part.seeds - 1) for part in both]
    paired = float(by_image.var(ddof=1))
    terms = [(paired / m, m - 1)]
    for part in both:
        if part.seed_excess > 0:
            rest = part.rest_variance / (part.seeds * m)
            terms.append((part.seed_variance / part.seeds, part.seeds - 1))
            terms.append((rest, (part.seeds - 1) * (m - 1)))
    variance = paired / m + sum(part.seed_excess for part in both)
    chance = sum(part.rest_variance / part.seeds for part in both)
    return Difference(
        these_images=_estimate(value, sum(term for term, _ in by_seed), by_seed),
        all_images=_estimate(value, variance, terms),
        image_variance=max(0.0, paired - chance),
    )


def accuracy_estimates(one: Spread) -> Difference:
    """Returns the mean accuracy of a model with both its uncertainties.

    Args:
        one: of its runs.
    """
    m = one.images
    by_seed = [(one.seed_variance / one.seeds, one.seeds - 1)]
    by_image = float(one.by_image.var(ddof=1))
    terms = [(by_image / m, m - 1)]
    if one.seed_excess > 0:
        terms += [*by_seed, (one.rest_variance / (one.seeds * m), (one.seeds - 1) * (m - 1))]
    return Difference(
        these_images=_estimate(one.accuracy, by_seed[0][0], by_seed, least=0.0),
        all_images=_estimate(one.accuracy, by_image / m + one.seed_excess, terms, least=0.0),
        image_variance=max(0.0, by_image - one.rest_variance / one.seeds),
    )


def _estimate(
    value: float, variance: float, terms: list[tuple[float, int]], least: float = -1.0
) -> Estimate:
    """Returns an estimate with Satterthwaite's degrees of freedom of its variance's terms."""
    weight = sum(term**2 / freedom for term, freedom in terms)
    return Estimate(value, variance, variance**2 / weight if weight > 0 else math.inf, least)
