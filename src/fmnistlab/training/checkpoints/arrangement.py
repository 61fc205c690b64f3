"""Which parameters are in which group of an optimizer, which are frozen, which modules evaluate."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from fmnistlab.errors import CheckpointError, ConfigurationError
from fmnistlab.foundation.typed_json import read_as


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """What a callback may rearrange while a fit runs, by names.

    Attributes:
        groups: names of the parameters in each group of the optimizer, in their order; None for a
            tensor that is no parameter of the model, perhaps since a callback replaced one.
        frozen: parameters of the model that do not require a gradient.
        evaluating: modules that are in evaluation mode; "" is the model itself.
    """

    groups: list[list[str | None]]
    frozen: list[str]
    evaluating: list[str]

    @classmethod
    def of(cls, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> Arrangement:
        """Returns how everything is arranged now.

        Args:
            model: the model.
            optimizer: of its parameters, or None.
        """
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        groups = [
            [names.get(id(parameter)) for parameter in group["params"]]
            for group in ([] if optimizer is None else optimizer.param_groups)
        ]
        return cls(
            groups,
            [name for name, p in model.named_parameters() if not p.requires_grad],
            [name for name, module in model.named_modules() if not module.training],
        )

    @classmethod
    def from_json(cls, values: object) -> Arrangement:
        """Returns the arrangement whose `dataclasses.asdict` was written.

        Raises:
            ConfigurationError: it is none.
        """
        return read_as(cls, values, "the arrangement of parameters")

    def check_names(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Refuses an optimizer with tensors that no checkpoint could name.

        Raises:
            ConfigurationError: a group holds one.
        """
        for number, names in enumerate(self.groups):
            if None in names:
                odd = optimizer.param_groups[number]["params"][names.index(None)]
                raise ConfigurationError(
                    f"Group {number} of the optimizer ({type(optimizer).__name__}) holds a tensor "
                    f"of shape {tuple(odd.shape)} that is no parameter of {type(model).__name__}, "
                    "so no checkpoint could say which it is. Make it a parameter of the model."
                )

    def freeze(self, model: nn.Module) -> None:
        """Freezes the parameters that were frozen, and only those."""
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name not in self.frozen)

    def set_modes(self, model: nn.Module) -> None:
        """Puts the modules that were evaluating into that mode, and all others in training mode."""
        for name, module in model.named_modules():
            module.training = name not in self.evaluating

    def regroup(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Puts the parameters into the groups they were in, in their order.

        A group that is new gets the settings of the one before it.

        Raises:
            CheckpointError: there is no parameter of some name.
        """
        parameters = dict(model.named_parameters())
        groups = optimizer.param_groups
        for number, names in enumerate(self.groups):
            known = [name for name in names if name is not None]
            missing = [name for name in known if name not in parameters]
            if missing:
                raise CheckpointError(
                    f"Group {number} of the optimizer held {missing[0]!r}, which "
                    f"{type(model).__name__} does not have."
                )
            wanted = [parameters[name] for name in known]
            if number == len(groups):
                groups.append({**groups[-1], "params": []})
            # An optimizer may hold on to the list.
            held = groups[number]["params"]
            if list(map(id, held)) != list(map(id, wanted)):
                held[:] = wanted
        del groups[len(self.groups) :]
