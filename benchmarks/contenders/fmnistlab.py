"""fmnistlab itself, as its users call it."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.contenders.contender import LEARNING_RATE, Evaluator, Fitter
from benchmarks.contenders.torch_model import TorchContender
from benchmarks.images import Images
from fmnistlab import FashionMNISTCSV, Recipe, Trainer
from fmnistlab.recipes import Execution


class Recorded(TorchContender, Evaluator, Fitter):
    """A new Trainer and its whole `fit`: all preparations for the first step are timed too."""

    execution: Execution = "recorded"

    def epoch(self, images: Images) -> Callable[[], object]:
        """Returns what makes a trainer and fits it for one epoch."""
        size = self.task.batch_size
        return self.fit(images, Recipe(epochs=1, batch_size=size, learning_rate=LEARNING_RATE))

    def fit(self, images: Images, recipe: Recipe) -> Callable[[], object]:
        """Returns what makes a trainer and fits it."""
        data = FashionMNISTCSV.from_arrays(*images)

        def train() -> object:
            trainer = Trainer(
                self.module, recipe, device="cpu", seed=self.task.seed, execution=self.execution
            )
            return trainer.fit(data)

        return train

    def evaluation(self, images: Images) -> Callable[[], float]:
        """Returns `Trainer.evaluate`, which chooses its own batches."""
        data = FashionMNISTCSV.from_arrays(*images)
        trainer = Trainer(self.module, device="cpu", execution=self.execution)
        return lambda: trainer.evaluate(data).loss


class Eager(Recorded):
    """The same, operation by operation."""

    execution: Execution = "eager"
