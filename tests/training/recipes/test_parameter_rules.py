"""Rules for some parameters: which they cover, which groups they make, and when they freeze."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.tiny import tiny_linear, tiny_noisy, tiny_set
from torch import nn

from fmnistlab.callbacks import Callback, EpochRecord, Run
from fmnistlab.errors import ConfigurationError
from fmnistlab.recipes import ParameterRule, Recipe
from fmnistlab.training.trainer import Trainer

NO_DECAY = ParameterRule(dimensions=1, weight_decay=0.0)


def groups(model: nn.Module, *rules: ParameterRule, **settings: Any) -> list[dict[str, Any]]:
    recipe = Recipe(optimizer="adamw", parameter_rules=rules, **settings)
    names = {id(p): name for name, p in model.named_parameters()}
    return [
        {
            "names": [names[id(p)] for p in group["params"]],
            "lr": group["lr"],
            "weight_decay": group["weight_decay"],
        }
        for group in recipe.make_optimizer(model).param_groups
    ]


def test_biases_and_norms_can_be_left_out_of_weight_decay() -> None:
    found = groups(tiny_noisy(), NO_DECAY, weight_decay=0.1)
    assert [group["weight_decay"] for group in found] == [0.1, 0.0]
    assert found[0]["names"] == ["0.weight", "6.weight"]
    assert found[1]["names"] == ["0.bias", "1.weight", "1.bias", "6.bias"]


def test_layers_can_have_rates_of_their_own() -> None:
    found = groups(
        tiny_noisy(), ParameterRule(match="6.*", learning_rate_factor=10), learning_rate=0.01
    )
    assert [group["lr"] for group in found] == [0.01, 0.1]
    assert found[1]["names"] == ["6.weight", "6.bias"]


def test_the_last_rule_that_speaks_of_a_setting_decides() -> None:
    rules = [
        ParameterRule(weight_decay=0.5, learning_rate_factor=2),
        ParameterRule(match="*.bias", weight_decay=0.25),
    ]
    weight, bias = groups(tiny_linear(), *rules, learning_rate=0.01)
    assert (weight["weight_decay"], bias["weight_decay"]) == (0.5, 0.25)
    assert (weight["lr"], bias["lr"]) == (0.02, 0.02)


def test_rules_that_change_nothing_make_one_group() -> None:
    assert len(groups(tiny_noisy(), NO_DECAY, weight_decay=0.0)) == 1


class Frozen(Callback):
    """Notes which parameters are frozen in each epoch, and where they stand when it ends."""

    uses_model = False

    def __init__(self) -> None:
        self.frozen: list[set[str]] = []
        self.weights: list[dict[str, torch.Tensor]] = []

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        named = dict(run.model.named_parameters())
        self.frozen.append({name for name, p in named.items() if not p.requires_grad})
        self.weights.append({name: p.detach().clone() for name, p in named.items()})


@pytest.mark.parametrize("execution", ["auto", "eager"])
def test_parameters_learn_only_after_their_frozen_epochs(execution: Any) -> None:
    model, watch = tiny_noisy(), Frozen()
    first = model.get_parameter("0.weight").detach().clone()
    rule = ParameterRule(match="0.*", frozen_epochs=2)
    recipe = Recipe(epochs=3, batch_size=8, parameter_rules=(rule,))
    trainer = Trainer(model, recipe, device="cpu", execution=execution, callbacks=[watch])
    trainer.fit(tiny_set())
    assert watch.frozen == [{"0.weight", "0.bias"}, {"0.weight", "0.bias"}, set()]
    assert torch.equal(watch.weights[1]["0.weight"], first)
    assert not torch.equal(watch.weights[2]["0.weight"], first)
    assert not torch.equal(watch.weights[0]["6.weight"], watch.weights[1]["6.weight"])


def test_epochs_of_an_earlier_fit_count() -> None:
    model = tiny_linear()
    recipe = Recipe(
        epochs=1, batch_size=8, parameter_rules=(ParameterRule(match="*bias", frozen_epochs=1),)
    )
    trainer = Trainer(model, recipe, device="cpu")
    before = model.get_parameter("1.bias").detach().clone()
    trainer.fit(tiny_set())
    assert torch.equal(model.get_parameter("1.bias"), before)
    trainer.fit(tiny_set())
    assert not torch.equal(model.get_parameter("1.bias"), before)


def test_a_rule_for_no_parameter_is_refused_and_names_are_told() -> None:
    with pytest.raises(ConfigurationError, match=r"'2\.\*'.*no parameter of Sequential.*1\.weight"):
        groups(tiny_linear(), ParameterRule(match="2.*", weight_decay=0.0))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "says nothing"),
        ({"match": ""}, "match"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"learning_rate_factor": 0.0}, "learning_rate_factor"),
        ({"frozen_epochs": 1.5}, "frozen_epochs"),
        ({"dimensions": -1, "weight_decay": 0.0}, "dimensions"),
    ],
)
@pytest.mark.usefixtures("no_checker")
def test_impossible_rules_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        ParameterRule(**settings)


def test_rules_come_from_a_file() -> None:
    written = [{"dimensions": 1, "weight_decay": 0.0}]
    recipe = Recipe.from_dict({"optimizer": "adamw", "parameter_rules": written})
    assert recipe.parameter_rules == (NO_DECAY,)
    assert recipe.to_dict()["parameter_rules"] == [{"match": "*", **written[0]}]
    with pytest.raises(ConfigurationError, match=r"no setting 'decay'.*weight_decay"):
        Recipe.from_dict({"parameter_rules": [{"decay": 0.0}]})


def test_an_optimizer_of_ones_own_has_its_own_rates() -> None:
    with pytest.raises(ConfigurationError, match="parameter_rules"):
        Recipe(optimizer=torch.optim.SGD, parameter_rules=(NO_DECAY,))
    frozen = Recipe(
        optimizer=lambda p: torch.optim.SGD(p, 0.1),
        parameter_rules=(ParameterRule(frozen_epochs=1),),
    )
    assert len(frozen.make_optimizer(tiny_linear()).param_groups) == 1


def test_what_was_frozen_stays_so_and_all_is_as_it_was_afterwards() -> None:
    model, watch = tiny_noisy(), Frozen()
    model.get_parameter("0.weight").requires_grad_(False)
    first = model.get_parameter("0.weight").detach().clone()
    recipe = Recipe(
        epochs=2,
        batch_size=8,
        parameter_rules=(
            ParameterRule(match="0.*", frozen_epochs=1),
            ParameterRule(match="1.*", frozen_epochs=5),
        ),
    )
    trainer = Trainer(model, recipe, device="cpu", callbacks=[watch])
    trainer.fit(tiny_set())
    norms = {"1.weight", "1.bias"}
    assert watch.frozen == [{"0.weight", "0.bias", *norms}, {"0.weight", *norms}]
    assert torch.equal(model.get_parameter("0.weight"), first)
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["0.weight"]


def test_a_fit_that_fails_thaws_what_it_froze_and_so_does_a_file_of_its_middle() -> None:
    kept: list[bytes] = []

    class Fails(Callback):
        def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
            kept.append(trainer.to_bytes())
            raise ArithmeticError

    rule = ParameterRule(match="*bias", frozen_epochs=3)
    recipe = Recipe(batch_size=8, parameter_rules=(rule,))
    trainer = Trainer(tiny_linear(), recipe, device="cpu", callbacks=[Fails()])
    with pytest.raises(ArithmeticError):
        trainer.fit(tiny_set())
    loaded = Trainer.load(kept[0], model=tiny_linear(), device="cpu")
    for model in (trainer.model, loaded.model):
        assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("execution", ["auto", "eager", "recorded"])
def test_an_epoch_in_which_nothing_learns_is_refused(execution: Any) -> None:
    model = tiny_linear()
    model.get_parameter("1.bias").requires_grad_(False)
    recipe = Recipe(parameter_rules=(ParameterRule(match="*.weight", frozen_epochs=1),))
    with pytest.raises(ConfigurationError, match="Nothing learns in epoch 1: the parameter rules"):
        Trainer(model, recipe, device="cpu", execution=execution).fit(tiny_set())
    assert model.get_parameter("1.weight").requires_grad
