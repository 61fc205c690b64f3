"""Checks for people who write models or callbacks; our own tests use them on our own.

In a test of yours::

    from fmnistlab import testing

    def test_my_model_keeps_the_contract():
        testing.check_model("mine")
"""

from __future__ import annotations

import copy
import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from fmnistlab.checks import whole_number
from fmnistlab.data.csv_file import write_csv
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.schema import CLASS_NAMES, IMAGE_SIZE, NUM_CLASSES
from fmnistlab.errors import ConfigurationError
from fmnistlab.models.registry import create_model
from fmnistlab.seeding import checked_seed
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.epoch_record import EpochRecord
from fmnistlab.training.execution import checked_execution
from fmnistlab.training.memory_layout import check_output
from fmnistlab.training.recipe import Recipe
from fmnistlab.training.run import BatchResult, Run, Setup
from fmnistlab.training.seeds import seeded_model
from fmnistlab.training.trainer import Trainer

_SHORT = Recipe(epochs=2, batch_size=8)


def tiny_dataset(rows: int = 40, seed: int = 0) -> FashionMNISTCSV:
    """Returns made-up images that are easy to learn: the class is told by a bright line.

    Args:
        rows: number of images, 1 to 1,000,000; labels go round 0 to 9.
        seed: of the dark noise around the line, 0 to 2**63 - 1.

    Raises:
        ConfigurationError: a number is out of range.
    """
    rows, seed = whole_number("rows", rows, most=1_000_000), checked_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % NUM_CLASSES
    shape = (rows, IMAGE_SIZE, IMAGE_SIZE)
    images = torch.randint(0, 100, shape, generator=generator, dtype=torch.uint8)
    images[torch.arange(rows), 2 * labels] = 255
    return FashionMNISTCSV.from_arrays(images.numpy(), labels.to(torch.uint8).numpy(), name="tiny")


def write_tiny_csv(path: str | os.PathLike[str], rows: int = 40, seed: int = 0) -> Path:
    """Writes `tiny_dataset` as a CSV file and returns its path.

    Args:
        path: the file; its ending chooses the container, as for `FashionMNISTCSV.to_csv`.
        rows: number of images.
        seed: of the noise.
    """
    data = tiny_dataset(rows, seed)
    write_csv(path, data.data.numpy(), data.targets.to(torch.uint8).numpy())
    return Path(path)


def check_model(model: str | Callable[[], nn.Module]) -> None:
    """Checks that a model keeps the contract that every part of fmnistlab relies on.

    It maps (n, 1, 28, 28) to (n, 10) for any n; in evaluation mode each image is judged by itself
    and twice the same; gradients are finite; it can be copied, trained, saved and loaded. If it
    says that it is `recordable`, recorded steps train it as others do.

    Args:
        model: a registered name, or anything that makes a model when called.

    Raises:
        AssertionError: it does not; the message says what and where.
        FmnistlabError: it cannot be made at all.
    """

    def make() -> nn.Module:
        return create_model(model) if isinstance(model, str) else model()

    made = make()
    name = type(made).__name__
    images = tiny_dataset(20).data.unsqueeze(1).to(torch.float32) / 255
    made.eval()
    with torch.no_grad():
        together = made(images)
        check_output(together, len(images), len(CLASS_NAMES), name)
        _claim(together.isfinite().all(), f"{name} gives scores that are not finite")
        _claim(torch.equal(made(images), together), f"{name} judges differently the second time")
        alone = torch.cat([made(image.unsqueeze(0)) for image in images])
        _claim(
            torch.allclose(alone, together, rtol=1e-3, atol=1e-4),
            f"{name} in evaluation mode judges an image differently when others are in the batch",
        )
        copied = copy.deepcopy(made)
        _claim(torch.equal(copied(images), together), f"a copy of {name} judges differently")
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


def check_callback(make: Callable[[], Callback]) -> None:
    """Checks that a callback works through two fits and hides no error of somebody else.

    Args:
        make: makes a fresh callback.

    Raises:
        AssertionError: the callback hides an error of somebody else.
        FmnistlabError: it is no callback, or has a hook that nobody would call.
    """
    callback = make()
    for _ in range(2):
        trainer = Trainer(_linear(), _SHORT, device="cpu", callbacks=[callback])
        trainer.fit(tiny_dataset(), tiny_dataset(rows=10))
        _claim(1 <= len(trainer.history) <= 2, "the history does not hold the epochs")
    for hook in ("on_fit_start", "on_epoch_end"):
        planted = RuntimeError("planted by check_callback")
        callbacks = [make(), _Failing(hook, planted)]
        trainer = Trainer(_linear(), _SHORT, device="cpu", callbacks=callbacks)
        try:
            trainer.fit(tiny_dataset(), tiny_dataset(rows=10))
        except RuntimeError as error:
            _claim(error is planted, f"another error took the place of one in {hook}")
        else:
            raise AssertionError(f"an error in {hook} was swallowed")


class RecordingCallback(Callback):
    """Writes down the name of every hook that is called, and "close".

    Attributes:
        calls: the names, in order.
    """

    uses_model = False

    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_setup(self, setup: Setup) -> None:
        """Writes it down."""
        self.note("on_setup")

    def on_fit_start(self, run: Run) -> None:
        """Writes it down."""
        self.note("on_fit_start")

    def on_epoch_start(self, run: Run) -> None:
        """Writes it down."""
        self.note("on_epoch_start")

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        """Writes it down."""
        self.note("on_batch_end")

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Writes it down."""
        self.note("on_epoch_end")

    def on_fit_end(self, run: Run) -> None:
        """Writes it down."""
        self.note("on_fit_end")

    def on_error(self, run: Run, error: BaseException) -> None:
        """Writes it down."""
        self.note("on_error")

    def close(self) -> None:
        """Writes it down."""
        self.note("close")

    def note(self, hook: str) -> None:
        """Writes a name down; override it to act on every hook."""
        self.calls.append(hook)


class _Failing(RecordingCallback):
    def __init__(self, hook: str, error: Exception) -> None:
        super().__init__()
        self._hook, self._error = hook, error

    def note(self, hook: str) -> None:
        if hook == self._hook:
            raise self._error


def _linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(IMAGE_SIZE * IMAGE_SIZE, NUM_CLASSES))


def _claim(truth: object, otherwise: str) -> None:
    if not truth:
        raise AssertionError(otherwise + ".")
