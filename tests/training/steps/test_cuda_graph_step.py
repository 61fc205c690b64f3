"""The program of a CUDA graph, run without capturing it; and on a GPU, where there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.tiny import tiny_linear, tiny_noisy, tiny_set
from torch import nn
from torch.utils.data import TensorDataset

from fmnistlab.data import HorizontalFlip
from fmnistlab.data.batches import ResidentBatches, batch_source
from fmnistlab.errors import ConfigurationError
from fmnistlab.models.registry import create_model
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.steps.cuda.graph_step import CudaGraphStep
from fmnistlab.training.steps.eager import StepResult, TrainingStep
from fmnistlab.training.trainer import Trainer

CPU = torch.device("cpu")
RECIPES = {
    "adam": Recipe(batch_size=8),
    "adamw": Recipe(batch_size=8, optimizer="adamw", weight_decay=0.1),
    "sgd": Recipe(batch_size=8, optimizer="sgd", momentum=0.9, learning_rate=0.01),
    "cosine": Recipe(batch_size=8, schedule="cosine"),
}


def source(data: TensorDataset, recipe: Recipe) -> ResidentBatches:
    made = batch_source(
        data, device=CPU, batch_size=recipe.batch_size, augmentation=recipe.augmentation
    )
    assert isinstance(made, ResidentBatches)
    return made


def trained(
    kind: type[TrainingStep],
    model: nn.Module,
    recipe: Recipe,
    data: TensorDataset,
    **options: Any,
) -> tuple[list[StepResult], torch.optim.Optimizer]:
    """Two epochs; every result."""
    training = source(data, recipe)
    optimizer = recipe.make_optimizer(model.train())
    schedule = recipe.make_schedule(optimizer, 2 * training.steps_per_epoch)
    step = kind(model, optimizer, recipe.training_loss, schedule, **options)
    torch.manual_seed(7)
    results = [made for epoch in (1, 2) for made in step.epoch(training, epoch, persistent=True)]
    step.close()
    return results, optimizer


def assert_same_scores(mine: list[StepResult], theirs: list[StepResult]) -> None:
    """Compares outputs, not weights: Adam moves weights that have no effect by noise."""
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        assert torch.equal(one.labels, other.labels)
        torch.testing.assert_close(one.logits, other.logits, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.loss, other.loss, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("make_model", [tiny_linear, tiny_noisy])
@pytest.mark.parametrize("count", [200, 205, 201], ids=["full", "ragged", "joined"])
def test_the_program_makes_the_steps_of_the_plain_loop(
    make_model: Callable[[], nn.Module], recipe: Recipe, count: int
) -> None:
    fast, plain = make_model(), make_model()
    mine, optimizer = trained(CudaGraphStep, fast, recipe, tiny_set(count), capture=lambda run: run)
    theirs, reference = trained(TrainingStep, plain, recipe, tiny_set(count))
    assert_same_scores(mine, theirs)
    rate = optimizer.param_groups[0]["lr"]
    assert isinstance(rate, float)
    assert rate == pytest.approx(float(reference.param_groups[0]["lr"]), abs=1e-8)


def test_results_of_a_long_epoch_are_not_overwritten_by_the_next_one() -> None:
    model, recipe = tiny_linear(), RECIPES["adam"]
    training = source(tiny_set(80), recipe)
    optimizer = recipe.make_optimizer(model)
    step = CudaGraphStep(model, optimizer, recipe.training_loss, None, capture=lambda run: run)
    first = list(step.epoch(training, 1, persistent=True))
    kept = [made.logits.clone() for made in first]
    list(step.epoch(training, 2, persistent=True))
    assert all(torch.equal(made.logits, copy) for made, copy in zip(first, kept, strict=True))


def test_a_model_that_changes_in_the_middle_of_an_epoch_is_trained_as_it_is_now() -> None:
    recipe = RECIPES["adam"]
    kinds: tuple[tuple[Any, dict[str, Any]], ...] = (
        (CudaGraphStep, {"capture": lambda run: run}),
        (TrainingStep, {}),
    )
    results: list[list[StepResult]] = [[], []]
    for made, (kind, options) in zip(results, kinds, strict=True):
        model, training = tiny_noisy().train(), source(tiny_set(80), recipe)
        optimizer = recipe.make_optimizer(model)
        step = kind(model, optimizer, recipe.training_loss, None, **options)
        torch.manual_seed(3)
        for epoch in (1, 2):
            for number, result in enumerate(step.epoch(training, epoch, persistent=True)):
                made.append(result)
                if (epoch, number) == (1, 4):
                    model.get_submodule("4").eval()  # the dropout
                    step.refresh()
        step.close()
    assert_same_scores(*results)


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (RECIPES["adam"].replace(optimizer=torch.optim.RMSprop), "RMSprop is not torch's Adam"),
        (RECIPES["adam"].replace(augmentation=(HorizontalFlip(),)), "and no augmentation"),
    ],
    ids=["optimizer", "augmentation"],
)
def test_what_cannot_be_captured_is_refused(recipe: Recipe, reason: str) -> None:
    def never(run: object) -> Callable[[], None]:
        raise AssertionError("captured")

    with pytest.raises(ConfigurationError, match=reason):
        trained(CudaGraphStep, tiny_linear(), recipe, tiny_set(64), capture=never)


def test_a_callback_that_leaves_the_contract_ends_the_fit() -> None:
    model, recipe = tiny_linear(), RECIPES["adam"]
    optimizer = recipe.make_optimizer(model)
    step = CudaGraphStep(model, optimizer, recipe.training_loss, None, capture=lambda run: run)
    list(step.epoch(source(tiny_set(80), recipe), 1, persistent=False))
    step.refresh()
    model.register_forward_hook(lambda *arguments: None)
    with pytest.raises(ConfigurationError, match="Sequential has hooks"):
        step.refresh()


def test_a_cuda_graph_needs_a_gpu() -> None:
    trainer = Trainer(tiny_linear(), RECIPES["adam"], device="cpu", execution="cuda_graph")
    with pytest.raises(ConfigurationError, match="the model is not on cuda"):
        trainer.fit(tiny_set(16))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")
@pytest.mark.parametrize("name", ["linearnet", "cnn", "noisy"])
def test_fifty_captured_steps_on_a_gpu_are_fifty_plain_ones(name: str) -> None:
    histories = []
    for execution in ("cuda_graph", "eager"):
        torch.manual_seed(0)
        model = tiny_noisy() if name == "noisy" else create_model(name)
        trainer = Trainer(model, Recipe(batch_size=32), device="cuda", execution=execution)
        histories.append(trainer.fit(tiny_set(1600), epochs=1))
        assert str(trainer.executed).startswith(execution)
    assert histories[0][-1].loss == pytest.approx(histories[1][-1].loss, rel=1e-4)
