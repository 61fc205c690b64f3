from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import same_weights, tiny_linear, tiny_noisy, tiny_set
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fmnistlab.data.batch import Batch
from fmnistlab.data.batches import batch_source
from fmnistlab.errors import ConfigurationError, ModelOutputError
from fmnistlab.training.evaluation import evaluate, predict, preserve_modes
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.meter import Meter
from fmnistlab.training.steps.eager import TrainingStep
from fmnistlab.training.steps.layout import prepare_model

CPU = torch.device("cpu")


def some_batch(count: int = 8) -> Batch:
    return batch_source(tiny_set(count), device=CPU, batch_size=count).example()


def plain_steps(model: nn.Module, recipe: Recipe, batches: list[Batch]) -> torch.optim.Optimizer:
    """Steps as any tutorial writes them."""
    optimizer = recipe.make_optimizer(model)
    for batch in batches:
        optimizer.zero_grad()
        recipe.training_loss(model(batch.images), batch.labels).backward()
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("make_model", [tiny_linear, tiny_noisy])
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(weight_decay=0.1),
        Recipe(optimizer="adamw", weight_decay=0.1),
        Recipe(optimizer="sgd", momentum=0.9, learning_rate=0.01),
        Recipe(label_smoothing=0.1),
    ],
    ids=["adam", "adam-decay", "adamw", "sgd", "smoothing"],
)
def test_fifty_steps_give_the_bits_of_the_plain_loop(
    make_model: Callable[[], nn.Module], recipe: Recipe
) -> None:
    source = batch_source(tiny_set(400), device=CPU, batch_size=8)
    batches = list(source.training_batches(1))
    fast, plain = make_model(), make_model()
    torch.manual_seed(1)
    optimizer = recipe.make_optimizer(fast)
    step = TrainingStep(fast, optimizer, recipe.training_loss, None)
    for batch in batches:
        step(batch)
    torch.manual_seed(1)
    reference = plain_steps(plain, recipe, batches)
    assert len(batches) == 50
    assert same_weights(fast, plain)
    for mine, theirs in zip(optimizer.state.values(), reference.state.values(), strict=True):
        assert all(
            torch.equal(mine[name], theirs[name]) for name in theirs if theirs[name] is not None
        )


Watcher = Callable[[nn.Module, torch.optim.Optimizer], object]


def clip(model: nn.Module) -> None:
    nn.utils.clip_grad_norm_(model.parameters(), 0.01)


