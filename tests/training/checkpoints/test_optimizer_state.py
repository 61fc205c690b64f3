"""The state of any optimizer in a checkpoint, and what cannot be kept."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.tiny import channels_last, same_weights, tiny_noisy, tiny_set
from torch import Tensor, nn

from fmnistlab.callbacks import BatchResult, Callback, Checkpointing, Run
from fmnistlab.errors import CheckpointError, ConfigurationError
from fmnistlab.training.checkpoints.optimizer_state import OptimizerState
from fmnistlab.training.execution import Execution
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

Parameters = Iterable[nn.Parameter]


class Odd(torch.optim.SGD):
    """SGD that keeps something of every kind, as optimizers out there do."""

    def __init__(self, params: Any, lr: float = 0.05) -> None:
        super().__init__(params, lr)
        for group in self.param_groups:
            group["d"] = torch.tensor(1e-3, dtype=torch.float64)
            group["kind"] = torch.float16
            group["span"] = (0.9, [1, {"x": None}])

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            group["d"] += 1e-4
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["long"] = torch.zeros_like(p, dtype=torch.float64)
                    state["sum"] = state["long"].new_zeros(())
                    state["factors"] = [torch.zeros(2, 2), None, []]
                    state["inner"] = {0: {"a": torch.zeros(3)}, (1, "b"): {1, 2}, "name": "muon"}
                    state["array"] = np.zeros(2)
                    state["count"] = np.int64(0)
                    state["alias"] = state["factors"][0]
                state["long"].mul_(0.9).add_(p.grad)
                state["sum"] += 1
                state["factors"][0].add_(0.5)
                state["inner"][0]["a"] -= 1
                state["array"] += 2
                state["count"] = state["count"] + np.int64(1)
                scale = 1 + state["alias"].sum() * 1e-3 + float(state["array"].sum()) * 1e-3
                p.sub_(group["lr"] * (state["long"] * scale * (1 + group["d"])).to(p.dtype))


class Lookahead(torch.optim.Optimizer):
    """Wraps another optimizer, as many packages do, with a state_dict of its own."""

    def __init__(self, params: Any) -> None:
        self.base = torch.optim.AdamW(params, 1e-2, fused=True)
        self.param_groups = self.base.param_groups
        self.state = self.base.state
        self.defaults = self.base.defaults
        self.slow: dict[int, Tensor] = {}
        self.made = 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        params = [p for group in self.base.param_groups for p in group["params"]]
        if not self.slow:
            self.slow = {number: p.detach().clone() for number, p in enumerate(params)}
        self.base.step()
        self.made += 1
        if self.made % 3 == 0:
            for number, p in enumerate(params):
                self.slow[number].lerp_(p, 0.5)
                p.copy_(self.slow[number])

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.base.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return {"base": self.base.state_dict(), "slow": dict(self.slow), "made": self.made}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.base.load_state_dict(state_dict["base"])
        self.param_groups, self.state = self.base.param_groups, self.base.state
        self.slow, self.made = dict(state_dict["slow"]), state_dict["made"]


def tensor_rate(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, torch.tensor(3e-3), foreach=False, capturable=False)


def half_state(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.Adafactor(parameters, 1e-2)


def two_groups(parameters: Parameters) -> torch.optim.Optimizer:
    first, *rest = parameters
    groups: list[dict[str, Any]] = [{"params": rest}, {"params": [first], "lr": 1e-4}]
    return torch.optim.RMSprop(groups, momentum=0.5)


OPTIMIZERS: dict[str, Callable[[Parameters], torch.optim.Optimizer]] = {
    "odd": Odd,
    "lookahead": Lookahead,
    "tensor rate": tensor_rate,
    "adafactor": half_state,
    "two groups": two_groups,
    "nadam": torch.optim.NAdam,
    "asgd": torch.optim.ASGD,
    "rprop": torch.optim.Rprop,
    "radam": torch.optim.RAdam,
    "adadelta": torch.optim.Adadelta,
}


def steps_of(tensor: Tensor) -> list[int]:
    """How a tensor lies in memory; the step along a dimension of size 1 means nothing."""
    return [step for size, step in zip(tensor.shape, tensor.stride(), strict=True) if size > 1]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_optimizer_goes_on_with_the_same_bits(name: str, schedule: Any, tmp_path: Path) -> None:
    recipe = Recipe(optimizer=OPTIMIZERS[name], epochs=2, batch_size=8, schedule=schedule)

    def trainer(*callbacks: Callback) -> Trainer:
        return Trainer(tiny_noisy(), recipe, device="cpu", execution="eager", callbacks=callbacks)

    whole = trainer(Checkpointing(tmp_path, every_steps=1, keep=99))
    whole.fit(tiny_set())
    for step in (1, 4, 5, 8):
        resumed = trainer()
        resumed.fit(tiny_set(), resume_from=tmp_path / f"step-{step:08}.safetensors")
        assert same_weights(resumed.model, whole.model), step
        mine, theirs = (
            OptimizerState.of_optimizer(t.model, t.optimizer)  # type: ignore[arg-type] # not None
            for t in (whole, resumed)
        )
        assert mine.to_json() == theirs.to_json()
        for key, tensor in mine.packed.tensors.items():
            found = theirs.packed.tensors[key]
            assert found.dtype == tensor.dtype, key
            assert torch.equal(found, tensor), key
            assert steps_of(found) == steps_of(tensor), key


def test_a_restored_state_is_exactly_what_was_saved() -> None:
    """Torch itself would cast float64 to the type of the parameter and take text apart."""
    model = tiny_noisy()
    optimizer = Odd(model.parameters())
    model(torch.rand(3, 1, 28, 28)).sum().backward()
    optimizer.step()
    kept = OptimizerState.of_optimizer(model, optimizer)
    other = Odd(model.parameters())
    kept.restore(model, other)
    entries = other.state[next(model.parameters())]
    assert entries["long"].dtype == torch.float64
    assert entries["inner"]["name"] == "muon"
    assert entries["alias"] is entries["factors"][0]
    assert type(entries["count"]) is np.int64
    assert other.param_groups[0]["d"].dtype == torch.float64
    assert type(other.param_groups[0]["span"]) is tuple
    entries["long"].zero_()  # nothing is shared with what was kept
    again = Odd(model.parameters())
    kept.restore(model, again)
    assert again.state[next(model.parameters())]["long"].abs().sum() > 0


@pytest.mark.parametrize("make", [torch.optim.Adam, Lookahead])
def test_a_restored_state_lies_in_memory_as_its_parameter_does(make: Any) -> None:
    """Torch's fused kernels walk through both in memory order."""
    plain = nn.Conv2d(2, 3, 3)
    layer = channels_last(copy.deepcopy(plain))
    optimizer = make(plain.parameters())
    plain(torch.ones(1, 2, 5, 5)).sum().backward()
    optimizer.step()
    restored = make(layer.parameters())
    OptimizerState.of_optimizer(plain, optimizer).restore(layer, restored)
    for (_, before), parameter in zip(optimizer.state.items(), layer.parameters(), strict=True):
        for name in ("exp_avg", "exp_avg_sq"):
            found = restored.state[parameter][name]
            assert found.stride() == parameter.stride()
            assert torch.equal(found, before[name])


