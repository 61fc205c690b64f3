"""Whether a model keeps the contract that every part of fmnistlab relies on."""

from __future__ import annotations

import copy
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from fmnistlab.data.schema import CLASS_NAMES
from fmnistlab.errors import ConfigurationError
from fmnistlab.models.seeded import make_model, seeded_model
from fmnistlab.testing.small_data import tiny_dataset
from fmnistlab.training.evaluation import check_output
from fmnistlab.training.execution import checked_execution
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

_SHORT = Recipe(epochs=2, batch_size=8)


def check_model(model: str | Callable[[], nn.Module]) -> None:
    """Checks that a model keeps the contract that every part of fmnistlab relies on.

    It maps (n, 1, 28, 28) to (n, 10) for any n; in evaluation mode each image is judged by itself
    and twice the same; gradients are finite; two models have no weights in common; it can be
    copied, trained, saved and loaded. If it says that it is `recordable`, recorded steps train it
    as others do.

    Args:
        model: a registered name, or anything that makes a model when called.

    Raises:
        AssertionError: it does not; the message says what and where.
        FmnistlabError: it cannot be made at all.
    """
    make = functools.partial(make_model, model)
    made = make()
    name = type(made).__name__
    images = tiny_dataset(20).data.unsqueeze(1).to(torch.float32) / 255
    made.eval()
    with torch.no_grad():
        together = made(images)
        check_output(together, len(images), len(CLASS_NAMES), name)
        _claim(together.isfinite().all(), f"{name} gives scores that are not finite")
        _claim(torch.equal(made(images), together), f"{name} judges differently the second time")
        each = [made(image.unsqueeze(0)) for image in images]
        check_output(each[0], 1, len(CLASS_NAMES), name)
        alone = torch.cat(each)
        _claim(
            torch.allclose(alone, together, rtol=1e-3, atol=1e-4),
            f"{name} in evaluation mode judges an image differently when others are in the batch",
        )
        copied = copy.deepcopy(made)
        _claim(torch.equal(copied(images), together), f"a copy of {name} judges differently")
    other = make()
    both = ([*model.parameters(), *model.buffers()] for model in (made, other))
    places = [{part.data_ptr() for part in parts if part.numel()} for parts in both]
    _claim(
        other is not made and not places[0] & places[1],
        f"two models that are made have {name}'s weights in common: make all of them anew each "
        "time, or one training changes another",
    )
    trainer = Trainer(make(), _SHORT, device="cpu")
    trainer.fit(tiny_dataset(), tiny_dataset(rows=10))
    gradients = [p.grad for p in trainer.model.parameters() if p.grad is not None]
    _claim(bool(gradients), f"no parameter of {name} gets a gradient")
    _claim(
        all(gradient.isfinite().all() for gradient in gradients),
        f"{name} has gradients that are not finite",
    )
    _check_recordable(make, name)
    with tempfile.TemporaryDirectory() as folder:
        trainer.save(Path(folder, "checkpoint.safetensors"))
        loaded = Trainer.load(Path(folder, "checkpoint.safetensors"), model=make(), device="cpu")
    before, after = (t.predict(tiny_dataset()).probabilities for t in (trainer, loaded))
    _claim(
        torch.allclose(before, after, rtol=1e-4, atol=1e-5),
        f"{name} judges differently after it was saved and loaded: is everything that it learns a "
        "parameter or a buffer?",
    )


def _check_recordable(make: Callable[[], nn.Module], name: str) -> None:
    """Compares recorded training with training as the model is written, if it may be recorded."""
    seeded = functools.partial(seeded_model, make, 0)
    if getattr(type(seeded()), "recordable", False) is not True:
        return
    losses = []
    for execution in checked_execution("eager"), checked_execution("recorded"):
        trainer = Trainer(seeded(), _SHORT, device="cpu", execution=execution)
        try:
            trainer.fit(tiny_dataset())
        except ConfigurationError as error:
            raise AssertionError(f"{name} says recordable = True: {error}") from error
        losses.append(torch.tensor([record.loss for record in trainer.history]))
    _claim(
        torch.allclose(losses[0], losses[1], rtol=1e-3, atol=1e-4),
        f"{name} says recordable = True, but recorded steps train it otherwise: the mean losses "
        f"are {losses[1].tolist()} instead of {losses[0].tolist()}",
    )


def _claim(truth: object, otherwise: str) -> None:
    if not truth:
        raise AssertionError(otherwise + ".")
