"""The state of an optimizer: kept whole, whatever it is made of, and put back as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fmnistlab.errors import CheckpointError, ConfigurationError
from fmnistlab.foundation.compiler import compiler_left_out
from fmnistlab.training.checkpoints.arrangement import Arrangement
from fmnistlab.training.checkpoints.state_reading import unpack_tree
from fmnistlab.training.checkpoints.state_tree import PackedTree, UnkeepableError, pack_tree


@dataclasses.dataclass(frozen=True)
class OptimizerState:
    """What an optimizer's `state_dict` returned, taken apart, and whose state it is.

    Attributes:
        packed: the state_dict.
        arrangement: the parameters in its groups.
    """

    packed: PackedTree
    arrangement: Arrangement

    @classmethod
    def of(cls, state: Mapping[str, Any], owner: str, arrangement: Arrangement) -> OptimizerState:
        """Takes a state_dict apart; its tensors are not copied.

        Args:
            state: what `state_dict` returned.
            owner: name of the optimizer's class, for messages.
            arrangement: how parameters are arranged now.

        Raises:
            ConfigurationError: it holds something that no checkpoint could keep.
        """
        try:
            return cls(pack_tree(dict(state), ""), arrangement)
        except UnkeepableError as error:
            raise ConfigurationError(
                f"The optimizer {owner} cannot be kept in a checkpoint: {error.place.lstrip()} of "
                f"its state_dict() is {error.found}. A state may hold tensors, numbers, text and "
                "None, in dictionaries, lists, tuples and sets."
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Returns all but the tensors, as values of JSON."""
        return {
            "arrangement": dataclasses.asdict(self.arrangement),
            "state": self.packed.values,
        }

    @classmethod
    def from_json(cls, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> OptimizerState:
        """Returns the state of which `to_json` returned a part.

        Args:
            tensors: by name, on the CPU.
            values: what `to_json` returned.

        Raises:
            ValueError, KeyError, TypeError, RuntimeError: it is something else.
        """
        unpack_tree(tensors, values["state"])
        arrangement = Arrangement.from_json(values["arrangement"])
        return cls(PackedTree(dict(tensors), values["state"]), arrangement)

    @classmethod
    def of_optimizer(cls, model: nn.Module, optimizer: torch.optim.Optimizer) -> OptimizerState:
        """Takes the state of an optimizer apart; its tensors are not copied.

        Raises:
            ConfigurationError: it holds something that no checkpoint could keep, or a tensor that
                is no parameter of the model.
        """
        arrangement = Arrangement.of(model, optimizer)
        arrangement.check_names(model, optimizer)
        with compiler_left_out(torch.optim.Optimizer.state_dict):
            state = optimizer.state_dict()
        return cls.of(state, type(optimizer).__name__, arrangement)

    @classmethod
    def of_separate(cls, model: nn.Module, state: Mapping[str, Any], owner: str) -> OptimizerState:
        """Takes a state_dict apart whose one group holds all parameters of a model that learn.

        Args:
            model: the model.
            state: the state_dict.
            owner: name of the optimizer's class, for messages.

        Raises:
            ConfigurationError: it holds something that no checkpoint could keep.
        """
        plain = Arrangement.of(model, None)
        learning: list[str | None] = [
            name for name, _ in model.named_parameters() if name not in plain.frozen
        ]
        return cls.of(state, owner, dataclasses.replace(plain, groups=[learning]))

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Puts groups, settings and state of an optimizer back, with memory of their own.

        Each tensor of the shape of its parameter comes to lie in memory as that does: torch's fused
        kernels walk through both in memory order, so a channels-last weight with a contiguous
        average would be updated wrongly, without an error.

        Raises:
            CheckpointError: it is the state of another optimizer.
        """
        self.arrangement.regroup(model, optimizer)
        state = unpack_tree(*self.packed)
        before = list(optimizer.param_groups)
        try:
            with compiler_left_out(torch.optim.Optimizer.load_state_dict):
                optimizer.load_state_dict(_shielded(state) if _is_torchs(optimizer) else state)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise CheckpointError(
                f"The checkpoint holds the state of another optimizer: {error}"
            ) from error
        if _is_torchs(optimizer):
            _place_exactly(optimizer, state["state"])
        for each in _with_inner(optimizer):
            for parameter, entries in each.state.items():
                if isinstance(parameter, Tensor):
                    each.state[parameter] = _laid_out(entries, parameter)
        for old, group in zip(before, optimizer.param_groups, strict=False):
            for name, value in group.items():
                if isinstance(value, Tensor) and isinstance(old.get(name), Tensor):
                    group[name] = value.to(old[name].device)


def _is_torchs(optimizer: torch.optim.Optimizer) -> bool:
    """Returns whether it is torch itself that loads the state of an optimizer."""
    plain = torch.optim.Optimizer
    own = type(optimizer)
    return own.load_state_dict is plain.load_state_dict and own.state_dict is plain.state_dict


def _place_exactly(optimizer: torch.optim.Optimizer, saved: dict[int, Any]) -> None:
    """Puts the values that were saved in the place of what torch made of them.

    Torch casts all numbers to the type of their parameter and takes text apart. What it decides
    about devices holds.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, entries in saved.items():
        if number in range(len(parameters)):
            parameter = parameters[number]
            loaded = optimizer.state.get(parameter)
            optimizer.state[parameter] = _exact(loaded, entries, parameter.device)


def _exact(loaded: Any, saved: Any, device: torch.device) -> Any:
    """Returns what was saved, each tensor where torch has put it."""
    if isinstance(saved, Tensor):
        return saved.to(loaded.device if isinstance(loaded, Tensor) else device)
    if isinstance(loaded, Tensor):  # a number in older versions of an optimizer
        return loaded
    if isinstance(saved, dict):
        mine = loaded if isinstance(loaded, dict) else {}
        for name, value in saved.items():
            saved[name] = _exact(mine.get(name), value, device)
        for name, value in mine.items():  # what an optimizer of a later version adds
            saved.setdefault(name, value)
        return saved
    if isinstance(saved, list | tuple) and type(saved) in (list, tuple):
        same = isinstance(loaded, list | tuple) and len(loaded) == len(saved)
        pairs = zip(loaded if same else [None] * len(saved), saved, strict=True)
        return type(saved)(_exact(one, other, device) for one, other in pairs)
    return saved


def _laid_out(entries: Any, parameter: Tensor) -> Any:
    """Returns entries of the state, each tensor of the parameter's shape laid out as that is."""
    if isinstance(entries, dict):
        for name, entry in entries.items():
            entries[name] = _laid_out(entry, parameter)
        return entries
    if type(entries) in (list, tuple):
        return type(entries)(_laid_out(entry, parameter) for entry in entries)
    if not isinstance(entries, Tensor) or entries.shape != parameter.shape:
        return entries
    if entries.stride() == parameter.stride():
        return entries
    like = torch.empty_like(parameter, dtype=entries.dtype, device=entries.device)
    return like.copy_(entries)


def _with_inner(optimizer: torch.optim.Optimizer) -> Iterator[torch.optim.Optimizer]:
    """Yields an optimizer and those that it wraps."""
    found = [optimizer]
    for each in found:
        yield each
        inner = [v for v in vars(each).values() if isinstance(v, torch.optim.Optimizer)]
        found += [one for one in inner if not any(one is known for known in found)]


class _Shield:
    """Stands for an array while torch loads a state: it would try to take one apart."""


def _shielded(tree: Any) -> Any:
    if isinstance(tree, np.ndarray):
        return _Shield()
    if isinstance(tree, dict):
        return {key: _shielded(item) for key, item in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(map(_shielded, tree))
    return tree
