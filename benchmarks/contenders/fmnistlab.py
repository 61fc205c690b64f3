"""fmnistlab itself, as its users call it."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.contenders.contender import LEARNING_RATE, Evaluator
from benchmarks.contenders.torch_model import TorchContender
from benchmarks.images import Images
from fmnistlab import FashionMNISTCSV, Recipe, Trainer
from fmnistlab.recipes import Execution


class Recorded(TorchContender, Evaluator):
    """A new Trainer and its whole `fit`: all preparations for the first step are timed too."""

    execution: Execution = "recorded"

    def epoch(self, images: Images) -> Callable[[], object]:
        """Returns what makes a trainer and fits it for one epoch."""
        data = FashionMNISTCSV.from_arrays(*images)
        recipe = Recipe(batch_size=self.task.batch_size, learning_rate=LEARNING_RATE)

        def train() -> object:
            trainer = Trainer(
                self.module, recipe, device="cpu", seed=self.task.seed, execution=self.execution
            )
            return trainer.fit(data, epochs=1)

        return train

    def evaluation(self, images: Images) -> Callable[[], float]:
        """Returns `Trainer.evaluate`, which chooses its own batches."""
        data = FashionMNISTCSV.from_arrays(*images)
        trainer = Trainer(self.module, device="cpu", execution=self.execution)
        return lambda: trainer.evaluate(data).loss


class Eager(Recorded):
    """The same, operation by operation."""

    execution: Execution = "eager"
