"""A training step that finds its own batch, so that nothing is left to do outside the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fmnistlab.data.batch import as_floats, as_labels
from fmnistlab.data.batches import ResidentBatches
from fmnistlab.shapes import Float, Shaped
from fmnistlab.training.evaluation import evaluation_mode
from fmnistlab.training.recipes.recipe import LossFunction


class ResidentProgram:
    """Steps over data that lies on the device, with a counter there that tells which batch is next.

    `run` takes no arguments and returns nothing; all it reads and writes are tensors that never
    move. So it can be captured as one CUDA graph and replayed.

    Args:
        model: in training mode, on the device of the data.
        optimizer: made from the model's parameters.
        loss: mean loss of a batch.
        training: the data; not augmented.

    Attributes:
        steps: batches of full size in an epoch; a smaller (or, by one, larger) last one is not the
            program's business.
        losses: mean loss of each step of the epoch so far, float32 (steps,).
        logits: class scores of each step, float32 (steps, batch, classes).
        labels: labels of each step, as `Batch` has them, (steps, batch, ...).
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: LossFunction,
        training: ResidentBatches,
    ) -> None:
        self._model, self._optimizer, self._loss = model, optimizer, loss
        self._training = training
        self._images, self._labels = training.stored
        device = self._images.device
        size = training.batch_sizes[0]
        self.steps: int = training.batch_sizes.count(size)
        self._places = torch.arange(size, device=device)
        self._order = torch.zeros(training.count, dtype=torch.int64, device=device)
        self._next = torch.zeros(1, dtype=torch.int64, device=device)
        with evaluation_mode(model), torch.no_grad():
            scores = model(as_floats(self._images[:size]))
        shape = self.steps, size, scores.shape[1]
        self.losses: Float[Tensor, "steps"] = torch.zeros(self.steps, device=device)
        self.logits: Float[Tensor, "steps batch classes"] = torch.zeros(
            shape, dtype=scores.dtype, device=device
        )
        self.labels: Shaped[Tensor, "steps batch ..."] = as_labels(
            self._labels.new_zeros(self.steps, size, *self._labels.shape[1:])
        )

    def begin(self, epoch: int, start: int = 0) -> None:
        """Puts the counter to a batch of an epoch, the first one or a later one."""
        self._order.copy_(self._training.order(epoch))
        self._next.fill_(start)

    def run(self) -> None:
        """Makes the next step and writes its results into the tables."""
        item = self._order.index_select(0, self._next * len(self._places) + self._places)
        labels = as_labels(self._labels.index_select(0, item))
        self._optimizer.zero_grad(set_to_none=True)
        logits: Tensor = self._model(as_floats(self._images.index_select(0, item)))
        loss = self._loss(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        self._optimizer.step()
        results = (self.losses, loss), (self.logits, logits), (self.labels, labels)
        for table, result in results:
            table.index_copy_(0, self._next, result.detach().unsqueeze(0).to(table.dtype))
        self._next.add_(1)

    def changing(self) -> Sequence[Tensor]:
        """Returns all tensors that a run changes, but for those in the tables."""
        state = self._optimizer.state.values()
        in_state = [v for entries in state for v in entries.values() if isinstance(v, Tensor)]
        return [*self._model.parameters(), *self._model.buffers(), *in_state, self._next]
