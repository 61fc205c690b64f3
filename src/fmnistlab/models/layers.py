"""What a model is made of: layers, output shapes, parameters and floating-point operations."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import is_lazy
from torch.utils.flop_counter import FlopCounterMode

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation import html
from fmnistlab.foundation.compiler import compiler_left_out
from fmnistlab.foundation.global_random import isolated_randomness
from fmnistlab.foundation.terminal import printable

_CELL_LIMIT = 100


@dataclasses.dataclass(frozen=True)
class LayerSummary:
    """One call of a layer, that is, of a module without submodules.

    Attributes:
        name: where the layer is in the model, such as "layers.3"; "" if it is the model itself.
        kind: its class, such as "Conv2d".
        output_shape: shape of its (first) output for a batch of one image; () if that is no tensor.
        parameters: those of the layer, trainable or not, that no earlier row has counted.
        flops: floating-point operations of this call, 2 for each multiply-add.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    flops: int


@dataclasses.dataclass(frozen=True)
class ModelSummary:
    """The layers of a model in the order in which they are called, and the totals.

    The totals may exceed the sum over the rows: modules may hold parameters beside their layers,
    or compute without a layer. `str` gives a table that says so.

    Attributes:
        kind: class of the model.
        input_size: shape of one image, without the batch.
        rows: one for each call of a layer.
        parameters: all parameters, each counted once however many layers share it.
        trainable_parameters: those of them that take a gradient.
        flops: floating-point operations of one forward pass for one image, 2 for each
            multiply-add; only those that torch's FlopCounterMode knows: matrix products,
            convolutions and attention, but neither biases nor activations nor pools.
    """

    kind: str
    input_size: tuple[int, ...]
    rows: tuple[LayerSummary, ...]
    parameters: int
    trainable_parameters: int
    flops: int

    def __str__(self) -> str:
        rows = [*self.rows, *self._outside_layers()]
        cells = [("layer", "kind", "output shape", "parameters", "FLOP")]
        cells += [(*_place(row), f"{row.parameters:,}", f"{row.flops:,}") for row in rows]
        total = ("total", "", "", f"{self.parameters:,}", f"{self.flops:,}")
        lines = _aligned([*cells, total])
        rule = "-" * max(map(len, lines))
        return "\n".join(
            [
                printable(self._title),
                lines[0],
                rule,
                *lines[1:-1],
                rule,
                lines[-1],
                self._trainable,
            ]
        )

    def _repr_html_(self) -> str:
        rows = [*self.rows, *self._outside_layers()]
        cells = [(*_place(row), row.parameters, row.flops) for row in rows]
        return html.table(
            ["layer", "kind", "output shape", "parameters", "FLOP"],
            [*cells, ("total", "", "", self.parameters, self.flops)],
            caption=self._title,
            notes=[self._trainable],
        )

    @property
    def _title(self) -> str:
        return f"{self.kind}, one image of shape {self.input_size}"

    @property
    def _trainable(self) -> str:
        return f"{self.trainable_parameters:,} of {self.parameters:,} parameters are trainable."

    def _outside_layers(self) -> list[LayerSummary]:
        """Returns a row for what no layer has counted, if there is any."""
        parameters = self.parameters - sum(row.parameters for row in self.rows)
        flops = self.flops - sum(row.flops for row in self.rows)
        found = parameters or flops
        return [LayerSummary("(outside layers)", "", (), parameters, flops)] if found else []


def _place(row: LayerSummary) -> tuple[str, str, str]:
    # A row without a kind is no layer and has no output.
    return row.name or "(model)", row.kind, str(row.output_shape) if row.kind else ""


