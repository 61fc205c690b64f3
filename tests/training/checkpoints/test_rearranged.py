"""Callbacks that freeze, add and split groups, and hook the optimizer: resumed at every step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import same_weights, tiny_noisy, tiny_set
from torch import nn

from fmnistlab.callbacks import BatchResult, Callback, Checkpointing, Run
from fmnistlab.errors import CheckpointError, ConfigurationError
from fmnistlab.training.checkpoints.arrangement import Arrangement
from fmnistlab.training.execution import Execution
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.steps import choice
from fmnistlab.training.trainer import Trainer

WAY: Execution = "eager"
"""How steps are made; recorded where that is allowed if it is "auto"."""

RECIPE = Recipe(epochs=3, batch_size=8, optimizer="adamw", weight_decay=0.01)  # 15 steps
SGD = RECIPE.replace(optimizer="sgd", momentum=0.9, learning_rate=0.05)


@pytest.fixture(params=["eager", "auto"], autouse=True)
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "RECORDING_PAYS", 0)
    monkeypatch.setitem(globals(), "WAY", request.param)


class FreezeFirst(Callback):
    """The first layers are frozen, their batch norm too, and thaw in epoch 2."""

    def on_epoch_start(self, run: Run) -> None:
        frozen = run.epoch == 1
        for module in list(run.model.children())[:2]:
            module.requires_grad_(not frozen)
            module.train(not frozen)


class AddGroupLater(Callback):
    """The usual recipe of fine-tuning: the head first, all else from epoch 2 on."""

    def on_epoch_start(self, run: Run) -> None:
        if run.epoch == 2:
            body = [p for n, p in run.model.named_parameters() if not n.startswith("6.")]
            for parameter in body:
                parameter.requires_grad_(True)
            run.optimizer.add_param_group({"params": body, "lr": 1e-4})
        if run.epoch == 3:
            run.optimizer.param_groups[1]["lr"] *= 0.5


class HoldBack(Callback):
    """Takes layers out of the group as the fit starts, shrinks the weights, and adds them later."""

    def on_fit_start(self, run: Run) -> None:
        (group,) = run.optimizer.param_groups
        self.held = group["params"][:2]
        group["params"] = group["params"][2:]
        group["lr"] = 0.01
        with torch.no_grad():
            for parameter in run.model.parameters():
                parameter.mul_(0.5)

    def on_epoch_start(self, run: Run) -> None:
        if run.epoch == 2:
            run.optimizer.add_param_group({"params": self.held, "lr": 1e-4})


class FreezeInTheMiddle(Callback):
    """In the middle of epoch 2 the first layers are frozen, and the batch norm's statistics too."""

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        if result.step == 7:
            for module in list(run.model.children())[:2]:
                module.requires_grad_(False).eval()


class AddGroupAtOnce(Callback):
    """Adds a group when the fit starts, with a rate of its own."""

    def on_fit_start(self, run: Run) -> None:
        held = {id(p) for group in run.optimizer.param_groups for p in group["params"]}
        rest = [p for p in run.model.parameters() if id(p) not in held]
        if rest:
            run.optimizer.add_param_group({"params": rest, "lr": 1e-4})


class SplitGroup(Callback):
    """In the middle of epoch 2 biases get a group without weight decay, in another order."""

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        if result.step == 8:
            (group,) = run.optimizer.param_groups
            biases = [p for p in group["params"] if p.ndim == 1]
            group["params"] = [p for p in group["params"] if p.ndim > 1]
            run.optimizer.add_param_group({"params": biases[::-1], "weight_decay": 0.0})


class SlowDown(Callback):
    """Halves the rate, shrinks the weights and forgets averages as each epoch starts."""

    def on_epoch_start(self, run: Run) -> None:
        with torch.no_grad():
            for parameter in run.model.parameters():
                parameter.mul_(0.99)
        for group in run.optimizer.param_groups:
            group["lr"] *= 0.5
        for entries in run.optimizer.state.values():
            for entry in entries.values():
                if isinstance(entry, torch.Tensor) and entry.ndim > 0:
                    entry.mul_(0.5)


class ClipByHook(Callback):
    """Clips gradients in a hook, and counts epochs in a state of its own."""

    def __init__(self) -> None:
        self.started = 0

    def on_fit_start(self, run: Run) -> None:
        self.started = 0
        parameters = list(run.model.parameters())

        def clip(*_: object) -> None:
            nn.utils.clip_grad_norm_(parameters, 0.05)

        run.optimizer.register_step_pre_hook(clip)

    def on_epoch_start(self, run: Run) -> None:
        self.started += 1
        for group in run.optimizer.param_groups:
            group["lr"] = 0.01 / self.started

    def state_dict(self) -> dict[str, Any]:
        return {"started": self.started}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.started = state["started"]


def head_only() -> nn.Module:
    model = tiny_noisy()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("6."))
    return model


CASES: dict[str, tuple[Callable[[], nn.Module], type[Callback], Recipe]] = {
    "freezing": (tiny_noisy, FreezeFirst, RECIPE),
    "freezing, momentum": (tiny_noisy, FreezeFirst, SGD),
    "group added later": (head_only, AddGroupLater, RECIPE),
    "group added later, momentum": (head_only, AddGroupLater, SGD),
    "group added later, cosine": (head_only, AddGroupLater, RECIPE.replace(schedule="cosine")),
    "group added at once": (head_only, AddGroupAtOnce, RECIPE),
    "held back": (tiny_noisy, HoldBack, RECIPE),
    "held back, momentum": (tiny_noisy, HoldBack, SGD),
    "frozen in the middle": (tiny_noisy, FreezeInTheMiddle, RECIPE),
    "group split": (tiny_noisy, SplitGroup, RECIPE),
    "group split, momentum": (tiny_noisy, SplitGroup, SGD),
    "slowed down": (tiny_noisy, SlowDown, RECIPE),
    "slowed down, momentum": (tiny_noisy, SlowDown, SGD),
    "clipped by a hook": (tiny_noisy, ClipByHook, RECIPE),
}


