"""Clipping, parts of a batch, bfloat16 and averaged weights do what a loop by hand does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import same_weights, tiny_linear, tiny_set
from torch import nn
from torch.nn.functional import cross_entropy

from fmnistlab import fit_seeds
from fmnistlab.callbacks import Callback, Run
from fmnistlab.data.batches import batch_source
from fmnistlab.errors import ConfigurationError
from fmnistlab.recipes import Recipe
from fmnistlab.training.recipes.class_weights import balanced_weights
from fmnistlab.training.trainer import Trainer

BASE = Recipe(epochs=2, batch_size=8, learning_rate=0.01)


def by_hand(
    model: nn.Module,
    recipe: Recipe,
    *,
    clip: Callable[[nn.Module], object] = lambda model: None,
    forward: Callable[[nn.Module, torch.Tensor], torch.Tensor] = lambda model, x: model(x),
    loss: Callable[..., torch.Tensor] = cross_entropy,
    after: Callable[[nn.Module], object] = lambda model: None,
) -> nn.Module:
    """Trains with torch alone, on the batches that a trainer would see."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), recipe.learning_rate, fused=True)
    source = batch_source(tiny_set(), device=torch.device("cpu"), batch_size=recipe.batch_size)
    for epoch in range(1, recipe.epochs + 1):
        for images, labels in source.training_batches(epoch):
            optimizer.zero_grad()
            loss(forward(model, images), labels).backward()
            clip(model)
            optimizer.step()
            after(model)
    return model


def tied() -> nn.Sequential:
    first, second = nn.Linear(784, 784), nn.Linear(784, 784)
    second.weight = first.weight
    return nn.Sequential(nn.Flatten(), first, second, nn.Linear(784, 10))


def trained(recipe: Recipe, execution: Any = "eager", *callbacks: Callback) -> Trainer:
    trainer = Trainer(tiny_linear(), recipe, device="cpu", execution=execution, callbacks=callbacks)
    trainer.fit(tiny_set(), tiny_set(20, seed=3))
    return trainer


def test_gradients_are_clipped_as_by_torch() -> None:
    def clip(model: nn.Module) -> None:
        nn.utils.clip_grad_value_(model.parameters(), 0.02)
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)

    recipe = BASE.replace(clip_value=0.02, clip_norm=0.1)
    expected = by_hand(tiny_linear(), recipe, clip=clip)
    assert same_weights(trained(recipe).model, expected)
    assert not same_weights(trained(BASE).model, expected)


@pytest.mark.parametrize("name", ["clip_value", "clip_norm"])
def test_each_way_to_clip_works_alone_and_recorded(name: str) -> None:
    recipe = BASE.replace(**{name: 0.02})
    eager, recorded = trained(recipe, "eager"), trained(recipe, "recorded")
    assert recorded.executed == "recorded"
    for one, other in zip(eager.model.parameters(), recorded.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert not same_weights(eager.model, trained(BASE).model)
    for parameter in recorded.model.parameters():
        assert parameter.grad is not None
        assert float(parameter.grad.abs().max()) <= 0.02 * 1.0001


@settings(max_examples=20)
@given(parts=st.integers(1, 11), batch_size=st.integers(1, 17))
def test_parts_of_a_batch_add_up_to_it(parts: int, batch_size: int) -> None:
    recipe = BASE.replace(batch_size=batch_size, epochs=1)
    whole = trained(recipe)
    cut = trained(recipe.replace(accumulation_steps=parts))
    for one, other in zip(whole.model.parameters(), cut.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    assert cut.history[0].loss == pytest.approx(whole.history[0].loss, rel=1e-4)
    assert cut.history[0].count == 40


def test_parts_count_as_much_as_their_labels_weigh() -> None:
    """A mean of means would be another one, with weights for classes or with ignored labels."""
    weights = tuple(float(number + 1) for number in range(10))
    images, labels = tiny_set().tensors
    labels = labels.clone()
    labels[::3] = -100
    data = torch.utils.data.TensorDataset(images, labels)
    recipe = BASE.replace(class_weights=weights, epochs=1, batch_size=10)
    models = []
    for parts in (1, 4):
        trainer = Trainer(
            tiny_linear(), recipe.replace(accumulation_steps=parts), execution="eager"
        )
        trainer.fit(data)
        models.append(trainer.model)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_batch_norm_cannot_learn_from_parts_of_one_image() -> None:
    recipe = BASE.replace(accumulation_steps=8)
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10))
    with pytest.raises(ConfigurationError, match=r"single image.*BatchNorm1d"):
        Trainer(model, recipe).fit(tiny_set())


