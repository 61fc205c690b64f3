"""The extra metrics of a trainer: named, checked, measured."""

from __future__ import annotations

import contextlib
import functools
import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.foundation.checks import refused, shown
from fmnistlab.foundation.global_random import isolated_randomness
from fmnistlab.foundation.wording import setting
from fmnistlab.training.extra_metrics.mode import Mode
from fmnistlab.training.extra_metrics.named import NAMED, known_mode
from fmnistlab.training.recipes.described import CODE, describe

MetricFunction: TypeAlias = Callable[[Tensor, Tensor], Any]
"""Maps the scores (images, classes), float32, and labels (images,), int64, of a whole pass, both on
the CPU, to a number."""


@runtime_checkable
class MetricObject(Protocol):
    """Something that collects and computes, as the metrics of torchmetrics do.

    `higher_is_better`, if it has that, tells whether large values are best.
    """

    def reset(self) -> object:
        """Forgets what was collected."""

    def update(self, logits: Tensor, labels: Tensor, /) -> object:
        """Collects; called once for a whole pass, with what a `MetricFunction` gets."""

    def compute(self) -> object:
        """Returns the metric, a number."""


ExtraMetric: TypeAlias = str | MetricFunction | MetricObject
"""The name of a metric, such as "macro_f1"; a function; or an object of torchmetrics."""

GivenMetrics: TypeAlias = Sequence[ExtraMetric] | Mapping[str, ExtraMetric]
"""Metrics; or metrics by the names they are to have."""

_TAKEN: Final = ("loss", "accuracy", "count", "extra", "average_flips", "learning_rate", "seconds")
_TRIED_IMAGES: Final = 4  # of each class
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONGEST_NAME: Final = 40
_BY_DICTIONARY: Final = 'Name it by a dictionary: metrics={"own_name": metric}.'


class _Chosen(NamedTuple):
    name: str
    compute: MetricFunction
    mode: Mode | None
    described: Any


class ExtraMetrics:
    """The metrics that are measured besides loss and accuracy.

    Args:
        given: metrics; or metrics by the names they are to have.

    Attributes:
        names: of all of them, in order.
        described: what a checkpoint says of them, values of JSON: names, and of code what
            `recipes.described.describe` tells.

    Raises:
        ConfigurationError: there is no metric of a name, something is no metric, or a name is
            taken, cannot be one, or is there twice.
    """

    def __init__(self, given: GivenMetrics = ()) -> None:
        if isinstance(given, str) or not isinstance(given, Sequence | Mapping):
            raise refused("metrics", given, 'a list, such as ["top_2_accuracy"]')
        named = given.items() if isinstance(given, Mapping) else [(None, one) for one in given]
        self._metrics = tuple(_chosen(metric, name) for name, metric in named)
        self.names: tuple[str, ...] = tuple(metric.name for metric in self._metrics)
        self.described: list[Any] = [metric.described for metric in self._metrics]
        self._tried_classes: int | None = None
        for name in self.names:
            if self.names.count(name) > 1:
                hint = "" if name in NAMED else f" {_BY_DICTIONARY}"
                raise ConfigurationError(f"{setting('metrics')} has {name} twice.{hint}")

    def __len__(self) -> int:
        """Returns how many there are."""
        return len(self._metrics)

    def mode(self, name: str) -> Mode | None:
        """Returns whether one of them is best when small or large; None if it does not tell."""
        return next((metric.mode for metric in self._metrics if metric.name == name), None)

    def check(self, classes: int) -> None:
        """Tries each of them on made-up scores for a few images of each class.

        Args:
            classes: scores that the model gives for an image.

        Raises:
            ConfigurationError: one fails or gives no number; the message names it.
        """
        if self._metrics and self._tried_classes != classes:
            generator = torch.Generator().manual_seed(0)
            labels = torch.arange(classes).repeat(_TRIED_IMAGES)
            self.measure([torch.randn(len(labels), classes, generator=generator)], [labels])
            self._tried_classes = classes

    def measure(self, logits: Sequence[Tensor], labels: Sequence[Tensor]) -> dict[str, float]:
        """Returns each metric of a whole pass by name; nan for all if there is no image.

        Args:
            logits: class scores of each batch, floats (batch, classes).
            labels: right classes of each batch, int64 (batch,).

        Raises:
            ConfigurationError: one fails or gives no number; the message names it.
        """
        if not sum(map(len, labels)):
            return dict.fromkeys(self.names, float("nan"))
        # Joined outside of inference mode, so that objects may keep what they are given.
        scores = torch.cat([*logits]).to("cpu", torch.float32)
        right = torch.cat([*labels]).to("cpu", torch.int64)
        measured = {}
        for metric in self._metrics:
            with isolated_randomness(0), torch.no_grad():
                measured[metric.name] = _measured(metric, scores.clone(), right.clone())
        return measured


