"""Whether augmentations are what they must be: pure functions of images and uniform numbers."""

from __future__ import annotations

import inspect
import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fmnistlab import seeding
from fmnistlab.data.augmentation.protocol import Augmentation, applied, is_across_epochs
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import refused, whole_number
from fmnistlab.foundation.global_random import isolated_randomness, random_states
from fmnistlab.shapes import Float


def check_augmentations(
    augmentations: Sequence[Augmentation], images: Float[Tensor, "batch ..."], seed: int
) -> None:
    """Tries augmentations on a few images, as pure functions of the images and uniform numbers.

    A random state of its own, or a global one, would make of a resumed training another one.

    Args:
        augmentations: applied one after the other.
        images: float32; left as they are, as are all global random states.
        seed: of the uniform numbers they are tried with.

    Raises:
        ConfigurationError: one fails, gives other images the second time, draws from a random
            generator, changes its input in place, gives another shape or type than it got, values
            that are not finite or have a gradient, or says of itself what cannot be.
    """
    with isolated_randomness(seed, images.device):
        for number, change in enumerate(augmentations):
            draws = _checked_draws(change)
            item = torch.arange(len(images), device=images.device)
            uniform = seeding.uniform(draws, item, seed=seed, epoch=number)
            for epoch in (2, 1) if is_across_epochs(change) else (1,):
                found = _tried(change, images, uniform, epoch)
            images = found


def _checked_draws(change: Augmentation) -> int:
    """Returns how many numbers an augmentation needs, after all that it says was looked at."""
    name = f"The augmentation {type(change).__qualname__}"
    across = getattr(change, "across_epochs", False)
    if not isinstance(across, bool):
        raise refused(f"{name}: across_epochs", across, "True or False")
    given = ["images", "numbers", *(["the epoch"] if across else [])]
    try:
        signature = inspect.signature(change)
    except ValueError:  # of code that is not Python's
        signature = inspect.Signature([inspect.Parameter("_", inspect.Parameter.VAR_POSITIONAL)])
    try:
        signature.bind(*given)
    except TypeError as error:
        raise ConfigurationError(
            f"{name} cannot be called with {', '.join(given)}: {error}."
        ) from error
    return whole_number(f"{name}: draws", change.draws, least=0)


_TRIALS = 4


def _tried(change: Augmentation, images: Tensor, uniform: Tensor, epoch: int) -> Tensor:
    """Returns what the augmentation makes of the images, after it was found harmless."""
    name = type(change).__qualname__
    given, draws = images.clone(), uniform.clone()
    before = _generators(change, images.device)
    try:
        changed = [applied(change, given, draws, epoch) for _ in range(_TRIALS)]
    except Exception as error:
        raise ConfigurationError(
            f"The augmentation {name} fails: {type(error).__name__}: {error}"
        ) from error
    found = changed[0]
    if not _same(given, images) or not _same(draws, uniform):
        raise ConfigurationError(
            f"The augmentation {name} changes what it is given; return new images instead."
        )
    if not isinstance(found, Tensor):
        raise ConfigurationError(
            f"The augmentation {name} gives {type(found).__name__}, no tensor."
        )
    made, wanted = (found.dtype, tuple(found.shape)), (images.dtype, tuple(images.shape))
    if made != wanted:
        raise ConfigurationError(
            f"The augmentation {name} makes of {wanted[0]} images of shape {wanted[1]} {made[0]} "
            f"ones of shape {made[1]}; both must stay as they are."
        )
    if found.requires_grad:
        raise ConfigurationError(
            f"What the augmentation {name} gives has a gradient; compute it under torch.no_grad()."
        )
    if not bool(found.isfinite().all()):
        raise ConfigurationError(
            f"The augmentation {name} makes values that are not finite of images that are."
        )
    after = _generators(change, images.device)
    drawn = [where for where in after if after[where] != before.get(where)]
    if drawn or not all(_same(found, again) for again in changed[1:]):
        source = f" from {drawn[0]}" if drawn else ""
        raise ConfigurationError(
            f"The augmentation {name} makes of the same images and numbers other images each "
            f"time: it draws at random{source}, so no training with it could be resumed. Use the "
            "numbers in `uniform`, and set `draws` to how many an image needs."
        )
    return found


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(*(t.contiguous().view(torch.uint8) for t in (one, other)))


def _generators(change: Augmentation, device: torch.device) -> dict[str, str]:
    """Returns where the global random generators stand, and those that the augmentation keeps."""
    torchs, accelerator, others = random_states(device)
    states: dict[str, object] = {
        "torch's global generator": (torchs.tolist(), accelerator),
        "Python's global generator": others["python"],
        "numpy's global generator": others["numpy"],
    }
    for name, value in getattr(change, "__dict__", {}).items():
        if isinstance(value, torch.Generator):
            states[f"its own {name}"] = value.get_state().tolist()
        elif isinstance(value, random.Random):
            states[f"its own {name}"] = value.getstate()
        elif isinstance(value, np.random.Generator):
            states[f"its own {name}"] = value.bit_generator.state
        elif isinstance(value, np.random.RandomState):
            states[f"its own {name}"] = value.get_state(legacy=False)
    return {where: repr(state) for where, state in states.items()}
