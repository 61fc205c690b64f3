from __future__ import annotations

import functools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.tiny import tiny_linear, tiny_set
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, multi_margin_loss, nll_loss
from torch.utils.data import TensorDataset

from fmnistlab.callbacks import Callback
from fmnistlab.training.callbacks.run import BatchResult, Run
from fmnistlab.training.recipes.loss_weights import label_weights
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.meter import Meter
from fmnistlab.training.trainer import Trainer

WEIGHTS = torch.tensor([0.1, 4, 0, 1, 2, 0.5, 9, 1, 3, 0.01])


def own(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores.logsumexp(1) - scores[:, 3]).mean() + labels.float().mean()


class Doubled(nn.CrossEntropyLoss):
    """A plain mean, although its class could have weights."""

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(scores, labels, reduction="none").mul(WEIGHTS[labels]).mean()


INDEXED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "torch's default": Recipe().training_loss,
    "weighted": nn.CrossEntropyLoss(weight=WEIGHTS),
    "a recipe's own, weighted": Recipe(loss=nn.CrossEntropyLoss(WEIGHTS)).evaluation_loss,
    "weighted and smoothed": nn.CrossEntropyLoss(weight=WEIGHTS + 0.1, label_smoothing=0.3),
    "one class ignored": nn.CrossEntropyLoss(weight=WEIGHTS, ignore_index=4),
    "partial": functools.partial(cross_entropy, weight=WEIGHTS),
    "partial of partial": functools.partial(
        functools.partial(cross_entropy, weight=-WEIGHTS, ignore_index=2), weight=WEIGHTS
    ),
    "margins": nn.MultiMarginLoss(weight=WEIGHTS),
    "margins' function": multi_margin_loss,
    "of one's own": own,
    "a subclass that means otherwise": Doubled(weight=WEIGHTS),
}
SOFT: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "torch's default": Recipe(label_smoothing=0.1).training_loss,
    "weighted": nn.CrossEntropyLoss(weight=WEIGHTS),
    "binary": nn.BCEWithLogitsLoss(pos_weight=WEIGHTS),
    "squares": mse_loss,
}


def measured_in_parts(
    loss: Callable[[Tensor, Tensor], Tensor], scores: Tensor, labels: Tensor, sizes: list[int]
) -> Meter:
    meter = Meter(label_weights(loss))
    for number, (part, of_part) in enumerate(
        zip(scores.split(sizes), labels.split(sizes), strict=True)
    ):
        meter.add(loss(part, of_part), part, of_part)
        if number == len(sizes) // 2:  # as a checkpoint in the middle does
            meter = Meter.from_state(meter.state(), label_weights(loss))
    return meter


cuts = st.lists(st.integers(1, 30), min_size=1, max_size=9)


@pytest.mark.parametrize("name", INDEXED)
@given(cuts, st.integers(0, 99))
def test_the_mean_loss_is_that_of_all_images_at_once(
    name: str, sizes: list[int], seed: int
) -> None:
    loss = INDEXED[name]
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(sum(sizes), 10, generator=generator)
    labels = torch.randint(0, 10, (sum(sizes),), generator=generator)
    found = measured_in_parts(loss, scores, labels, sizes).metrics().loss
    assert found == pytest.approx(loss(scores, labels).item(), rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("name", SOFT)
@given(cuts, st.integers(0, 99))
def test_so_it_is_with_soft_labels(name: str, sizes: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores, raw = torch.randn(2, sum(sizes), 10, generator=generator)
    labels = raw.softmax(1)
    meter = measured_in_parts(SOFT[name], scores, labels, sizes)
    assert meter.metrics().loss == pytest.approx(SOFT[name](scores, labels).item(), rel=1e-5)
    assert meter.metrics().count == meter.seen == len(scores)


@pytest.mark.parametrize(
    ("loss", "ignored"),
    [
        (Recipe().training_loss, -100),
        (nn.CrossEntropyLoss(weight=WEIGHTS), -100),
        (nn.CrossEntropyLoss(ignore_index=-1, label_smoothing=0.2), -1),
        (nn.CrossEntropyLoss(weight=WEIGHTS, ignore_index=7), 7),
        (functools.partial(cross_entropy, ignore_index=255), 255),
    ],
    ids=range(5),
)
@given(cuts, st.integers(0, 99), st.floats(0, 1))
def test_ignored_labels_count_nowhere(
    loss: Callable[[Tensor, Tensor], Tensor],
    ignored: int,
    sizes: list[int],
    seed: int,
    share: float,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(sum(sizes), 10, generator=generator)
    labels = torch.randint(0, 10, (sum(sizes),), generator=generator)
    labels[torch.rand(sum(sizes), generator=generator) < share] = ignored
    known = labels != ignored
    meter = measured_in_parts(loss, scores, labels, sizes)
    metrics = meter.metrics()
    assert (metrics.count, meter.seen) == (int(known.sum()), len(labels))
    assert metrics.loss == pytest.approx(loss(scores, labels).item(), rel=1e-5, nan_ok=True)
    right = int((scores.argmax(1) == labels)[known].sum())
    expected = right / metrics.count if metrics.count else math.nan
    assert metrics.accuracy == pytest.approx(expected, abs=0, nan_ok=True)


def test_negative_log_likelihood_has_its_weights() -> None:
    scores = torch.randn(40, 10).log_softmax(1)
    labels = torch.arange(40) % 10
    for loss in (nn.NLLLoss(weight=WEIGHTS), functools.partial(nll_loss, weight=WEIGHTS)):
        found = measured_in_parts(loss, scores, labels, [13, 1, 26]).metrics().loss
        assert found == pytest.approx(loss(scores, labels).item(), rel=1e-5)


@pytest.mark.parametrize("batch_size", [3, 7, 40])
def test_a_weighted_loss_is_reported_right_whatever_the_batch(batch_size: int) -> None:
    """Training loss too: at rate 1e-30 no weight moves, so all batches see the same model."""
    loss = nn.CrossEntropyLoss(weight=WEIGHTS)
    recipe = Recipe(loss=loss, batch_size=batch_size, optimizer="sgd", learning_rate=1e-30)
    trainer = Trainer(tiny_linear(), recipe, device="cpu")
    data = tiny_set()
    images, labels = data.tensors
    record = trainer.fit(data, data, epochs=1)[0]
    expected = loss(trainer.model(images.float() / 255), labels).item()
    assert record.loss == pytest.approx(expected, rel=1e-5)
    assert record.val_loss == pytest.approx(expected, rel=1e-5)


def test_a_fit_counts_only_labels_that_are_not_ignored() -> None:
    images, labels = tiny_set(40).tensors
    data = TensorDataset(images, torch.where(labels == 3, -100, labels))
    seen = []

    class Watcher(Callback):
        def on_batch_end(self, run: Run, result: BatchResult) -> None:
            seen.append(run.running_metrics().count)

    recipe = Recipe(batch_size=10, epochs=25)
    trainer = Trainer(tiny_linear(), recipe, device="cpu", callbacks=[Watcher()])
    record = trainer.fit(data, data)[-1]
    assert seen[0] in range(8, 11)
    assert seen[3::4] == [36] * 25
    assert (record.count, record.val_count) == (36, 36)
    assert record.val_accuracy == 1.0