def summary(model: nn.Module, input_size: Sequence[int] = (1, 28, 28)) -> ModelSummary:
    """Sends one black image through a model and notes what each layer does with it.

    The model runs in evaluation mode and without gradients. It is left as it was: training flags,
    hooks and buffers of all submodules and torch's random state, also when the model raises.

    Args:
        model: any module that takes one batch of images; on any device.
        input_size: shape of one image without the batch, by default that of Fashion-MNIST.

    Returns:
        Layers in the order of their calls, and totals.

    Raises:
        ConfigurationError: the model has lazy layers that have not seen a batch yet.
    """
    # A compiled model hides its layers from hooks; torch keeps the plain one under this name.
    plain = getattr(model, "_orig_mod", model)
    tensors = [*plain.parameters(), *plain.buffers()]
    if any(map(is_lazy, tensors)):
        raise ConfigurationError(
            f"{type(plain).__name__} has lazy layers that do not know their shape yet; call the "
            "model on one batch before its summary."
        )
    device = tensors[0].device if tensors else torch.device("cpu")
    dtypes = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    image = torch.zeros(1, *input_size, device=device, dtype=dtypes[0] if dtypes else None)

    counter = FlopCounterMode(display=False)
    with (
        _undisturbed(plain),
        isolated_randomness(0, device),
        _countable_kernels(),
        _recorded_layers(plain, counter) as rows,
        torch.no_grad(),
        counter,
        _compiler_left_out(counter),
    ):
        plain(image)
    parameters = list(plain.parameters())
    return ModelSummary(
        kind=type(plain).__name__,
        input_size=tuple(input_size),
        rows=tuple(rows),
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable_parameters=sum(
            parameter.numel() for parameter in parameters if parameter.requires_grad
        ),
        flops=int(counter.get_total_flops()),
    )


@contextlib.contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Puts all submodules into evaluation mode; afterwards, flags and buffers are as before."""
    # The flags are set one by one, since a model may have changed what its eval() does.
    flags = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    for module, _ in flags:
        module.training = False
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training
        for module, name, buffer, content in buffers:
            # `.data`, so that a backward pass that is still to come may use the buffer.
            buffer.data.copy_(content)
            setattr(module, name, buffer)


def _compiler_left_out(counter: FlopCounterMode) -> contextlib.AbstractContextManager[None]:
    """Keeps torch's compiler from being imported by a counter that is counting."""
    mode = counter.mode
    if mode is None:
        return contextlib.nullcontext()
    return compiler_left_out(type(mode).__torch_dispatch__)


@contextlib.contextmanager
def _countable_kernels() -> Iterator[None]:
    """Keeps torch from kernels that fuse an LSTM, attention or a Transformer: they count as 0."""
    libraries: tuple[Any, ...] = (torch.backends.mkldnn, torch.backends.cudnn)
    enabled = [library.enabled for library in libraries]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        for library in libraries:
            library.enabled = False
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for library, value in zip(libraries, enabled, strict=True):
            library.enabled = value
        torch.backends.mha.set_fastpath_enabled(fast_path)


@contextlib.contextmanager
def _recorded_layers(model: nn.Module, counter: FlopCounterMode) -> Iterator[list[LayerSummary]]:
    """Adds a row to the yielded list for each call of a layer inside the block."""
    rows: list[LayerSummary] = []
    counted: set[nn.Parameter] = set()
    flops_before: list[int] = []

    def before(_module: nn.Module, _inputs: object) -> None:
        flops_before.append(int(counter.get_total_flops()))

    def after(module: nn.Module, _inputs: object, output: object) -> None:
        new = set(module.parameters()) - counted
        counted.update(new)
        flops = int(counter.get_total_flops()) - flops_before.pop()
        parameters = sum(parameter.numel() for parameter in new)
        shape = _first_shape(output)
        rows.append(LayerSummary(names[module], type(module).__name__, shape, parameters, flops))

    names: dict[nn.Module, str] = {}
    handles = []
    try:
        for name, module in model.named_modules():
            if next(module.children(), None) is None:
                names[module] = name
                handles.append(module.register_forward_pre_hook(before))
                handles.append(module.register_forward_hook(after))
        yield rows
    finally:
        for handle in handles:
            handle.remove()


def _first_shape(output: object) -> tuple[int, ...]:
    """Returns the shape of the first tensor in an output such as LSTM's (output, (h, c))."""
    if isinstance(output, Tensor):
        return tuple(output.shape)
    parts: Iterable[object] = ()
    if isinstance(output, Mapping):
        parts = output.values()
    elif isinstance(output, tuple | list):
        parts = output
    return next(filter(None, map(_first_shape, parts)), ())


def _aligned(cells: Sequence[tuple[str, ...]]) -> list[str]:
    """Returns one line for each row; the last two columns are numbers and stand right."""
    # A model may name its layers and classes as it likes.
    cells = [tuple(printable(cell, limit=_CELL_LIMIT) for cell in row) for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column >= 3 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