def thaw(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    layer = model.get_submodule("1").requires_grad_(True)
    optimizer.add_param_group({"params": layer.parameters(), "lr": 0.5})


CHANGES: dict[str, Watcher] = {
    "hooks the optimizer": lambda model, o: o.register_step_pre_hook(lambda *_: clip(model)),
    "hooks a weight": lambda model, o: model.get_parameter("2.bias").register_hook(lambda g: g * 2),
    "adds a group": thaw,
    "splits the group": lambda model, o: o.add_param_group(
        {"params": [o.param_groups[0]["params"].pop()], "lr": 0.5}
    ),
    "forgets the state": lambda model, o: o.state.clear(),
    "loads the state": lambda model, o: o.load_state_dict(copy.deepcopy(o.state_dict())),
    "replaces the step": lambda model, o: setattr(
        o, "step", torch.optim.SGD(model.parameters()).step
    ),
    "sets the rate": lambda model, o: o.param_groups[0].update(lr=0.5),
}


def two_layers() -> nn.Module:
    """The first of them is frozen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Linear(16, 10))
    layers[1].requires_grad_(False)
    return layers


@pytest.mark.parametrize("when", [0, 4])
@pytest.mark.parametrize("name", CHANGES)
def test_whatever_changes_between_steps_counts_as_in_the_plain_loop(name: str, when: int) -> None:
    models = two_layers(), two_layers(), two_layers()
    optimizers = [Recipe().make_optimizer(model) for model in models]
    step = TrainingStep(models[0], optimizers[0], cross_entropy, None)
    for number in range(8):
        batch = some_batch()
        if number == when:
            CHANGES[name](models[0], optimizers[0])
            CHANGES[name](models[1], optimizers[1])
        step(batch)
        for model, optimizer in zip(models[1:], optimizers[1:], strict=True):
            optimizer.zero_grad()
            cross_entropy(model(batch.images), batch.labels).backward()
            optimizer.step()
    assert same_weights(models[0], models[1])
    changes_nothing = name == "loads the state" or (name, when) == ("forgets the state", 0)
    assert same_weights(models[0], models[2]) == changes_nothing


class Sharp(torch.optim.SGD):
    """Climbs a little, looks at the slope there and steps from below; needs a closure to look."""

    def step(self, closure: Any = None) -> Any:
        if closure is None:
            raise ValueError("a closure is needed")
        weights = self.param_groups[0]["params"]
        before = [weight.detach().clone() for weight in weights]
        with torch.no_grad():
            for weight in weights:
                weight.add_(weight.grad, alpha=0.05)
        closure()
        with torch.no_grad():
            for weight, old in zip(weights, before, strict=True):
                weight.copy_(old)
        super().step()


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("kind", [torch.optim.LBFGS, Sharp])
def test_an_optimizer_that_needs_a_closure_gets_one(kind: Any, schedule: Any) -> None:
    """As its own instructions say: LBFGS computes all by the closure, `Sharp` the second slope."""
    recipe = Recipe(optimizer=lambda p: kind(p, lr=0.01), schedule=schedule, learning_rate=0.01)
    models = tiny_linear(), tiny_linear()
    optimizers = [recipe.make_optimizer(model) for model in models]
    schedules = [recipe.make_schedule(optimizer, 5) for optimizer in optimizers]
    computed: list[nn.Module] = []
    for model in models:
        model.register_forward_hook(lambda module, *_: computed.append(module))
    step = TrainingStep(models[0], optimizers[0], cross_entropy, schedules[0])
    for batch in list(batch_source(tiny_set(40), device=CPU, batch_size=8).training_batches(1)):

        def closure(batch: Batch = batch) -> Tensor:
            optimizers[1].zero_grad()
            loss = cross_entropy(models[1](batch.images), batch.labels)
            loss.backward()
            return loss

        with torch.no_grad():
            first = cross_entropy(models[1][1](batch.images.flatten(1)), batch.labels)
        loss, logits = step(batch)
        assert not loss.requires_grad
        assert not logits.requires_grad
        assert torch.equal(loss, first)
        if kind is Sharp:
            closure()
        optimizers[1].step(closure)  # type: ignore[arg-type] # torch's stub wants a float
        if schedules[1] is not None:
            schedules[1].step()
    assert same_weights(*models)
    assert computed.count(models[0]) == computed.count(models[1])


def test_an_optimizer_that_cannot_step_at_all_is_named_and_a_plain_error_is_its_own() -> None:
    class Broken(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            raise ValueError("without" if closure is None else "with")

    class Failing(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            raise ValueError("disk full")

    model = tiny_linear()
    words = r"Broken.step\(\) fails without a closure \(without\) and with one \(with\)"
    for kind, error, told in ((Broken, ConfigurationError, words), (Failing, ValueError, "disk")):
        step = TrainingStep(model, kind(model.parameters()), cross_entropy, None)
        with pytest.raises(error, match=told):
            step(some_batch())


@settings(max_examples=50)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.booleans())
def test_epoch_means_do_not_depend_on_how_items_are_cut(sizes: list[int], peek: bool) -> None:
    count = sum(sizes)
    generator = torch.Generator().manual_seed(count)
    logits = torch.randn(count, 10, generator=generator)
    labels = torch.randint(0, 10, (count,), generator=generator)
    meter = Meter()
    for some_logits, some_labels in zip(logits.split(sizes), labels.split(sizes), strict=True):
        meter.add(cross_entropy(some_logits, some_labels), some_logits, some_labels)
        if peek:  # reading in between must not count anything twice
            meter.metrics()
    metrics = meter.metrics()
    assert metrics.count == count
    assert metrics.accuracy == (logits.argmax(1) == labels).sum().item() / count
    assert metrics.loss == pytest.approx(cross_entropy(logits.double(), labels).item(), rel=1e-6)


def test_the_meter_understands_one_hot_labels_and_many_batches() -> None:
    meter = Meter()
    logits, labels = torch.eye(10), torch.eye(10)
    for _ in range(5000):
        meter.add(torch.tensor(2.0), logits, labels)
    metrics = meter.metrics()
    assert (metrics.loss, metrics.accuracy, metrics.count) == (2.0, 1.0, 50_000)


def test_an_empty_meter_knows_nothing() -> None:
    metrics = Meter().metrics()
    assert metrics.count == 0
    assert metrics.loss != metrics.loss


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def test_looking_changes_no_mode_no_weight_and_no_statistics() -> None:
    model = tiny_noisy()
    model[1].eval()  # a frozen batch norm inside a training model
    before, state = modes(model), copy.deepcopy(model.state_dict())
    source = batch_source(tiny_set(), device=CPU, batch_size=8)
    evaluate(model, source.evaluation_batches(), cross_entropy)
    predictions = predict(model, source.evaluation_batches())
    assert modes(model) == before
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert not predictions.probabilities.is_inference()
    assert torch.allclose(predictions.probabilities.sum(1), torch.ones(40))


def test_modes_are_restored_after_an_error() -> None:
    model = tiny_noisy()
    model[1].eval()
    before = modes(model)

    def fail() -> None:
        with preserve_modes(model):
            model.train()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert modes(model) == before


class Viewer(nn.Module):
    """A model that `.view`s its convolution's output, as many tutorials do."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(1, 3, 3), nn.Linear(3 * 26 * 26, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.convolution(images)
        return self.linear(features.view(len(images), -1))


class Stretch(nn.Module):
    """A model whose output depends on the memory layout."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(1, 3, 3), nn.Linear(3 * 26 * 26, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.convolution(images)
        order = torch.as_strided(features, (len(images), 3 * 26 * 26), (3 * 26 * 26, 1))
        return self.linear(order)


def is_channels_last(model: nn.Module) -> bool:
    return any(
        p.ndim == 4 and p.shape[1] > 1 and p.is_contiguous(memory_format=torch.channels_last)
        for p in model.parameters()
    )


def two_convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(2304, 10))


def test_a_convolution_moves_to_channels_last_with_the_same_output() -> None:
    model = two_convolutions()
    batch = some_batch()
    before = model(batch.images)
    prepare_model(model, batch)
    assert is_channels_last(model)
    assert torch.allclose(model(batch.images), before, atol=1e-5)


@pytest.mark.parametrize("model", [Viewer(), Stretch()], ids=["view", "strides"])
def test_a_model_that_cannot_live_with_channels_last_stays(
    model: nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    model.extra = nn.Conv2d(3, 3, 3)  # a weight on which the layout can be seen
    batch = some_batch()
    before = model(batch.images)
    prepare_model(model, batch)
    assert not is_channels_last(model)
    assert torch.equal(model(batch.images), before)
    assert "stays in the default layout" in caplog.text


class Halved(nn.Module):
    """A strided convolution that is no `Conv2d`."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 4, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(images, self.weight, stride=2)


@pytest.mark.parametrize(
    ("inner", "safe"),
    [
        (nn.Conv2d(4, 8, 1, stride=2), False),
        (nn.Conv2d(4, 8, 1, stride=(1, 3)), False),
        (nn.Conv2d(4, 8, 1, stride=2, groups=2), False),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 8, 1, stride=2)), False),
        (Halved(), False),
        (nn.Conv2d(4, 8, 1, stride=2, groups=4), True),
        (nn.Conv2d(4, 8, 1), True),
        (nn.Conv2d(4, 8, 3, stride=2), True),
        (nn.Sequential(nn.Conv2d(4, 16, 1), nn.Conv2d(16, 8, 1, stride=2)), True),
    ],
    ids=str,
)
def test_what_torch_corrupts_memory_with_channels_last_stays(inner: nn.Module, safe: bool) -> None:
    # On a processor with AVX2 and no AVX-512, those that are not safe would end in a crash.
    seen = nn.Conv2d(4, 4, 3)  # a weight on which the layout can be seen
    model = nn.Sequential(nn.Conv2d(1, 4, 3), seen, inner, nn.Flatten(), nn.LazyLinear(10))
    batch = some_batch()
    model(batch.images)  # the last layer gets its size
    prepare_model(model, batch)
    assert seen.weight.is_contiguous(memory_format=torch.channels_last) == safe


