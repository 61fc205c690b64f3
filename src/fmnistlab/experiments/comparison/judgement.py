"""From the runs of several variants to how they differ, by the statistics of seeds and images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from fmnistlab.errors import ConfigurationError
from fmnistlab.experiments.comparison.runs import FinishedGroup
from fmnistlab.statistics.judgement import Verdict, verdict
from fmnistlab.statistics.power import (
    limit_of_images,
    seeds_for_all_images,
    seeds_for_these_images,
    smallest_shown,
)
from fmnistlab.statistics.single_runs import TwoRuns, chance_to_beat, holm, two_runs
from fmnistlab.statistics.two_way import (
    Difference,
    Spread,
    accuracy_estimates,
    difference,
    spread,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparedVariant:
    """One way to train, and how its runs did.

    Attributes:
        name: of the variant.
        parameters: numbers in the model's parameters; None if no run is done.
        seeds: of the runs that are done.
        failed: seeds of those that failed.
        missing: seeds of those that are not done yet.
        accuracy: mean accuracy on the test set; None if no run is done, and so below.
        deviation: sample standard deviation of the accuracy over seeds; None below two runs.
        estimate: the mean accuracy with both its uncertainties; None below two runs.
        spread: how the runs vary by seed and by image; None below two runs.
        loss: mean loss on the test set; None also if one was not finite.
        seconds: mean seconds of the epochs of a run.
    """

    name: str
    parameters: int | None
    seeds: tuple[int, ...]
    failed: tuple[int, ...]
    missing: tuple[int, ...]
    accuracy: float | None
    deviation: float | None
    estimate: Difference | None
    spread: Spread | None
    loss: float | None
    seconds: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparedPair:
    """Two ways to train, and how they differ.

    Attributes:
        one: name of the first; differences are its accuracy less the other's.
        other: name of the second.
        smallest: smallest difference of interest, a fraction.
        difference: with both its uncertainties; None if one of them has a single run.
        verdict: what can be said of them; None likewise.
        two_runs: how two single runs differ; None unless one of them has a single run.
        chance_to_beat: share of pairs of runs in which one of the first beats one of the second.
        error_ratio: mean share of mistakes of the first, divided by that of the second; None if
            the second makes none.
        disagreement: share of the images on which exactly one of two single runs is right, on
            average over all pairs of runs.
        spreads: how the runs of either vary; None if one of them has a single run.
    """

    one: str
    other: str
    smallest: float
    difference: Difference | None
    verdict: Verdict | None
    two_runs: TwoRuns | None
    chance_to_beat: float
    error_ratio: float | None
    disagreement: float
    spreads: tuple[Spread, Spread] | None

    def seeds_for_these_images(self, wanted: float) -> int | None:
        """Returns how many runs of each would show a difference on the same test set.

        Args:
            wanted: the difference, a fraction above 0.

        Returns:
            The number for a power of 80 %; None if it is above 10,000, or unknown because one of
            them has a single run.
        """
        if self.spreads is None:
            return None
        one, other = (part.seed_variance**0.5 for part in self.spreads)
        return seeds_for_these_images((one, other), wanted)

    def seeds_for_all_images(self, wanted: float) -> int | None:
        """Returns how many runs of each would show a difference on other images too.

        Args:
            wanted: the difference, a fraction above 0.

        Returns:
            The number for a power of 80 %; None if no number of runs can, or it is unknown because
            one of them has a single run.
        """
        if self.spreads is None or self.difference is None:
            return None
        return seeds_for_all_images(*self.spreads, self.difference, wanted)

    @property
    def smallest_shown(self) -> float | None:
        """Difference that a comparison like this shows with a power of 80 %, a fraction."""
        return None if self.difference is None else smallest_shown(self.difference)

    @property
    def limit(self) -> float | None:
        """Smallest difference that any number of seeds could show on a test set of this size."""
        if self.difference is None or self.spreads is None:
            return None
        return limit_of_images(self.difference, self.spreads[0].images)

    def __str__(self) -> str:
        if self.verdict is None or self.spreads is None:
            return self._of_two_runs()
        words = [str(self.verdict)]
        if self.verdict.finding in ("not told apart", "better on these images"):
            words.append(
                f"This comparison had a chance of 80 % to show {_points(self.smallest_shown)}; "
                f"with any number of seeds the limit is {_points(self.limit)}, the rest is the "
                "size of the test set."
            )
        return " ".join(words)

    def _of_two_runs(self) -> str:
        """Words about two files, when there is nothing to be said of two ways to train."""
        found, names = self.two_runs, (self.one, self.other)
        if found is None:
            return f"{self.one} and {self.other}: no runs to compare."
        alone = (found.only_one, found.only_other)
        if found.estimate.value < 0:
            names, alone = names[::-1], alone[::-1]
        estimate = dataclasses.replace(found.estimate, value=abs(found.estimate.value))
        low, high = (100 * end for end in estimate.interval())
        ahead = (
            f"Of the two first runs that of {names[0]} is ahead of that of {names[1]}"
            if estimate.value
            else "The two first runs are right equally often"
        )
        return (
            f"{self.one} or {self.other} has a single run, so it cannot be said which way to train "
            f"is better: another seed gives another run. {ahead}: {100 * estimate.value:+.2f} "
            f"points (other images {low:+.2f} to {high:+.2f}; McNemar's exact p = "
            f"{found.p_exact:.3g}). {alone[0]:,} of {found.images:,} images only {names[0]} gets "
            f"right, {alone[1]:,} only {names[1]}."
        )


def judge_variant(found: FinishedGroup) -> ComparedVariant:
    """Returns how the runs of a variant did."""
    states = {run.seed: run.state for run in found.runs}
    done = tuple(seed for seed, state in states.items() if state == "done")
    several = len(done) > 1
    by_run = found.correct.mean(axis=1) if done else np.zeros(0)
    losses = [run.loss for run in found.runs if run.state == "done"]
    finite = [loss for loss in losses if loss is not None]
    seconds = [run.seconds for run in found.runs if run.seconds is not None]
    of_seeds = spread(found.correct) if several else None
    return ComparedVariant(
        name=found.group.name,
        parameters=found.results[0].parameters if done else None,
        seeds=done,
        failed=tuple(seed for seed, state in states.items() if state == "failed"),
        missing=tuple(seed for seed, state in states.items() if state in ("begun", "missing")),
        accuracy=float(found.correct.mean()) if done else None,
        deviation=float(by_run.std(ddof=1)) if several else None,
        estimate=None if of_seeds is None else accuracy_estimates(of_seeds),
        spread=of_seeds,
        loss=sum(finite) / len(finite) if finite and len(finite) == len(losses) else None,
        seconds=sum(seconds) / len(seconds) if seconds else None,
    )


def judge_pairs(
    found: Sequence[FinishedGroup], *, smallest: float, baseline: str | None
) -> tuple[ComparedPair, ...]:
    """Returns how variants differ; p-values are adjusted for the number of pairs (Holm 1979).

    Args:
        found: runs of all variants.
        smallest: smallest difference of interest, a fraction above 0.
        baseline: name of the variant that all others are compared with; None for all pairs, of
            which the later one is compared with the earlier one.

    Raises:
        ConfigurationError: two variants were not tested on the same images.
    """
    done = [part for part in found if part.results]
    for part in done:
        if part.images != done[0].images:
            raise ConfigurationError(
                f"{part.group.name} and {done[0].group.name} were not tested on the same images. "
                "Compare runs of one test set."
            )
    pairs = [
        (one, other)
        for at, one in enumerate(done)
        for other in done[:at]
        if baseline is None or baseline in (one.group.name, other.group.name)
    ]
    if baseline is not None:
        pairs = [(b, a) if a.group.name == baseline else (a, b) for a, b in pairs]
    judged = [_pair(one, other, smallest) for one, other in pairs]
    told = [pair.difference for pair in judged if pair.difference is not None]
    these = holm([part.these_images.p_value for part in told])
    others = holm([part.all_images.p_value for part in told])
    p_values = iter(zip(these, others, strict=True))
    return tuple(
        pair
        if pair.difference is None
        else dataclasses.replace(
            pair,
            verdict=verdict((pair.one, pair.other), pair.difference, next(p_values), smallest),
        )
        for pair in judged
    )


def _pair(one: FinishedGroup, other: FinishedGroup, smallest: float) -> ComparedPair:
    both = one.correct, other.correct
    several = min(map(len, both)) > 1
    spreads = (spread(both[0]), spread(both[1])) if several else None
    right = tuple(rows.mean(axis=0) for rows in both)
    mistakes = tuple(1 - float(rows.mean()) for rows in both)
    accuracies = tuple(rows.mean(axis=1).tolist() for rows in both)
    only_one = right[0] * (1 - right[1]) + right[1] * (1 - right[0])
    return ComparedPair(
        one=one.group.name,
        other=other.group.name,
        smallest=smallest,
        difference=None if spreads is None else difference(*spreads),
        verdict=None,
        two_runs=None if several else two_runs(both[0][0], both[1][0]),
        chance_to_beat=chance_to_beat(*accuracies),
        error_ratio=mistakes[0] / mistakes[1] if mistakes[1] else None,
        disagreement=float(only_one.mean()),
        spreads=spreads,
    )


def _points(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} points"