class Counts(Callback):
    steps = 0

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        self.steps += 1


class Unkeepable(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        super().step()
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["rng"] = torch.Generator()


def unkeepable_group(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": list(parameters), "rule": lambda: 3}], 0.1)


@pytest.mark.parametrize("execution", ["eager", "auto"])
def test_what_cannot_be_kept_is_refused_at_the_first_step_at_the_latest(
    execution: Execution,
) -> None:
    counts = Counts()
    recipe = Recipe(optimizer=Unkeepable, batch_size=8)
    trainer = Trainer(tiny_noisy(), recipe, execution=execution, callbacks=[counts])
    with pytest.raises(
        ConfigurationError,
        match=r"Unkeepable cannot be kept .*\['state'\]\[0\]\['rng'\] .*torch\._C\.Generator",
    ):
        trainer.fit(tiny_set())
    assert counts.steps == 0
    recipe = Recipe(optimizer=unkeepable_group, batch_size=8)
    trainer = Trainer(tiny_noisy(), recipe, execution=execution, callbacks=[counts])
    with pytest.raises(ConfigurationError, match=r"\['param_groups'\]\[0\]\['rule'\]"):
        trainer.fit(tiny_set())
    assert counts.steps == 0


def test_the_state_of_another_optimizer_is_refused() -> None:
    model = tiny_noisy()
    kept = OptimizerState.of_optimizer(model, Lookahead(model.parameters()))
    with pytest.raises(CheckpointError, match="the state of another optimizer"):
        kept.restore(model, torch.optim.SGD(model.parameters(), 0.1))


def test_a_callback_whose_state_cannot_be_kept_is_named(tmp_path: Path) -> None:
    class Keeps(Callback):
        def state_dict(self) -> dict[str, Any]:
            return {"nested": {(1, 2): [torch.Generator()]}}

    watching = [Keeps(), Checkpointing(tmp_path, every_steps=1)]
    with pytest.raises(
        ConfigurationError, match=r"\['callbacks'\]\['Keeps'\]\['nested'\]\[\(1, 2\)\]\[0\] is"
    ):
        Trainer(tiny_noisy(), callbacks=watching).fit(tiny_set())


class Counting(torch.optim.SGD):
    """Keeps a count and averages where no state_dict finds them."""

    def __init__(self, params: Any, lr: float = 0.05) -> None:
        super().__init__(params, lr)
        self.count = 0
        self.averages: list[Tensor] = []
        self.name = "counting"
        self.nothing = None

    def step(self, closure: Any = None) -> Any:
        self.count += 1
        if not self.averages:
            self.averages = [p.detach().clone() for p in self.param_groups[0]["params"]]
        return super().step(closure)


class InPlace(torch.optim.SGD):
    """Changes a tensor that it had from the beginning."""

    def __init__(self, params: Any, lr: float = 0.05) -> None:
        super().__init__(params, lr)
        self.buffers = {"a": [torch.zeros(3)]}

    def step(self, closure: Any = None) -> Any:
        self.buffers["a"][0] += 1
        return super().step(closure)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (Counting, "Counting keeps averages, count in attributes"),
        (InPlace, "InPlace keeps buffers in attributes"),
        (torch.optim.Adam, ""),
        (torch.optim.LBFGS, ""),
        (Odd, ""),
    ],
)
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_what_an_optimizer_keeps_beside_its_state_is_told(
    make: Callable[..., torch.optim.Optimizer],
    told: str,
    schedule: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recipe = Recipe(epochs=1, batch_size=8, optimizer=make, schedule=schedule)
    Trainer(tiny_noisy(), recipe, device="cpu").fit(tiny_set())
    assert ("in attributes" in caplog.text) == bool(told)
    assert told in caplog.text
