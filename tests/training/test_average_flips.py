"""Scores averaged with those of the mirror image: on request, and said wherever they are shown."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.html_page import checked
from tests.tiny import Items, tiny_linear, tiny_noisy, tiny_set
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, TensorDataset

from fmnistlab.errors import ConfigurationError
from fmnistlab.metrics import Metrics
from fmnistlab.training.trainer import Trainer


def mirrored(data: TensorDataset) -> TensorDataset:
    images, labels = data.tensors
    return TensorDataset(images.flip(-1), labels)


def test_the_scores_are_the_mean_before_softmax() -> None:
    model, data = tiny_linear(), tiny_set(30)
    trainer = Trainer(model, metrics=["top_2_accuracy"])
    images, labels = data.tensors[0] / 255, data.tensors[1]
    with torch.no_grad():
        scores: Tensor = (model(images) + model(images.flip(-1))) / 2
    found = trainer.evaluate(data, average_flips=True)
    assert found.loss == pytest.approx(float(cross_entropy(scores, labels)), rel=1e-5)
    assert found.accuracy == float((scores.argmax(dim=1) == labels).double().mean())
    second = scores.topk(2).indices == labels.unsqueeze(1)
    assert found.extra["top_2_accuracy"] == pytest.approx(float(second.any(dim=1).double().mean()))
    predicted = trainer.predict(data, average_flips=True)
    torch.testing.assert_close(predicted.probabilities, scores.softmax(dim=1))


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_an_image_and_its_mirror_image_come_out_the_same(seed: int, count: int) -> None:
    trainer, data = Trainer(tiny_noisy()), tiny_set(count, seed=seed)
    one, other = (trainer.predict(d, average_flips=True) for d in (data, mirrored(data)))
    assert torch.equal(one.probabilities, other.probabilities)
    assert trainer.evaluate(data, average_flips=True) == trainer.evaluate(
        mirrored(data), average_flips=True
    )


def test_it_is_never_done_unasked_and_always_said() -> None:
    trainer, data = Trainer(tiny_linear()), tiny_set(30)
    plain, averaged = trainer.evaluate(data), trainer.evaluate(data, average_flips=True)
    assert plain.loss != averaged.loss
    assert (plain.average_flips, averaged.average_flips) == (False, True)
    assert str(averaged) == (
        str(Metrics(averaged.loss, averaged.accuracy, 30)) + ", averaged with mirror images"
    )
    assert "mirror" not in str(plain)
    assert ["scores", "averaged with mirror images"] in checked(averaged._repr_html_()).rows
    assert "mirror" not in plain._repr_html_()
    assert plain != Metrics(plain.loss, plain.accuracy, 30, average_flips=True)


class Colors(Dataset[tuple[Tensor, Tensor]]):
    """Images that a transform has given three channels and other values."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, label = tiny_set(12)[index]
        return (image / 255 - 0.3).expand(3, 28, 28), label


def test_images_are_mirrored_as_the_data_gives_them() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 2, 5), nn.Flatten(), nn.Linear(2 * 24 * 24, 10))
    for data in (Colors(), DataLoader(Colors(), batch_size=5)):
        found = Trainer(model).predict(data, average_flips=True)
        images = torch.stack([Colors()[index][0] for index in range(12)])
        with torch.no_grad():
            scores = (model(images) + model(images.flip(3))) / 2
        torch.testing.assert_close(found.probabilities, scores.softmax(dim=1))


class Rows(Items):
    """Images as rows of 784 numbers."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, label = super().__getitem__(index)
        return image.flatten(), label


def test_rows_of_numbers_have_no_mirror_image() -> None:
    trainer = Trainer(nn.Linear(784, 10))
    data = Rows(tiny_set())
    assert trainer.evaluate(data).count == 40
    for call in (trainer.evaluate, trainer.predict):
        with pytest.raises(ConfigurationError, match=r"along their last dimension.*\(784,\)"):
            call(data, average_flips=True)
