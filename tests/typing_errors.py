"""Mistakes that type checkers must notice: such a line says so, for mypy and for pyright.

An error that no longer comes makes the comment that expects it an error.
"""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

import fmnistlab

fmnistlab.Trainr  # type: ignore[attr-defined]  # pyright: ignore # misspelt
fmnistlab.callbacks.EarlyStoping  # type: ignore[attr-defined]  # pyright: ignore # misspelt
fmnistlab.recipes.CLASIC  # type: ignore[attr-defined]  # pyright: ignore # misspelt
fmnistlab.Recipe(optimizer="adan")  # type: ignore[arg-type]  # pyright: ignore # misspelt
fmnistlab.Recipe(schedule="onecycle")  # type: ignore[arg-type]  # pyright: ignore # misspelt
fmnistlab.Recipe(learning_rte=0.1)  # type: ignore[call-arg]  # pyright: ignore # misspelt

trainer = fmnistlab.Trainer(torch.nn.Flatten())
trainer.fit(torch.zeros(3))  # type: ignore[arg-type]  # pyright: ignore # no data set
trainer.fit([1, 2])  # type: ignore[arg-type]  # pyright: ignore # no data set


class Numbers(Dataset[float]):
    """A data set of numbers, not of pairs."""


trainer.fit(Numbers())  # type: ignore[arg-type]  # pyright: ignore # no pairs

# And what must be none.
pairs = TensorDataset(torch.zeros(3, 1, 28, 28), torch.zeros(3))
trainer.fit(pairs, pairs)
trainer.fit(DataLoader(pairs, batch_size=3))
trainer.evaluate(pairs)


class Items(Dataset[tuple[torch.Tensor, int]]):
    """Labels may be whole numbers."""


trainer.fit(Items(), DataLoader(Items()))
optimizer: fmnistlab.recipes.OptimizerName = "adamw"
schedule: fmnistlab.recipes.ScheduleName = "one_cycle"
fmnistlab.Recipe(optimizer=optimizer, schedule=schedule)
fmnistlab.Recipe(optimizer=torch.optim.SGD)