def _chosen(metric: ExtraMetric, name: str | None) -> _Chosen:
    """Returns a metric, checked.

    Args:
        metric: what was given.
        name: the name that was given with it, or None.

    Raises:
        ConfigurationError: it is none, or it cannot have its name.
    """
    if isinstance(metric, str):
        if metric not in NAMED:
            raise ConfigurationError(
                f"There is no metric {shown(metric)}.{suggestion(metric, NAMED)} There are "
                f"{', '.join(NAMED)}; functions of your own are given to fmnistlab.Trainer."
            )
        if name not in (None, metric):
            raise ConfigurationError(f"The metric {metric!r} has a name; it cannot be {name!r}.")
        return _Chosen(metric, NAMED[metric].function, NAMED[metric].mode, metric)
    compute: MetricFunction
    if isinstance(metric, type):
        raise refused("metrics", metric, f"an object, {metric.__name__}(...), not the class")
    if isinstance(metric, MetricObject):
        metric.reset()  # a description must not depend on what it has collected
        compute = functools.partial(_collected, metric)
    elif callable(metric):
        compute = metric
    else:
        raise refused("metrics", metric, "names, functions, or objects of torchmetrics")
    name = _checked_name(_own_name(metric) if name is None else name)
    described = describe(metric)
    code = described if isinstance(described, dict) else {CODE: str(described)}
    higher = getattr(metric, "higher_is_better", None)
    mode: Mode | None = None if higher is None else "max" if higher else "min"
    return _Chosen(name, compute, mode, {"name": name, **code})


def _own_name(metric: object) -> str:
    """Returns the name of a function, or of an object's class in the spelling of functions."""
    inner = metric.func if isinstance(metric, functools.partial) else metric
    own = getattr(inner, "__name__", None)
    return own if isinstance(own, str) else _WORD.sub("_", type(inner).__name__).lower()


def _checked_name(name: object) -> str:
    usable = isinstance(name, str) and name.isidentifier() and name.isascii()
    if not isinstance(name, str) or not usable or len(name) > _LONGEST_NAME:
        raise ConfigurationError(
            f"A metric cannot be called {shown(name)}. {_BY_DICTIONARY} Names have letters, digits "
            f'and "_", {_LONGEST_NAME} at most.'
        )
    if name in _TAKEN or name.startswith("val_") or known_mode(name) is not None:
        raise ConfigurationError(
            f"A metric of your own cannot be called {name!r}, which has a meaning already. "
            f"{_BY_DICTIONARY}"
        )
    return name


def _collected(metric: MetricObject, logits: Tensor, labels: Tensor) -> object:
    metric.reset()
    metric.update(logits, labels)
    value = metric.compute()
    metric.reset()
    return value


def _measured(metric: _Chosen, logits: Tensor, labels: Tensor) -> float:
    given = f"scores {tuple(logits.shape)} and labels {tuple(labels.shape)}"
    try:
        value = metric.compute(logits, labels)
    except Exception as error:
        raise ConfigurationError(f"The metric {metric.name} fails for {given}: {error}") from error
    scalar = isinstance(value, Tensor) and value.ndim == 0 and value.dtype not in _NO_NUMBERS
    if scalar or (isinstance(value, numbers.Real) and not isinstance(value, bool)):
        with contextlib.suppress(OverflowError):  # of whole numbers that no float can hold
            return float(value)
    found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else shown(value)
    raise ConfigurationError(
        f"The metric {metric.name} gives {found} for {given}, but it must give one number."
    )


_NO_NUMBERS: Final = (torch.bool, torch.complex32, torch.complex64, torch.complex128)
