"""Settings of some parameters only: a rule names them, and says what is different for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from torch import nn

from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.foundation.checks import number, refused, shown, whole_number


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParameterRule:
    """What is different for some parameters of a model. Where rules disagree, the last one decides.

    Args:
        match: names of the parameters, as `model.named_parameters()` gives them; `*` stands for any
            text, as in `features.*` or `*.bias`.
        dimensions: if given, only parameters of at most this many dimensions, from 0: with 1 these
            are biases and the weights of normalizations.
        learning_rate_factor: times the recipe's learning rate, above 0.
        weight_decay: in place of the recipe's, from 0.
        frozen_epochs: how many epochs, counted from the trainer's first one, the parameters stay as
            they are, from 0. Those that require no gradient when the fit begins never do; when it
            ends, all require what they did.

    Raises:
        ConfigurationError: a setting is impossible, or the rule says nothing.
    """

    match: str = "*"
    dimensions: int | None = None
    learning_rate_factor: float | None = None
    weight_decay: float | None = None
    frozen_epochs: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.match, str) or not self.match:
            raise refused("ParameterRule: match", self.match, 'names such as "features.*"')
        said = (self.learning_rate_factor, self.weight_decay, self.frozen_epochs)
        if said == (None, None, None):
            raise ConfigurationError(
                f"The parameter rule for {shown(self.match)} says nothing; give it "
                "learning_rate_factor, weight_decay or frozen_epochs."
            )
        checks: dict[str, Any] = {
            "dimensions": lambda name, value: whole_number(name, value, least=0),
            "learning_rate_factor": lambda name, value: number(name, value, above=0),
            "weight_decay": lambda name, value: number(name, value, least=0),
            "frozen_epochs": lambda name, value: whole_number(name, value, least=0),
        }
        for name, check in checks.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, check(f"ParameterRule: {name}", value))

    def covers(self, name: str, parameter: nn.Parameter) -> bool:
        """Returns whether the rule is for a parameter.

        Args:
            name: of the parameter in its model.
            parameter: the parameter.
        """
        small = self.dimensions is None or parameter.ndim <= self.dimensions
        return small and fnmatchcase(name, self.match)

    def to_dict(self) -> dict[str, Any]:
        """Returns what the rule says as values of JSON."""
        said = dataclasses.asdict(self)
        return {name: value for name, value in said.items() if value is not None}


class Settings(NamedTuple):
    """What the rules say of one parameter.

    Attributes:
        learning_rate: its own.
        weight_decay: likewise.
        frozen_epochs: first epochs in which it stays as it is; None if no rule speaks of that.
    """

    learning_rate: float
    weight_decay: float
    frozen_epochs: int | None


def checked_rules(value: object) -> tuple[ParameterRule, ...]:
    """Returns rules, or what a file says of them, as rules.

    Raises:
        ConfigurationError: they are none, or one is impossible.
    """
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise refused("parameter_rules", value, "a list of ParameterRule(...)")
    return tuple(map(_rule, value))


def _rule(value: object) -> ParameterRule:
    if isinstance(value, ParameterRule):
        return value
    if not isinstance(value, Mapping):
        raise refused("parameter_rules", value, "a list of ParameterRule(...)")
    known = [field.name for field in dataclasses.fields(ParameterRule)]
    for name in value:
        if name not in known:
            near = suggestion(str(name), known)
            raise ConfigurationError(f"A parameter rule has no setting {shown(name)}.{near}")
    return ParameterRule(**value)


def settings_of(
    model: nn.Module, rules: Sequence[ParameterRule], *, learning_rate: float, weight_decay: float
) -> dict[str, Settings]:
    """Returns the settings of each parameter of a model, by its name.

    Args:
        model: the model.
        rules: the last one decides.
        learning_rate: the recipe's.
        weight_decay: likewise.

    Raises:
        ConfigurationError: a rule is for no parameter of this model.
    """
    named = dict(model.named_parameters())
    for rule in rules:
        if not any(rule.covers(name, parameter) for name, parameter in named.items()):
            small = "" if rule.dimensions is None else f" of at most {rule.dimensions} dimensions"
            raise ConfigurationError(
                f"The parameter rule for {shown(rule.match)} is for no parameter{small} of "
                f"{type(model).__name__}; it has {', '.join(named)}."
            )
    found = {}
    for name, parameter in named.items():
        saying = [rule for rule in rules if rule.covers(name, parameter)]
        factor = _last(rule.learning_rate_factor for rule in saying)
        decay = _last(rule.weight_decay for rule in saying)
        found[name] = Settings(
            learning_rate if factor is None else factor * learning_rate,
            weight_decay if decay is None else decay,
            _last(rule.frozen_epochs for rule in saying),
        )
    return found


def freeze_for_epoch(
    model: nn.Module, rules: Sequence[ParameterRule], epoch: int, frozen_before: Sequence[str]
) -> None:
    """Freezes parameters for the epochs in which they are to stay as they are; thaws them after.

    Parameters of which no rule says how long they are frozen are left alone.

    Args:
        model: the model.
        rules: the last one decides.
        epoch: number of the epoch, from 1.
        frozen_before: names of the parameters that required no gradient when the fit began.

    Raises:
        ConfigurationError: no parameter is left that learns in this epoch.
    """
    ruled = _frozen_epochs(model, rules, frozen_before)
    for parameter, frozen in ruled:
        parameter.requires_grad_(epoch > frozen)
    if ruled and not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigurationError(
            f"Nothing learns in epoch {epoch}: the parameter rules with frozen_epochs freeze all "
            f"that is left to train of {type(model).__name__}."
        )


def thaw(model: nn.Module, rules: Sequence[ParameterRule], frozen_before: Sequence[str]) -> None:
    """Undoes what `freeze_for_epoch` did.

    Args:
        model: the model.
        rules: see there.
        frozen_before: likewise.
    """
    for parameter, _ in _frozen_epochs(model, rules, frozen_before):
        parameter.requires_grad_()


def _frozen_epochs(
    model: nn.Module, rules: Sequence[ParameterRule], frozen_before: Sequence[str]
) -> list[tuple[nn.Parameter, int]]:
    """Returns the parameters that a rule freezes, and for how many epochs."""
    if all(rule.frozen_epochs is None for rule in rules):
        return []
    settings = settings_of(model, rules, learning_rate=1.0, weight_decay=0.0)
    named = {n: p for n, p in model.named_parameters() if n not in frozen_before}
    found = [(parameter, settings[name].frozen_epochs) for name, parameter in named.items()]
    return [(parameter, epochs) for parameter, epochs in found if epochs is not None]


def _last(values: Iterable[Any]) -> Any:
    """Returns the last value that is not None, or None."""
    return next((value for value in reversed([*values]) if value is not None), None)