def trainer_of(case: str, *callbacks: Callback) -> Trainer:
    make, callback, recipe = CASES[case]
    watching = [callback(), *callbacks]
    return Trainer(make(), recipe, device="cpu", execution=WAY, callbacks=watching)


def facts(trainer: Trainer) -> dict[str, Any]:
    """All that the fit leaves behind, as a checkpoint would hold it."""
    tensors, state = trainer._capture()
    return {
        **{name: tensor.tolist() for name, tensor in tensors.items()},
        "optimizer": state["optimizer"],
        "model": state["model"],
    }


@pytest.mark.parametrize("case", CASES)
def test_resumed_at_every_step_it_has_the_bits_of_one_that_was_never_stopped(
    case: str, tmp_path: Path
) -> None:
    alone = trainer_of(case)
    alone.fit(tiny_set())
    whole = trainer_of(case, Checkpointing(tmp_path, every_steps=1, keep=99))
    whole.fit(tiny_set())
    wanted = facts(alone)
    assert facts(whole) == wanted
    by_epochs = trainer_of(case, Checkpointing(tmp_path / "epochs", every_epochs=1, keep=9))
    by_epochs.fit(tiny_set())
    for step in (5, 10):
        resumed = trainer_of(case)
        path = tmp_path / "epochs" / f"step-{step:08}.safetensors"
        resumed.fit(tiny_set(), resume_from=path)
        assert facts(resumed) == wanted, step
    for step in range(1, 16):
        path = tmp_path / f"step-{step:08}.safetensors"
        resumed = trainer_of(case)
        resumed.fit(tiny_set(), resume_from=path)
        assert facts(resumed) == wanted, step
        if step % 4 == 1:
            make, callback, _ = CASES[case]
            loaded = Trainer.load(path, model=make(), device="cpu", callbacks=[callback()])
            loaded.fit(tiny_set())
            assert facts(loaded) == wanted, step


class Interrupt(Callback):
    """Asks once for the fit to end, as Ctrl-C does."""

    uses_model = False

    def __init__(self, step: int) -> None:
        self.step = step

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        if result.step == self.step:
            self.step = -1
            raise_interrupt()


def raise_interrupt() -> None:
    import signal

    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", [2, 5, 7, 12])
def test_an_interrupted_fit_is_finished_by_the_next(case: str, step: int) -> None:
    alone, stopped = trainer_of(case), trainer_of(case, Interrupt(step))
    alone.fit(tiny_set())
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(tiny_set())
    stopped.fit(tiny_set())
    assert facts(stopped) == facts(alone)


@pytest.mark.parametrize("case", ["freezing", "group added later", "group split"])
def test_a_second_fit_and_one_after_loading_keep_the_groups(case: str, tmp_path: Path) -> None:
    straight = trainer_of(case)
    straight.fit(tiny_set())
    straight.save(tmp_path / "x.safetensors")
    straight.fit(tiny_set(), epochs=1)
    make, callback, _ = CASES[case]
    loaded = Trainer.load(
        tmp_path / "x.safetensors", model=make(), device="cpu", callbacks=[callback()]
    )
    loaded.fit(tiny_set(), epochs=1)
    assert facts(loaded) == facts(straight)


def test_what_is_frozen_is_in_the_file(tmp_path: Path) -> None:
    model = head_only()
    Trainer(model, RECIPE).save(tmp_path / "x.safetensors")
    loaded = Trainer.load(tmp_path / "x.safetensors", model=tiny_noisy())
    assert Arrangement.of(loaded.model, None) == Arrangement.of(model, None)


def test_a_fit_that_could_not_begin_leaves_the_unfinished_one_alone(tmp_path: Path) -> None:
    alone = trainer_of("freezing", Checkpointing(tmp_path, every_steps=7))
    alone.fit(tiny_set())
    path = tmp_path / "step-00000007.safetensors"
    loaded = Trainer.load(path, model=tiny_noisy(), device="cpu", callbacks=[FreezeFirst()])
    with pytest.raises(CheckpointError, match="The training set is another one"):
        loaded.fit(tiny_set(24))
    loaded.fit(tiny_set())
    assert same_weights(loaded.model, alone.model)


def test_a_group_with_somebody_elses_tensor_is_refused_before_the_first_step() -> None:
    class Foreign(Callback):
        steps = 0

        def on_fit_start(self, run: Run) -> None:
            run.optimizer.add_param_group({"params": [nn.Parameter(torch.ones(3))]})

        def on_batch_end(self, run: Run, result: BatchResult) -> None:
            self.steps += 1

    foreign = Foreign()
    with pytest.raises(ConfigurationError, match=r"Group 1 of the optimizer \(Adam\) holds a ten"):
        Trainer(tiny_noisy(), callbacks=[foreign]).fit(tiny_set())
    assert foreign.steps == 0
    recipe = Recipe(optimizer=lambda _: torch.optim.SGD([torch.ones(2, requires_grad=True)], 0.1))
    with pytest.raises(ConfigurationError, match="Make it a parameter of the model"):
        Trainer(tiny_noisy(), recipe).fit(tiny_set())


def test_a_checkpoint_with_groups_of_another_model_is_refused() -> None:
    model = tiny_noisy()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    found = Arrangement([["0.weight", "9.weight"]], [], [])
    with pytest.raises(CheckpointError, match=r"held '9\.weight', which Sequential does not have"):
        found.regroup(model, optimizer)