def test_bfloat16_is_torchs_autocast_in_training_alone() -> None:
    def forward(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            scores: torch.Tensor = model(images)
        return scores

    def loss(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return cross_entropy(scores, labels)

    recipe = BASE.replace(precision="bfloat16")
    trainer = trained(recipe)
    assert same_weights(trainer.model, by_hand(tiny_linear(), recipe, forward=forward, loss=loss))
    assert not same_weights(trainer.model, trained(BASE).model)
    probabilities = trainer.predict(tiny_set()).probabilities
    with torch.inference_mode():
        plain = torch.softmax(trainer.model.eval()(tiny_set().tensors[0].div(255)), 1)
    assert torch.equal(probabilities, plain)


@pytest.mark.parametrize(
    ("known", "slow"),
    [
        ({"avx2": True, "amx_bf16": False, "avx512_bf16": False}, True),
        ({"avx512_bf16": True}, False),
        ({"neon": True, "bf16": False}, True),
        ({"neon": True, "bf16": True}, False),
    ],
    ids=["x86", "x86 with bfloat16", "Arm", "Arm with bfloat16"],
)
def test_a_processor_that_imitates_bfloat16_is_named_before_the_first_step(
    known: dict[str, bool],
    slow: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The processors are not at hand; that torch's own names are these is what the next test asks.
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    told: list[str] = []

    class Watching(Callback):
        def on_epoch_start(self, run: Run) -> None:
            told.extend(caplog.messages)

    trained(BASE.replace(precision="bfloat16"), "eager", Watching())
    assert any("no instructions for bfloat16" in message for message in told) == slow
    caplog.clear()
    trained(BASE)
    assert "bfloat16" not in caplog.text


def test_torch_knows_the_instructions_for_bfloat16_by_these_names() -> None:
    known = torch.cpu.get_capabilities()
    on_x86 = known["architecture"] == "x86_64"
    assert ({"amx_bf16", "avx512_bf16"} if on_x86 else {"bf16"}) <= known.keys()


@pytest.mark.parametrize("changes", [{"accumulation_steps": 2}, {"precision": "bfloat16"}], ids=str)
def test_what_cannot_be_recorded_is_made_as_written_or_refused(changes: dict[str, Any]) -> None:
    trainer = trained(BASE.replace(**changes), "auto")
    assert trainer.executed == "eager"
    with pytest.raises(ConfigurationError, match="not possible: the recipe computes"):
        trained(BASE.replace(**changes), "recorded")


@pytest.mark.parametrize("name", ["clip_norm", "ema_decay"])
def test_what_a_stack_of_models_cannot_have_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"Stacked trainings cannot have {name}"):
        fit_seeds(
            tiny_linear, tiny_set(), seeds=[0, 1], recipe=BASE.replace(**{name: 0.5}), stacked=True
        )


@pytest.mark.parametrize(
    ("recipe", "make", "reason"),
    [
        (BASE.replace(optimizer=torch.optim.SGD), tiny_linear, "an optimizer of your own"),
        (BASE, tied, "the weights that Sequential has under several names"),
    ],
)
def test_a_stack_takes_no_optimizer_that_sees_dimensions_and_no_tied_weights(
    recipe: Recipe, make: Callable[[], nn.Module], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"Stacked trainings cannot have {reason}"):
        fit_seeds(make, tiny_set(), seeds=[0, 1], recipe=recipe, stacked=True, device="cpu")


# --- classes --------------------------------------------------------------------------------------


def uneven_set() -> torch.utils.data.TensorDataset:
    images, labels = tiny_set(60, classes=3).tensors
    kept = (labels != 2) | (torch.arange(60) < 12)
    return torch.utils.data.TensorDataset(images[kept], labels[kept])


def test_balanced_weights_are_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = uneven_set().tensors[1]
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy())
    assert balanced_weights(labels, 3) == pytest.approx([*expected])
    assert balanced_weights(labels, 5)[3:] == (1.0, 1.0)
    assert balanced_weights(nn.functional.one_hot(labels, 3).float(), 3) == pytest.approx(
        [*expected]
    )
    with pytest.raises(ConfigurationError, match="no label is a class"):
        balanced_weights(torch.tensor([-100]), 3)


def test_class_weights_count_in_training_and_not_in_evaluation() -> None:
    weights = (*[3.0] * 5, *[1.0] * 5)
    recipe = BASE.replace(class_weights=weights)
    loss = nn.CrossEntropyLoss(torch.tensor(weights))
    trainer = trained(recipe)
    assert same_weights(trainer.model, by_hand(tiny_linear(), recipe, loss=loss))
    with torch.no_grad():
        scores = trainer.model.eval()(tiny_set().tensors[0].div(255))
    plain = float(cross_entropy(scores, tiny_set().tensors[1]))
    assert trainer.evaluate(tiny_set()).loss == pytest.approx(plain, rel=1e-6)
    assert trained(recipe, "recorded").executed == "recorded"


def test_balanced_weights_are_those_of_the_images_that_are_trained() -> None:
    data = uneven_set()
    weights = balanced_weights(data.tensors[1], 10)
    models = []
    for each in (weights, "balanced"):
        trainer = Trainer(tiny_linear(), BASE.replace(class_weights=each))
        trainer.fit(data)
        models.append(trainer.model)
    assert same_weights(*models)
    with pytest.raises(ConfigurationError, match="lies in memory"):
        Trainer(tiny_linear(), BASE.replace(class_weights="balanced")).fit(
            torch.utils.data.DataLoader(data)
        )
    with pytest.raises(ConfigurationError, match="gives 10 scores for an image; give one weight"):
        Trainer(tiny_linear(), BASE.replace(class_weights=(1.0, 2.0))).fit(data)


def test_balanced_sampling_draws_each_class_as_often() -> None:
    data = uneven_set()
    source = batch_source(data, device=torch.device("cpu"), batch_size=8, balanced=True)
    drawn = [
        torch.cat([batch.labels for batch in source.training_batches(epoch)])
        for epoch in range(1, 101)
    ]
    assert {len(labels) for labels in drawn} == {len(data)}
    shares = torch.bincount(torch.cat(drawn)) / (100 * len(data))
    # 4,400 draws: a standard deviation is 0.7 points.
    assert shares.tolist() == pytest.approx([1 / 3] * 3, abs=0.03)
    assert not torch.equal(drawn[0], drawn[1])
    again = torch.cat([batch.labels for batch in source.training_batches(7)])
    assert torch.equal(again, drawn[6])
    later = torch.cat([batch.labels for batch in source.training_batches(7, start=2)])
    assert torch.equal(later, drawn[6][16:])


def test_balanced_sampling_needs_labels_that_are_known() -> None:
    recipe = BASE.replace(sampling="balanced")
    with pytest.raises(ConfigurationError, match="WeightedRandomSampler"):
        Trainer(tiny_linear(), recipe).fit(torch.utils.data.DataLoader(tiny_set()))
    Trainer(tiny_linear(), recipe).fit(tiny_set(), torch.utils.data.DataLoader(tiny_set()))


@pytest.mark.parametrize(
    "settings",
    [
        {"class_weights": (0.0, *[1.0] * 9), "label_smoothing": 0.1},
        {"loss": nn.CrossEntropyLoss(torch.arange(10.0), label_smoothing=0.1)},
    ],
)
def test_a_class_that_weighs_nothing_is_not_smoothed_in_parts(settings: dict[str, Any]) -> None:
    trained(BASE.replace(**settings))
    with pytest.raises(ConfigurationError, match="accumulation_steps is 2, and a class weight of"):
        trained(BASE.replace(**settings, accumulation_steps=2))


@pytest.mark.parametrize("make", [np.array, torch.tensor, tuple])
def test_class_weights_may_be_any_row_of_numbers(make: Callable[..., Any]) -> None:
    weights = [0.5, *[1.0] * 9]
    assert Recipe(class_weights=make(weights)).class_weights == tuple(weights)


def test_balanced_sampling_never_draws_what_has_no_class() -> None:
    images, labels = tiny_set(60, classes=3).tensors
    labels = labels.clone()
    labels[::2] = -100
    data = torch.utils.data.TensorDataset(images, labels)
    source = batch_source(data, device=torch.device("cpu"), batch_size=8, balanced=True)
    drawn = torch.cat([batch.labels for batch in source.training_batches(1)])
    assert len(drawn) == 60
    assert bool((drawn >= 0).all())
    labels[:] = -100
    with pytest.raises(ConfigurationError, match="no label is a class"):
        batch_source(data, device=torch.device("cpu"), batch_size=8, balanced=True)


def test_class_weights_are_as_many_as_scores() -> None:
    with pytest.raises(ConfigurationError, match="weighs 2 classes, and Sequential gives 10 score"):
        trained(BASE.replace(class_weights=(1.0, 2.0)))
