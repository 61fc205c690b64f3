from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.html_page import HOSTILE, checked
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.terminal import printable
from fmnistlab.models.cnn import CNN
from fmnistlab.models.layers import LayerSummary, summary
from fmnistlab.models.linear import LinearNet


class Restless(nn.Module):
    """Does all that a forward pass should not: changes buffers, draws numbers, may raise."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.drop = nn.Dropout(0.5)
        self.calls: Tensor
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("last", torch.full((1,), float("nan")))
        self.register_buffer("nothing", None)
        self.fails = fails

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        self.last = images.mean() + torch.rand(1, dtype=images.dtype)
        mixed = self.drop(self.norm(images)) + self.last
        if self.fails:
            raise ArithmeticError("on purpose")
        return mixed


def test_linearnet_takes_two_operations_for_each_weight() -> None:
    shown = summary(LinearNet())
    multiply_adds = 784 * 256 + 256 * 64 + 64 * 10
    assert multiply_adds == 217_728
    assert shown.flops == 2 * multiply_adds == 435_456
    assert shown.parameters == shown.trainable_parameters == 218_058
    assert [row for row in shown.rows if row.parameters] == [
        LayerSummary("layers.1", "Linear", (1, 256), 785 * 256, 2 * 784 * 256),
        LayerSummary("layers.3", "Linear", (1, 64), 257 * 64, 2 * 256 * 64),
        LayerSummary("layers.5", "Linear", (1, 10), 65 * 10, 2 * 64 * 10),
    ]


def test_the_cnn_takes_as_many_operations_as_derived_by_hand() -> None:
    # outputs x pixels x (inputs x 3 x 3); the pools leave 28, 14, 7 and 3 pixels a side
    convolutions = [
        8 * 28**2 * 1 * 9,
        16 * 14**2 * 8 * 9,
        32 * 7**2 * 16 * 9,
        64 * 3**2 * 32 * 9,
    ]
    linear = [64 * 24, 24 * 10]
    multiply_adds = sum(convolutions) + sum(linear)
    assert multiply_adds == 56_448 + 225_792 + 225_792 + 165_888 + 1_536 + 240
    shown = summary(CNN())
    assert shown.flops == 2 * multiply_adds == 1_351_392
    assert shown.parameters == 26_194
    counted = [row.flops // 2 for row in shown.rows if row.kind in ("Conv2d", "Linear")]
    assert counted == convolutions + linear
    assert shown.rows[-7].output_shape == (1, 64, 1, 1)
    assert (shown.kind, shown.input_size) == ("CNN", (1, 28, 28))


@given(widths=st.lists(st.integers(1, 30), min_size=2, max_size=5), bias=st.booleans())
@settings(max_examples=25)
def test_rows_of_any_stack_add_up(widths: list[int], bias: bool) -> None:
    pairs = list(itertools.pairwise(widths))
    layers = [nn.Linear(*pair, bias=bias, device="meta") for pair in pairs]
    shown = summary(nn.Sequential(*layers), [widths[0]])
    assert shown.flops == sum(row.flops for row in shown.rows)
    assert shown.flops == sum(2 * inputs * outputs for inputs, outputs in pairs)
    assert shown.parameters == sum(row.parameters for row in shown.rows)
    assert shown.parameters == sum((inputs + bias) * outputs for inputs, outputs in pairs)
    assert [row.output_shape for row in shown.rows] == [(1, width) for width in widths[1:]]


def test_what_is_shared_counts_once_but_works_every_time() -> None:
    inner = nn.Linear(9, 9, bias=False)
    tied = nn.Linear(9, 9, bias=False)
    tied.weight = inner.weight
    shown = summary(nn.Sequential(inner, nn.ReLU(), inner, tied), (9,))
    assert [(row.name, row.parameters, row.flops) for row in shown.rows] == [
        ("0", 81, 162),
        ("1", 0, 0),
        ("0", 0, 162),
        ("3", 0, 162),
    ]
    assert (shown.parameters, shown.flops) == (81, 3 * 162)


def test_frozen_parameters_are_not_trainable() -> None:
    model = LinearNet()
    model.layers[1].requires_grad_(False)
    shown = summary(model)
    assert shown.parameters - shown.trainable_parameters == 785 * 256


@pytest.mark.parametrize(
    ("model", "size", "flops"),
    [
        # four gates, each of inputs and hidden numbers
        (nn.LSTM(28, 16, batch_first=True), (28, 28), 28 * 2 * 4 * 16 * (28 + 16)),
        # three projections, scores, weighted values, output projection, two linear layers
        (
            nn.TransformerEncoderLayer(28, 4, 32, batch_first=True),
            (5, 28),
            2 * 5 * (3 * 28 * 28 + 5 * 28 + 5 * 28 + 28 * 28 + 2 * 28 * 32),
        ),
    ],
    ids=["LSTM", "Transformer"],
)
def test_fused_layers_are_counted_too(model: nn.Module, size: tuple[int, ...], flops: int) -> None:
    assert summary(model, size).flops == flops
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.mkldnn.enabled
    assert torch.backends.cudnn.enabled


def test_a_compiled_model_has_the_layers_of_the_plain_one() -> None:
    model = LinearNet()
    compiled = torch.compile(model, backend="eager")
    assert summary(compiled) == summary(model)  # type: ignore[arg-type] # typed as a function


def test_outputs_that_are_no_single_tensor_show_their_first_one() -> None:
    class Out(nn.Module):
        def __init__(self, kind: str) -> None:
            super().__init__()
            self.kind = kind

        def forward(self, x: Tensor) -> object:
            return {
                "dict": {"first": x, "second": x[0]},
                "nested": ("text", [None, x]),
                "nothing": None,
                "text": "text",
            }[self.kind]

    shapes = {kind: summary(Out(kind)).rows[0].output_shape for kind in ("dict", "nested")}
    assert shapes == {"dict": (1, 1, 28, 28), "nested": (1, 1, 28, 28)}
    assert summary(Out("nothing")).rows[0].output_shape == ()
    assert summary(Out("text")).rows == (LayerSummary("", "Out", (), 0, 0),)


@pytest.fixture(params=[False, True], ids=["returns", "raises"])
def restless(request: pytest.FixtureRequest) -> Iterator[nn.Module]:
    model = Restless(fails=request.param).to(torch.float64)
    model.get_buffer("norm.running_mean").fill_(0.5)
    model.train()
    model.drop.eval()
    model.norm.register_forward_hook(lambda *_: None)
    yield model
    assert not torch_module._global_forward_hooks
    assert not torch_module._global_forward_pre_hooks


def test_the_model_is_left_as_it_was(restless: nn.Module) -> None:
    def state() -> dict[str, object]:
        return {
            "training": [module.training for module in restless.modules()],
            "hooks": [
                [*module._forward_hooks, *module._forward_pre_hooks]
                for module in restless.modules()
            ],
            "tensors": {name: id(tensor) for name, tensor in restless.named_buffers()},
            "gradients": [parameter.grad for parameter in restless.parameters()],
        }

    before, values = state(), copy.deepcopy(restless.state_dict())
    random_state = torch.get_rng_state()
    if restless.fails:
        with pytest.raises(ArithmeticError, match="on purpose"):
            summary(restless)
    else:
        assert summary(restless).parameters == 2
    assert state() == before
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), random_state)
    assert list(restless.state_dict()) == list(values)
    for name, tensor in restless.state_dict().items():
        assert tensor.dtype == values[name].dtype
        assert torch.equal(tensor.nan_to_num(), values[name].nan_to_num()), name


def test_the_model_runs_in_evaluation_mode_without_gradients() -> None:
    seen: list[tuple[bool, bool, bool]] = []

    class Witness(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append((self.training, torch.is_grad_enabled(), bool(images.any())))
            return images

    summary(nn.Sequential(Witness()).train())
    assert seen == [(False, False, False)]


def test_a_backward_pass_that_is_under_way_is_not_disturbed() -> None:
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(784, 10)).eval()
    loss = model(torch.rand(2, 1, 28, 28)).sum()
    summary(model)
    loss.backward()
    assert model[0].weight.grad is not None


def test_lazy_layers_must_have_seen_a_batch() -> None:
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    with pytest.raises(ConfigurationError, match=r"lazy layers .* call the model on one batch"):
        summary(model)
    model(torch.zeros(2, 1, 28, 28))
    assert summary(model).parameters == 7850


def test_a_model_without_any_tensor_has_a_summary() -> None:
    shown = summary(nn.Flatten())
    assert shown.rows == (LayerSummary("", "Flatten", (1, 784), 0, 0),)
    assert "(model)  Flatten  (1, 784)" in str(shown)


def test_the_table_of_linearnet_reads_well() -> None:
    assert str(summary(LinearNet())).splitlines() == [
        "LinearNet, one image of shape (1, 28, 28)",
        "layer     kind       output shape  parameters     FLOP",
        "------------------------------------------------------",
        "layers.0  Flatten    (1, 784)               0        0",
        "layers.1  Linear     (1, 256)         200,960  401,408",
        "layers.2  LeakyReLU  (1, 256)               0        0",
        "layers.3  Linear     (1, 64)           16,448   32,768",
        "layers.4  LeakyReLU  (1, 64)                0        0",
        "layers.5  Linear     (1, 10)              650    1,280",
        "------------------------------------------------------",
        "total                                 218,058  435,456",
        "218,058 of 218,058 parameters are trainable.",
    ]


def test_the_table_shows_what_happens_outside_layers() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flat = nn.Flatten()
            self.weight = nn.Parameter(torch.ones(784, 10))

        def forward(self, images: Tensor) -> Tensor:
            return self.flat(images) @ self.weight

    shown = summary(Scaled())
    assert (shown.parameters, shown.flops, len(shown.rows)) == (7840, 15_680, 1)
    row = next(line for line in str(shown).splitlines() if line.startswith("(outside layers)"))
    assert row.split() == ["(outside", "layers)", "7,840", "15,680"]


def test_names_of_layers_and_classes_act_on_no_terminal() -> None:
    odd = type("Odd\x1b[2J\n", (nn.Flatten,), {})
    model = nn.Sequential()
    model.add_module("layer\u202e\n" + "x" * 1000, odd())
    text = str(summary(model)) + str(summary(odd()))
    assert r"Odd\x1b[2J\n" in text
    assert r"layer\u202e\nx" in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert max(map(len, text.splitlines())) < 200


def test_a_notebook_shows_the_same_table() -> None:
    shown = summary(LinearNet())
    page = checked(shown._repr_html_())
    lines = str(shown).splitlines()
    assert page.texts[0] == lines[0]
    assert page.texts[-1] == lines[-1]
    assert [" ".join(row).split() for row in page.rows] == [
        line.split() for line in lines[1:-1] if set(line) != {"-"}
    ]


def test_names_of_layers_and_classes_act_on_no_page() -> None:
    model = nn.Sequential()
    model.add_module(HOSTILE.replace(".", ""), type(HOSTILE, (nn.Flatten,), {})())
    page = checked(summary(model)._repr_html_())
    assert page.rows[1][:2] == [printable(HOSTILE)] * 2


COUNTED = """
import sys, torch, fmnistlab

class Late(torch.nn.Sequential):
    def forward(self, images):
        if sys.argv[1] == "late":
            import torch._dynamo
        return super().forward(images)

model = Late(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(1352, 10))
print(fmnistlab.summary(model).flops, "torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize("imported", ["never", "late"])
def test_torchs_compiler_is_not_imported_for_it(imported: str) -> None:
    words = [sys.executable, "-W", "error", "-c", COUNTED, imported]
    found = subprocess.run(words, check=True, capture_output=True, text=True)
    assert found.stdout.split() == [str(2 * (2 * 9 * 676 + 13_520)), str(imported == "late")]