def test_preparing_leaves_no_trace() -> None:
    model = tiny_noisy()
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    prepare_model(model, some_batch())
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert model.training


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Flatten(), r"Flatten gave shape \(20, 784\).*|"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 9)), r"gave shape \(20, 9\) for 20 images"),
        (nn.Identity(), r"gave shape \(20, 1, 28, 28\)"),
    ],
)
def test_a_wrong_output_is_named(model: nn.Module, words: str) -> None:
    if isinstance(model, nn.Flatten):
        prepare_model(model, some_batch(20))  # more scores than classes are allowed
        return
    with pytest.raises(ModelOutputError, match=words):
        prepare_model(model, some_batch(20))


def test_outputs_that_are_no_float_tensor_are_named() -> None:
    class Odd(nn.Module):
        answer: object = None

        def forward(self, images: torch.Tensor) -> object:
            return self.answer

    model = Odd()
    with pytest.raises(ModelOutputError, match="Odd gave NoneType"):
        prepare_model(model, some_batch(20))
    model.answer = torch.zeros(20, 10, dtype=torch.int64)
    with pytest.raises(ModelOutputError, match=r"numbers of type torch.int64"):
        prepare_model(model, some_batch(20))


def test_a_schedule_moves_the_rate_once_after_each_step() -> None:
    model = tiny_linear()
    recipe = Recipe(schedule="cosine", learning_rate=0.01)
    optimizer = recipe.make_optimizer(model)
    step = TrainingStep(
        model, optimizer, recipe.training_loss, recipe.make_schedule(optimizer, total_steps=4)
    )
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        step(some_batch())
    # Half a cosine from the rate to nothing: Loshchilov and Hutter 2017, equation 5.
    assert rates == pytest.approx([0.01 * (1 + math.cos(math.pi * n / 4)) / 2 for n in range(4)])


def test_a_mean_loss_is_exact_whatever_the_order_of_the_batches() -> None:
    """Added one by one in float64, each 1 would be lost beside 1e16, but not before it."""

    def mean(losses: list[float]) -> float:
        meter = Meter()
        for loss in losses:
            meter.add(torch.tensor(loss), torch.zeros(1, 10), torch.zeros(1, dtype=torch.int64))
        return meter.metrics().loss

    large = float(torch.tensor(1e16))
    assert mean([large, *[1.0] * 8]) == mean([*[1.0] * 8, large]) == (int(large) + 8) / 9


def test_an_error_in_a_step_hook_is_raised_as_it_is() -> None:
    model = tiny_linear()
    optimizer = torch.optim.Adam(model.parameters())

    def hook(*_: object) -> None:
        raise ZeroDivisionError("planted")

    optimizer.register_step_pre_hook(hook)
    step = TrainingStep(model, optimizer, cross_entropy, None)
    with pytest.raises(ZeroDivisionError, match="planted"):
        step(some_batch())
